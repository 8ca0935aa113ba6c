import type { Dialect } from "./base";
import { formatOfName, type Reading } from "./format";

/** As a shell reads it as one word. */
export function word(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

type Asked = { file: string; reading: Reading; dialect: Dialect; backfill: string; mapped: boolean };

/** What does the same from a terminal. */
export function importCommand({ file, reading, dialect, backfill, mapped }: Asked): string {
  const options = [`--dialect ${dialect}`, `--backfill ${word(backfill)}`];
  if (mapped) options.push(`--mapping ${word(mappingName(file))}`);
  if (formatOfName(file) !== reading.format) options.push(`--format ${reading.format}`);
  if (reading.format === "csv") {
    if (reading.delimiter !== ",")
      options.push(`--delimiter ${reading.delimiter === "\t" ? "$'\\t'" : word(reading.delimiter)}`);
    if (reading.encoding === "windows-1252") options.push("--encoding cp1252");
  }
  return `headwater import ${word(file.startsWith("-") ? `./${file}` : file)} \\\n  ${options.join(" ")}`;
}

/** What the mapping of a file is called when it is downloaded. */
export function mappingName(file: string): string {
  return `${file.replace(/(\.(csv|tsv|txt|gz))+$/i, "")}.mapping.json`;
}
