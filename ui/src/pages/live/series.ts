/** Seconds that the charts can look back. */
export const LONGEST = 900;

export type Counts = { accepted: number; processed: number; rejected: number; backlog: number };
export type LaneName = "realtime" | "migration";
/** Exact counts of one second, of the whole workspace. */
export type Point = { at: string; lanes: Record<LaneName, Counts> };

/** What is told anew takes the place of what was known of the same time; a stream begins again with its history. */
export function continued(known: readonly Point[], told: readonly Point[]): readonly Point[] {
  const first = told[0];
  if (first === undefined) return known;
  const kept = known.filter((point) => point.at < first.at);
  return [...kept, ...told].slice(-LONGEST);
}

export type Series = { times: number[]; of: (lane: LaneName, what: keyof Counts) => (number | null)[] };

/** Columns for a chart, of the newest so many seconds; where some are lacking the line breaks off. */
export function columns(points: readonly Point[], seconds: number): Series {
  const times: number[] = [];
  const rows: (Point | null)[] = [];
  for (const point of points.slice(-seconds)) {
    const time = Date.parse(point.at) / 1000;
    const before = times.at(-1);
    if (before !== undefined && time - before > 2) {
      times.push(before + 1);
      rows.push(null);
    }
    times.push(time);
    rows.push(point);
  }
  return { times, of: (lane, what) => rows.map((point) => point?.lanes[lane]?.[what] ?? null) };
}
