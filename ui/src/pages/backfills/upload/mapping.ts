import { type Dialect, type Flaw, flaw, isMark, Stopped } from "./base";
import { type Convert, converter, TYPES, type Type } from "./convert";
import { isObject } from "./ndjson";
import { put, type Tree, written } from "./raw";

/** A place in the event, and what kind of value stands there. */
export type Target = { steps: string[]; type: Type | null };

/** Which column becomes which field, before the columns are known. */
export type Mapping = { columns: [string, Target][]; fixed: [Target, string][]; rest: string[] | null };

/** The same as JSON: what `headwater import --mapping` takes. A value of `columns` may be a list of places. */
export type Place = string | { path: string | string[]; type?: string };
export type Written = { columns?: Record<string, Place | Place[]>; set?: Record<string, unknown>; rest?: string };

/** From a row's fields to its event. With a flaw, the value that is wrong stands in the event as it came. */
export type Build = (fields: readonly string[]) => [string, Flaw | null];

const TEXT_FIELDS: Record<Dialect, string[]> = {
  bik: ["name", "email", "phoneNumber", "eventName", "createdAt"],
  bigmind: ["signal", "timestamp", "reference", "identity.type", "identity.id"],
};
export const DATES: Record<Dialect, string> = { bik: "createdAt", bigmind: "timestamp" };
const OTHERS: Record<Dialect, Record<string, Type>> = {
  bik: { isMigration: "boolean" },
  bigmind: { version: "version", identity: "json" },
};
/** Where all that is not the dialect's own stands. */
export const DATA: Record<Dialect, string> = { bik: "eventProperties", bigmind: "data" };

/** The dialect's own fields that a column may become. */
export const fieldsOf = (dialect: Dialect): string[] => [
  ...TEXT_FIELDS[dialect],
  ...Object.keys(OTHERS[dialect]).filter((field) => field !== "identity"),
];
/** The types that a value may have at this place. */
export function typesAt(dialect: Dialect, path: string): Type[] {
  if (path === DATES[dialect]) return ["string", "seconds", "milliseconds"];
  if (TEXT_FIELDS[dialect].includes(path)) return ["string"];
  if (OTHERS[dialect][path]) return [OTHERS[dialect][path]];
  if (path === DATA[dialect]) return ["json"];
  return TYPES.filter((type) => type !== "version");
}

/** Throws Stopped for what is no mapping. */
export function parse(dialect: Dialect, said: unknown): Mapping {
  if (!isObject(said) || !Object.keys(said).every((key) => ["columns", "set", "rest"].includes(key))) {
    throw new Stopped('that is no mapping: {"columns": {"column": "path"}, "set": {"path": value}, "rest": "path"}');
  }
  const { columns = {}, set = {}, rest = "" } = said;
  if (!isObject(columns)) throw new Stopped("'columns' must be an object");
  if (!isObject(set)) throw new Stopped("'set' must be an object");
  if (typeof rest !== "string") throw new Stopped("'rest' must be a text");
  return {
    columns: Object.entries(columns).flatMap(([column, places]) =>
      (Array.isArray(places) ? places : [places]).map((place): [string, Target] => [column, target(dialect, place)]),
    ),
    fixed: Object.entries(set).map(([path, value]) => fixedOf(target(dialect, path), value)),
    rest: rest ? target(dialect, `${rest}.*`).steps.slice(0, -1) : null,
  };
}

/** A value that is no text keeps its type. */
function fixedOf(found: Target, value: unknown): [Target, string] {
  if (typeof value === "string") return [found, value];
  return [{ ...found, type: found.type ?? "json" }, JSON.stringify(value)];
}

/** `path[:type]`, or `{"path": …, "type": …}`, where the path may be a list of names that have dots in them. */
export function target(dialect: Dialect, place: unknown): Target {
  let path: unknown = place;
  let type: unknown = null;
  if (isObject(place)) [path, type] = [place.path, place.type ?? null];
  else if (typeof place === "string" && place.includes(":")) {
    [path, type] = [place.slice(0, place.lastIndexOf(":")), place.slice(place.lastIndexOf(":") + 1)];
  }
  const steps: unknown[] = typeof path === "string" ? path.split(".") : Array.isArray(path) ? path : [];
  const known = TYPES.find((each) => each === type) ?? null;
  if (type !== null && known === null) throw new Stopped(`'${type}' is no type of a value: ${TYPES.join(", ")}`);
  if (steps.length === 0 || !steps.every((step) => typeof step === "string" && step !== "")) {
    throw new Stopped(`'${String(path)}' is no path into an event, as ${DATA[dialect]}.price`);
  }
  return { steps: steps as string[], type: typeThere(dialect, steps as string[], known) };
}

/** The type of what stands there; the dialect's own fields have theirs. */
function typeThere(dialect: Dialect, steps: string[], type: Type | null): Type | null {
  const path = steps.join(".");
  if (TEXT_FIELDS[dialect].includes(path)) {
    if (type === null || typesAt(dialect, path).includes(type)) return type ?? "string";
    throw new Stopped(`${path} is text in every event, not ${type}`);
  }
  const other = Object.hasOwn(OTHERS[dialect], path) ? OTHERS[dialect][path] : undefined;
  if (other) return other;
  if (steps[0] === DATA[dialect]) return steps.length === 1 ? "json" : type;
  const own = [...TEXT_FIELDS[dialect], ...Object.keys(OTHERS[dialect])].sort();
  throw new Stopped(`${path} is no field of a ${dialect} event, which has ${own.join(", ")}, ${DATA[dialect]}.…`);
}

type Wanted = { index: number; column: string; steps: string[]; convert: Convert };

/** For a file with these columns; without any mapped, each column's name is its path. Throws Stopped. */
export function compiled(mapping: Mapping, dialect: Dialect, header: readonly string[]): Build {
  const placed = placesOf(mapping, dialect, header);
  checkOverlap([...placed.map(([, found]) => found.steps), ...mapping.fixed.map(([found]) => found.steps)]);
  const wanted: Wanted[] = placed.map(([index, { steps, type }]) => {
    return { index, column: header[index] ?? "", steps, convert: converter(type ?? "string") };
  });
  const fixed = mapping.fixed.map(([found, text]) => ({ steps: found.steps, value: fixedValue(found, text) }));
  return (fields) => built(wanted, fixed, fields);
}

function built(
  wanted: readonly Wanted[],
  fixed: readonly { steps: string[]; value: string | null }[],
  fields: readonly string[],
): [string, Flaw | null] {
  const event: Tree = new Map();
  let wrong: Flaw | null = null;
  for (const { steps, value } of fixed) if (value !== null) put(event, steps, value);
  for (const { index, column, steps, convert } of wanted) {
    const text = fields[index] ?? "";
    let value: string | null;
    try {
      value = convert(text);
    } catch (error) {
      const why = error instanceof Error ? error.message : "";
      wrong ??= flaw("column", steps.join("."), `column '${column}' ${why}`, `it is '${cut(text)}'`);
      value = JSON.stringify(text);
    }
    if (value !== null) put(event, steps, value);
  }
  return [written(event), wrong];
}

const cut = (text: string): string => (text.length <= 98 ? text : `${text.slice(0, 97)}…`);

function fixedValue(found: Target, text: string): string | null {
  try {
    return converter(found.type ?? "string")(text);
  } catch (error) {
    throw new Stopped(`the fixed value of ${found.steps.join(".")} ${error instanceof Error ? error.message : ""}`);
  }
}

function placesOf(mapping: Mapping, dialect: Dialect, header: readonly string[]): [number, Target][] {
  const own = header.filter((column) => !isMark(column));
  const asNamed = mapping.columns.length === 0 && mapping.rest === null;
  const columns = asNamed ? own.map((column): [string, Target] => [column, named(dialect, column)]) : mapping.columns;
  for (const [column] of columns) {
    const times = header.filter((each) => each === column).length;
    if (times === 1) continue;
    const many = times > 1 ? "there are several columns" : "there is no column";
    throw new Stopped(`${many} '${column}'; the file has ${own.map((each) => `'${each}'`).join(", ")}`);
  }
  const placed = columns.map(([column, found]): [number, Target] => [header.indexOf(column), found]);
  if (mapping.rest === null) return placed;
  const used = new Set(columns.map(([column]) => column));
  header.forEach((column, index) => {
    if (!column || used.has(column) || isMark(column)) return;
    placed.push([index, { steps: [...(mapping.rest ?? []), column], type: null }]);
  });
  return placed;
}

function named(dialect: Dialect, column: string): Target {
  try {
    return target(dialect, column);
  } catch (error) {
    throw new Stopped(`no column is mapped, and column '${column}': ${error instanceof Error ? error.message : ""}`);
  }
}

/** No two values for one place, and none inside another. */
function checkOverlap(places: readonly string[][]): void {
  places.forEach((one, index) => {
    for (const other of places.slice(index + 1)) {
      const shorter = Math.min(one.length, other.length);
      if (one.slice(0, shorter).every((step, at) => step === other[at])) {
        throw new Stopped(`${one.join(".")} and ${other.join(".")} cannot both be filled`);
      }
    }
  });
}
