import { api } from "@/api/client";
import type { Chunk, Dialect, Row } from "./base";
import { digestOf } from "./digest";
import type { Reading } from "./format";
import { compiled, parse, type Written } from "./mapping";
import { ndjsonRows } from "./ndjson";
import { Refused } from "./refused";
import { run } from "./run";
import { type Outcome, Sender, type Server } from "./sender";
import { tableRows } from "./table";

/** What is loaded, how it is read, and where to. */
export type Plan = {
  file: File;
  reading: Reading;
  dialect: Dialect;
  mapping: Written;
  /** Of CSV. */
  header: string[] | null;
  backfill: { id: string; name: string };
};

export type Phase = "looking" | "running" | "paused" | "done" | "stopped" | "cancelled";
export type Waiting = { why: string; until: number };
/** How far it is. */
export type Progress = {
  phase: Phase;
  rows: number;
  taken: number;
  duplicates: number;
  refused: number;
  /** Bytes of the file, and how many were read. */
  at: number;
  total: number;
  /** Spent, pauses left out. */
  seconds: number;
  waiting: Waiting | null;
  /** Why it ended. */
  why: string;
};

/** The rows of a file as events. */
export function rowsOf(plan: Pick<Plan, "file" | "reading" | "dialect" | "mapping">, read: (at: number) => void) {
  const { file, reading, dialect, mapping } = plan;
  if (reading.format === "ndjson") return ndjsonRows(file, reading.encoding, read);
  const asked = parse(dialect, mapping);
  return tableRows(file, reading, (header) => compiled(asked, dialect, header), read);
}

/** The first rows; rejects with Stopped where file and mapping do not fit. */
export async function firstRows(plan: Pick<Plan, "file" | "reading" | "dialect" | "mapping">, count = 5) {
  const rows: Row[] = [];
  for await (const block of rowsOf(plan, () => {})) {
    rows.push(...block.slice(0, count - rows.length));
    if (rows.length >= count) break;
  }
  return rows;
}

const TOLD_MS = 150;

/** One file on its way. It goes on while one looks at other pages; closing the tab ends it. */
export class Upload {
  readonly refused = new Refused();
  private readonly stop = new AbortController();
  private readonly listeners = new Set<() => void>();
  private readonly waits = new Set<Waiting>();
  private resumed: (() => void) | null = null;
  private paused: Promise<void> | null = null;
  private since = performance.now();
  private timer: ReturnType<typeof setTimeout> | null = null;
  private now: Progress;
  private seen: Progress;

  constructor(readonly plan: Plan) {
    const counts = { rows: 0, taken: 0, duplicates: 0, refused: 0, at: 0, seconds: 0 };
    this.now = { phase: "looking", ...counts, total: plan.file.size, waiting: null, why: "" };
    this.seen = { ...this.now };
    void this.go();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  snapshot = (): Progress => this.seen;

  get ended(): boolean {
    return ["done", "stopped", "cancelled"].includes(this.now.phase);
  }

  pause(): void {
    if (this.now.phase !== "running") return;
    this.paused = new Promise((done) => {
      this.resumed = done;
    });
    this.clock();
    this.change({ phase: "paused" }, true);
  }

  resume(): void {
    if (this.now.phase !== "paused") return;
    this.since = performance.now();
    this.change({ phase: "running" }, true);
    this.paused = null;
    this.resumed?.();
  }

  cancel(): void {
    if (this.ended) return;
    this.clock();
    this.change({ phase: "cancelled", waiting: null }, true);
    this.stop.abort();
    this.resumed?.();
  }

  private async go(): Promise<void> {
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    try {
      await this.load();
      this.clock();
      this.change({ phase: "done", at: this.now.total, waiting: null }, true);
    } catch (error) {
      this.clock();
      const why = error instanceof Error ? error.message : String(error);
      if (!this.ended) this.change({ phase: "stopped", why, waiting: null }, true);
    } finally {
      window.removeEventListener("beforeunload", warn);
    }
  }

  private async load(): Promise<void> {
    const { file, dialect, backfill } = this.plan;
    const digest = await digestOf(file, (at) => this.change({ at }), this.stop.signal);
    this.since = performance.now();
    this.change({ phase: "running", at: 0 }, true);
    const stop = this.stop.signal;
    const sender = new Sender(served, { dialect, digest, backfill: backfill.id, stop }, (why, until) =>
      this.waiting({ why, until }),
    );
    let read = 0;
    await run({
      blocks: rowsOf(this.plan, (at) => {
        read = at;
      }),
      at: () => read,
      deliver: (chunk) => sender.deliver(chunk),
      told: (chunk, outcome) => this.add(chunk, outcome),
      gate: () => this.paused ?? Promise.resolve(),
      stop: this.stop,
    });
  }

  private add(chunk: Chunk, outcome: Outcome): void {
    for (const { row, flaw } of outcome.refused) this.refused.add(row, flaw);
    this.clock();
    this.change({
      rows: this.now.rows + chunk.rows.length,
      taken: this.now.taken + outcome.taken,
      duplicates: this.now.duplicates + outcome.duplicates,
      refused: this.refused.count,
      at: Math.max(this.now.at, chunk.at),
    });
  }

  private waiting(wait: Waiting): () => void {
    this.waits.add(wait);
    this.change({ waiting: wait });
    return () => {
      this.waits.delete(wait);
      const [other] = this.waits;
      this.change({ waiting: other ?? null });
    };
  }

  private clock(): void {
    if (this.now.phase !== "running") return;
    const now = performance.now();
    this.now.seconds += (now - this.since) / 1000;
    this.since = now;
  }

  /** Tells it at once, or a few times a second. */
  private change(part: Partial<Progress>, atOnce = false): void {
    Object.assign(this.now, part);
    if (atOnce) this.tell();
    else this.timer ??= setTimeout(() => this.tell(), TOLD_MS);
  }

  private tell(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.seen = { ...this.now };
    for (const listener of this.listeners) listener();
  }
}

const served: Server = {
  async post(path, body, headers, signal) {
    const response = await fetch(path, { method: "POST", body, headers, signal, credentials: "same-origin" });
    return {
      status: response.status,
      retryAfter: response.headers.get("retry-after") ?? "",
      content: await response.text(),
    };
  },
  async signalId(slug) {
    const answer = await api.GET("/v1/signals/{slug}", { params: { path: { slug } } });
    if (answer.response.status === 404) return null;
    if (!answer.data) throw new Error(`the server answered ${answer.response.status}`);
    return answer.data.id;
  },
  async refuses(id) {
    const answer = await api.GET("/v1/backfills/{id}", { params: { path: { id } } });
    if (answer.response.status === 404) return "the server knows no such backfill any more";
    if (!answer.data) throw new Error(`the server answered ${answer.response.status}`);
    const { name, status } = answer.data;
    return status === "open" ? "" : `the backfill '${name}' is ${status} and takes no more events`;
  },
};

/** By backfill: what is on its way, or was in this tab. */
export const uploads = new Map<string, Upload>();
/** A file that was chosen before its backfill was made. */
export const chosen = new Map<string, File>();
