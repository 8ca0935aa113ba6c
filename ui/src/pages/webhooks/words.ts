import type { Schemas } from "@/api/client";

export type Webhook = Schemas["WebhookAnswer"];
export type Delivery = Schemas["DeliveryAnswer"];
export type Attempt = Schemas["AttemptAnswer"];

/** What a webhook can be told, for people. */
export const EVENTS = [
  { value: "cohort.entered", label: "cohort.entered", description: "Somebody entered a cohort." },
  { value: "cohort.left", label: "cohort.left", description: "Somebody left a cohort." },
  {
    value: "events.rejected",
    label: "events.rejected",
    description: "Events were rejected: a digest by signal and reason, once a minute at most.",
  },
  {
    value: "backfill.finished",
    label: "backfill.finished",
    description: "A backfill is closed and all of it stored, or it is reverted.",
  },
] as const;

/** Why a webhook rests. */
export const PAUSES: Record<NonNullable<Webhook["paused"]>, string> = {
  by_hand: "Somebody paused it. Nothing is sent, and nothing lost: what happens meanwhile is told once it is resumed.",
  failing: "Nothing was taken for a day, so it was paused. Mend the receiver, send a ping, then resume.",
  gone: "Its receiver answered 410 Gone, so it was paused at once.",
};

export const STATUSES = ["pending", "delivered", "failed", "erased"] as const;
export type Status = (typeof STATUSES)[number];

/** The status that an address names; none for anything else. */
export function statusOf(text: string | undefined): Status | undefined {
  return STATUSES.find((each) => each === text);
}

/** Whether it tells of cohorts, so that these can be chosen. */
export function tellsOfCohorts(events: readonly string[]): boolean {
  return events.some((each) => each.startsWith("cohort."));
}

/** What came of an attempt, in a few words. */
export function outcome(attempt: Attempt): string {
  if (attempt.error === null) return `Taken with ${attempt.status}`;
  return attempt.error.charAt(0).toUpperCase() + attempt.error.slice(1);
}

/** When a delivery is tried next, or that it is not. */
export function isWaiting(delivery: Delivery): boolean {
  return delivery.status === "pending" && delivery.next_attempt_at !== null;
}
