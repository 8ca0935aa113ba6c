import { MAX_LINE, Stopped } from "./base";

/** Small, so that one sees how far it is. */
const PIECE = 64 * 1024;

/** A file's bytes, a piece at a time and only as fast as they are taken. `read` is told how far it is. */
export function streamed(file: Blob, read: (at: number) => void = () => {}, piece = PIECE): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (at >= file.size) return controller.close();
        try {
          const taken = new Uint8Array(await file.slice(at, at + piece).arrayBuffer());
          at += taken.length;
          read(at);
          controller.enqueue(taken);
        } catch {
          controller.error(new Stopped("the file cannot be read: it was changed, moved or removed. Choose it again"));
        }
      },
    },
    { highWaterMark: 0 },
  );
}

/** The content of a file that may be gzip. */
export async function content(file: Blob, read: (at: number) => void = () => {}): Promise<ReadableStream<Uint8Array>> {
  const stream = streamed(file, read);
  if (!(await isGzip(file))) return stream;
  // The types of a stream's two halves differ in what kind of buffer they promise.
  return stream.pipeThrough(new DecompressionStream("gzip") as unknown as TransformStream<Uint8Array, Uint8Array>);
}

export async function isGzip(file: Blob): Promise<boolean> {
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  return first === 0x1f && second === 0x8b;
}

/** UTF-16 as UTF-8. */
function recoded(stream: ReadableStream<Uint8Array>, encoding: string): ReadableStream<Uint8Array> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  const encoder = new TextEncoder();
  return stream.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, controller) {
        try {
          controller.enqueue(encoder.encode(decoder.decode(piece, { stream: true })));
        } catch {
          controller.error(new Stopped(`the file is not ${encoding.toUpperCase()} throughout`));
        }
      },
    }),
  );
}

export type Line = {
  /** With its end. */
  text: string;
  /** Whether its bytes are of the encoding. */
  sound: boolean;
  /** Whether it was too long to be kept whole. */
  cut: boolean;
};

/** The lines of a stream, some at a time. `cr`: whether a carriage return alone ends a line too. */
export async function* lines(
  stream: ReadableStream<Uint8Array>,
  encoding: string,
  cr: boolean,
): AsyncGenerator<Line[]> {
  const wide = encoding.startsWith("utf-16");
  const cutter = new Cutter(wide ? "utf-8" : encoding, cr);
  const reader = (wide ? recoded(stream, encoding) : stream).getReader();
  try {
    for (;;) {
      const { done, value } = await taken(reader);
      const found = done ? cutter.end() : cutter.add(value);
      if (found.length > 0) yield found;
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function taken(reader: ReadableStreamDefaultReader<Uint8Array>) {
  try {
    return await reader.read();
  } catch (error) {
    if (error instanceof Stopped) throw error;
    throw new Stopped("the file is not whole: its gzip data ends early, or is damaged");
  }
}

const LF = 10;
const CR = 13;

/** Cuts bytes into lines; the rest of a line that is too long is passed over. */
class Cutter {
  private carry: Uint8Array = new Uint8Array(0);
  private cut = false;
  private begin = true;
  private readonly strict: TextDecoder;
  private readonly lax: TextDecoder;

  constructor(
    encoding: string,
    private readonly cr: boolean,
  ) {
    this.strict = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
    this.lax = new TextDecoder(encoding, { ignoreBOM: true });
  }

  add(piece: Uint8Array): Line[] {
    const all = this.carry.length > 0 ? joined(this.carry, piece) : piece;
    const found: Line[] = [];
    let start = 0;
    for (let end = this.next(all, 0); end > 0; end = this.next(all, start)) {
      found.push(this.line(all.subarray(start, end)));
      start = end;
    }
    this.keep(all.subarray(start));
    return found;
  }

  end(): Line[] {
    return this.carry.length > 0 || this.cut ? [this.line(this.carry)] : [];
  }

  /** Where the line that begins there ends; 0 when that is not known yet. */
  private next(all: Uint8Array, from: number): number {
    const lf = all.indexOf(LF, from);
    if (!this.cr) return lf + 1;
    const limit = lf < 0 ? all.length : lf;
    const cr = all.subarray(from, limit).indexOf(CR) + from;
    if (cr < from || cr + 1 === lf) return lf + 1;
    return cr + 1 < all.length ? cr + 1 : 0;
  }

  private keep(rest: Uint8Array): void {
    if (rest.length > MAX_LINE) {
      this.cut = true;
      this.carry = rest.slice(0, MAX_LINE);
    } else this.carry = rest.slice();
  }

  private line(piece: Uint8Array): Line {
    const cut = this.cut;
    this.cut = false;
    let text: string;
    let sound = true;
    try {
      text = this.strict.decode(piece);
    } catch {
      text = this.lax.decode(piece);
      sound = false;
    }
    if (this.begin) text = text.replace(/^\uFEFF/, "");
    this.begin = false;
    return { text, sound, cut };
  }
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
