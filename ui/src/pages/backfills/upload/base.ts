/** What an upload is made of: rows, chunks of them, what was wrong with one. The same words as `headwater import`. */

export type Dialect = "bik" | "bigmind";

export const ROUTES: Record<Dialect, string> = {
  bik: "/integrations/bikPlatformFunctions-events/sendEvents",
  bigmind: "/v1/events/batch",
};
export const DIALECTS: Record<Dialect, string> = { bik: "BIK Send Events", bigmind: "Bigmind Signals" };

const MIB = 1024 * 1024;
/** Bytes of a line, and of a row of CSV, that are kept in memory. */
export const MAX_LINE = 16 * MIB;
/** Bytes of events in one request: below the 5 MiB that a server takes unless it was told otherwise. */
export const MAX_BODY = 4 * MIB - 64 * 1024;
/** Events in one request. */
export const MAX_BATCH = 100;
const MAX_ROWS = 10 * MAX_BATCH;
const MAX_KEPT = 16 * MIB;

/** Columns of a file of refused rows beside its own. */
export const MARKS = [
  "refused_line",
  "refused_code",
  "refused_path",
  "refused_message",
  "refused_hint",
  "refused_text",
] as const;
const marks = new Set<string>(MARKS);
export const isMark = (column: string): boolean => marks.has(column);

/** What is wrong with a row: the server's codes, and those of reading: json, csv, columns, encoding, column. */
export type Flaw = { code: string; path: string; message: string; hint: string };

export function flaw(code: string, path: string, message: string, hint = ""): Flaw {
  return { code, path, message, hint };
}

/** One event of the file, or what should have been one. */
export type Row = {
  /** Where it begins, from 1. */
  line: number;
  /** As JSON; empty when it could not be read. */
  event: string;
  /** What the file of refused rows needs: a row's fields, or its text. */
  kept: readonly string[] | string;
  /** Why it cannot be sent. */
  flaw: Flaw | null;
};

/** The upload cannot go on; the text says why, for people. Nothing that was done is lost. */
export class Stopped extends Error {}

/** Rows that are sent together. The same file gives the same chunks each time. */
export type Chunk = { number: number; rows: Row[]; at: number };

const encoder = new TextEncoder();
export const bytes = (text: string): number => encoder.encode(text).length;

export function tooLarge(event: string): Flaw | null {
  if (event.length * 3 <= MAX_BODY) return null;
  const size = bytes(event);
  if (size <= MAX_BODY) return null;
  return flaw("too_large", "", `the event is ${size} bytes, at most ${MAX_BODY} can be sent`);
}

/** Up to a hundred events that can be sent, and those between them that cannot; bounded in bytes. */
export async function* chunks(blocks: AsyncIterable<Row[]>, at: () => number): AsyncGenerator<Chunk> {
  let number = 0;
  let held: Row[] = [];
  let sendable = 0;
  let size = 0;
  let kept = 0;
  for await (const block of blocks) {
    for (const row of block) {
      const length = bytes(row.event);
      const full = size + length > MAX_BODY || kept > MAX_KEPT || held.length >= MAX_ROWS || sendable >= MAX_BATCH;
      if (held.length > 0 && full) {
        yield { number, rows: held, at: at() };
        number += 1;
        held = [];
        sendable = size = kept = 0;
      }
      held.push(row);
      kept += length || row.kept.length;
      if (row.flaw === null) {
        sendable += 1;
        size += length + 1;
      }
    }
  }
  if (held.length > 0) yield { number, rows: held, at: at() };
}
