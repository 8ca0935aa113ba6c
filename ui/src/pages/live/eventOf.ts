import type { Schemas } from "@/api/client";
import { indented, members } from "@/pages/backfills/upload/raw";

/** An event, and its data as they are written, to be shown: read, a long number would have other digits. */
export type Event = Schemas["EventAnswer"] & { written: string };

export function eventOf(text: string): Event {
  return { ...(JSON.parse(text) as Schemas["EventAnswer"]), written: indented(members(text).get("data") ?? "null") };
}
