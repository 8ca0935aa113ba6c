/** A schema as a form of fields. The schema stays the only truth: each change is made inside of it, around all that the
 * form does not know. */

import { isKept } from "@/common/digits";
import { isObject, type Json, type JsonObject, pretty, same } from "./json";

export const TYPES = ["string", "number", "integer", "boolean", "object", "array"] as const;
type Known = (typeof TYPES)[number];
/** `any`: no type is named. `other`: something the form has no word for; it is left as it is. */
export type FieldType = Known | "any" | "other";

export type Field = {
  name: string;
  schema: JsonObject;
  type: FieldType;
  nullable: boolean;
  required: boolean;
};

/** What the form sets for each type. */
const LIMITS: Record<Known, readonly string[]> = {
  string: ["minLength", "maxLength", "pattern"],
  number: ["minimum", "maximum"],
  integer: ["minimum", "maximum"],
  boolean: [],
  object: ["properties", "required"],
  array: ["items", "minItems", "maxItems"],
};
const LIMITED = new Set(Object.values(LIMITS).flat());

// --- reading -------------------------------------------------------------------------------------------------------

/** The fields of an object's schema, in its order. */
export function fieldsOf(node: JsonObject): Field[] {
  const required = namesOf(node.required);
  return Object.entries(propertiesOf(node)).map(([name, schema]) => ({
    name,
    required: required.includes(name),
    ...shapeOf(schema),
  }));
}

/** What a subschema says of its value's type. */
export function shapeOf(schema: Json): Pick<Field, "schema" | "type" | "nullable"> {
  if (!isObject(schema)) return { schema: {}, type: schema === true ? "any" : "other", nullable: false };
  const types = schema.type === undefined ? [] : [schema.type].flat();
  const named = types.filter((type) => type !== "null");
  const nullable = types.length > named.length;
  const [only] = named;
  if (types.length === 0) return { schema, type: "any", nullable };
  const known = TYPES.find((type) => type === only);
  return { schema, type: named.length === 1 && known ? known : "other", nullable };
}

/** The type as words, for what the form cannot set. */
export function typeWords(schema: Json | undefined): string {
  if (schema === undefined || schema === true) return "anything";
  if (!isObject(schema)) return "nothing";
  if (schema.type === undefined) return "anything";
  return [schema.type].flat().map(String).join(" or ");
}

/** Keywords that the form does not show: they stay as they are. */
export function beyond(schema: JsonObject): string[] {
  const { type } = shapeOf(schema);
  const limits: readonly string[] = type === "any" || type === "other" ? [] : LIMITS[type];
  const shown = ["type", "description", ...limits, ...(enumText(schema) === null ? [] : ["enum"])];
  return Object.keys(schema).filter((name) => !shown.includes(name));
}

function propertiesOf(node: JsonObject): JsonObject {
  return isObject(node.properties) ? node.properties : {};
}

function namesOf(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

// --- changing ------------------------------------------------------------------------------------------------------

/** The same schema with one keyword set, or without it where `value` is undefined; its place is kept. */
export function withKeyword(schema: JsonObject, name: string, value: Json | undefined): JsonObject {
  const entries = Object.entries(schema);
  if (value === undefined) return Object.fromEntries(entries.filter(([each]) => each !== name));
  if (!Object.hasOwn(schema, name)) return Object.fromEntries([...entries, [name, value]]);
  return Object.fromEntries(entries.map(([each, old]) => [each, each === name ? value : old]));
}

export function withField(node: JsonObject, name: string, schema: JsonObject): JsonObject {
  return withKeyword(typed(node), "properties", withKeyword(propertiesOf(node), name, schema));
}

/** A schema that speaks of properties says that it is about objects. */
function typed(node: JsonObject): JsonObject {
  return node.type === undefined ? { type: "object", ...node } : node;
}

/** With one more field, of a name that is free. */
export function withNewField(node: JsonObject): JsonObject {
  const taken = propertiesOf(node);
  let name = "field";
  for (let number = 2; Object.hasOwn(taken, name); number++) name = `field${number}`;
  return withField(node, name, { type: "string" });
}

export function withoutField(node: JsonObject, name: string): JsonObject {
  const rest = withKeyword(propertiesOf(node), name, undefined);
  return withRequired(withKeyword(node, "properties", rest), name, false);
}

/** Null where the name is empty or taken. */
export function renamed(node: JsonObject, old: string, name: string): JsonObject | null {
  const properties = propertiesOf(node);
  if (name === old) return node;
  if (name === "" || Object.hasOwn(properties, name)) return null;
  const moved = Object.fromEntries(
    Object.entries(properties).map(([each, value]) => [each === old ? name : each, value]),
  );
  const required = Array.isArray(node.required) ? node.required.map((each) => (each === old ? name : each)) : undefined;
  const changed = withKeyword(node, "properties", moved);
  return required ? withKeyword(changed, "required", required) : changed;
}

export function withRequired(node: JsonObject, name: string, required: boolean): JsonObject {
  const names = Array.isArray(node.required) ? node.required : [];
  if (names.includes(name) === required) return node;
  const changed = required ? [...names, name] : names.filter((each) => each !== name);
  return withKeyword(node, "required", changed.length > 0 ? changed : undefined);
}

/** Another type. What limited the old one and means nothing for the new one goes, allowed values of other types too. */
export function withType(schema: JsonObject, type: FieldType, nullable: boolean): JsonObject {
  if (type === "other") return schema;
  const types: Json = type === "any" ? null : nullable ? [type, "null"] : type;
  const named = withKeyword(schema, "type", types ?? undefined);
  if (type === "any") return named;
  const kept = Object.entries(named).filter(([name]) => !LIMITED.has(name) || LIMITS[type].includes(name));
  const changed = Object.fromEntries(kept);
  const values = Array.isArray(changed.enum) ? changed.enum : null;
  return values && !values.every((value) => isOf(value, type, nullable))
    ? withKeyword(changed, "enum", undefined)
    : changed;
}

function isOf(value: Json, type: Known, nullable: boolean): boolean {
  if (value === null) return nullable;
  if (type === "array") return Array.isArray(value);
  if (type === "object") return isObject(value);
  if (type === "integer") return Number.isInteger(value);
  return typeof value === type;
}

// --- allowed values ------------------------------------------------------------------------------------------------

/** The allowed values, one a line; null where they are better written as JSON: the form leaves them alone. */
export function enumText(schema: JsonObject): string | null {
  const values = schema.enum;
  if (values === undefined) return "";
  if (!Array.isArray(values)) return null;
  const { type, nullable } = shapeOf(schema);
  const text = values.map((value) => (typeof value === "string" ? value : pretty(value))).join("\n");
  const again = enumOf(text, type, nullable);
  return again !== undefined && same(again, values) ? text : null;
}

/** The allowed values that a text of lines names; undefined when it names none. Lines that are no number are left out
 * where only numbers can be. */
export function enumOf(text: string, type: FieldType, nullable: boolean): Json[] | undefined {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const values = lines.flatMap((line): Json[] => {
    if (nullable && line === "null") return [null];
    if (type !== "number" && type !== "integer") return [line];
    const value = Number(line);
    return Number.isFinite(value) && isKept(line.trim()) && (type === "number" || Number.isInteger(value))
      ? [value]
      : [];
  });
  const distinct = [...new Set(values)];
  return distinct.length > 0 ? distinct : undefined;
}
