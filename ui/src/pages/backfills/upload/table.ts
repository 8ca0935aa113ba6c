import { type Flaw, flaw, isMark, type Row, Stopped, tooLarge } from "./base";
import { content, lines } from "./bytes";
import type { Reading } from "./format";
import type { Build } from "./mapping";
import { type Rec, Records } from "./records";

type Papa = typeof import("papaparse");
type Read = { rec: Rec; fields: string[] | null };

let loaded: Promise<Papa> | null = null;
/** The parser, which only who uploads needs. */
export function papa(): Promise<Papa> {
  loaded ??= import("papaparse").then((module) => ("default" in module ? (module.default as Papa) : module));
  return loaded;
}

/** The fields of rows that are known to be whole, each on its own. */
export function fieldsOf(parser: Papa, texts: readonly string[], delimiter: string): string[][] {
  const parsed = parser.parse<string[]>(texts.join("\n"), { delimiter, newline: "\n", header: false }).data;
  if (parsed.length === texts.length) return parsed;
  return texts.map((text) => parser.parse<string[]>(text, { delimiter, newline: "\n", header: false }).data[0] ?? [""]);
}

/** All rows of a CSV file, its header first, some at a time. */
async function* reads(file: File, reading: Reading, read: (at: number) => void): AsyncGenerator<Read[]> {
  const parser = await papa();
  const records = new Records(reading.delimiter);
  for await (const block of lines(await content(file, read), reading.encoding, true)) {
    const found = block.map((line) => records.add(line)).filter((rec) => rec !== null);
    for (let at = 0; at < found.length; at += 500) yield parsed(parser, found.slice(at, at + 500), reading.delimiter);
  }
  const last = records.end();
  if (last) yield [{ rec: last, fields: null }];
}

function parsed(parser: Papa, recs: Rec[], delimiter: string): Read[] {
  const whole = recs.filter((rec) => rec.flaw === null).map((rec) => rec.text);
  const fields = whole.length > 0 ? fieldsOf(parser, whole, delimiter).values() : [].values();
  return recs.map((rec) => ({ rec, fields: rec.flaw === null ? (fields.next().value ?? null) : null }));
}

/** A file's columns, and its first rows for who maps them. */
export type Head = { header: string[]; samples: string[][] };

export async function headOf(file: File, reading: Reading, count = 50): Promise<Head> {
  const samples: string[][] = [];
  let header: string[] | null = null;
  for await (const block of reads(file, reading, () => {})) {
    for (const { rec, fields } of block) {
      if (header === null) header = headerOf(rec, fields);
      else if (fields?.length === header.length) samples.push(fields);
      if (samples.length >= count) return { header, samples };
    }
  }
  if (header === null) throw new Stopped("the file is empty");
  return { header, samples };
}

function headerOf(rec: Rec, fields: string[] | null): string[] {
  if (fields === null) throw new Stopped(`the header cannot be read: ${rec.flaw?.message ?? ""}`);
  if (!rec.sound) throw new Stopped("the header is not in this encoding: choose another one");
  return fields.map((column) => column.trim());
}

/** The rows of a CSV file as events. */
export async function* tableRows(
  file: File,
  reading: Reading,
  compile: (header: string[]) => Build,
  read: (at: number) => void,
): AsyncGenerator<Row[]> {
  const parser = await papa();
  let shaped: Shaped | null = null;
  for await (const block of reads(file, reading, read)) {
    const rows: Row[] = [];
    for (const each of block) {
      if (shaped) rows.push(shaped.row(each));
      else {
        const header = headerOf(each.rec, each.fields);
        shaped = new Shaped(header, compile(header), (text) => fieldsOf(parser, [text], reading.delimiter)[0] ?? []);
      }
    }
    if (rows.length > 0) yield rows;
  }
}

/** Rows below one header. */
class Shaped {
  private readonly own: number;
  private readonly textAt: number;

  constructor(
    private readonly header: string[],
    private readonly build: Build,
    private readonly parse: (text: string) => string[],
  ) {
    this.own = header.filter((column) => !isMark(column)).length;
    this.textAt = header.indexOf("refused_text");
  }

  row({ rec, fields }: Read): Row {
    if (fields === null) return { line: rec.line, event: "", kept: rec.text, flaw: rec.flaw };
    const text = this.textAt < 0 ? "" : (fields[this.textAt] ?? "");
    if (text) return this.mended(rec, text);
    if (fields.length !== this.header.length) {
      return { line: rec.line, event: "", kept: rec.text, flaw: miscounted(fields.length, this.header.length) };
    }
    return this.built(rec, fields, this.withoutMarks(fields));
  }

  /** A row of a file of refused rows that stands there as text. */
  private mended(rec: Rec, text: string): Row {
    const fields = this.parse(text);
    if (fields.length !== this.own) {
      return { line: rec.line, event: "", kept: text, flaw: miscounted(fields.length, this.own) };
    }
    const known = fields.values();
    const placed = this.header.map((column) => (isMark(column) ? "" : (known.next().value ?? "")));
    return this.built(rec, placed, fields);
  }

  private built(rec: Rec, fields: string[], kept: string[]): Row {
    const [event, wrong] = this.build(fields);
    // What is in no place of the event may be what it likes.
    if (!rec.sound && event.includes("\uFFFD")) return { line: rec.line, event: "", kept, flaw: NOT_ENCODED };
    return { line: rec.line, event, kept, flaw: wrong ?? tooLarge(event) };
  }

  private withoutMarks(fields: string[]): string[] {
    if (this.own === fields.length) return fields;
    return fields.filter((_, at) => !isMark(this.header[at] ?? ""));
  }
}

const NOT_ENCODED: Flaw = flaw("encoding", "", "the row is not in the file's encoding", "choose another encoding");

function miscounted(found: number, wanted: number): Flaw {
  return flaw("columns", "", `the row has ${found} fields, and the header ${wanted}`);
}
