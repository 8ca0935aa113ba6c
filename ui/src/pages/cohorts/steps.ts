import type { Line } from "@/common/Chart";

export type Step = { at: string; entered: number; left: number; size: number };
type Drawing = { times: number[]; lines: Line[] };

/** A young cohort's few steps do not fill the whole width. */
const FEWEST = 12;

/** The size at the end of each step (of the one that runs: now), from before the first one on. */
export function linesOf(steps: readonly Step[], seconds: number, now = Date.now() / 1000): Drawing {
  const [first] = steps;
  if (!first) return { times: [], lines: [] };
  const begins = steps.map(secondsOf);
  const ends = begins.map((at) => Math.min(at + seconds, Math.max(at + 1, now)));
  const before = first.size - first.entered + first.left;
  const [from, to] = edges(steps, seconds);
  return {
    times: [
      ...(from < (begins[0] ?? 0) ? [from] : []),
      begins[0] ?? 0,
      ...ends,
      ...(to > (ends.at(-1) ?? to) ? [to] : []),
    ],
    lines: [
      {
        label: "Size",
        color: "water-6",
        values: [
          ...(from < (begins[0] ?? 0) ? [null] : []),
          before,
          ...steps.map((step) => step.size),
          ...(to > (ends.at(-1) ?? to) ? [null] : []),
        ],
      },
    ],
  };
}

/** Entered and left beside one another, a bar each: one in the first half of its step, one in the second. */
export function barsOf(steps: readonly Step[], seconds: number): Drawing {
  if (steps.length === 0) return { times: [], lines: [] };
  const [from, to] = edges(steps, seconds);
  const times = steps.flatMap((step) => [secondsOf(step) + seconds / 4, secondsOf(step) + (3 * seconds) / 4]);
  const entered = steps.flatMap((step) => [step.entered, null]);
  const left = steps.flatMap((step) => [null, step.left]);
  return {
    times: [from, ...times, to],
    lines: [
      { label: "Entered", color: "teal-6", values: [null, ...entered, null], bars: true },
      { label: "Left", color: "orange-6", values: [null, ...left, null], bars: true },
    ],
  };
}

/** What both drawings show, so that they stand below one another. */
function edges(steps: readonly Step[], seconds: number): [number, number] {
  const [first] = steps;
  const last = steps.at(-1);
  const to = last ? secondsOf(last) + seconds : 0;
  return [Math.min(first ? secondsOf(first) : to, to - FEWEST * seconds), to];
}

function secondsOf(step: Step): number {
  return Date.parse(step.at) / 1000;
}
