import type { Dialect } from "./base";
import { converter, type Type } from "./convert";
import { type Mapping, type Place, parse, type Target, type Written } from "./mapping";

/** One line of the mapping's table: a column may have several. An empty path: the column is left out. */
export type Pick = { key: string; column: string; path: string; type: Type | "" };
/** The same value in every event. */
export type Fixed = { key: string; path: string; type: Type | ""; value: string };
/** A mapping as it is worked on. A path is dotted text, or a JSON array of names that have dots in them. */
export type Draft = { picks: Pick[]; fixed: Fixed[]; rest: string };

let made = 0;
export const newKey = (): string => `k${++made}`;

function pathOf(text: string): string | string[] {
  if (!text.startsWith("[")) return text;
  try {
    const steps: unknown = JSON.parse(text);
    return Array.isArray(steps) ? steps.map(String) : text;
  } catch {
    return text;
  }
}

function textOf(steps: readonly string[]): string {
  return steps.some((step) => step.includes(".") || step.includes(":") || step.startsWith("["))
    ? JSON.stringify(steps)
    : steps.join(".");
}

function placeOf(path: string, type: Type | ""): Place {
  const found = pathOf(path);
  if (typeof found === "string" && !found.includes(":")) return type && type !== "string" ? `${found}:${type}` : found;
  return { path: found, ...(type ? { type } : {}) };
}

/** As `headwater import --mapping` takes it. */
export function writtenOf({ picks, fixed, rest }: Draft): Written {
  const columns = new Map<string, Place | Place[]>();
  for (const { column, path, type } of picks) {
    if (!path) continue;
    const place = placeOf(path, type);
    const known = columns.get(column);
    columns.set(column, known === undefined ? place : Array.isArray(known) ? [...known, place] : [known, place]);
  }
  const set = fixed.filter((each) => each.path).map((each) => [keyOf(each), each.value] as const);
  return {
    ...(columns.size > 0 ? { columns: Object.fromEntries(columns) } : {}),
    ...(set.length > 0 ? { set: Object.fromEntries(set) } : {}),
    ...(rest ? { rest } : {}),
  };
}

function keyOf({ path, type }: Fixed): string {
  return type && type !== "string" ? `${path}:${type}` : path;
}

/** A mapping from a file, beside the columns that there are. Throws Stopped. */
export function draftOf(dialect: Dialect, said: unknown, header: readonly string[]): Draft {
  const { columns, fixed, rest }: Mapping = parse(dialect, said);
  const known = new Set(columns.map(([column]) => column));
  const picked = columns.map(([column, target]) => ({ key: newKey(), column, ...shown(target) }));
  const left = header.filter((column) => !known.has(column));
  const all = [...picked, ...left.map((column): Pick => ({ key: newKey(), column, path: "", type: "" }))];
  const order = (pick: Pick) => (header.includes(pick.column) ? header.indexOf(pick.column) : header.length);
  return {
    picks: all.sort((one, other) => order(one) - order(other)),
    fixed: fixed.map(([target, value]) => ({ key: newKey(), ...shown(target), value })),
    rest: rest ? rest.join(".") : "",
  };
}

function shown({ steps, type }: Target): { path: string; type: Type | "" } {
  return { path: textOf(steps), type: type ?? "" };
}

const BIK: Record<string, string> = {
  mail: "email",
  emailaddress: "email",
  email: "email",
  customeremail: "email",
  useremail: "email",
  phone: "phoneNumber",
  phonenumber: "phoneNumber",
  mobile: "phoneNumber",
  mobilenumber: "phoneNumber",
  telephone: "phoneNumber",
  tel: "phoneNumber",
  whatsapp: "phoneNumber",
  name: "name",
  fullname: "name",
  customer: "name",
  customername: "name",
  event: "eventName",
  eventname: "eventName",
  eventtype: "eventName",
  at: "createdAt",
  created: "createdAt",
  createdat: "createdAt",
  date: "createdAt",
  time: "createdAt",
  datetime: "createdAt",
  timestamp: "createdAt",
  orderdate: "createdAt",
  orderedat: "createdAt",
  occurredat: "createdAt",
  ismigration: "isMigration",
  sku: "eventProperties.productId",
  product: "eventProperties.productId",
  productid: "eventProperties.productId",
  variant: "eventProperties.variantId",
  variantid: "eventProperties.variantId",
  order: "eventProperties.orderId",
  orderid: "eventProperties.orderId",
  orderno: "eventProperties.orderId",
  ordernumber: "eventProperties.orderId",
  price: "eventProperties.itemPrice",
  itemprice: "eventProperties.itemPrice",
  catalogid: "eventProperties.catalogId",
  keyword: "eventProperties.keyword",
  search: "eventProperties.keyword",
};
const BIGMIND: Record<string, string> = {
  signal: "signal",
  event: "signal",
  eventname: "signal",
  id: "identity.id",
  identityid: "identity.id",
  accountid: "identity.id",
  contactid: "identity.id",
  dealid: "identity.id",
  leadid: "identity.id",
  identitytype: "identity.type",
  object: "identity.type",
  objecttype: "identity.type",
  reference: "reference",
  ref: "reference",
  eventid: "reference",
  timestamp: "timestamp",
  at: "timestamp",
  date: "timestamp",
  time: "timestamp",
  datetime: "timestamp",
  createdat: "timestamp",
  occurredat: "timestamp",
  version: "version",
};
const NAMES = { bik: BIK, bigmind: BIGMIND };
const AN_ID = /(id|sku|code|phone|zip|number|no|key|ref|reference)$/i;

/** What the columns look like they are; each of the dialect's own fields is filled once. */
export function suggested(dialect: Dialect, header: readonly string[], samples: readonly string[][]): Draft {
  const taken = new Set<string>();
  const picks = header.map((column, index): Pick => {
    const path = freePath(dialect, column, taken);
    const values = samples.map((row) => row[index] ?? "").filter((value) => value.trim() !== "");
    if (path) taken.add(path);
    return { key: newKey(), column, path, type: path ? typeOf(dialect, path, column, values) : "" };
  });
  return { picks, fixed: missing(dialect, taken), rest: "" };
}

function freePath(dialect: Dialect, column: string, taken: ReadonlySet<string>): string {
  if (!column) return "";
  const data = dialect === "bik" ? "eventProperties" : "data";
  const plain = column.toLowerCase().replace(/[^a-z0-9]/g, "");
  const own = column.startsWith(`${data}.`) || column.startsWith("identity.") ? column.replace(/:[a-z]+$/, "") : null;
  const named = own ?? (Object.hasOwn(NAMES[dialect], plain) ? NAMES[dialect][plain] : undefined);
  if (named && !taken.has(named)) return named;
  const path = textOf([data, column]);
  return taken.has(path) ? "" : path;
}

function typeOf(dialect: Dialect, path: string, column: string, values: readonly string[]): Type | "" {
  if (path === (dialect === "bik" ? "createdAt" : "timestamp")) {
    if (all(values, (value) => /^[0-9]{9,10}(\.[0-9]+)?$/.test(value))) return "seconds";
    return all(values, (value) => /^[0-9]{12,13}$/.test(value)) ? "milliseconds" : "";
  }
  if (!path.startsWith("eventProperties") && !path.startsWith("data") && !path.startsWith("[")) return "";
  if (!AN_ID.test(column) && all(values, converts("number"))) return "number";
  if (all(values, (value) => /^(true|false|yes|no)$/i.test(value.trim()))) return "boolean";
  return all(values, (value) => /^\s*[[{]/.test(value) && converts("json")(value)) ? "json" : "";
}

const all = (values: readonly string[], test: (value: string) => boolean): boolean =>
  values.length > 0 && values.every(test);

function converts(type: Type): (value: string) => boolean {
  const convert = converter(type);
  return (value) => {
    try {
      return convert(value) !== null;
    } catch {
      return false;
    }
  };
}

/** What every event must have, and no column gives. */
function missing(dialect: Dialect, taken: ReadonlySet<string>): Fixed[] {
  const needed = dialect === "bik" ? ["eventName"] : ["signal", "identity.type"];
  return needed.filter((path) => !taken.has(path)).map((path) => ({ key: newKey(), path, type: "", value: "" }));
}
