import { type Flaw, flaw, MAX_LINE } from "./base";
import type { Line } from "./bytes";

/** The text of one row of CSV, without its end. */
export type Rec = { line: number; text: string; sound: boolean; flaw: Flaw | null };

type State = "start" | "plain" | "quoted" | "closing";
const SHOWN = 1000;
const TWICE = 'a quotation mark inside a field is written twice: ""';

/**
 * Puts lines together into rows, for a quoted field may hold line breaks. Strict, as Python's csv is: text behind a
 * closing quotation mark is refused, and reading goes on with the next line.
 */
export class Records {
  private state: State = "start";
  private since = "";
  private sound = true;
  private cut = false;
  private number = 0;
  private first = 1;

  constructor(private readonly delimiter: string) {}

  /** The row that ends with this line, if one does; a blank line is none. */
  add(line: Line): Rec | null {
    this.number += 1;
    if (this.since === "" && this.state === "start") this.first = this.number;
    this.since += line.text;
    this.sound &&= line.sound;
    this.cut ||= line.cut;
    if (this.cut) return this.taken(flaw("too_large", "", `a line is longer than ${MAX_LINE} bytes`));
    const wrong = this.walk(line.text);
    if (wrong) return this.taken(wrong);
    if (this.state === "quoted") {
      if (this.since.length <= MAX_LINE) return null;
      return this.taken(flaw("too_large", "", "a field is too long, or a quotation mark is never closed"));
    }
    if (ended(this.since) === "") {
      this.taken(null);
      return null;
    }
    return this.taken(null);
  }

  /** What is left when there are no more lines. */
  end(): Rec | null {
    if (this.since === "") return null;
    return this.taken(flaw("csv", "", "a quotation mark is never closed", TWICE));
  }

  private walk(text: string): Flaw | null {
    if (this.state === "start" && !text.includes('"')) return null;
    for (const char of text) {
      if (this.state === "quoted") {
        if (char === '"') this.state = "closing";
      } else if (char === "\n" || char === "\r") {
        this.state = "start";
        return null;
      } else if (char === this.delimiter) this.state = "start";
      else if (this.state === "closing") {
        if (char !== '"') return flaw("csv", "", `not CSV: '${this.delimiter}' expected after '"'`, TWICE);
        this.state = "quoted";
      } else this.state = char === '"' && this.state === "start" ? "quoted" : "plain";
    }
    if (this.state !== "quoted") this.state = "start"; // the file's last line, which has no end
    return null;
  }

  private taken(wrong: Flaw | null): Rec {
    const text = this.cut ? this.since.slice(0, SHOWN) : ended(this.since);
    const many = wrong && this.number > this.first;
    const told = many
      ? { ...wrong, message: `${wrong.message}; the lines ${this.first} to ${this.number} are in this row` }
      : wrong;
    const found = { line: this.first, text, sound: this.sound, flaw: told };
    this.state = "start";
    this.since = "";
    this.sound = true;
    this.cut = false;
    return found;
  }
}

const ended = (text: string): string => text.replace(/[\r\n]+$/, "");
