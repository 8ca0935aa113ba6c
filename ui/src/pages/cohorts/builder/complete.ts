import { tooManyDigits } from "@/common/digits";
import {
  type Body,
  type Bound,
  type Duration,
  isGroup,
  type Model,
  type Node,
  type Operand,
  type Span,
  type Test,
} from "./model";
import { isTooLong, numberOf } from "./write";

/** What a condition still needs, and which part of it: a row's own id where it is the row itself. */
export type Missing = { id: string; text: string };

/** The first thing that a condition needs, or null when it is complete. Groups are told by their parts. */
export function missing(node: Node): Missing | null {
  const { id, body } = node;
  switch (body.kind) {
    case "performed":
      return (
        signal(id, body.signal) ??
        first(
          body.measures,
          (each) => property(each.id, each.kind === "count" ? "x" : each.of) ?? bounds(each.id, each.bounds),
        ) ??
        span(id, body.span) ??
        tests(body.tests)
      );
    case "sequence":
      return (
        (body.steps.length < 2 ? { id, text: "A sequence has at least two steps" } : null) ??
        first(body.steps, (step) => signal(step.id, step.signal) ?? tests(step.tests)) ??
        (body.gap ? length(id, body.gap) : null) ??
        span(id, body.span)
      );
    case "state":
      return signal(id, body.signal) ?? ownTests(id, body.tests);
    case "attribute":
      return (body.name === "" ? { id, text: "Say which attribute" } : null) ?? ownTests(id, body.tests);
    case "metric":
      return signal(id, body.signal) ?? periods(id, body.periods) ?? bounds(id, body.bounds);
    default:
      return body.parts.length === 0 ? { id, text: "Nothing is in this group yet" } : null;
  }
}

export type Pruned = {
  /** Only what is complete, with the ids of the whole; null when nothing is. */
  model: Model | null;
  /** How many conditions were left out. */
  left: number;
};

/** What can be asked about already. */
export function complete(model: Model): Pruned {
  let left = 0;
  const kept = (node: Node): Node | null => {
    const { body } = node;
    if (!isGroup(body)) {
      if (missing(node) === null) return node;
      left += 1;
      return null;
    }
    const parts = body.parts.map(kept).filter((part) => part !== null);
    return parts.length === 0 ? null : { ...node, body: { ...body, parts } };
  };
  const where = kept(model.where);
  return { model: where && model.subject !== "" ? { ...model, where } : null, left };
}

/** How many conditions there are, complete or not. */
export function conditions(body: Body): number {
  return isGroup(body) ? body.parts.reduce((sum, part) => sum + conditions(part.body), 0) : 1;
}

function first<T>(list: readonly T[], look: (one: T) => Missing | null): Missing | null {
  for (const one of list) {
    const found = look(one);
    if (found) return found;
  }
  return null;
}

function signal(id: string, slug: string): Missing | null {
  return slug === "" ? { id, text: "Choose a signal" } : null;
}

function property(id: string, path: string): Missing | null {
  return path.split(".").every((key) => key !== "") ? null : { id, text: "Name the property, as in address.city" };
}

function bounds(id: string, given: readonly Bound[]): Missing | null {
  if (given.length === 0) return { id, text: "Say what to compare it with" };
  const twice = given.find((bound, at) => given.findIndex((other) => other.op === bound.op) !== at);
  if (twice) return { id: twice.id, text: "The same comparison stands here twice" };
  return first(given, (bound) => number(bound.id, bound.number));
}

function ownTests(id: string, given: readonly Test[]): Missing | null {
  if (given.length === 0) return { id, text: "Say what to compare it with" };
  return compared(given);
}

function tests(given: readonly Test[]): Missing | null {
  return first(given, (test) => property(test.id, test.path)) ?? compared(given);
}

function compared(given: readonly Test[]): Missing | null {
  const word = (test: Test) => `${test.op === "is" ? "=" : test.op} ${test.path}`;
  const twice = given.find((test, at) => given.findIndex((other) => word(other) === word(test)) !== at);
  if (twice) return { id: twice.id, text: "The same comparison stands here twice" };
  return first(given, (test) => {
    if (test.op === "in" && test.several.length === 0) return { id: test.id, text: "Enter at least one value" };
    const values = test.op === "in" ? test.several : [test.value];
    return first(values, (value) => operand(test.id, value));
  });
}

function operand(id: string, value: Operand): Missing | null {
  if (value.type === "number") return number(id, value.text);
  if (value.type === "boolean" && value.text === "") return { id, text: "Choose yes or no" };
  return null;
}

function number(id: string, text: string): Missing | null {
  if (isTooLong(text)) return { id, text: tooManyDigits(text.trim()) };
  return numberOf(text) === null ? { id, text: "Enter a number" } : null;
}

function span(id: string, given: Span): Missing | null {
  if (given.kind === "within") return length(id, given.length);
  if (given.kind === "between" && (given.from === "" || given.to === "")) return { id, text: "Enter both dates" };
  return null;
}

function length(id: string, given: Duration): Missing | null {
  return /^[1-9][0-9]{0,9}$/.test(given.amount) ? null : { id, text: "Enter how long: a whole number from 1 on" };
}

function periods(id: string, text: string): Missing | null {
  return text === "" || /^[1-9][0-9]{0,4}$/.test(text) ? null : { id, text: "Enter over how many periods: 1 or more" };
}
