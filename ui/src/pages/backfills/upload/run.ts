import { type Chunk, chunks, type Row, Stopped } from "./base";
import type { Outcome } from "./sender";

/** Requests under way at once. */
const AT_ONCE = 3;
/** Rows refused, without a single one taken, after which it is the mapping, the dialect or the signals. */
const HOPELESS = 1000;

export type Running = {
  blocks: AsyncIterable<Row[]>;
  /** How far the file was read, in bytes. */
  at: () => number;
  deliver: (chunk: Chunk) => Promise<Outcome>;
  /** Told of each chunk. */
  told: (chunk: Chunk, outcome: Outcome) => void;
  /** Settles at once unless it is paused. */
  gate: () => Promise<void>;
  /** Aborted by who cancels it, and where one chunk ends it: then nothing else needs to be waited for. */
  stop: AbortController;
};

/** Loads all rows; rejects with what ended it. */
export async function run({ blocks, at, deliver, told, gate, stop }: Running): Promise<void> {
  const underWay = new Set<Promise<void>>();
  const counts = { taken: 0, refused: 0 };
  let failed: unknown = null;
  const settle = async (chunk: Chunk) => {
    const outcome = await deliver(chunk);
    told(chunk, outcome);
    counts.taken += outcome.taken;
    counts.refused += outcome.refused.length;
    if (counts.taken === 0 && counts.refused >= HOPELESS) throw hopeless(outcome, counts.refused);
  };
  for await (const chunk of chunks(blocks, at)) {
    await gate();
    if (failed) break;
    stop.signal.throwIfAborted();
    const work = settle(chunk)
      .catch((error: unknown) => {
        failed ??= error;
        stop.abort();
      })
      .finally(() => underWay.delete(work));
    underWay.add(work);
    if (underWay.size >= AT_ONCE) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  if (failed) throw failed;
}

function hopeless(outcome: Outcome, refused: number): Stopped {
  const flaw = outcome.refused.at(-1)?.flaw;
  const why = flaw?.path ? `${flaw.path}: ${flaw.message}` : (flaw?.message ?? "");
  return new Stopped(`none of the first ${refused} rows was taken, the last because of ${why}`);
}
