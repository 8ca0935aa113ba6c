// A cohort's definition as it is being built: the same tree as the JSON, but whatever is not there yet can be missing.
// Every part has an id of its own, so that focus, faults and undoing find it again.

export const BOUND_OPS = ["=", "!=", "<", "<=", ">", ">="] as const;
export const OPS = [...BOUND_OPS, "in", "contains", "exists"] as const;
export const MEASURES = ["count", "sum", "avg"] as const;
export const UNITS = ["s", "m", "h", "d", "w"] as const;
export const KINDS = ["all", "any", "not", "performed", "sequence", "state", "metric", "attribute"] as const;
export const MOST_STEPS = 10;
export const FEWEST_STEPS = 2;

export type BoundOp = (typeof BOUND_OPS)[number];
/** `is` says the same as `=`; only states and attributes know it. */
export type Op = (typeof OPS)[number] | "is";
export type MeasureKind = (typeof MEASURES)[number];
export type Unit = (typeof UNITS)[number];

/** A value to compare with, as text that may not be a number yet. */
export type Operand = { type: "text" | "number" | "boolean" | "null"; text: string };
export type Test = {
  id: string;
  /** Of a property; empty where a state or an attribute is compared itself. */
  path: string;
  op: Op;
  value: Operand;
  /** For `in`. */
  several: Operand[];
};
export type Bound = { id: string; op: BoundOp; number: string };
export type Duration = { amount: string; unit: Unit };
export type Span =
  | { kind: "ever" }
  | { kind: "within"; length: Duration }
  | { kind: "between"; from: string; to: string };
export type Measure = { id: string; kind: MeasureKind; of: string; bounds: Bound[] };
export type Step = { id: string; signal: string; tests: Test[] };

export type Performed = { kind: "performed"; signal: string; tests: Test[]; measures: Measure[]; span: Span };
export type Sequence = { kind: "sequence"; steps: Step[]; gap: Duration | null; span: Span };
export type State = { kind: "state"; signal: string; tests: Test[] };
export type Attribute = { kind: "attribute"; name: string; tests: Test[] };
/** `periods`: empty where the definition says nothing, which means 1. */
export type Metric = { kind: "metric"; signal: string; periods: string; bounds: Bound[] };
export type Group = { kind: "all" | "any"; parts: Node[] };
export type Leaf = Performed | Sequence | State | Attribute | Metric;
export type Body = Group | Leaf;
/** `nots`: how many `not`s stand around it. */
export type Node = { id: string; nots: number; body: Body };
export type Model = { subject: string; where: Node };

let made = 0;
export function newId(): string {
  made += 1;
  return `c${made}`;
}

export function isGroup(body: Body): body is Group {
  return body.kind === "all" || body.kind === "any";
}

export function node(body: Body, nots = 0): Node {
  return { id: newId(), nots, body };
}

export const EVER: Span = { kind: "ever" };

export function newTest(type: Operand["type"] = "text", op: Op = "="): Test {
  return { id: newId(), path: "", op, value: { type, text: "" }, several: [] };
}

export function newBound(op: BoundOp = ">=", number = ""): Bound {
  return { id: newId(), op, number };
}

export function newMeasure(kind: MeasureKind): Measure {
  return { id: newId(), kind, of: "", bounds: [newBound(">=", kind === "count" ? "1" : "")] };
}

export function newStep(): Step {
  return { id: newId(), signal: "", tests: [] };
}

/** A condition of this kind with nothing chosen. */
export function blank(kind: Body["kind"]): Node {
  switch (kind) {
    case "performed":
      return node({ kind, signal: "", tests: [], measures: [], span: EVER });
    case "sequence":
      return node({ kind, steps: [newStep(), newStep()], gap: null, span: EVER });
    case "state":
      return node({ kind, signal: "", tests: [newTest("text", "is")] });
    case "attribute":
      return node({ kind, name: "", tests: [newTest("text", "is")] });
    case "metric":
      return node({ kind, signal: "", periods: "", bounds: [newBound()] });
    default:
      return node({ kind, parts: [] });
  }
}

export function emptyModel(): Model {
  return { subject: "person", where: blank("all") };
}
