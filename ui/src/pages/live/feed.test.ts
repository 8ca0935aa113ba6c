import { expect, test } from "vitest";
import { type Change, changed, EMPTY, type Feed, type LiveEvent, MOST } from "./feed";

function event(id: number, about: Partial<LiveEvent> = {}): LiveEvent {
  const at = new Date(Date.UTC(2026, 10, 22) + id * 1000).toISOString();
  const rest = { signal: "ordered", status: "processed", reason: null, lane: "realtime", dialect: "bik" };
  return {
    id: String(id).padStart(6, "0"),
    ...rest,
    identities: [],
    occurred_at: at,
    received_at: at,
    backfill_id: null,
    ...about,
  };
}

function tick(events: LiveEvent[], matched = events.length): Change {
  return { type: "tick", tick: { events, matched, shown: events.length, lanes: [] } };
}

const ids = (feed: Feed) => feed.rows.map((each) => Number(each.id));
const after = (...changes: Change[]) => changes.reduce(changed, EMPTY);

test("the newest tick is on top", () => {
  expect(ids(after(tick([event(2), event(1)]), tick([event(3)])))).toEqual([3, 2, 1]);
});

test("a tick of nothing changes nothing, so that nothing is drawn", () => {
  const feed = after(tick([event(1)]), { type: "second" }, { type: "second" });
  expect(changed(feed, tick([]))).toBe(feed);
  expect(changed(feed, { type: "second" })).toBe(feed);
});

test("an event that is replayed is shown once, with its new outcome", () => {
  const feed = after(tick([event(1, { status: "rejected" })]), tick([event(2)]), tick([event(1)]));
  expect(feed.rows.map((each) => [Number(each.id), each.status])).toEqual([
    [1, "processed"],
    [2, "processed"],
  ]);
});

test("however much comes, a bounded number is kept", () => {
  const ticks = Array.from({ length: 100 }, (_, at) =>
    tick(Array.from({ length: 40 }, (_, n) => event(at * 40 + 39 - n))),
  );
  const shown = after(...ticks);
  expect(shown.rows).toHaveLength(MOST);
  expect(ids(shown)[0]).toBe(3999);
  const held = after({ type: "hold", held: true }, ...ticks);
  expect([held.rows.length, held.waiting.length, held.missed]).toEqual([0, MOST, 4000]);
});

test("held, nothing moves; then everything is there", () => {
  const held = after(tick([event(1)]), { type: "hold", held: true }, tick([event(2)], 700), tick([event(3)]));
  expect([ids(held), held.missed]).toEqual([[1], 701]);
  const going = changed(held, { type: "hold", held: false });
  expect([ids(going), going.missed, going.waiting]).toEqual([[3, 2, 1], 0, []]);
});

test("what was there before goes behind what came, in the order of receipt, each once", () => {
  const feed = after(tick([event(5), event(4)]), { type: "fill", events: [event(2), event(4), event(3)] });
  expect(ids(feed)).toEqual([5, 4, 3, 2]);
});

test("what came while the stream was broken is fitted in, and does not move what is held", () => {
  const fill: Change = { type: "fill", events: [event(3), event(2), event(1)] };
  expect(ids(after(tick([event(1)]), tick([event(4)]), fill))).toEqual([4, 3, 2, 1]);
  const held = after(tick([event(1)]), { type: "hold", held: true }, tick([event(4)]), fill);
  expect([ids(held), held.missed]).toEqual([[1], 3]);
  expect(ids(changed(held, { type: "hold", held: false }))).toEqual([4, 3, 2, 1]);
});

test("another filter begins anew and stays held", () => {
  const feed = after(tick([event(1)]), { type: "hold", held: true }, tick([event(2)]), { type: "clear" });
  expect(feed).toEqual({ ...EMPTY, held: true });
});

test("a second tells how many came and how many of them are listed", () => {
  const feed = after(tick([event(1)], 1250), tick([event(2)], 1250), { type: "second" }, tick([event(3)]));
  expect(feed.second).toEqual({ matched: 2500, listed: 2, sampled: false });
  expect(feed.running.matched).toBe(1);
});
