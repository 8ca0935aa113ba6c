import { expect, test } from "vitest";
import { inferred } from "./infer";
import { isObject, type Json, type JsonObject } from "./json";

test("types are those seen, required is what was always there", () => {
  const schema = inferred([
    { orderId: "o1", price: 10, note: null, paid: true },
    { orderId: "o2", price: 10.5, note: "x" },
  ]);
  expect(schema).toMatchObject({
    type: "object",
    required: ["orderId", "price", "note"],
    properties: {
      orderId: { type: "string" },
      price: { type: "number" },
      note: { type: ["string", "null"] },
      paid: { type: "boolean" },
    },
  });
});

test("objects and lists are followed, values are not guessed", () => {
  const schema = inferred([{ items: [{ id: 1 }, { id: 2, name: "x" }], at: { city: "Pune" } }, { items: [] }]);
  expect(schema.required).toEqual(["items"]);
  expect(schema.properties).toEqual({
    items: {
      type: "array",
      items: { type: "object", required: ["id"], properties: { id: { type: "integer" }, name: { type: "string" } } },
    },
    at: { type: "object", required: ["city"], properties: { city: { type: "string" } } },
  });
  expect(JSON.stringify(schema)).not.toContain("Pune");
});

test("names like __proto__ are names, and a table by key is no form", () => {
  const schema = inferred([JSON.parse('{"__proto__": 1, "constructor": "x"}') as JsonObject]);
  expect(Object.keys(schema.properties as JsonObject)).toEqual(["__proto__", "constructor"]);
  const table = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`k${index}`, 1]));
  expect(inferred([{ table }]).properties).toEqual({ table: { type: "object" } });
});

test("nothing seen is nothing required", () => {
  expect(inferred([])).toMatchObject({ type: "object", properties: {} });
});

/** As much of JSON Schema as is inferred. */
function fits(schema: Json, value: Json): boolean {
  if (!isObject(schema)) return true;
  const types = schema.type === undefined ? [] : [schema.type].flat();
  const is = (type: Json) =>
    type === "null"
      ? value === null
      : type === "array"
        ? Array.isArray(value)
        : type === "object"
          ? isObject(value)
          : type === "integer"
            ? Number.isInteger(value)
            : typeof value === type;
  if (types.length > 0 && !types.some(is)) return false;
  if (Array.isArray(value)) return value.every((each) => fits(schema.items ?? true, each));
  if (!isObject(value)) return true;
  const names = (schema.required ?? []) as string[];
  if (!names.every((name) => Object.hasOwn(value, name))) return false;
  const properties = (schema.properties ?? {}) as JsonObject;
  return Object.entries(value).every(([name, each]) =>
    fits(Object.hasOwn(properties, name) ? (properties[name] ?? true) : true, each),
  );
}

test("every sample fits what was inferred from all of them", () => {
  let seed = 11;
  const next = (most: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return (seed >> 8) % most;
  };
  const value = (depth: number): Json => {
    const kinds: (() => Json)[] = [
      () => null,
      () => next(2) === 0,
      () => next(100),
      () => next(100) / 7,
      () => "text",
      () => Array.from({ length: next(3) }, () => value(depth + 1)),
      () => object(depth + 1),
    ];
    return (kinds[next(depth > 2 ? 5 : kinds.length)] as () => Json)();
  };
  const object = (depth: number): JsonObject =>
    Object.fromEntries(["a", "b", "c", "d"].filter(() => next(3) > 0).map((name) => [name, value(depth)]));
  for (let round = 0; round < 500; round++) {
    const samples = Array.from({ length: 1 + next(6) }, () => object(0));
    const schema = inferred(samples);
    for (const sample of samples) expect(fits(schema, sample), JSON.stringify([schema, sample])).toBe(true);
  }
});
