import { expect, test } from "vitest";
import type { Schemas } from "@/api/client";
import { seenLately } from "./lately";

function event(id: string, at: string): Schemas["EventAnswer"] {
  return { identities: [{ type: "email", id }], occurred_at: at, name: null } as unknown as Schemas["EventAnswer"];
}

test("each person once, with the newest event, and no more than asked for", () => {
  const events = [event("a", "3"), event("b", "2"), event("a", "1"), event("c", "0")];
  expect(seenLately(events, 2).map((seen) => [seen.identity.id, seen.at])).toEqual([
    ["a", "3"],
    ["b", "2"],
  ]);
});
