import { expect, test } from "vitest";
import {
  beyond,
  enumOf,
  enumText,
  fieldsOf,
  renamed,
  shapeOf,
  TYPES,
  withField,
  withKeyword,
  withNewField,
  withoutField,
  withRequired,
  withType,
} from "./fields";
import { type Json, type JsonObject, pretty, read } from "./json";

const SCHEMA = read(`{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "An order",
  "type": "object",
  "required": ["orderId", "notAmongThem"],
  "properties": {
    "orderId": {"type": "string", "minLength": 1, "format": "uuid"},
    "price": {"type": ["number", "null"], "minimum": 0, "multipleOf": 0.01},
    "status": {"enum": ["open", "paid"]},
    "odd": {"type": ["string", "boolean"], "x-note": "kept"},
    "either": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/money"}]},
    "open": true,
    "never": false,
    "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}, "additionalProperties": false}}
  },
  "additionalProperties": false,
  "dependentRequired": {"price": ["status"]},
  "$defs": {"money": {"type": "integer"}}
}`).value as JsonObject;

test("the form shows what is there", () => {
  const told = fieldsOf(SCHEMA).map((field) => [field.name, field.type, field.nullable, field.required]);
  expect(told).toEqual([
    ["orderId", "string", false, true],
    ["price", "number", true, false],
    ["status", "any", false, false],
    ["odd", "other", false, false],
    ["either", "any", false, false],
    ["open", "any", false, false],
    ["never", "other", false, false],
    ["lines", "array", false, false],
  ]);
  expect(fieldsOf(SCHEMA).map((field) => beyond(field.schema))).toEqual([
    ["format"],
    ["multipleOf"],
    [],
    ["x-note"],
    ["anyOf"],
    [],
    [],
    [],
  ]);
});

test("what is changed in the form and changed back leaves the very same text", () => {
  const text = pretty(SCHEMA);
  expect(pretty(withoutField(withNewField(SCHEMA), "field"))).toBe(text);
  expect(pretty(withRequired(withRequired(SCHEMA, "status", true), "status", false))).toBe(text);
  for (const field of fieldsOf(SCHEMA)) {
    const there = renamed(SCHEMA, field.name, "other name") as JsonObject;
    expect(fieldsOf(there).map((each) => each.name)).toContain("other name");
    expect(pretty(renamed(there, "other name", field.name) as JsonObject)).toBe(text);
    if (field.name === "open" || field.name === "never") continue; // true and false are no objects
    expect(pretty(withField(SCHEMA, field.name, withType(field.schema, field.type, field.nullable)))).toBe(text);
    const described = withKeyword(field.schema, "description", "what it is");
    expect(pretty(withField(SCHEMA, field.name, withKeyword(described, "description", undefined)))).toBe(text);
    const values = enumText(field.schema);
    if (values === null) continue;
    const again = withKeyword(field.schema, "enum", enumOf(values, field.type, field.nullable));
    expect(pretty(withField(SCHEMA, field.name, again))).toBe(text);
  }
});

test("a change touches its own place and nothing else", () => {
  const kept = (schema: JsonObject) =>
    Object.entries(schema).filter(([name]) => name !== "properties" && name !== "required");
  for (const field of fieldsOf(SCHEMA)) {
    for (const type of TYPES) {
      const changed = withField(SCHEMA, field.name, withType(field.schema, type, true));
      expect(kept(changed)).toEqual(kept(SCHEMA));
      const others = (schema: JsonObject) => fieldsOf(schema).filter((each) => each.name !== field.name);
      expect(others(changed)).toEqual(others(SCHEMA));
      const now = fieldsOf(changed).find((each) => each.name === field.name);
      expect(now).toMatchObject({ type, nullable: true, required: field.required });
      const unknown = beyond(field.schema).filter((name) => name !== "x-note" && name !== "format");
      for (const name of unknown) expect(now?.schema).toHaveProperty([name], field.schema[name]);
    }
  }
});

test("another type drops the limits that no longer mean anything, and keeps what the form does not know", () => {
  const schema = { type: "string", minLength: 2, pattern: "^a", format: "uuid", enum: ["ab", "ac"], "x-note": 1 };
  expect(withType(schema, "number", false)).toEqual({ type: "number", format: "uuid", "x-note": 1 });
  expect(withType(schema, "string", true)).toEqual({ ...schema, type: ["string", "null"] });
  expect(withType(schema, "any", false)).toEqual(withKeyword(schema, "type", undefined));
});

test("a removed field is not required any more, a renamed one still is", () => {
  expect(withoutField(SCHEMA, "orderId").required).toEqual(["notAmongThem"]);
  expect(renamed(SCHEMA, "orderId", "id")?.required).toEqual(["id", "notAmongThem"]);
  expect(renamed(SCHEMA, "orderId", "price")).toBeNull();
  expect(renamed(SCHEMA, "orderId", "")).toBeNull();
  expect(withRequired({ required: ["a"] }, "a", false)).toEqual({});
});

test("a first field says that the schema is about objects, and hostile names are names", () => {
  expect(withNewField({})).toEqual({ type: "object", properties: { field: { type: "string" } } });
  const named = renamed(withNewField({}), "field", "__proto__") as JsonObject;
  expect(fieldsOf(named).map((field) => field.name)).toEqual(["__proto__"]);
  expect(fieldsOf(withRequired(named, "__proto__", true))[0]?.required).toBe(true);
  expect(pretty(named)).toContain('"__proto__"');
});

test("allowed values are lines where lines can say them", () => {
  expect(enumText({ type: "string", enum: ["a", "b c"] })).toBe("a\nb c");
  expect(enumText({ type: "number", enum: [1, 2.5] })).toBe("1\n2.5");
  expect(enumText({ type: ["string", "null"], enum: ["a", null] })).toBe("a\nnull");
  expect(enumText({ enum: [1, "1"] })).toBeNull();
  expect(enumText({ enum: ["two\nlines"] })).toBeNull();
  expect(enumText({ enum: [{ a: 1 }] })).toBeNull();
  expect(enumOf("1\nx\n2.5\n1", "integer", false)).toEqual([1]);
  expect(enumOf(" \n", "string", false)).toBeUndefined();
});

test("anything at all can be looked at", () => {
  const odd: Json[] = [null, true, false, 1, "x", [], {}, { type: 3 }, { type: [] }, { type: ["null"] }];
  for (const value of odd) {
    expect(() => shapeOf(value)).not.toThrow();
    expect(() => fieldsOf({ properties: { a: value }, required: "a" })).not.toThrow();
  }
  expect(fieldsOf({ properties: [] })).toEqual([]);
});
