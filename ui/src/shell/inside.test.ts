import { expect, test } from "vitest";
import { inside } from "./inside";

test("one goes on to pages of ours alone", () => {
  expect(inside("/cohorts/coh_1?tab=members")).toBe("/cohorts/coh_1?tab=members");
  for (const to of [
    undefined,
    "",
    "cohorts",
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "/sign-in",
  ]) {
    expect(inside(to)).toBe("/");
  }
});
