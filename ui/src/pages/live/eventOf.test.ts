import { expect, test } from "vitest";
import { eventOf } from "./eventOf";

test("an event's data are shown digit for digit", () => {
  const text = '{"id": "evt_1", "data": {"order":9007199254740993,"of": [1.10, "a, b"]}, "name": null}';
  const { id, written } = eventOf(text);
  expect(id).toBe("evt_1");
  expect(written).toBe('{\n  "order": 9007199254740993,\n  "of": [\n    1.10,\n    "a, b"\n  ]\n}');
  expect(eventOf('{"id":"evt_2"}').written).toBe("null");
});
