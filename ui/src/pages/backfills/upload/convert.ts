/** From a field of CSV to what stands in the event, by type. */

export const TYPES = ["string", "number", "boolean", "json", "seconds", "milliseconds", "version"] as const;
export type Type = (typeof TYPES)[number];

/** JSON text; null: the event has no such field. Throws what the value must be. */
export type Convert = (text: string) => string | null;

const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;
const DECIMAL = /^([+-]?)(?:([0-9]+)\.?([0-9]*)|\.([0-9]+))(?:[eE]([+-]?[0-9]{1,6}))?$/;
const BOOLEANS: Record<string, string> = {
  true: "true",
  yes: "true",
  1: "true",
  false: "false",
  no: "false",
  0: "false",
};
/** The year 10000, behind the last that a date can have. */
const LAST_MS = 253_402_300_800_000n;

const quoted = (text: string): string => JSON.stringify(text);

function number(text: string): string {
  if (!NUMBER.test(text) || !Number.isFinite(Number(text))) throw new Error("must be a number, as 1204.50");
  return text;
}

function boolean(text: string): string {
  const found = Object.hasOwn(BOOLEANS, text.toLowerCase()) ? BOOLEANS[text.toLowerCase()] : undefined;
  if (!found) throw new Error("must be true or false (or yes, no, 1, 0)");
  return found;
}

function json(text: string): string {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new Error(`must be JSON: ${error instanceof Error ? error.message : ""}`);
  }
  return text;
}

/** Exact: 1700000000.123 seconds are 1700000000123 milliseconds, and what is below one is cut off. */
function since1970(text: string, places: number): string {
  const ms = shifted(text, places);
  if (ms === null || ms >= LAST_MS || -ms >= LAST_MS) {
    throw new Error(`must be ${places ? "seconds" : "milliseconds"} since 1970, a number`);
  }
  return quoted(iso(Number(ms)));
}

function shifted(text: string, places: number): bigint | null {
  const found = DECIMAL.exec(text);
  if (!found) return null;
  const [, sign, whole = "", part = "", only = "", power = "0"] = found;
  const digits = `${whole}${part}${only}`;
  const point = whole.length + Number(power) + places;
  if (!/[1-9]/.test(digits)) return 0n;
  if (point > 400) return LAST_MS;
  const ms = BigInt(digits.slice(0, Math.max(0, point)).padEnd(Math.max(0, point), "0") || "0");
  return sign === "-" ? -ms : ms;
}

/** Years outside 1 to 9999 are shown as the edge. */
function iso(ms: number): string {
  const FIRST_MS = -62_135_596_800_000;
  return ms < FIRST_MS ? "0001-01-01T00:00:00.000Z" : new Date(ms).toISOString();
}

function version(text: string): string {
  return /^[0-9]{1,9}$/.test(text) ? String(Number(text)) : quoted(text);
}

const ON_ITS_OWN: Record<Type, (text: string) => string> = {
  string: quoted,
  number,
  boolean,
  json,
  seconds: (text) => since1970(text, 3),
  milliseconds: (text) => since1970(text, 0),
  version,
};

/** Blanks around a value are passed over where it is not text; JSON stays as it stands. */
export function converter(type: Type): Convert {
  const convert = ON_ITS_OWN[type];
  if (type === "string") return (text) => (text === "" ? null : convert(text));
  return (text) => {
    const trimmed = text.trim();
    return trimmed === "" ? null : convert(type === "json" ? text : trimmed);
  };
}
