import { expect, test } from "vitest";
import { changedNumber, isKept } from "./digits";

test.each([
  "0",
  "-0",
  "0.10",
  "+5",
  "5.",
  ".5",
  "9007199254740991",
  "1e20",
  "100000000000000000000",
  "-2.5E-3",
  "1e300",
])("%s is kept", (text) => expect(isKept(text)).toBe(true));

test.each([
  "9007199254740993",
  "-9007199254740993",
  "9007199254740992", // what its neighbour becomes
  "9223372036854775807",
  "0.12345678901234567890123",
  "9007199254740993.0",
  "1e400",
  "1e-400",
  "x",
])("%s is not", (text) => expect(isKept(text)).toBe(false));

test("the first number that is changed is found, but none in a text", () => {
  const text = '{"a\\"1": "9007199254740993", "b": [1, 9007199254740993]}';
  expect(changedNumber(text)).toEqual({ number: "9007199254740993", at: text.lastIndexOf("9007") });
  expect(changedNumber('{"a": "\\\\", "b": 1.50}')).toBeNull();
});
