import { isKept, tooManyDigits } from "@/common/digits";

/** JSON as people type it: where it breaks, and how it is written so that two documents can be compared. */

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type JsonObject = { [name: string]: Json };

export type TextFault = { line: number; column: number; message: string };
export type Read = { value: JsonObject; fault?: undefined } | { value?: undefined; fault: TextFault };

/** As deep as the server takes a schema. */
const DEEPEST = 100;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object that the text spells, or the first place where it does not spell one. */
export function read(text: string): Read {
  const scanner = new Scanner(text);
  const broken = scanner.fault();
  if (broken) return { fault: broken };
  const value: unknown = JSON.parse(text);
  if (!isObject(value)) return { fault: { line: 1, column: 1, message: "a schema is an object: it begins with {" } };
  return { value };
}

export function pretty(value: Json): string {
  return JSON.stringify(value, null, 2);
}

/** The same text for the same meaning: names in order. */
export function canonical(value: Json): string {
  return pretty(sorted(value));
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  const names = Object.keys(value).sort();
  return Object.fromEntries(names.map((name) => [name, sorted(value[name] ?? null)]));
}

export function same(one: Json | undefined, other: Json | undefined): boolean {
  return one === undefined || other === undefined ? one === other : canonical(one) === canonical(other);
}

/** 1-based line and column (in UTF-16 units) of an offset. */
export function placeOf(text: string, at: number): { line: number; column: number } {
  const before = text.slice(0, at);
  const line = before.split("\n").length;
  return { line, column: at - before.lastIndexOf("\n") };
}

class Broken extends Error {
  constructor(
    readonly at: number,
    message: string,
  ) {
    super(message);
  }
}

/** Walks the text once. Every engine's own parser words its faults differently, and some name no place. */
class Scanner {
  private at = 0;

  constructor(private readonly text: string) {}

  fault(): TextFault | null {
    try {
      this.value(0);
      this.space();
      if (this.at < this.text.length) throw new Broken(this.at, "nothing may follow the last }");
      return null;
    } catch (error) {
      if (!(error instanceof Broken)) throw error;
      return { ...placeOf(this.text, error.at), message: error.message };
    }
  }

  private value(depth: number): void {
    this.space();
    if (depth > DEEPEST) throw new Broken(this.at, `nested deeper than ${DEEPEST} levels`);
    const first = this.text[this.at];
    if (first === "{") this.object(depth);
    else if (first === "[") this.array(depth);
    else if (first === '"') this.string();
    else this.plain();
  }

  private object(depth: number): void {
    const names = new Set<string>();
    this.list("}", () => {
      if (this.text[this.at] !== '"') throw new Broken(this.at, 'a name in double quotes is missing, as in "name": …');
      const begin = this.at;
      const name = this.string();
      if (names.has(name)) throw new Broken(begin, `“${name.slice(0, 60)}” is there twice`);
      names.add(name);
      this.space();
      if (this.text[this.at] !== ":") throw new Broken(this.at, "a : is missing after the name");
      this.at += 1;
      this.value(depth + 1);
    });
  }

  private array(depth: number): void {
    this.list("]", () => this.value(depth + 1));
  }

  private list(end: string, item: () => void): void {
    this.at += 1;
    this.space();
    if (this.text[this.at] === end) {
      this.at += 1;
      return;
    }
    for (;;) {
      this.space();
      item();
      this.space();
      const next = this.text[this.at];
      if (next === end) {
        this.at += 1;
        return;
      }
      if (next !== ",")
        throw new Broken(this.at, next === undefined ? `the ${end} is missing` : `, or ${end} is missing`);
      const comma = this.at;
      this.at += 1;
      this.space();
      if (this.text[this.at] === end) throw new Broken(comma, `no comma before ${end}`);
    }
  }

  private string(): string {
    const begin = this.at;
    for (this.at += 1; ; this.at += 1) {
      const each = this.text[this.at];
      if (each === undefined || each === "\n") throw new Broken(begin, 'the closing " is missing');
      if (each < " ") throw new Broken(this.at, "a control character must be written as \\u00…");
      if (each === "\\") this.escape();
      if (each === '"') break;
    }
    this.at += 1;
    return JSON.parse(this.text.slice(begin, this.at)) as string;
  }

  private escape(): void {
    const rest = this.text.slice(this.at, this.at + 6);
    if (!/^\\(["\\/bfnrt]|u[\da-fA-F]{4})/.test(rest)) throw new Broken(this.at, "no such escape; write \\\\ for a \\");
    this.at += 1;
  }

  private plain(): void {
    const word = /^[^\s,:{}[\]"]*/.exec(this.text.slice(this.at, this.at + 400))?.[0] ?? "";
    if (word === "") throw new Broken(this.at, "a value is missing");
    const known = word === "true" || word === "false" || word === "null";
    if (!known && !/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(word)) {
      throw new Broken(this.at, `“${word.slice(0, 60)}” is no value; texts stand in double quotes`);
    }
    if (!known && !isKept(word)) throw new Broken(this.at, tooManyDigits(word));
    this.at += word.length;
  }

  private space(): void {
    while (" \n\r\t".includes(this.text[this.at] ?? "x")) this.at += 1;
  }
}
