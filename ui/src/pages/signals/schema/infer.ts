/** A schema that fits the data one has seen. */

import { isObject, type Json, type JsonObject } from "./json";

/** A property with more names than this is a table by some key, not a form. */
const MOST_NAMES = 100;
const DEEPEST = 8;

const DRAFT = "https://json-schema.org/draft/2020-12/schema";

/** What all of the samples fit: types, and as required what was always there. Values are not guessed. */
export function inferred(samples: readonly JsonObject[]): JsonObject {
  if (samples.length === 0) return { $schema: DRAFT, type: "object", properties: {} };
  return { $schema: DRAFT, ...ofObjects(samples, 0) };
}

function ofValues(values: readonly Json[], depth: number): JsonObject {
  const types = typesOf(values);
  const [only] = types;
  const found: JsonObject = types.length === 0 ? {} : { type: types.length === 1 && only ? only : types };
  const objects = values.filter(isObject);
  const arrays = values.filter(Array.isArray);
  if (depth >= DEEPEST) return found;
  return {
    ...found,
    ...(objects.length > 0 ? without(ofObjects(objects, depth + 1), "type") : {}),
    ...(arrays.some((each) => each.length > 0) ? { items: ofValues(arrays.flat(1) as Json[], depth + 1) } : {}),
  };
}

function ofObjects(objects: readonly JsonObject[], depth: number): JsonObject {
  const seen = new Map<string, Json[]>();
  for (const each of objects) {
    for (const [name, value] of Object.entries(each)) {
      const values = seen.get(name);
      if (values) values.push(value);
      else seen.set(name, [value]);
    }
  }
  if (seen.size > MOST_NAMES) return { type: "object" };
  const required = [...seen].filter(([, values]) => values.length === objects.length).map(([name]) => name);
  const properties = Object.fromEntries([...seen].map(([name, values]) => [name, ofValues(values, depth)]));
  return { type: "object", ...(required.length > 0 ? { required } : {}), properties };
}

function typesOf(values: readonly Json[]): string[] {
  const found = new Set(values.map(typeOf));
  if (found.has("number")) found.delete("integer");
  const order = ["string", "number", "integer", "boolean", "object", "array", "null"];
  return order.filter((type) => found.has(type));
}

export function typeOf(value: Json): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

function without(value: JsonObject, name: string): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([each]) => each !== name));
}
