import { streamed } from "./bytes";

/** Other pieces would give another digest: it stays. */
const PIECE = 1024 * 1024;
const encoder = new TextEncoder();

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function sha256(...parts: Uint8Array[]): Promise<Uint8Array> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", all));
}

/**
 * What a file is by its content, whatever it is called: SHA-256 over each piece and the digest so far, for the
 * browser's own takes no more than what is in memory.
 */
export async function digestOf(file: Blob, read: (at: number) => void, stop?: AbortSignal): Promise<string> {
  let digest = await sha256(encoder.encode(`${file.size}`));
  const reader = streamed(file, read, PIECE).getReader();
  try {
    for (;;) {
      stop?.throwIfAborted();
      const { done, value } = await reader.read();
      if (done) return hex(digest);
      digest = await sha256(digest, value);
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/**
 * The Idempotency-Key of a request: the same for the same place of the same file in the same backfill. The mapping is
 * no part of it: with another one the server refuses the request (422), where it would else take the rows twice.
 */
export async function keyOf(digest: string, backfill: string, place: string): Promise<string> {
  return `upl_${hex(await sha256(encoder.encode(`${digest} ${backfill} ${place}`))).slice(0, 32)}`;
}
