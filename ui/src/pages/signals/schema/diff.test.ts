import { expect, test } from "vitest";
import { type DiffLine, diffLines, hunks } from "./diff";

const marks = { same: " ", removed: "-", added: "+" } as const;
const spelled = (lines: readonly DiffLine[]) => lines.map((line) => marks[line.mark] + line.text).join("|");
const of = (lines: readonly DiffLine[], not: DiffLine["mark"]) =>
  lines.filter((line) => line.mark !== not).map((line) => line.text);

test("a line is added, removed, changed", () => {
  expect(spelled(diffLines("a\nb\nc", "a\nx\nb\nc"))).toBe(" a|+x| b| c");
  expect(spelled(diffLines("a\nb\nc", "a\nc"))).toBe(" a|-b| c");
  expect(spelled(diffLines("a\nb\nc", "a\nB\nc"))).toBe(" a|-b|+B| c");
  expect(spelled(diffLines("a", "a"))).toBe(" a");
});

test("the paper's own example takes five steps", () => {
  const lines = diffLines([..."ABCABBA"].join("\n"), [..."CBABAC"].join("\n"));
  expect(lines.filter((line) => line.mark !== "same")).toHaveLength(5);
});

/** How many steps the shortest way has, by the plain table. */
function shortest(a: readonly string[], b: readonly string[]): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [index, left] of a.entries()) {
    const next = [index + 1];
    for (const [other, right] of b.entries()) {
      const better = Math.min((row[other + 1] ?? 0) + 1, (next[other] ?? 0) + 1);
      next.push(left === right ? (row[other] ?? 0) : better);
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

test("of any two texts: both can be read back, the way is a shortest one, the numbers count", () => {
  let seed = 3;
  const next = (most: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return (seed >> 8) % most;
  };
  const text = () => Array.from({ length: 1 + next(12) }, () => "abcd"[next(4)]).join("\n");
  for (let round = 0; round < 3000; round++) {
    const [old, now] = [text(), text()];
    const lines = diffLines(old, now);
    expect(of(lines, "added").join("\n")).toBe(old);
    expect(of(lines, "removed").join("\n")).toBe(now);
    const steps = lines.filter((line) => line.mark !== "same").length;
    expect(steps).toBe(shortest(old.split("\n"), now.split("\n")));
    expect(lines.flatMap((line) => line.old ?? [])).toEqual(old.split("\n").map((_, index) => index + 1));
    expect(lines.flatMap((line) => line.new ?? [])).toEqual(now.split("\n").map((_, index) => index + 1));
  }
});

test("texts that have nothing in common are told as such, soon", () => {
  const old = Array.from({ length: 9000 }, (_, index) => `a${index}`).join("\n");
  const now = Array.from({ length: 9000 }, (_, index) => `b${index}`).join("\n");
  const begun = performance.now();
  const lines = diffLines(old, now);
  expect(performance.now() - begun).toBeLessThan(2000);
  expect(lines).toHaveLength(18_000);
  expect(of(lines, "added").join("\n")).toBe(old);
});

test("far from a change, equal lines are left out", () => {
  const old = Array.from({ length: 30 }, (_, index) => `line ${index}`);
  const now = old.with(10, "other");
  const found = hunks(diffLines(old.join("\n"), now.join("\n")), 2);
  expect(found.map((hunk) => [hunk.skipped, hunk.lines.length])).toEqual([
    [8, 6],
    [17, 0],
  ]);
});
