import { expect, test } from "vitest";
import { draftOf, linesOf, patchOf } from "./workspace";

const WORKSPACE = {
  id: "ws_aaaaaaaa",
  name: "acme",
  default_region: "IN",
  never_connect: ["email:a@example.com", "phone:+19999999999"],
  max_identities: 100,
  unknown_signals: "refuse" as const,
  created_at: "2026-11-22T00:00:00.000Z",
};

test("only what was changed is sent; an emptied region is null, an emptied list is empty", () => {
  const draft = draftOf(WORKSPACE);
  expect(patchOf(WORKSPACE, draft)).toEqual({});
  expect(patchOf(WORKSPACE, { ...draft, never: `${WORKSPACE.never_connect.toReversed().join("\n\n ")}\n` })).toEqual(
    {},
  );
  expect(patchOf(WORKSPACE, { ...draft, region: " " })).toEqual({ default_region: null });
  expect(patchOf(WORKSPACE, { ...draft, never: "" })).toEqual({ never_connect: [] });
  expect(patchOf(WORKSPACE, { ...draft, most: "" })).toEqual({});
  expect(patchOf(WORKSPACE, { ...draft, most: 5 })).toEqual({ max_identities: 5 });
});

test("a line is a value, once", () => {
  expect(linesOf(" a\nb\n\na \n")).toEqual(["a", "b"]);
});
