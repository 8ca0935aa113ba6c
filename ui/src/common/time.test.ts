import { expect, test } from "vitest";
import { ago, lasting, local, tick, tickUtc, utc } from "./time";

test("UTC has milliseconds and says that it is UTC", () => {
  expect(utc("2026-11-22T19:00:00.123+01:00")).toBe("2026-11-22 18:00:00.123 UTC");
});

test("a minute has the year only where that is not this one", () => {
  const year = new Date().getFullYear();
  expect(local(new Date(year, 5, 15, 12).toISOString(), "minute")).not.toMatch(String(year));
  expect(local(new Date(year - 1, 5, 15, 12).toISOString(), "minute")).toMatch(String(year - 1));
});

test("the past and the future are told apart", () => {
  const now = Date.parse("2026-11-22T12:00:00Z");
  expect(ago("2026-11-22T11:57:00Z", now)).toMatch(/3.*ago/);
  expect(ago("2026-11-24T12:00:00Z", now)).toMatch(/2|day/);
});

test("a length of time keeps to the unit that fits", () => {
  expect([0.25, 42, 600, 7200, 400_000].map(lasting)).toEqual(["250 ms", "42 s", "10 min", "2 h", "5 d"]);
});

test("an axis has hours where marks are close, days where they are not, and at midnight the day", () => {
  const noon = new Date(2026, 10, 22, 12, 0).getTime() / 1000;
  const midnight = new Date(2026, 10, 22).getTime() / 1000;
  expect(tick(noon, 3600)).toMatch(/12/);
  expect(tick(noon, 3600)).not.toMatch(/22/);
  expect(tick(midnight, 3600)).toMatch(/22/);
  expect(tick(noon, 86_400)).toMatch(/22/);
});

test("an axis of UTC days has their dates, wherever the viewer is", () => {
  const begin = Date.UTC(2026, 10, 22) / 1000;
  expect(tickUtc(begin, 86_400)).toMatch(/22/);
  expect(tickUtc(begin + 86_399, 86_400)).toMatch(/22/);
  expect(tickUtc(begin, 3600)).toMatch(/22/);
  expect(tickUtc(begin + 12 * 3600, 3600)).toMatch(/12/);
});
