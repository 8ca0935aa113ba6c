import type { Schemas } from "@/api/client";
import { type Identity, keyOf } from "@/common/marks";

export type Seen = { identity: Identity; name: string; at: string };

/** Whom events were about, each once by its first identity, in the events' order. */
export function seenLately(events: readonly Schemas["EventAnswer"][], most: number): Seen[] {
  const seen = new Map<string, Seen>();
  for (const event of events) {
    const identity = event.identities[0];
    if (!identity || seen.has(keyOf(identity)) || seen.size === most) continue;
    seen.set(keyOf(identity), { identity, name: event.name ?? "", at: event.occurred_at });
  }
  return [...seen.values()];
}
