export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** Whole numbers beyond this are written with an exponent: the server reads them as floats, as they compare. */
const WHOLE = 2 ** 63;

/** JSON whose numbers mean to the server what they mean here; `indent` 0 is one line. */
export function toJson(value: Json, indent = 0): string {
  return written(value, indent, "");
}

/** The same text for the same value, however its keys are ordered. */
export function canonical(value: Json): string {
  return written(sorted(value), 0, "");
}

function written(value: Json, indent: number, margin: string): string {
  if (typeof value === "number") return spelled(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const list = Array.isArray(value);
  const inner = margin + " ".repeat(indent);
  const parts = list
    ? value.map((one) => written(one, indent, inner))
    : Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${written(one, indent, inner)}`);
  const [open, close] = list ? "[]" : "{}";
  const flat = `${open}${parts.join(", ")}${close}`;
  if (indent === 0 || parts.length === 0 || (margin.length + flat.length <= 72 && !flat.includes("\n"))) return flat;
  return `${open}\n${parts.map((part) => inner + part).join(",\n")}\n${margin}${close}`;
}

export function spelled(value: number): string {
  return Number.isInteger(value) && Math.abs(value) >= WHOLE ? value.toExponential() : JSON.stringify(value);
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const keys = Object.keys(value).sort();
  return Object.fromEntries(keys.map((key) => [key, sorted(value[key] ?? null)]));
}
