/** JSON as text: numbers keep their digits, which they lose when they become numbers of JavaScript. */

/** The members of a JSON object, each value as it is written; of a name that comes twice the last. */
export function members(text: string): Map<string, string> {
  const found = new Map<string, string>();
  let at = skip(text, text.indexOf("{") + 1);
  while (at < text.length && text[at] === '"') {
    const afterKey = past(text, at);
    const key = JSON.parse(text.slice(at, afterKey)) as string;
    const begin = skip(text, text.indexOf(":", afterKey) + 1);
    const end = past(text, begin);
    found.set(key, text.slice(begin, end));
    at = skip(text, end);
    if (text[at] === ",") at = skip(text, at + 1);
  }
  return found;
}

function skip(text: string, from: number): number {
  let at = from;
  while (at < text.length && /\s/.test(text[at] ?? "")) at += 1;
  return at;
}

/** Where the value that begins there ends. */
function past(text: string, from: number): number {
  if (text[from] === '"') return pastString(text, from);
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    const char = text[at];
    if (char === '"') at = pastString(text, at) - 1;
    else if (char === "{" || char === "[") depth += 1;
    else if (char === "}" || char === "]") {
      if (depth === 0) return trimmed(text, from, at);
      depth -= 1;
      if (depth === 0) return at + 1;
    } else if (char === "," && depth === 0) return trimmed(text, from, at);
  }
  return text.length;
}

function pastString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
}

function trimmed(text: string, from: number, to: number): number {
  return from + text.slice(from, to).trimEnd().length;
}

/** A value that stands in JSON as it is written, or members below it. */
export type Tree = Map<string, Tree | string>;

/** Puts a value, as JSON text, at its place. */
export function put(tree: Tree, steps: readonly string[], value: string): void {
  let inner = tree;
  for (const step of steps.slice(0, -1)) {
    const next = inner.get(step);
    if (next instanceof Map) inner = next;
    else {
      const made: Tree = new Map();
      inner.set(step, made);
      inner = made;
    }
  }
  inner.set(steps.at(-1) ?? "", value);
}

export function written(tree: Tree): string {
  const parts = [...tree].map(
    ([key, value]) => `${JSON.stringify(key)}:${typeof value === "string" ? value : written(value)}`,
  );
  return `{${parts.join(",")}}`;
}

/** JSON text over several lines, digit for digit. */
export function indented(text: string): string {
  let shown = "";
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] ?? "";
    if (char === '"') {
      const end = pastString(text, at);
      shown += text.slice(at, end);
      at = end - 1;
    } else if (char === "{" || char === "[") {
      const next = skip(text, at + 1);
      if (text[next] === "}" || text[next] === "]") {
        shown += char + text[next];
        at = next;
      } else {
        depth += 1;
        shown += char + line();
      }
    } else if (char === "}" || char === "]") {
      depth -= 1;
      shown += line() + char;
    } else if (char === ",") shown += char + line();
    else if (char === ":") shown += ": ";
    else if (!/\s/.test(char)) shown += char;
  }
  return shown;
}
