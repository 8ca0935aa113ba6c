import type { Schemas } from "@/api/client";

export type Outcome = Schemas["OutcomeAnswer"];
type Failing = Outcome["failing"][number];

/** Two pages of a replay told as one. */
export function added(known: Outcome | null, page: Outcome): Outcome {
  if (known === null) return page;
  const lanes = { ...known.lanes };
  for (const [lane, events] of Object.entries(page.lanes)) lanes[lane] = (lanes[lane] ?? 0) + events;
  return {
    matched: known.matched + page.matched,
    would_pass: known.would_pass + page.would_pass,
    replayed: known.replayed + page.replayed,
    already: known.already + page.already,
    lanes,
    failing: together([...known.failing, ...page.failing]),
    next: page.next,
  };
}

function together(failing: readonly Failing[]): Failing[] {
  const known = new Map<string, Failing>();
  for (const each of failing) {
    const key = JSON.stringify([each.reason, each.signal]);
    const before = known.get(key);
    known.set(key, before ? { ...before, events: before.events + each.events } : each);
  }
  return [...known.values()].sort((a, b) => b.events - a.events || a.signal.localeCompare(b.signal));
}

/** "1,180 into the migration lane and 3 into the realtime lane". */
export function lanesOf(outcome: Outcome, count: (value: number) => string): string {
  const some = Object.entries(outcome.lanes).filter(([, events]) => events > 0);
  return some.map(([lane, events]) => `${count(events)} into the ${lane} lane`).join(" and ");
}
