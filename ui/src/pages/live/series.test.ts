import { expect, test } from "vitest";
import { columns, continued, LONGEST, type Point } from "./series";

function point(second: number, processed = second): Point {
  const counts = { accepted: 0, processed, rejected: 0, backlog: 0 };
  const at = new Date(Date.UTC(2026, 10, 22) + second * 1000).toISOString();
  return { at, lanes: { realtime: counts, migration: { ...counts, backlog: 7 } } };
}

test("a stream that begins again takes the place of what it tells anew", () => {
  const known = [point(1), point(2), point(3)];
  const told = [point(2, 20), point(3, 30), point(4, 40)];
  expect(columns(continued(known, told), 900).of("realtime", "processed")).toEqual([1, 20, 30, 40]);
  expect(continued(known, [])).toBe(known);
});

test("a bounded number of seconds is kept", () => {
  let points: readonly Point[] = [];
  for (let second = 0; second < LONGEST + 50; second++) points = continued(points, [point(second)]);
  expect(points).toHaveLength(LONGEST);
  expect(columns(points, 300).times).toHaveLength(300);
});

test("where seconds are lacking the line breaks off", () => {
  const { times, of } = columns([point(1), point(2), point(60)], 900);
  expect(of("realtime", "processed")).toEqual([1, 2, null, 60]);
  expect(times.map((time) => time - (times[0] ?? 0))).toEqual([0, 1, 2, 59]);
  expect(of("migration", "backlog").at(-1)).toBe(7);
});
