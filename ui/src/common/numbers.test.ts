import { expect, test } from "vitest";
import { compact, count } from "./numbers";

test("a small number is not cut to nothing", () => {
  expect([0, 0.0004, -0.0004, 0.5].map((value) => Number(count(value)))).toEqual([0, 0.0004, -0.0004, 0.5]);
  expect([0.25, 1.25, 0].map((value) => Number(compact(value)))).toEqual([0.25, 1.25, 0]);
  expect(Number(count(1.5))).toBe(1.5);
});
