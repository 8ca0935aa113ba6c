import { Fault, faultOf } from "@/api/client";
import type { Tick } from "./feed";
import type { Point } from "./series";

/** How it stands with the stream: `away` is the engine alone, `refused` what waiting does not mend. */
export type Link = "connecting" | "live" | "reconnecting" | "away" | "refused";

export type Heard = {
  hello: (points: readonly Point[]) => void;
  tick: (tick: Tick) => void;
  point: (point: Point) => void;
  link: (link: Link, fault: Fault | null) => void;
};

const SILENCE = 15_000;
const LONGEST_WAIT = 8_000;

/**
 * Listens until the function that it gives is called. A tab that nobody sees does not listen: a browser has six
 * connections to a host, and every stream takes one of them.
 */
export function listen(url: string, heard: Heard): () => void {
  let source: EventSource | null = null;
  let again: ReturnType<typeof setTimeout> | undefined;
  let failed = 0;
  let last = 0;
  let asking = new AbortController();

  function open(): void {
    close();
    if (document.hidden) return;
    heard.link(failed === 0 ? "connecting" : "reconnecting", null);
    last = Date.now();
    const opened = new EventSource(url);
    source = opened;
    const on = <T>(name: string, act: (data: T) => void) =>
      opened.addEventListener(name, (event) => {
        last = Date.now();
        act(JSON.parse((event as MessageEvent<string>).data) as T);
      });
    on<{ points: readonly Point[] }>("hello", ({ points }) => {
      failed = 0;
      heard.link("live", null);
      heard.hello(points);
    });
    on<Tick>("tick", heard.tick);
    on<Point>("point", heard.point);
    opened.onerror = () => {
      if (opened !== source) return;
      failed += 1;
      if (opened.readyState === EventSource.CLOSED) void why();
      else {
        last = Date.now();
        heard.link("reconnecting", null); // the browser tries again by itself
      }
    };
  }

  function close(): void {
    clearTimeout(again);
    asking.abort();
    source?.close();
    source = null;
  }

  /** An EventSource keeps to itself what it was told: asked once more, to know. */
  async function why(): Promise<void> {
    close();
    asking = new AbortController();
    const { signal } = asking;
    let fault: Fault | null = null;
    try {
      const answer = await fetch(url, { signal });
      if (answer.ok) void answer.body?.cancel();
      else fault = faultOf(answer, await answer.json().catch(() => null));
    } catch {
      fault = new Fault(0, "No answer", "The server cannot be reached.");
    }
    if (signal.aborted) return;
    const [link, wait] = verdict(fault, failed);
    heard.link(link, fault);
    if (wait !== null) again = setTimeout(open, wait);
  }

  const seen = () => (document.hidden ? close() : open());
  const watch = setInterval(() => {
    if (source && source.readyState !== EventSource.CLOSED && Date.now() - last > SILENCE) {
      failed += 1;
      open(); // a connection that broke off without a word, or was never answered
    }
  }, 5_000);
  document.addEventListener("visibilitychange", seen);
  open();
  return () => {
    clearInterval(watch);
    document.removeEventListener("visibilitychange", seen);
    close();
  };
}

/** What a refusal means, and after how many milliseconds to come back: null for never. */
export function verdict(fault: Fault | null, failed: number): [Link, number | null] {
  const wait = Math.min(LONGEST_WAIT, 500 * 2 ** Math.min(failed, 10));
  if (fault === null || fault.status === 0) return ["reconnecting", wait];
  if (fault.status === 429 || fault.status >= 500) return ["away", Math.max(wait, fault.retryAfter * 1000)];
  return ["refused", null];
}
