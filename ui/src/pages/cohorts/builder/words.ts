import { count } from "@/common/numbers";
import {
  type Body,
  type Bound,
  type Duration,
  isGroup,
  type Leaf,
  type Measure,
  type Model,
  type Node,
  type Op,
  type Operand,
  type Span,
  type Step,
  type Test,
  type Unit,
} from "./model";
import { isTooLong, numberOf } from "./write";

/** What the sentence knows of a signal: of metrics, what they measure by which period. */
export type Known = ReadonlyMap<string, { aggregation?: string | null; period?: string | null }>;
const NOTHING: Known = new Map();

export const UNIT_WORDS: Record<Unit, string> = { s: "seconds", m: "minutes", h: "hours", d: "days", w: "weeks" };
export const OP_WORDS: Record<Op, string> = {
  is: "is",
  "=": "is",
  "!=": "is not",
  "<": "is less than",
  "<=": "is at most",
  ">": "is more than",
  ">=": "is at least",
  in: "is one of",
  contains: "contains",
  exists: "is there",
};
export const BOUND_WORDS: Record<Bound["op"], string> = {
  "=": "exactly",
  "!=": "not exactly",
  "<": "less than",
  "<=": "at most",
  ">": "more than",
  ">=": "at least",
};
export const AGGREGATED: Record<string, string> = {
  sum: "total",
  count: "number",
  avg: "average",
  min: "least",
  max: "greatest",
};
const SIGNS: Partial<Record<Op, string>> = { is: "=", "=": "=", "!=": "≠", "<": "<", "<=": "≤", ">": ">", ">=": "≥" };

const LONG = 60;
const SEVERAL = 5;
const GAP = "…";

/** The whole definition as one sentence: “People who did ordered at least 3 times, and did not do optedOut.” */
export function sentence(model: Model, known: Known = NOTHING): string {
  const { where } = model;
  const who = model.subject === "person" ? "People" : `Every ${name(model.subject)}`;
  if (isGroup(where.body) && where.body.parts.length === 0) return `${who}, whoever they are: no condition yet.`;
  const plural = model.subject === "person";
  return `${who} ${plural ? "who" : "that"} ${told(where, { known, has: plural ? "have" : "has" }, true)}.`;
}

type Saying = { known: Known; has: "has" | "have" };
const ONE: Saying = { known: NOTHING, has: "has" };

function told(node: Node, saying: Saying, outermost = false): string {
  const { body, nots } = node;
  if (!isGroup(body)) return nots === 1 ? unmet(body, saying) : negated(met(body, saying), nots);
  const word = body.kind === "all" ? ", and " : ", or ";
  const parts = body.parts.map((part) => told(part, saying)).join(word) || GAP;
  const bare = body.parts.length === 1 || (outermost && nots === 0);
  if (nots === 1) return `not ${body.kind === "all" ? "all of" : "any of"} (${parts})`;
  return negated(bare ? parts : `(${parts})`, nots);
}

function negated(text: string, nots: number): string {
  return nots === 0 ? text : `${"not ".repeat(nots)}(${text})`;
}

/** One condition: “did ordered at least 3 times in the last 30 days where itemPrice ≥ 500”. */
export function met(body: Leaf, { known, has }: Saying = ONE): string {
  switch (body.kind) {
    case "performed":
      return `did ${name(body.signal)}${performed(body.measures, body.span, body.tests)}`;
    case "sequence":
      return `did ${sequence(body.steps, body.gap, body.span)}`;
    case "state":
    case "attribute":
      return `${has} ${article(nameOf(body))} that ${own(body.tests)}`;
    case "metric":
      return `${has} ${metric(body, known)}`;
  }
}

/** The same condition under a `not`. */
function unmet(body: Leaf, saying: Saying): string {
  const simple = body.kind === "performed" && body.measures.length === 0;
  if (simple) return `did not do ${name(body.signal)}${performed([], body.span, body.tests)}`;
  return `not (${met(body, saying)})`;
}

function nameOf(body: Leaf): string {
  return body.kind === "attribute" ? body.name : body.kind === "state" ? body.signal : "";
}

function article(text: string): string {
  return text === "" ? GAP : `${/^[aeiou]/i.test(text) ? "an" : "a"} ${name(text)}`;
}

function performed(measures: readonly Measure[], span: Span, tests: readonly Test[]): string {
  const times = measures.filter((each) => each.kind === "count").map((each) => ` ${bounds(each.bounds)} times`);
  const sums = measures
    .filter((each) => each.kind !== "count")
    .map((each) => {
      const what = each.kind === "sum" ? "adding up to" : "averaging";
      return `${name(each.of)} ${what} ${bounds(each.bounds)}`;
    });
  const measured = sums.length > 0 ? `, ${sums.join(" and ")}` : "";
  return `${times.join("")}${when(span)}${where(tests)}${measured}`;
}

function sequence(steps: readonly Step[], gap: Duration | null, span: Span): string {
  const each = steps.map((step) => `${name(step.signal)}${where(step.tests)}`).join(", then ");
  const apart = gap ? `, each within ${duration(gap)} of the one before` : "";
  return `${each}${apart}${span.kind === "ever" ? "" : `, all${when(span)}`}`;
}

function metric(body: Extract<Body, { kind: "metric" }>, known: Known): string {
  const about = known.get(body.signal);
  const of = about?.aggregation ? `${AGGREGATED[about.aggregation] ?? "value"} of ` : "";
  const period = about?.period ?? "period";
  const periods =
    body.periods === "" || body.periods === "1" ? `this ${period}` : `the last ${body.periods} ${period}s`;
  return `a ${of}${name(body.signal)} of ${bounds(body.bounds)} over ${periods}`;
}

function bounds(given: readonly Bound[]): string {
  return given.map((bound) => `${BOUND_WORDS[bound.op]} ${figure(bound.number)}`).join(" and ") || GAP;
}

function own(tests: readonly Test[]): string {
  return tests.map((test) => said(test, OP_WORDS)).join(" and ") || GAP;
}

function where(tests: readonly Test[]): string {
  const all = tests.map((test) => `${name(test.path)} ${said(test, { ...OP_WORDS, ...SIGNS })}`);
  return all.length > 0 ? ` where ${all.join(" and ")}` : "";
}

function said(test: Test, words: Record<Op, string>): string {
  if (test.op === "exists") return test.value.text === "false" ? "is not there" : "is there";
  if (test.op !== "in") return `${words[test.op]} ${value(test.value)}`;
  const more = test.several.length > SEVERAL ? ` or ${test.several.length - SEVERAL} more` : "";
  return `${words.in} ${test.several.slice(0, SEVERAL).map(value).join(", ") || GAP}${more}`;
}

/** Texts are in quotes, so that “5” and 5 are told apart. */
export function value(given: Operand): string {
  if (given.type === "null") return "nothing";
  if (given.type === "boolean") return given.text === "" ? GAP : given.text === "true" ? "yes" : "no";
  return given.type === "number" ? figure(given.text) : `“${isolated(cut(given.text))}”`;
}

function when(span: Span): string {
  if (span.kind === "within") return ` in the last ${duration(span.length)}`;
  return span.kind === "between" ? ` from ${span.from || GAP} to before ${span.to || GAP}` : "";
}

export function duration(given: Duration): string {
  const words = UNIT_WORDS[given.unit];
  return `${given.amount || GAP} ${given.amount === "1" ? words.slice(0, -1) : words}`;
}

function figure(text: string): string {
  const number = numberOf(text);
  if (number === null) return isTooLong(text) ? cut(text.trim()) : GAP;
  return Number.isInteger(number) && Math.abs(number) < 1e15 ? count(number) : String(number);
}

function name(text: string): string {
  return text === "" ? GAP : isolated(cut(text));
}

function cut(text: string): string {
  return text.length > LONG ? `${text.slice(0, LONG)}…` : text;
}

/** Text that may run the other way turns nothing around it. */
function isolated(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? text : `\u2068${text}\u2069`;
}
