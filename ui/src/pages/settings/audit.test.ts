import { expect, test } from "vitest";
import { actionWords, actorWords, type Change, detailWords, found } from "./audit";

const NAMES = new Map([["key_a", "shop front"]]);
const CHANGE: Change = {
  at: "2026-11-22T00:00:00.000Z",
  actor: "key_a",
  action: "signal.update",
  target: "sig_1",
  detail: { slug: "ordered", rate_limit: null, active: false, scopes: ["read", "admin"] },
  address: "203.0.113.7",
};

test("entries are told in words, and what has none by its name", () => {
  expect(actionWords("signal.update")).toBe("changed a signal");
  expect(actionWords("toString")).toBe("toString");
  expect(actorWords("key_a", NAMES)).toBe("shop front");
  expect(actorWords("key_b", NAMES)).toBe("key_b");
  expect(actorWords("first-start", NAMES)).toBe("the first start");
  expect(actorWords("constructor", NAMES)).toBe("constructor");
  expect(detailWords(CHANGE.detail)).toBe("slug: ordered, rate limit: none, active: no, scopes: read + admin");
  expect(detailWords({ never_connect: Array.from({ length: 9 }, String), of: { a: 1 } })).toBe(
    'never connect: 9 values, of: {"a":1}',
  );
});

test("an entry is found by anything that is shown of it", () => {
  for (const text of ["shop", "key_a", "changed a", "signal.update", "SIG_1", "ordered", "rate limit", "203.0", " "]) {
    expect(found(CHANGE, text, NAMES), text).toBe(true);
  }
  expect(found(CHANGE, "cohort", NAMES)).toBe(false);
});
