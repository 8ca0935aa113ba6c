import { type Flaw, isMark, MARKS, type Row } from "./base";
import { papa } from "./table";

/** Of refused rows no more are kept for the download. */
export const MAX_REFUSED = 50_000;
const MAX_CHARS = 64 * 1024 * 1024;
const FIRST = 10;

export type Refusal = { line: number; flaw: Flaw };
export type Message = { message: string; count: number };

/** What was refused: counted by message, the first ones to be shown, as many as are kept to be downloaded. */
export class Refused {
  count = 0;
  first: Refusal[] = [];
  kept: { row: Row; flaw: Flaw }[] = [];
  private chars = 0;
  private readonly messages = new Map<string, number>();

  add(row: Row, flaw: Flaw): void {
    this.count += 1;
    if (this.first.length < FIRST) this.first.push({ line: row.line, flaw });
    const message = (flaw.path ? `${flaw.path}: ${flaw.message}` : flaw.message).replace(/events\[\d+\]\.?/, "");
    if (this.messages.has(message) || this.messages.size < 1000) {
      this.messages.set(message, (this.messages.get(message) ?? 0) + 1);
    }
    if (this.kept.length >= MAX_REFUSED || this.chars > MAX_CHARS) return;
    this.chars += row.event.length + String(row.kept).length;
    this.kept.push({ row, flaw });
  }

  /** The most frequent first. */
  byMessage(): Message[] {
    return [...this.messages]
      .map(([message, count]) => ({ message, count }))
      .sort((one, other) => other.count - one.count);
  }
}

/** A line of NDJSON as `headwater import` writes it: mended, it can be loaded again as it is. */
export function refusedLine({ row, flaw }: { row: Row; flaw: Flaw }): string {
  const said = Object.entries(flaw).filter(([, value]) => value !== "");
  const refused = JSON.stringify({ line: row.line, ...Object.fromEntries(said) });
  if (row.event) return `{"refused":${refused},"event":${row.event}}\n`;
  return `{"refused":${refused},"text":${JSON.stringify(row.kept)}}\n`;
}

/** The file of refused rows, in the format of the file that was read. */
export async function refusedFile(
  refused: Refused,
  header: readonly string[] | null,
  delimiter: string,
): Promise<Blob> {
  if (header === null) return new Blob(refused.kept.map(refusedLine), { type: "application/x-ndjson" });
  const own = header.filter((column) => !isMark(column));
  const rows = refused.kept.map(({ row, flaw }) => {
    const fields = typeof row.kept === "string" ? own.map(() => "") : row.kept;
    const text = typeof row.kept === "string" ? row.kept : "";
    return [...fields, `${row.line}`, flaw.code, flaw.path, flaw.message, flaw.hint, text];
  });
  const parser = await papa();
  const parts = [[...own, ...MARKS], ...rows].map((row) => `${parser.unparse([row], { delimiter })}\r\n`);
  return new Blob(parts, { type: "text/csv" });
}

/** What it is called, beside the file that was read. */
export function refusedName(file: string, backfill: string, csv: boolean): string {
  return `${file}.${backfill}.refused.${csv ? "csv" : "ndjson"}`;
}
