import type { Schemas } from "@/api/client";

export type Kind = Schemas["SummaryAnswer"]["data"][number];
export type Reason = Schemas["Reason-Input"];
export type Filter = Omit<Schemas["FilterBody"], "reason"> & { reason?: Reason | undefined };

export const REASONS: readonly Reason[] = [
  "schema_violation",
  "signal_draft",
  "metric_value_missing",
  "state_value_missing",
  "outside_realtime_window",
  "timestamp_in_future",
];

export type Group = { reason: string; events: number; hint: string; kinds: Kind[] };

/** What was rejected for the same reason, the most frequent first. */
export function grouped(kinds: readonly Kind[]): Group[] {
  const groups = new Map<string, Group>();
  for (const kind of kinds) {
    const group = groups.get(kind.reason) ?? { reason: kind.reason, events: 0, hint: plain(kind.hint), kinds: [] };
    groups.set(kind.reason, { ...group, events: group.events + kind.events, kinds: [...group.kinds, kind] });
  }
  return [...groups.values()].sort((a, b) => b.events - a.events);
}

/** A hint without the calls of the API that it names: here there are links that do the same. */
export function plain(hint: string): string {
  return hint.replaceAll(/\s*\((?:GET|POST|PATCH|PUT|DELETE)\s[^)]*\)/g, "");
}

/** Where on a signal's page the cause is mended; null where it is the sender's to mend, or a replay's. */
export function mendedIn(reason: string): "overview" | "schema" | "settings" | null {
  if (reason === "schema_violation") return "schema";
  if (reason === "signal_draft") return "overview";
  return reason === "metric_value_missing" || reason === "state_value_missing" ? "settings" : null;
}

/** What was wrong with the newest event of a kind; a date says it by its reason alone. */
export function wrongWith({ reason, detail, path }: Pick<Kind, "reason" | "detail" | "path">): string {
  if (detail) return detail;
  if (!path) return "";
  if (reason === "timestamp_in_future") return `${path} is too far ahead`;
  return reason === "outside_realtime_window" ? `${path} is too old, or too far ahead` : path;
}
