import { expect, test, vi } from "vitest";

vi.stubGlobal("window", { location: { origin: "http://localhost" } });
const { Fault } = await import("@/api/client");
const { verdict } = await import("./stream");

test("what mends itself is asked again, later each time, and not before the server says", () => {
  expect(verdict(null, 1)).toEqual(["reconnecting", 1000]);
  expect(verdict(new Fault(0, "", ""), 40)).toEqual(["reconnecting", 8000]);
  expect(verdict(new Fault(503, "", "", "", 10), 1)).toEqual(["away", 10_000]);
});

test("what is wrong with the question is not asked again", () => {
  expect(verdict(new Fault(400, "", "", "identity"), 1)).toEqual(["refused", null]);
  expect(verdict(new Fault(401, "", ""), 1)[1]).toBeNull();
});
