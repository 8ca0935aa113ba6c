import { type Flaw, flaw, MAX_LINE, type Row, Stopped, tooLarge } from "./base";
import { content, lines } from "./bytes";
import { members } from "./raw";

const SHOWN = 1000;
const WRAPPED = new Set(["refused", "event", "text"]);

/** An event a line, sent as it stands; or a line of a file of refused events, with the event in it. */
export async function* ndjsonRows(file: File, encoding: string, read: (at: number) => void): AsyncGenerator<Row[]> {
  if (encoding !== "utf-8") throw new Stopped("the file is UTF-16, and NDJSON is UTF-8");
  let number = 0;
  for await (const block of lines(await content(file, read), "utf-8", false)) {
    const rows: Row[] = [];
    for (const line of block) {
      number += 1;
      const text = line.text.trim();
      if (line.cut) rows.push(bad(number, text.slice(0, SHOWN), TOO_LONG));
      else if (!line.sound) rows.push(bad(number, text, flaw("encoding", "", "not UTF-8")));
      else if (text) rows.push(rowOf(number, text));
    }
    if (rows.length > 0) yield rows;
  }
}

const TOO_LONG = flaw("too_large", "", `the line is longer than ${MAX_LINE} bytes; only its beginning is here`);

const bad = (line: number, kept: string, wrong: Flaw): Row => ({ line, event: "", kept, flaw: wrong });

/** Of a line that has the event in it, only that is taken. */
export function rowOf(line: number, text: string): Row {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return bad(line, text, flaw("json", "", `not JSON: ${error instanceof Error ? error.message : ""}`));
  }
  let event = text;
  if (isObject(value) && "refused" in value && Object.keys(value).every((key) => WRAPPED.has(key))) {
    if (typeof value.text === "string") return rowOf(line, value.text.trim());
    value = value.event;
    event = members(text).get("event") ?? "";
  }
  if (!isObject(value)) {
    const hint = Array.isArray(value) ? "an array: write one event a line (jq -c '.[]')" : "";
    return bad(line, text, flaw("type", "", "the line must be a JSON object, an event", hint));
  }
  return { line, event, kept: "", flaw: tooLarge(event) };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
