import { expect, test } from "vitest";
import { bodyOf, draftOf, faultsOf, NEW, patchOf, slugOf } from "./draft";
import type { Signal } from "./queries";

const SIGNAL: Signal = {
  id: "sig_aaaaaaaa",
  slug: "api-calls",
  name: "API calls",
  type: "metric",
  active: true,
  rate_limit: 1000,
  enforcement: "quarantine",
  aggregation: "sum",
  period: "day",
  value: "usage.calls",
  dedupe_by: null,
  retention_days: null,
  latest_version: null,
  preset: null,
  draft: false,
  created_at: "2026-11-22T00:00:00.000Z",
};

test.each([
  ["Visited Documentation Page", "visited-documentation-page"],
  ["  Café — crème! ", "cafe-creme"],
  ["漢字", ""],
  ["x".repeat(120), "x".repeat(100)],
  [`${"x".repeat(99)} y`, "x".repeat(99)],
])("the slug of %j is %j, as the server makes it", (name, slug) => {
  expect(slugOf(name)).toBe(slug);
});

test("only what is needed is sent of a new signal", () => {
  expect(bodyOf({ ...NEW, name: " A ", value: "left.over" })).toEqual({
    name: "A",
    type: "event",
    enforcement: "quarantine",
  });
  expect(bodyOf({ ...NEW, name: "A", limit: "none" })).toMatchObject({ rate_limit: null });
  expect(
    bodyOf({ ...NEW, name: "A", type: "metric", aggregation: "count", limit: "own", rate: 5, days: 30, dedupe: true }),
  ).toEqual({
    name: "A",
    type: "metric",
    enforcement: "quarantine",
    rate_limit: 5,
    aggregation: "count",
    period: "day",
    dedupe_by: "reference",
    retention_days: 30,
  });
});

test("only what was changed is sent of one that is there, and null takes away", () => {
  const draft = draftOf(SIGNAL);
  expect(patchOf(SIGNAL, draft)).toEqual({});
  expect(patchOf(SIGNAL, { ...draft, limit: "none" })).toEqual({ rate_limit: null });
  expect(patchOf({ ...SIGNAL, retention_days: 30 }, { ...draft, days: "" })).toEqual({ retention_days: null });
  expect(patchOf({ ...SIGNAL, dedupe_by: "reference" }, draft)).toEqual({ dedupe_by: null });
  expect(patchOf(SIGNAL, { ...draft, active: false, rate: 7 })).toEqual({ active: false, rate_limit: 7 });
});

test("what a colleague changed meanwhile is not taken back", () => {
  const draft = { ...draftOf(SIGNAL), name: "Calls" };
  const now: Signal = { ...SIGNAL, rate_limit: 5, enforcement: "reject" };
  const patch = patchOf(SIGNAL, draft);
  expect(patch).toEqual({ name: "Calls" });
  expect({ ...now, ...patch }).toMatchObject({ rate_limit: 5, enforcement: "reject" });
});

test("what is missing is said by field", () => {
  expect(faultsOf(NEW)).toHaveProperty("name");
  expect(faultsOf({ ...NEW, name: "漢字" })).toHaveProperty("slug");
  expect(faultsOf({ ...NEW, name: "A" })).toEqual({});
  expect(faultsOf({ ...NEW, name: "A", type: "state" })).toHaveProperty("value");
  expect(faultsOf({ ...NEW, name: "A", type: "metric", aggregation: "count" })).toEqual({});
  expect(faultsOf({ ...NEW, name: "A", type: "metric", value: "a..b" })).toHaveProperty("value");
  expect(faultsOf({ ...NEW, name: "A", limit: "own", rate: "" })).toHaveProperty("rate");
});
