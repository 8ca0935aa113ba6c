import { expect, test, vi } from "vitest";

vi.stubGlobal("window", { location: { origin: "http://localhost" } });
const { Fault } = await import("@/api/client");
const { listen, verdict } = await import("./stream");

test("what mends itself is asked again, later each time, and not before the server says", () => {
  expect(verdict(null, 1)).toEqual(["reconnecting", 1000]);
  expect(verdict(new Fault(0, "", ""), 40)).toEqual(["reconnecting", 8000]);
  expect(verdict(new Fault(503, "", "", "", 10), 1)).toEqual(["away", 10_000]);
});

test("what is wrong with the question is not asked again", () => {
  expect(verdict(new Fault(400, "", "", "identity"), 1)).toEqual(["refused", null]);
  expect(verdict(new Fault(401, "", ""), 1)[1]).toBeNull();
});

test("a connection that is never answered, or falls silent, is made anew and told", () => {
  const made: Source[] = [];
  class Source {
    static readonly CONNECTING = 0;
    static readonly OPEN = 1;
    static readonly CLOSED = 2;
    readyState = Source.CONNECTING;
    onerror: (() => void) | null = null;
    constructor() {
      made.push(this);
    }
    addEventListener() {}
    close() {
      this.readyState = Source.CLOSED;
    }
  }
  vi.useFakeTimers();
  vi.stubGlobal("EventSource", Source);
  vi.stubGlobal("document", { hidden: false, addEventListener: () => {}, removeEventListener: () => {} });
  const links: string[] = [];
  const nothing = () => {};
  const stop = listen("/v1/live", { hello: nothing, tick: nothing, point: nothing, link: (link) => links.push(link) });
  vi.advanceTimersByTime(14_000);
  expect([made.length, links]).toEqual([1, ["connecting"]]);
  vi.advanceTimersByTime(7_000);
  expect([made.length, made[0]?.readyState, links]).toEqual([2, Source.CLOSED, ["connecting", "reconnecting"]]);
  (made[1] as Source).readyState = Source.OPEN;
  vi.advanceTimersByTime(21_000);
  expect(made).toHaveLength(3);
  stop();
  vi.advanceTimersByTime(60_000);
  expect(made).toHaveLength(3);
  vi.useRealTimers();
});
