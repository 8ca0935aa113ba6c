import { describe, expect, it } from "vitest";
import { type Attempt, isWaiting, outcome, statusOf, tellsOfCohorts } from "./words";

const attempt: Attempt = { at: "2026-11-22T04:05:06.789Z", ms: 12, status: 200, error: null, answer: "ok" };

describe("words of webhooks", () => {
  it("tells what came of an attempt", () => {
    expect(outcome(attempt)).toBe("Taken with 200");
    expect(outcome({ ...attempt, status: 503, error: "answered 503" })).toBe("Answered 503");
    expect(outcome({ ...attempt, status: null, error: "no answer within 20 s" })).toBe("No answer within 20 s");
  });

  it("takes no status from an address that there is not", () => {
    expect(statusOf("failed")).toBe("failed");
    expect(statusOf("lost")).toBeUndefined();
    expect(statusOf(undefined)).toBeUndefined();
  });

  it("asks for cohorts only where these are told", () => {
    expect(tellsOfCohorts(["events.rejected", "cohort.left"])).toBe(true);
    expect(tellsOfCohorts(["events.rejected", "backfill.finished"])).toBe(false);
  });

  it("knows what waits", () => {
    const delivery = {
      id: "msg_1",
      type: "ping",
      status: "pending" as const,
      attempts: 0,
      event_id: null,
      created_at: attempt.at,
      next_attempt_at: attempt.at,
      done_at: null,
    };
    expect(isWaiting(delivery)).toBe(true);
    expect(isWaiting({ ...delivery, status: "failed", next_attempt_at: null })).toBe(false);
  });
});
