import { describe, expect, test } from "vitest";
import { importCommand, mappingName, word } from "./command";
import { converter, type Type } from "./convert";
import { draftOf, suggested, writtenOf } from "./draft";
import { formFlaw } from "./form";
import { compiled, parse } from "./mapping";

const cases: [Type, string, string | null][] = [
  ["string", "007", '"007"'],
  ["string", " +91 98 ", '" +91 98 "'],
  ["string", "", null],
  ["number", " 1.10 ", "1.10"],
  ["number", "123456789012345678901234567890", "123456789012345678901234567890"],
  ["number", "1e5", "1e5"],
  ["number", " ", null],
  ["boolean", "YES", "true"],
  ["boolean", "0", "false"],
  ["json", '[1.0, "x"]', '[1.0, "x"]'],
  ["seconds", "1735689600.1239", '"2025-01-01T00:00:00.123Z"'],
  ["seconds", "-1.5", '"1969-12-31T23:59:58.500Z"'],
  ["seconds", "1.7e9", '"2023-11-14T22:13:20.000Z"'],
  ["milliseconds", "1735689600123.9", '"2025-01-01T00:00:00.123Z"'],
  ["version", "003", "3"],
  ["version", "latest", '"latest"'],
];
test.each(cases)("%s from %j", (type, text, expected) => {
  expect(converter(type)(text)).toBe(expected);
});

const wrong: [Type, string][] = [
  ["number", "1,204"],
  ["number", "007"],
  ["number", "+1"],
  ["number", "1e999"],
  ["number", "NaN"],
  ["boolean", "constructor"],
  ["json", "{a: 1}"],
  ["seconds", "2025-01-01"],
  ["seconds", "1e300"],
  ["milliseconds", "253402300800000"],
];
test.each(wrong)("no %s: %j", (type, text) => {
  expect(() => converter(type)(text)).toThrow("must be");
});

describe("a mapping", () => {
  const build = (said: unknown, header: string[], row: string[]) => compiled(parse("bik", said), "bik", header)(row);

  test("places, fixed values, the rest, names with dots", () => {
    const said = {
      columns: { mail: "email", n: ["eventProperties.n:number", { path: ["eventProperties", "a.b"], type: "string" }] },
      set: { eventName: "ordered", "eventProperties.on": true },
      rest: "eventProperties",
    };
    const [event, flaw] = build(said, ["mail", "n", "o.x", "refused_line"], ["a@b.c", "1.10", "é", "9"]);
    expect(flaw).toBeNull();
    expect(event).toBe(
      '{"eventName":"ordered","eventProperties":{"on":true,"n":1.10,"a.b":"1.10","o.x":"é"},"email":"a@b.c"}',
    );
  });

  test("a value that is wrong stands there as it came, and is told", () => {
    const [event, flaw] = build({ columns: { p: "eventProperties.p:number" } }, ["p"], ["1,2"]);
    expect(event).toBe('{"eventProperties":{"p":"1,2"}}');
    expect(flaw).toMatchObject({ code: "column", path: "eventProperties.p" });
    expect(flaw?.message).toBe("column 'p' must be a number, as 1204.50");
  });

  const faults: [unknown, string][] = [
    [{ columns: { a: "mail" } }, "mail is no field of a bik event"],
    [{ columns: { a: "email:number" } }, "email is text in every event"],
    [{ columns: { a: "eventProperties.x:float" } }, "no type of a value"],
    [{ columns: { b: "email" } }, "there is no column 'b'"],
    [{ columns: { a: ["eventProperties.x", "eventProperties.x.y"] } }, "cannot both be filled"],
    [{ columns: { a: "eventProperties..x" } }, "no path into an event"],
    [{ set: { "eventProperties.x:number": "y" }, columns: { a: "email" } }, "must be a number"],
    [{ map: {} }, "that is no mapping"],
    [{}, "no column is mapped"],
  ];
  test.each(faults)("%j is refused", (said, words) => {
    expect(() => build(said, ["a"], ["1"])).toThrow(words);
  });

  test("what is worked on is what was loaded", () => {
    const said = {
      columns: { mail: ["email", "name"], x: { path: ["eventProperties", "a.b"], type: "number" } },
      set: { eventName: "ordered", "eventProperties.n:json": "1" },
      rest: "eventProperties",
    };
    const draft = draftOf("bik", said, ["x", "mail", "other"]);
    expect(draft.picks.map((pick) => [pick.column, pick.path])).toEqual([
      ["x", '["eventProperties","a.b"]'],
      ["mail", "email"],
      ["mail", "name"],
      ["other", ""],
    ]);
    expect(parse("bik", writtenOf(draft))).toEqual({
      ...parse("bik", said),
      columns: [...parse("bik", said).columns].sort((one, other) => other[0].localeCompare(one[0])),
    });
  });
});

test("columns are suggested from their names and values", () => {
  const header = ["E-Mail", "Phone", "sku", "price", "at", "gift", "order_no", "o.x", "zip code"];
  const draft = suggested("bik", header, [["a@b.c", "+91", "007", "1.10", "1735689600", "yes", "12", "", "0123"]]);
  expect(draft.picks.map((pick) => `${pick.path}:${pick.type}`)).toEqual([
    "email:",
    "phoneNumber:",
    "eventProperties.productId:",
    "eventProperties.itemPrice:number",
    "createdAt:seconds",
    "eventProperties.gift:boolean",
    "eventProperties.orderId:",
    '["eventProperties","o.x"]:',
    "eventProperties.zip code:",
  ]);
  expect(draft.fixed.map((each) => each.path)).toEqual(["eventName"]);
  const crm = suggested("bigmind", ["AccountId", "when"], []);
  expect(crm.picks.map((pick) => pick.path)).toEqual(["identity.id", "data.when"]);
});

test("the same from a terminal", () => {
  const asked = { dialect: "bik", backfill: "o'clock", mapped: true } as const;
  const reading = { format: "csv", delimiter: "\t", encoding: "windows-1252" } as const;
  expect(importCommand({ ...asked, file: "a b.txt", reading })).toBe(
    "headwater import 'a b.txt' \\\n  --dialect bik --backfill 'o'\\''clock' --mapping 'a b.mapping.json' " +
      "--delimiter $'\\t' --encoding cp1252",
  );
  expect(word("$(rm)")).toBe("'$(rm)'");
  expect(mappingName("orders.csv.gz")).toBe("orders.mapping.json");
});

test("what is wrong with an event's form, by its place", () => {
  const known = new Set(["ordered"]);
  const told = (event: object) => formFlaw("bik", JSON.stringify(event), known)?.path;
  expect(told({})).toBe("eventName");
  expect(told({ eventName: "odered" })).toBe("eventName");
  expect(told({ eventName: "ordered" })).toBe("eventProperties");
  const base = { eventName: "ordered", eventProperties: {} };
  expect(told(base)).toBe("");
  expect(told({ ...base, email: "ada" })).toBe("email");
  expect(told({ ...base, email: "a@b.c", createdAt: "yesterday" })).toBe("createdAt");
  expect(told({ ...base, email: "a@b.c", createdAt: "2025-01-01 10:00" })).toBeUndefined();
  expect(formFlaw("bigmind", '{"signal": "ordered", "identity": {"type": "deal"}}', known)?.path).toBe("identity.id");
});
