import { type Flaw, flaw } from "./base";
import { isObject } from "./ndjson";

/** What became of the events of one request, by their places in it. */
export type Verdicts = { taken: number; duplicates: number; limited: number[]; refused: Map<number, Flaw> };
export type Said = Record<string, unknown>;

/** The answer's JSON; empty when it is none. */
export function bodyOf(content: string): Said {
  try {
    const said: unknown = JSON.parse(content);
    return isObject(said) ? said : {};
  } catch {
    return {};
  }
}

/** Of a 200. `idOf`: a signal's id, by its slug. */
export async function accepted(
  said: Said,
  sent: readonly string[],
  idOf: (slug: string) => Promise<string | null>,
): Promise<Verdicts> {
  const refused = flawsOf(said);
  const limited: number[] = [];
  for (const [index, wrong] of refused) {
    if (wrong.code !== "rate_limited") continue;
    refused.delete(index);
    limited.push(index);
  }
  if (listOf(said.rate_limited).length > 0) {
    const places = sent.map((_, index) => index).filter((index) => !refused.has(index));
    limited.push(...(await limitedOf(said, places, sent, idOf)));
  }
  const duplicates = listOf(said.data).filter((each) => each.duplicate === true).length;
  const taken = sent.length - refused.size - limited.length;
  return { taken, duplicates, limited: limited.sort((one, other) => one - other), refused };
}

/** Of a 400 or 404, which took nothing; null when it does not speak of every event. */
export function refusedOf(said: Said, count: number): Map<number, Flaw> | null {
  const flaws = flawsOf(said);
  return flaws.size === count ? flaws : null;
}

/** The same for a request with one event, whatever its shape. */
export function alone(said: Said, status: number): Flaw {
  const [first] = flawsOf(said).values();
  if (first) return first;
  const code = status === 413 ? "too_large" : "invalid";
  return flaw(code, "", messageOf(said).replace("events[0].", "") || `the server answered ${status}`);
}

/** An error's words, in whichever shape it comes. */
export function messageOf(said: Said): string {
  if (Array.isArray(said.errors))
    return listOf(said.errors)
      .map((each) => String(each.message))
      .join("; ");
  return String(said.error || said.detail || "");
}

function listOf(value: unknown): Said[] {
  return Array.isArray(value) ? value.filter(isObject) : isObject(value) ? [value] : [];
}

/** The first thing said about each event, and the words of the others. */
function flawsOf(said: Said): Map<number, Flaw> {
  const found = new Map<number, Flaw>();
  for (const each of Array.isArray(said.errors) ? listOf(said.errors) : []) {
    const { index } = each;
    if (typeof index !== "number") continue;
    const text = String(each.message ?? "");
    const known = found.get(index);
    if (known) known.message = `${known.message}; ${text}`;
    else {
      const path = String(each.path ?? "")
        .replace(`events[${index}]`, "")
        .replace(/^\./, "");
      found.set(index, flaw(String(each.code ?? "invalid"), path, text, String(each.hint ?? "")));
    }
  }
  return found;
}

/**
 * The places of the events that a Bigmind answer lists as limited. It names them by signal and reference alone. Both
 * lists are in the batch's order, and of a signal's events the first are taken: so an event that could stand in either
 * is the next of those taken.
 */
async function limitedOf(
  said: Said,
  places: readonly number[],
  sent: readonly string[],
  idOf: (slug: string) => Promise<string | null>,
): Promise<number[]> {
  const events = places.map((place) => ({ place, event: bodyOf(sent[place] ?? "") }));
  const taken = listOf(said.data).map(named);
  const over = listOf(said.rate_limited).map(named);
  const slugs = new Set(events.map(({ event }) => String(event.signal)));
  const ids = new Map<string, unknown>();
  for (const slug of slugs)
    ids.set(slug, slugs.size === 1 ? listOf(said.rate_limited)[0]?.signal_id : await idOf(slug));
  const found: number[] = [];
  for (const { place, event } of events) {
    const name = named({ signal_id: ids.get(String(event.signal)), reference: event.reference });
    if (taken[0] === name) taken.shift();
    else if (over[0] === name) {
      over.shift();
      found.push(place);
    } else throw new Error("the answer's events are not those that were sent");
  }
  return found;
}

const named = (entry: Said): string => JSON.stringify([entry.signal_id ?? null, entry.reference ?? null]);
