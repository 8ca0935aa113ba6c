import type { Activity, Limit, Signal } from "./queries";

/** A signal with how busy it is. */
export type Row = {
  signal: Signal;
  name: string;
  processed: readonly number[];
  rejected: readonly number[];
  volume: number;
  wrong: number;
  /** Of what was decided in these hours, the part that was rejected. */
  faulty: number;
  lastReceived: string | null;
  limit: Limit | undefined;
};

const sum = (values: readonly number[]) => values.reduce((all, each) => all + each, 0);

export function rowsOf(signals: readonly Signal[], activity: Activity | undefined, limits: readonly Limit[]): Row[] {
  const active = new Map(activity?.data.map((each) => [each.signal, each]));
  const near = new Map(limits.map((each) => [each.signal, each]));
  return signals.map((signal) => {
    const seen = active.get(signal.slug);
    const [processed, rejected] = [seen?.processed ?? [], seen?.rejected ?? []];
    const wrong = sum(rejected);
    const volume = sum(processed) + wrong;
    return {
      signal,
      name: signal.name,
      processed,
      rejected,
      volume,
      wrong,
      faulty: volume > 0 ? wrong / volume : 0,
      lastReceived: seen?.last_received_at ?? null,
      limit: near.get(signal.slug),
    };
  });
}

export type Filter = { text: string; type: string; active: string };

export function fits(row: Row, filter: Filter): boolean {
  const text = filter.text.trim().toLowerCase();
  const { name, slug, type, active, draft } = row.signal;
  return (
    (text === "" || name.toLowerCase().includes(text) || slug.toLowerCase().includes(text)) &&
    (filter.type === "" || type === filter.type) &&
    (filter.active === "" || filter.active === (draft ? "draft" : active ? "yes" : "no"))
  );
}
