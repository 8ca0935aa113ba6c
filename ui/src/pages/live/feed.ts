import type { Schemas } from "@/api/client";
import type { Identity } from "@/common/marks";

/** Rows that are kept; older ones are found through the filters of other pages. */
export const MOST = 500;

/** An event as the stream tells it once it has its outcome. */
export type LiveEvent = {
  id: string;
  signal: string;
  status: string;
  reason: string | null;
  lane: string;
  dialect: string;
  identities: readonly Identity[];
  occurred_at: string;
  received_at: string;
  backfill_id: string | null;
};

export type LaneNow = { lane: string; backlog: number; age_seconds: number };

/** What happened since the tick before: at most 40 of the events that fit, the newest first, and how many fit. */
export type Tick = {
  events: readonly LiveEvent[];
  matched: number;
  shown: number;
  lanes: readonly LaneNow[];
  sampled?: boolean;
};

type Tally = { matched: number; listed: number; sampled: boolean };

export type Feed = {
  /** In sight, the newest first. */
  rows: readonly LiveEvent[];
  /** Came while nothing was to move. */
  waiting: readonly LiveEvent[];
  /** How many those were, those too many to be listed among them. */
  missed: number;
  held: boolean;
  /** Of the second that runs, and of the last whole one. */
  running: Tally;
  second: Tally;
};

const NONE: Tally = { matched: 0, listed: 0, sampled: false };
export const EMPTY: Feed = { rows: [], waiting: [], missed: 0, held: false, running: NONE, second: NONE };

export type Change =
  | { type: "fill"; events: readonly LiveEvent[] }
  | { type: "tick"; tick: Tick }
  | { type: "second" }
  | { type: "hold"; held: boolean }
  | { type: "clear" };

/** Newer events before those that are known; one that is told again (it was replayed) moves up with its new outcome. */
export function joined(newer: readonly LiveEvent[], older: readonly LiveEvent[]): readonly LiveEvent[] {
  if (newer.length === 0) return older;
  const known = new Set(newer.map((each) => each.id));
  return [...newer, ...older.filter((each) => !known.has(each.id))].slice(0, MOST);
}

export function changed(feed: Feed, change: Change): Feed {
  switch (change.type) {
    case "fill":
      return filled(feed, change.events);
    case "tick":
      return ticked(feed, change.tick);
    case "second":
      if (feed.running === NONE && feed.second === NONE) return feed;
      return { ...feed, running: NONE, second: feed.running };
    case "hold":
      return held(feed, change.held);
    case "clear":
      return { ...EMPTY, held: feed.held };
  }
}

/** What there was before the stream began, or between two of them, in the order of receipt. */
function filled(feed: Feed, events: readonly LiveEvent[]): Feed {
  const known = new Set([...feed.rows, ...feed.waiting].map((each) => each.id));
  const others = events.filter((each) => !known.has(each.id));
  const [top] = feed.rows;
  if (others.length === 0) return feed;
  if (!feed.held || !top) return { ...feed, rows: byReceipt([...feed.rows, ...others]) };
  const newer = others.filter((each) => each.received_at > top.received_at);
  return { ...feed, waiting: byReceipt([...feed.waiting, ...newer]), missed: feed.missed + newer.length };
}

function byReceipt(events: LiveEvent[]): readonly LiveEvent[] {
  return events.sort((a, b) => compared(b.received_at, a.received_at) || compared(b.id, a.id)).slice(0, MOST);
}

function compared(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function ticked(feed: Feed, tick: Tick): Feed {
  if (tick.matched === 0 && tick.events.length === 0) return feed;
  const running = {
    matched: feed.running.matched + tick.matched,
    listed: feed.running.listed + tick.events.length,
    sampled: feed.running.sampled || tick.sampled === true,
  };
  if (!feed.held) return { ...feed, running, rows: joined(tick.events, feed.rows) };
  const waiting = joined(tick.events, feed.waiting);
  return { ...feed, running, waiting, missed: feed.missed + tick.matched };
}

function held(feed: Feed, hold: boolean): Feed {
  if (hold === feed.held) return feed;
  if (hold) return { ...feed, held: true };
  return { ...feed, held: false, rows: joined(feed.waiting, feed.rows), waiting: [], missed: 0 };
}

/** What of an event a row shows. */
export function rowOf(event: Schemas["EventAnswer"]): LiveEvent {
  const { id, signal, status, reason, lane, dialect, identities, occurred_at, received_at, backfill_id } = event;
  return { id, signal, status, reason, lane, dialect, identities, occurred_at, received_at, backfill_id };
}
