/** What changed between two texts, line by line: E. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986). */

export type Mark = "same" | "removed" | "added";
export type DiffLine = { mark: Mark; text: string; old?: number; new?: number };

/** Steps after which two texts count as different altogether: the work grows with the square of it. */
export const MOST_STEPS = 1000;

export function diffLines(old: string, now: string, most = MOST_STEPS): DiffLine[] {
  const before = old.split("\n");
  const after = now.split("\n");
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  let tail = 0;
  const room = Math.min(before.length, after.length) - head;
  while (tail < room && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail += 1;
  const middle = script(before.slice(head, before.length - tail), after.slice(head, after.length - tail), most);
  const same = (text: string) => ({ mark: "same" as const, text });
  return numbered([...before.slice(0, head).map(same), ...middle, ...before.slice(before.length - tail).map(same)]);
}

type Step = { mark: Mark; text: string };

function numbered(steps: readonly Step[]): DiffLine[] {
  let old = 0;
  let now = 0;
  return steps.map((step) => {
    if (step.mark !== "added") old += 1;
    if (step.mark !== "removed") now += 1;
    return { ...step, ...(step.mark === "added" ? {} : { old }), ...(step.mark === "removed" ? {} : { new: now }) };
  });
}

/** The furthest that each diagonal got in each step, forward; then the way back through them. */
function script(a: readonly string[], b: readonly string[], most: number): Step[] {
  const all = a.length + b.length;
  const steps = Math.min(all, most);
  const far = new Int32Array(2 * steps + 3);
  const middle = steps + 1;
  const trace: Int32Array[] = [];
  for (let d = 0; d <= steps; d++) {
    trace.push(far.slice(middle - d - 1, middle + d + 2));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && at(far, middle + k - 1) < at(far, middle + k + 1));
      let x = down ? at(far, middle + k + 1) : at(far, middle + k - 1) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      far[middle + k] = x;
      if (x >= a.length && x - k >= b.length) return back(a, b, trace);
    }
  }
  return [
    ...a.map((text) => ({ mark: "removed" as const, text })),
    ...b.map((text) => ({ mark: "added" as const, text })),
  ];
}

function back(a: readonly string[], b: readonly string[], trace: readonly Int32Array[]): Step[] {
  const found: Step[] = [];
  let x = a.length;
  let y = b.length;
  for (let d = trace.length - 1; d >= 0; d--) {
    const far = trace[d] as Int32Array; // of the diagonals -d-1 … d+1
    const k = x - y;
    const down = k === -d || (k !== d && at(far, k - 1 + d + 1) < at(far, k + 1 + d + 1));
    const from = down ? k + 1 : k - 1;
    const begin = d === 0 ? 0 : at(far, from + d + 1);
    while (x > begin && y > begin - from && x > 0 && y > 0 && a[x - 1] === b[y - 1]) {
      found.push({ mark: "same", text: a[x - 1] ?? "" });
      x -= 1;
      y -= 1;
    }
    if (d === 0) break;
    if (down) {
      y -= 1;
      found.push({ mark: "added", text: b[y] ?? "" });
    } else {
      x -= 1;
      found.push({ mark: "removed", text: a[x] ?? "" });
    }
  }
  return found.reverse();
}

function at(far: Int32Array, place: number): number {
  return far[place] ?? 0;
}

export type Hunk = { skipped: number; lines: DiffLine[] };

/** The changes with some lines around them; `skipped`: how many equal ones were left out before. */
export function hunks(lines: readonly DiffLine[], around = 3): Hunk[] {
  const near = lines.map(() => false);
  lines.forEach((line, index) => {
    if (line.mark === "same") return;
    for (let each = Math.max(0, index - around); each <= Math.min(lines.length - 1, index + around); each++)
      near[each] = true;
  });
  const found: Hunk[] = [];
  let skipped = 0;
  lines.forEach((line, index) => {
    if (!near[index]) {
      skipped += 1;
      return;
    }
    const last = found.at(-1);
    if (last && skipped === 0) last.lines.push(line);
    else found.push({ skipped, lines: [line] });
    skipped = 0;
  });
  if (skipped > 0) found.push({ skipped, lines: [] });
  return found;
}
