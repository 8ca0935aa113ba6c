import { expect, test } from "vitest";
import { read } from "./builder/read";
import { type Found, verdict } from "./explain";
import { barsOf, linesOf } from "./steps";

const found = (holds: boolean, observed: number): Found => ({ condition: {}, text: "", holds, observed });

test("what was found is told at its condition, with the nots around it", () => {
  const { where } = read({
    subject: "person",
    where: {
      all: [
        { performed: "a", avg: { of: "x", ">": 1 }, count: { ">=": 2 } },
        { not: { any: [{ performed: "b" }, { not: { state: "s", is: 1 } }] } },
      ],
    },
  });
  const whole = verdict(where, [found(true, 1), found(true, 2), found(false, 3), found(true, 4)]);
  expect(whole.holds).toBe(true);
  expect(whole.parts[0]?.found.map((each) => each.observed)).toEqual([1, 2]);
  expect(whole.parts[1]?.parts.map((part) => [part.holds, part.found[0]?.observed])).toEqual([
    [false, 3],
    [false, 4],
  ]);
  expect(verdict(where, [found(true, 1), found(false, 2), found(false, 3), found(true, 4)]).holds).toBe(false);
});

test("both drawings of a history show the same time, and times grow", () => {
  const steps = [0, 1, 2].map((at) => ({ at: new Date(at * 3_600_000).toISOString(), entered: at, left: 1, size: 5 }));
  const [line, bars] = [linesOf(steps, 3600, 2.5 * 3600), barsOf(steps, 3600)];
  expect([line.times[0], line.times.at(-1)]).toEqual([bars.times[0], bars.times.at(-1)]);
  for (const { times, lines } of [line, bars]) {
    expect([...times].sort((a, b) => a - b)).toEqual(times);
    expect(new Set(times).size).toBe(times.length);
    for (const each of lines) expect(each.values.length).toBe(times.length);
  }
  expect(line.lines[0]?.values).toEqual([null, 6, 5, 5, 5, null]);
});
