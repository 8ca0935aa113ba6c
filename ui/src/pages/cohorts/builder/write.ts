import { isKept } from "@/common/digits";
import type { Json, JsonObject } from "./json";
import type { Body, Bound, Duration, Measure, Model, Node, Operand, Span, Test } from "./model";

/** The definition that a model means, unfinished parts included: a number that is none is null. */
export function write(model: Model): JsonObject {
  return { subject: model.subject, where: writeNode(model.where) };
}

export function writeNode(node: Node): Json {
  let made: Json = writeBody(node.body);
  for (let each = 0; each < node.nots; each += 1) made = { not: made };
  return made;
}

function writeBody(body: Body): JsonObject {
  switch (body.kind) {
    case "performed":
      return {
        performed: body.signal,
        ...filter(body.tests),
        ...Object.fromEntries(body.measures.map((each) => [each.kind, measure(each)])),
        ...span(body.span),
      };
    case "sequence":
      return {
        sequence: body.steps.map((step) => ({ performed: step.signal, ...filter(step.tests) })),
        ...(body.gap ? { gap: duration(body.gap) } : {}),
        ...span(body.span),
      };
    case "state":
      return { state: body.signal, ...ownTests(body.tests) };
    case "attribute":
      return { attribute: body.name, ...ownTests(body.tests) };
    case "metric":
      return {
        metric: body.signal,
        ...(body.periods === "" ? {} : { periods: numberOf(body.periods) }),
        ...bounds(body.bounds),
      };
    default:
      return { [body.kind]: body.parts.map(writeNode) };
  }
}

function measure(given: Measure): JsonObject {
  return { ...(given.kind === "count" ? {} : { of: given.of }), ...bounds(given.bounds) };
}

function bounds(given: readonly Bound[]): JsonObject {
  return Object.fromEntries(given.map((bound) => [bound.op, numberOf(bound.number)]));
}

/** Tests of one property stand together; a property may have any name, `__proto__` too. */
function filter(tests: readonly Test[]): JsonObject {
  const found = new Map<string, [string, Json][]>();
  for (const test of tests) {
    const ops = found.get(test.path) ?? [];
    found.set(test.path, [...ops, [test.op, value(test)]]);
  }
  if (found.size === 0) return {};
  return { filter: Object.fromEntries([...found].map(([path, ops]) => [path, Object.fromEntries(ops)])) };
}

function ownTests(tests: readonly Test[]): JsonObject {
  return Object.fromEntries(tests.map((test) => [test.op, value(test)]));
}

function value(test: Test): Json {
  return test.op === "in" ? test.several.map(scalar) : scalar(test.value);
}

export function scalar(given: Operand): Json {
  switch (given.type) {
    case "null":
      return null;
    case "boolean":
      return given.text === "true";
    case "number":
      return numberOf(given.text);
    default:
      return given.text;
  }
}

function span(given: Span): JsonObject {
  if (given.kind === "within") return { within: duration(given.length) };
  return given.kind === "between" ? { between: [given.from, given.to] } : {};
}

function duration(given: Duration): string {
  return `${given.amount}${given.unit}`;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Null for what is no number, and for one that would be changed. */
export function numberOf(text: string): number | null {
  const trimmed = text.trim();
  return NUMBER.test(trimmed) && isKept(trimmed) ? Number(trimmed) : null;
}

/** A number whose digits cannot be kept. */
export function isTooLong(text: string): boolean {
  const trimmed = text.trim();
  return NUMBER.test(trimmed) && !isKept(trimmed);
}
