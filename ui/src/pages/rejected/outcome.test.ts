import { expect, test } from "vitest";
import { grouped, type Kind, mendedIn, plain, wrongWith } from "./groups";
import { added, lanesOf, type Outcome } from "./outcome";

function failing(reason: string, signal: string, events: number) {
  return { reason, signal, events, sample: `${signal}-${events}`, detail: null, hint: "" };
}

function page(about: Partial<Outcome>): Outcome {
  return { matched: 0, would_pass: 0, replayed: 0, already: 0, lanes: {}, failing: [], next: null, ...about };
}

test("pages of a replay add up, and the same failure is told once", () => {
  const first = page({
    matched: 10,
    would_pass: 7,
    replayed: 6,
    already: 1,
    lanes: { realtime: 3, migration: 4 },
    failing: [failing("schema_violation", "a", 1), failing("schema_violation", "b", 2)],
    next: "more",
  });
  const last = page({
    matched: 5,
    would_pass: 1,
    replayed: 1,
    lanes: { migration: 1 },
    failing: [failing("schema_violation", "a", 4)],
  });
  const both = added(added(null, first), last);
  expect([both.matched, both.would_pass, both.replayed, both.already, both.next]).toEqual([15, 8, 7, 1, null]);
  expect(both.lanes).toEqual({ realtime: 3, migration: 5 });
  expect(both.failing.map(({ signal, events }) => [signal, events])).toEqual([
    ["a", 5],
    ["b", 2],
  ]);
  expect(lanesOf(both, String)).toBe("3 into the realtime lane and 5 into the migration lane");
});

test("kinds of one reason stand together, the most frequent reason first", () => {
  const kind = (reason: string, signal: string, events: number): Kind => ({
    ...{ reason, signal, events, newest: "", sample: "", detail: null, path: null },
    hint: `Publish a version (POST /v1/signals/{slug}/versions), then replay; or say so (by mail).`,
  });
  const groups = grouped([kind("x", "a", 5), kind("y", "a", 4), kind("y", "b", 3)]);
  expect(groups.map((each) => [each.reason, each.events, each.kinds.length])).toEqual([
    ["y", 7, 2],
    ["x", 5, 1],
  ]);
  expect(groups[0]?.hint).toBe("Publish a version, then replay; or say so (by mail).");
  expect(plain("Nothing to take out.")).toBe("Nothing to take out.");
});

test("a cause that the signal's page mends leads there", () => {
  expect(["schema_violation", "metric_value_missing", "signal_draft", "timestamp_in_future"].map(mendedIn)).toEqual([
    "schema",
    "settings",
    "overview",
    null,
  ]);
});

test("what was wrong is told even where the server has no words for it", () => {
  const about = { detail: null, path: "createdAt" };
  expect(wrongWith({ ...about, reason: "outside_realtime_window" })).toBe("createdAt is too old, or too far ahead");
  expect(wrongWith({ ...about, reason: "timestamp_in_future" })).toBe("createdAt is too far ahead");
  expect(wrongWith({ ...about, reason: "schema_violation", detail: "data.a is required" })).toBe("data.a is required");
});
