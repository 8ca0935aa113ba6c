// Definitions at random, anything that `rules/grammar.py` takes: for tests alone.
import type { Json, JsonObject } from "./json";
import { BOUND_OPS, MEASURES, OPS, UNITS } from "./model";

/** Numbers from 0 to below 1, the same for the same seed. */
export function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const WORDS = [
  "ordered",
  "a",
  "__proto__",
  "constructor",
  "toString",
  "1",
  "0",
  "é",
  "بحث",
  "😀",
  "of",
  "is",
  "not",
  "x y",
];
const TEXTS = [...WORDS, "", " ", "true", "null", "500", "-1", "a.b", "=", "\u2028", '"', "\\", "<b>", "x".repeat(70)];
const NUMBERS = [
  0,
  1,
  -1,
  0.1,
  -2.5,
  3,
  1e-9,
  1e14,
  999999999999999,
  1e21,
  -1e300,
  2 ** 53 - 1, // what is beyond it the editors refuse
  2 ** 63,
  1.7976931348623157e308,
];
const BOUNDS = [0, 1, -1, 2.5, 0.000000001, 999999999999999, -999999999999999.9];
const DATES = [
  "2026-01-01",
  "2026-01-01T10:00",
  "2026-01-01T10:00:00.123Z",
  "20260101",
  "2026-W01-1",
  "2026-01-01T00:00+05:30",
];
const DEEPEST = 32;

export function definition(random: () => number): JsonObject {
  const room = { left: Math.ceil(95 * random() ** 8) };
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const upTo = (most: number) => Math.floor(random() * (most + 1));
  const some = (odds: number) => random() < odds;
  const subset = <T>(from: readonly T[], least: number): T[] => {
    const found = from.filter(() => some(0.3));
    return found.length >= least ? found : [pick(from)];
  };
  const where = (depth: number): JsonObject => {
    const kind = depth < DEEPEST && room.left > 1 && some(0.6) ? pick(["all", "any", "not"]) : pick(LEAVES);
    if (kind === "not") return { not: where(depth + 1) };
    if (kind !== "all" && kind !== "any") return leaf(kind);
    const parts = [where(depth + 1)];
    for (let more = upTo(4); more > 0 && room.left > 4; more -= 1) parts.push(where(depth + 1));
    return { [kind]: parts };
  };
  const leaf = (kind: string): JsonObject => {
    room.left -= 1;
    if (kind === "performed") {
      const measures = some(0.5) ? subset(MEASURES, 1) : [];
      room.left -= Math.max(0, measures.length - 1);
      const asked = measures.map((each) => [each, { ...(each === "count" ? {} : { of: path() }), ...bounds() }]);
      return { performed: pick(WORDS), ...filter(), ...Object.fromEntries(asked), ...window() };
    }
    if (kind === "sequence") {
      const steps = Array.from({ length: 2 + upTo(8) }, () => ({ performed: pick(WORDS), ...filter() }));
      return { sequence: steps, ...(some(0.5) ? { gap: duration() } : {}), ...window() };
    }
    if (kind === "metric")
      return { metric: pick(WORDS), ...(some(0.5) ? { periods: 1 + upTo(9999) } : {}), ...bounds() };
    const ops = subset([...OPS.filter((op) => op !== "="), pick(["is", "="])], 1);
    return { [kind]: pick(WORDS), ...Object.fromEntries(ops.map((op) => [op, operand(op)])) };
  };
  const filter = (): JsonObject => {
    if (some(0.5)) return {};
    const paths = Array.from({ length: 1 + upTo(2) }, path);
    const ops = () =>
      Object.fromEntries(
        subset(OPS, 1)
          .slice(0, 6)
          .map((op) => [op, operand(op)]),
      );
    return { filter: Object.fromEntries(paths.map((each) => [each, ops()])) };
  };
  const path = () => Array.from({ length: 1 + upTo(some(0.1) ? 31 : 2) }, () => pick(WORDS)).join(".");
  const bounds = (): JsonObject => Object.fromEntries(subset(BOUND_OPS, 1).map((op) => [op, pick(BOUNDS)]));
  const duration = () => `${1 + upTo(3659)}${pick(UNITS.filter((unit) => unit !== "w"))}`;
  const window = (): JsonObject => {
    if (some(0.4)) return {};
    return some(0.5) ? { within: some(0.2) ? "2w" : duration() } : { between: [pick(DATES), "2026-07-01"] };
  };
  const scalar = (): Json => pick<() => Json>([() => pick(TEXTS), () => pick(NUMBERS), () => some(0.5)])();
  const operand = (op: string): Json => {
    if (op === "exists") return some(0.5);
    if (op === "in") return Array.from({ length: 1 + upTo(some(0.01) ? 999 : 5) }, scalar);
    if (op === "is" || op === "=" || op === "!=") return some(0.2) ? null : scalar();
    return op === "contains" ? scalar() : pick<() => Json>([() => pick(TEXTS), () => pick(NUMBERS)])();
  };
  return { subject: pick(["person", "account", "é"]), where: where(1) };
}

const LEAVES = ["performed", "sequence", "state", "metric", "attribute"] as const;
