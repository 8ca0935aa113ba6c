import { expect, test } from "vitest";
import { type Key, ordered, standingOf } from "./keys";

const key = (id: string, created: string, more: Partial<Key> = {}): Key => ({
  id,
  name: id,
  prefix: "sk_aaaa",
  scopes: ["read"],
  created_at: `2026-11-${created}T00:00:00.000Z`,
  expires_at: null,
  revoked_at: null,
  ...more,
});
const NOW = Date.parse("2026-11-22T00:00:00Z");

test("a key works until it is revoked or its time is over", () => {
  expect(standingOf(key("a", "01"), NOW)).toBe("works");
  expect(standingOf(key("a", "01", { expires_at: "2026-11-22T00:00:00.001Z" }), NOW)).toBe("works");
  expect(standingOf(key("a", "01", { expires_at: "2026-11-22T00:00:00.000Z" }), NOW)).toBe("expired");
  expect(standingOf(key("a", "01", { revoked_at: "2026-11-21T00:00:00.000Z" }), NOW)).toBe("revoked");
});

test("keys that work come first, then the newest", () => {
  const ended = key("ended", "20", { revoked_at: "2026-11-21T00:00:00.000Z" });
  expect(ordered([key("old", "01"), ended, key("new", "10")], NOW).map((each) => each.id)).toEqual([
    "new",
    "old",
    "ended",
  ]);
});
