import { accepted, alone, bodyOf, messageOf, refusedOf, type Said, type Verdicts } from "./answers";
import { type Chunk, type Dialect, type Flaw, flaw, ROUTES, type Row, Stopped } from "./base";
import { keyOf } from "./digest";

export type Reply = { status: number; retryAfter: string; content: string };

/** The headwater that is loaded into. Every call rejects when no answer comes. */
export type Server = {
  post(path: string, body: string, headers: Record<string, string>, stop: AbortSignal): Promise<Reply>;
  signalId(slug: string): Promise<string | null>;
  /** Why this backfill takes no events; empty when it does. */
  refuses(backfill: string): Promise<string>;
};

/** What became of a chunk's rows. */
export type Outcome = { taken: number; duplicates: number; refused: { row: Row; flaw: Flaw }[] };

export type Told = { dialect: Dialect; digest: string; backfill: string; stop: AbortSignal };

const LATER = new Set([408, 425, 500, 502, 503, 504]);
const SILENT = "no answer from the server";
const [FIRST_PAUSE, LONGEST_PAUSE] = [200, 15_000];
const ADVICE: Record<number, string> = {
  401: " (sign in again, then choose the same file)",
  403: " (a key with the scope ingest is needed)",
  422:
    " (was the file sent into this backfill with another mapping? Then revert this one, and load the file into a new " +
    "backfill)",
};
const ERASED = flaw(
  "erased",
  "",
  "it was sent before, in a request with events of somebody who was erased since: what was answered is gone",
  "look whether it is there before you load it again",
);

/** Sends chunks until the server has said of each event what became of it. */
export class Sender {
  private readonly ids = new Map<string, Promise<string | null>>();

  /** `waiting` is told why it waits and until when, and null when it goes on. */
  constructor(
    private readonly server: Server,
    private readonly told: Told,
    private readonly waiting: (why: string, until: number) => () => void = () => () => {},
  ) {}

  /** Settles when each of its rows is taken or refused; rejects with Stopped. */
  async deliver(chunk: Chunk): Promise<Outcome> {
    const sound = chunk.rows.filter((row) => row.flaw === null);
    const flaws = new Map<Row, Flaw>();
    const outcome: Outcome = { taken: 0, duplicates: 0, refused: [] };
    for await (const { rows, verdicts } of this.verdicts(sound, `${chunk.number}`)) {
      outcome.taken += verdicts.taken;
      outcome.duplicates += verdicts.duplicates;
      for (const [index, wrong] of verdicts.refused) {
        const row = rows[index];
        if (row) flaws.set(row, wrong);
      }
    }
    for (const row of chunk.rows) {
      const wrong = row.flaw ?? flaws.get(row);
      if (wrong) outcome.refused.push({ row, flaw: wrong });
    }
    return outcome;
  }

  /** Of these rows; as many requests as it takes. */
  private async *verdicts(rows: Row[], place: string): AsyncGenerator<{ rows: Row[]; verdicts: Verdicts }> {
    let left = rows;
    for (let attempt = 0; left.length > 0; attempt += 1) {
      const sent = left.map((row) => row.event);
      const reply = await this.answered(sent, `${place}.${attempt}`);
      const said = bodyOf(reply.content);
      if (reply.status !== 200) {
        yield* this.refused(left, reply, said, `${place}.${attempt}`);
        return;
      }
      const verdicts = await this.accepted(said, sent);
      yield { rows: left, verdicts };
      const sending = left;
      left = verdicts.limited.flatMap((index) => sending[index] ?? []);
    }
  }

  private async accepted(said: Said, sent: string[]): Promise<Verdicts> {
    try {
      return await accepted(said, sent, (slug) => this.idOf(slug));
    } catch (error) {
      throw new Stopped(`cannot make out what the server took: ${error instanceof Error ? error.message : ""}`);
    }
  }

  /** A request that was refused as a whole: where the answer does not speak of each event, they are sent in halves. */
  private async *refused(
    left: Row[],
    reply: Reply,
    said: Said,
    place: string,
  ): AsyncGenerator<{ rows: Row[]; verdicts: Verdicts }> {
    let flaws = reply.status === 413 ? null : refusedOf(said, left.length);
    if (reply.status === 410) flaws = new Map(left.map((_, index) => [index, ERASED]));
    else if (flaws === null && left.length === 1) flaws = new Map([[0, alone(said, reply.status)]]);
    if (flaws) {
      yield { rows: left, verdicts: { taken: 0, duplicates: 0, limited: [], refused: flaws } };
      return;
    }
    const middle = Math.floor(left.length / 2);
    yield* this.verdicts(left.slice(0, middle), `${place}a`);
    yield* this.verdicts(left.slice(middle), `${place}b`);
  }

  /** The answer that settles the request: 200, or a refusal of its events. */
  private async answered(sent: string[], place: string): Promise<Reply> {
    const { dialect, digest, backfill, stop } = this.told;
    const headers = {
      "content-type": "application/json",
      prefer: "handling=lenient",
      "headwater-backfill": backfill,
      "idempotency-key": await keyOf(digest, backfill, place),
    };
    const body = `{"events":[${sent.join(",")}]}`;
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      stop.throwIfAborted();
      let reply: Reply;
      try {
        reply = await this.server.post(ROUTES[dialect], body, headers, stop);
      } catch {
        stop.throwIfAborted();
        await this.rest(pause, SILENT);
        continue;
      }
      const wait = await this.waitOf(reply);
      if (wait === null) return reply;
      await this.rest(wait || pause, whyOf(reply, dialect, sent));
    }
  }

  /** Milliseconds until it is worth sending again, 0 when the server does not say; null when it is settled. */
  private async waitOf({ status, retryAfter, content }: Reply): Promise<number | null> {
    const retry = /^\d+$/.test(retryAfter) ? Math.max(Number(retryAfter) * 1000, 100) : 0;
    if (LATER.has(status) || status === 429 || (status === 409 && retryAfter)) return retry;
    if ([200, 400, 410, 413].includes(status)) return null;
    if (status === 404) {
      const why = await this.server.refuses(this.told.backfill).catch(() => null);
      if (!why) return why === null ? 0 : null; // nobody says whether it was the backfill or an event: ask again
      throw new Stopped(why);
    }
    const words = messageOf(bodyOf(content));
    throw new Stopped(words ? `${status}: ${words}${ADVICE[status] ?? ""}` : `the server answered ${status}`);
  }

  private idOf(slug: string): Promise<string | null> {
    const known = this.ids.get(slug) ?? this.askedId(slug);
    this.ids.set(slug, known);
    return known;
  }

  private async askedId(slug: string): Promise<string | null> {
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      try {
        return await this.server.signalId(slug);
      } catch {
        await this.rest(pause, SILENT);
      }
    }
  }

  private async rest(ms: number, why: string): Promise<void> {
    const { stop } = this.told;
    const over = this.waiting(why, Date.now() + ms);
    await new Promise<void>((done) => {
      const end = () => {
        clearTimeout(timer);
        stop.removeEventListener("abort", end);
        done();
      };
      const timer = setTimeout(end, ms);
      stop.addEventListener("abort", end);
    });
    over();
    stop.throwIfAborted();
  }
}

function whyOf(reply: Reply, dialect: Dialect, sent: readonly string[]): string {
  if (reply.status === 409) return "an earlier request is still being answered";
  if (reply.status === 429) return `rate limit of ${signalsOf(dialect, sent)}`;
  const words = messageOf(bodyOf(reply.content));
  return `the server is busy (${reply.status})${words ? `: ${words}` : ""}`;
}

function signalsOf(dialect: Dialect, sent: readonly string[]): string {
  const field = dialect === "bik" ? "eventName" : "signal";
  const slugs = [...new Set(sent.map((event) => String(bodyOf(event)[field])))];
  return slugs.length > 3 ? `${slugs.slice(0, 3).join(", ")} and ${slugs.length - 3} more` : slugs.join(", ");
}
