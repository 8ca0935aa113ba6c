import { expect, test } from "vitest";
import { summary } from "./summary";

const OLD = {
  type: "object",
  required: ["id", "old"],
  properties: {
    id: { type: "string" },
    old: { type: "string" },
    price: { type: "integer", minimum: 0 },
    status: { type: "string", enum: ["a"] },
    lines: { type: "array", items: { type: "object", properties: { sku: { type: "string" } } } },
  },
};

test("each change is told once, in words, and whether it is stricter", () => {
  const now = {
    type: "object",
    required: ["id", "price"],
    additionalProperties: false,
    properties: {
      id: { type: ["string", "null"] },
      price: { type: "number", minimum: 1 },
      status: { type: "string", enum: ["a", "b"], description: "what" },
      lines: { type: "array", items: { type: "object", required: ["sku"], properties: { sku: { type: "integer" } } } },
      note: { type: "string" },
    },
  };
  expect(summary(OLD, now).map((change) => `${change.field}|${change.what}|${change.stricter}`)).toEqual([
    "|rule for further fields added: false|true",
    "id|type changed from string to string or null|false",
    "price|type changed from integer to number|false",
    "price|now required|true",
    "price|least value changed from 0 to 1|true",
    "status|allowed values changed|true",
    "status|description added|false",
    "lines[].sku|type changed from string to integer|true",
    "lines[].sku|now required|true",
    "note|added: string, may be absent|true",
    "old|removed: it is no longer allowed|true",
  ]);
});

test("order alone is no change, and neither is nothing", () => {
  expect(summary(OLD, OLD)).toEqual([]);
  const turned = Object.fromEntries(Object.entries(OLD.properties).reverse());
  expect(summary(OLD, { ...OLD, required: ["old", "id"], properties: turned })).toEqual([]);
});

test("a name that is required and not described counts too", () => {
  expect(summary({ required: ["a"] }, { required: [] })).toMatchObject([
    { field: "a", what: expect.stringContaining("removed") },
  ]);
  expect(summary({}, { required: ["a"] })).toMatchObject([{ field: "a", what: "added: anything, required" }]);
});
