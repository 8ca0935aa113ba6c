import type { Operand } from "./model";

export type Scalar = string | number | boolean;
/** A property that events have: where, of which types, and some of the values seen there. */
export type Field = { path: string; types: Operand["type"][]; list: boolean; samples: Scalar[] };

const MOST_FIELDS = 200;
const MOST_SAMPLES = 20;
const DEEPEST = 6;
const LONGEST = 100;

/** The properties of some events' data by path, the most frequent first. Keys that no path can name are left out. */
export function fieldsOf(data: readonly unknown[]): Field[] {
  const found = new Map<string, Field & { seen: number }>();
  for (const each of data) walk(each, "", 0, found);
  return [...found.values()]
    .sort((a, b) => b.seen - a.seen || (a.path < b.path ? -1 : 1))
    .map(({ seen: _, ...field }) => field);
}

function walk(value: unknown, path: string, depth: number, found: Map<string, Field & { seen: number }>): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    if (path !== "") note(value, path, found);
    return;
  }
  if (depth >= DEEPEST) return;
  for (const [key, inner] of Object.entries(value)) {
    if (key !== "" && !key.includes(".")) walk(inner, path === "" ? key : `${path}.${key}`, depth + 1, found);
  }
}

function note(value: unknown, path: string, found: Map<string, Field & { seen: number }>): void {
  const field = found.get(path) ?? { path, types: [], list: false, samples: [], seen: 0 };
  if (!found.has(path) && found.size >= MOST_FIELDS) return;
  found.set(path, field);
  field.seen += 1;
  if (Array.isArray(value)) field.list = true;
  for (const one of Array.isArray(value) ? value : [value]) {
    const type = typeOf(one);
    if (type === null) continue;
    if (!field.types.includes(type)) field.types.push(type);
    const fits = typeof one !== "string" || one.length <= LONGEST;
    if (fits && field.samples.length < MOST_SAMPLES && !field.samples.includes(one as Scalar))
      field.samples.push(one as Scalar);
  }
}

export function typeOf(value: unknown): Operand["type"] | null {
  if (typeof value === "string") return "text";
  if (typeof value === "number") return "number";
  return typeof value === "boolean" ? "boolean" : null;
}

/** What stands at a path of some data, if anything. */
export function at(data: unknown, path: string): unknown {
  let here: unknown = data;
  for (const key of path.split(".")) {
    if (typeof here !== "object" || here === null || Array.isArray(here) || !Object.hasOwn(here, key)) return undefined;
    here = (here as Record<string, unknown>)[key];
  }
  return here;
}
