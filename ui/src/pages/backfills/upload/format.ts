import { content, lines } from "./bytes";

export type Format = "ndjson" | "csv" | "parquet";

const SUFFIXES: Record<string, Format> = {
  ndjson: "ndjson",
  jsonl: "ndjson",
  json: "ndjson",
  csv: "csv",
  tsv: "csv",
  txt: "csv",
  parquet: "parquet",
};
export const DELIMITERS: Record<string, string> = { ",": "comma", ";": "semicolon", "\t": "tab", "|": "bar" };

/** By its name, whatever it is packed with; null when that tells nothing. */
export function formatOfName(name: string): Format | null {
  const parts = name.toLowerCase().split(".").slice(1);
  if (parts.at(-1) === "gz") parts.pop();
  return SUFFIXES[parts.at(-1) ?? ""] ?? null;
}

/** By its first bytes and its name. A name that tells nothing: an object on the first line is NDJSON. */
export function formatOf(name: string, begins: Uint8Array, firstLine: string): Format {
  if (String.fromCharCode(...begins.subarray(0, 4)) === "PAR1") return "parquet";
  const named = formatOfName(name);
  if (named === "ndjson" || named === "csv") return named;
  return firstLine.trimStart().startsWith("{") ? "ndjson" : "csv";
}

/** The one that the header has most of. */
export function delimiterOf(header: string): string {
  let [found, most] = [",", 0];
  for (const delimiter of Object.keys(DELIMITERS)) {
    const times = header.split(delimiter).length - 1;
    if (times > most) [found, most] = [delimiter, times];
  }
  return found;
}

/** What the first bytes say: a mark of UTF-16; without one UTF-8. */
export function encodingOf(begins: Uint8Array): string {
  if (begins[0] === 0xff && begins[1] === 0xfe) return "utf-16le";
  if (begins[0] === 0xfe && begins[1] === 0xff) return "utf-16be";
  return "utf-8";
}

/** How a file is read. */
export type Reading = { format: Format; delimiter: string; encoding: string };

/** Looks at the beginning of a file. */
export async function readingOf(file: File): Promise<Reading> {
  const begins = await beginning(file);
  const encoding = encodingOf(begins);
  const first = await firstLine(file, encoding);
  return { format: formatOf(file.name, begins, first), delimiter: delimiterOf(first), encoding };
}

export async function firstLine(file: File, encoding: string): Promise<string> {
  for await (const block of lines(await content(file), encoding, true)) return block[0]?.text ?? "";
  return "";
}

async function beginning(file: File): Promise<Uint8Array> {
  const reader = (await content(file)).getReader();
  try {
    const { value } = await reader.read();
    return value?.subarray(0, 4) ?? new Uint8Array();
  } catch {
    return new Uint8Array(); // what is wrong with it is told when its lines are read
  } finally {
    await reader.cancel().catch(() => {});
  }
}
