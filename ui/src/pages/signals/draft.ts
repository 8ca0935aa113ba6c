/** A signal's definition while one edits it, and what of it is sent. */

import type { Schemas } from "@/api/client";
import type { Signal } from "./queries";

export const TYPES = ["event", "metric", "state"] as const;
export const AGGREGATIONS = ["sum", "count", "avg", "min", "max"] as const;
export const PERIODS = ["hour", "day", "week", "month"] as const;

/** Events a UTC minute, of a signal that is made without a limit of its own. */
export const DEFAULT_LIMITS = { event: 100, metric: 1000, state: 30 } as const;

export type Draft = {
  name: string;
  /** Empty: made from the name. */
  slug: string;
  type: (typeof TYPES)[number];
  active: boolean;
  aggregation: (typeof AGGREGATIONS)[number];
  period: (typeof PERIODS)[number];
  value: string;
  limit: "default" | "own" | "none";
  rate: number | "";
  enforcement: "quarantine" | "reject";
  dedupe: boolean;
  days: number | "";
};

export const NEW: Draft = {
  name: "",
  slug: "",
  type: "event",
  active: true,
  aggregation: "sum",
  period: "day",
  value: "",
  limit: "default",
  rate: 1000,
  enforcement: "quarantine",
  dedupe: false,
  days: "",
};

/** The slug that the server makes from a name: empty when nothing is left of it. */
export function slugOf(name: string): string {
  const plain = name
    .normalize("NFKD")
    .replace(/[^\p{ASCII}]/gu, "")
    .toLowerCase();
  return plain
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 100)
    .replace(/-+$/, "");
}

export function draftOf(signal: Signal): Draft {
  return {
    name: signal.name,
    slug: signal.slug,
    type: signal.type,
    active: signal.active,
    aggregation: signal.aggregation ?? NEW.aggregation,
    period: signal.period ?? NEW.period,
    value: signal.value ?? "",
    limit: signal.rate_limit === null ? "none" : "own",
    rate: signal.rate_limit ?? "",
    enforcement: signal.enforcement,
    dedupe: signal.dedupe_by === "reference",
    days: signal.retention_days ?? "",
  };
}

/** What is missing or cannot be, by field; empty when it can be sent. */
export function faultsOf(draft: Draft, had?: Signal): Partial<Record<keyof Draft, string>> {
  const value = draft.value.trim();
  const slug = draft.slug || slugOf(draft.name);
  return {
    ...(draft.name.trim() === "" ? { name: "Give it a name." } : {}),
    ...(!had && !/^[A-Za-z0-9._~-]{1,100}$/.test(slug) ? { slug: "1 to 100 of A-Z a-z 0-9 - . _ ~ are needed." } : {}),
    ...(value === "" && needsValue(draft, had) ? { value: "Say where in data it stands." } : {}),
    ...(/\s|^\.|\.$|\.\./.test(value) && draft.type !== "event"
      ? { value: "Names with dots between, as usage.calls." }
      : {}),
    ...(draft.limit === "own" && draft.rate === "" ? { rate: "Give a number." } : {}),
  };
}

function needsValue(draft: Draft, had?: Signal): boolean {
  if (draft.type === "state") return true;
  return draft.type === "metric" && (draft.aggregation !== "count" || Boolean(had?.value));
}

export function bodyOf(draft: Draft): Schemas["SignalBody"] {
  const value = draft.value.trim();
  return {
    name: draft.name.trim(),
    type: draft.type,
    enforcement: draft.enforcement,
    ...(draft.slug ? { slug: draft.slug } : {}),
    ...(draft.limit === "default" ? {} : { rate_limit: rateOf(draft) }),
    ...(draft.type === "metric" ? { aggregation: draft.aggregation, period: draft.period } : {}),
    ...(draft.type !== "event" && value ? { value } : {}),
    ...(draft.dedupe ? { dedupe_by: "reference" as const } : {}),
    ...(draft.days === "" ? {} : { retention_days: draft.days }),
  };
}

/** Only what is other than it was: null takes a limit, an end or a rule away. */
export function patchOf(signal: Signal, draft: Draft): Schemas["SignalPatch"] {
  const wanted: Schemas["SignalPatch"] = {
    name: draft.name.trim(),
    active: draft.active,
    rate_limit: rateOf(draft),
    enforcement: draft.enforcement,
    dedupe_by: draft.dedupe ? "reference" : null,
    retention_days: draft.days === "" ? null : draft.days,
    ...(draft.type === "metric" ? { aggregation: draft.aggregation, period: draft.period } : {}),
    ...(draft.type !== "event" && draft.value.trim() ? { value: draft.value.trim() } : {}),
  };
  const had = signal as Record<string, unknown>;
  return Object.fromEntries(Object.entries(wanted).filter(([name, value]) => had[name] !== value));
}

function rateOf(draft: Draft): number | null {
  return draft.limit === "own" && draft.rate !== "" ? draft.rate : null;
}
