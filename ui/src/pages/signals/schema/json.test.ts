import { expect, test } from "vitest";
import { canonical, pretty, read } from "./json";

test("a text that spells an object is read", () => {
  const text = '{"a": [1, -2.5e3, true, null, "x\\n\\u00e9"], "b": {}, "__proto__": {"c": []}}';
  const value = read(text).value;
  expect(value).toEqual(JSON.parse(text));
  expect(Object.keys(value ?? {})).toContain("__proto__");
});

test.each([
  ["", 1, 1, "a value is missing"],
  ["{", 1, 2, "a name in double quotes"],
  ['{\n  "a": 1,\n}', 2, 9, "no comma before }"],
  ['{"a": 1 "b": 2}', 1, 9, ", or } is missing"],
  ['{"a" 1}', 1, 6, "a : is missing"],
  ['{\n "a": tru}', 2, 7, "“tru” is no value"],
  ['{"a": 01}', 1, 7, "is no value"],
  ['{"a": "x', 1, 7, 'closing "'],
  ['{"a": "\\q"}', 1, 8, "no such escape"],
  ['{"a": 1, "a": 2}', 1, 10, "there twice"],
  ['{"a": [1, 2}', 1, 12, ", or ] is missing"],
  ["{} x", 1, 4, "nothing may follow"],
  ["[1]", 1, 1, "begins with {"],
  ["{'a': 1}", 1, 2, "double quotes"],
  ['{\n  "const": 9007199254740993}', 2, 12, "9007199254740993 has more digits than can be kept here"],
])("%j breaks at line %i, column %i", (text, line, column, message) => {
  const { fault } = read(text);
  expect(fault).toMatchObject({ line, column });
  expect(fault?.message).toContain(message);
});

test("what is nested too deeply is told, not followed", () => {
  expect(read(`{"a": ${"[".repeat(5000)}`).fault?.message).toContain("deeper");
});

test("whatever the scanner lets pass, the parser takes, and the other way round", () => {
  const pieces = [
    '{"a":',
    "1",
    "}",
    "[",
    "]",
    ",",
    '"',
    "\\",
    "null",
    " ",
    "\n",
    "-",
    "0",
    ".",
    "e5",
    "true",
    '"b"',
    ":",
  ];
  let seed = 7;
  const next = (most: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % most;
  };
  for (let round = 0; round < 20_000; round++) {
    const text = Array.from({ length: 1 + next(9) }, () => pieces[next(pieces.length)]).join("");
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      parsed = undefined;
    }
    const { fault, value } = read(text);
    const isDocument = typeof parsed === "object" && parsed !== null && !Array.isArray(parsed);
    if (fault?.message.includes("there twice")) continue;
    expect(value !== undefined, text).toBe(isDocument);
  }
});

test("the canonical text does not depend on the order of names, and keeps that of lists", () => {
  expect(canonical({ b: [2, 1], a: { d: 1, c: 2 } })).toBe(canonical({ a: { c: 2, d: 1 }, b: [2, 1] }));
  expect(canonical({ a: [1, 2] })).not.toBe(canonical({ a: [2, 1] }));
  expect(canonical({})).toBe(pretty({}));
});
