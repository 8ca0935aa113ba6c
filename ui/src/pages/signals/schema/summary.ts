/** What the difference of two schemas means for who sends events, in words. */

import { shapeOf, typeWords } from "./fields";
import { isObject, type Json, type JsonObject, same } from "./json";

/** `field`: where, as `address.city` or `lines[].sku`; empty for the schema as a whole. */
export type Change = { field: string; what: string; stricter: boolean };

type Known = {
  path: readonly string[];
  label: string;
  type: string;
  types: readonly string[] | null;
  required: boolean;
  rest: JsonObject;
};

const DEEPEST = 20;
/** What is told of elsewhere, or says nothing about data. */
const APART = ["type", "properties", "required", "items", "$schema"];

export function summary(old: JsonObject, now: JsonObject): Change[] {
  const before = known(old);
  const after = known(now);
  const found: Change[] = [];
  for (const [key, field] of after) {
    const was = before.get(key);
    found.push(...(was ? changes(was, field) : [added(field)]));
  }
  for (const [key, field] of before) {
    if (!after.has(key)) found.push(removed(field, after.get(JSON.stringify(field.path.slice(0, -1)))));
  }
  return found;
}

function removed(field: Known, parent: Known | undefined): Change {
  const closed = parent?.rest.additionalProperties === false;
  const what = closed ? "removed: it is no longer allowed" : "removed: its values are no longer looked at";
  return { field: field.label, what, stricter: closed };
}

function added(field: Known): Change {
  const what = `added: ${field.type}${field.required ? ", required" : ", may be absent"}`;
  return { field: field.label, what, stricter: true };
}

function changes(was: Known, now: Known): Change[] {
  const found: Change[] = [];
  const tell = (what: string, stricter: boolean) => found.push({ field: now.label, what, stricter });
  if (was.type !== now.type) tell(`type changed from ${was.type} to ${now.type}`, !takes(now.types, was.types));
  if (!was.required && now.required) tell("now required", true);
  if (was.required && !now.required) tell("no longer required", false);
  const names = new Set([...Object.keys(was.rest), ...Object.keys(now.rest)]);
  for (const name of names) {
    const [one, other] = [was.rest[name], now.rest[name]];
    if (same(one, other)) continue;
    const verb = one === undefined ? "added" : other === undefined ? "removed" : "changed";
    const tells = name === "description" || name === "title" || name === "examples" || name.startsWith("$comment");
    tell(`${words(name)} ${verb}${amount(one, other)}`, !tells && verb !== "removed");
  }
  return found;
}

/** Whether whatever had one of the old types has one of the new ones. */
function takes(now: readonly string[] | null, was: readonly string[] | null): boolean {
  if (now === null) return true;
  if (was === null) return false;
  return was.every((type) => now.includes(type) || (type === "integer" && now.includes("number")));
}

const WORDS: Record<string, string> = {
  enum: "allowed values",
  minimum: "least value",
  maximum: "greatest value",
  minLength: "least length",
  maxLength: "greatest length",
  minItems: "fewest items",
  maxItems: "most items",
  additionalProperties: "rule for further fields",
};

function words(name: string): string {
  return WORDS[name] ?? name;
}

function amount(old: Json | undefined, now: Json | undefined): string {
  const plain = (value: Json | undefined) => typeof value === "number" || typeof value === "boolean";
  if (plain(old) && plain(now)) return ` from ${old} to ${now}`;
  return old === undefined && plain(now) ? `: ${now}` : "";
}

/** Every field by its place, with what stands in its schema beside its type. */
function known(schema: JsonObject): Map<string, Known> {
  const found = new Map<string, Known>();
  const walk = (value: Json, path: readonly string[], required: boolean) => {
    const node = shapeOf(value).schema;
    const types = node.type === undefined ? null : [node.type].flat().map(String);
    const rest = Object.fromEntries(Object.entries(node).filter(([name]) => !isApart(name, node)));
    const label = path.join(".").replaceAll(".[]", "[]");
    found.set(JSON.stringify(path), { path, label, type: typeWords(value), types, required, rest });
    if (path.length >= DEEPEST) return;
    const names = Array.isArray(node.required) ? node.required : [];
    const properties = isObject(node.properties) ? node.properties : {};
    for (const [name, each] of Object.entries(properties)) walk(each, [...path, name], names.includes(name));
    for (const name of names) {
      if (typeof name === "string" && !Object.hasOwn(properties, name)) walk(true, [...path, name], true);
    }
    if (isObject(node.items)) walk(node.items, [...path, "[]"], false);
  };
  walk(schema, [], false);
  return found;
}

function isApart(name: string, node: JsonObject): boolean {
  return APART.includes(name) && !(name === "items" && !isObject(node.items));
}
