import { type Json, type JsonObject, spelled } from "./json";
import {
  BOUND_OPS,
  type Bound,
  type BoundOp,
  type Duration,
  EVER,
  KINDS,
  MEASURES,
  type Measure,
  type Model,
  type Node,
  newId,
  node,
  OPS,
  type Op,
  type Operand,
  type Span,
  type Step,
  type Test,
  type Unit,
} from "./model";

/** What is not of a definition's shape, and where: `where.all[1].within`. */
export class Misfit extends Error {
  constructor(
    message: string,
    readonly path: string,
  ) {
    super(message);
    this.name = "Misfit";
  }
}

/**
 * The model of a definition. Whatever the grammar takes is read; of what it refuses, all that the builder can show: an
 * unknown signal, an unfinished number. Throws a Misfit for anything else.
 */
export function read(definition: Json): Model {
  const given = object(definition, "definition", ["subject", "where"]);
  return {
    subject: text(given.subject ?? "", "subject"),
    where: readNode(given.where ?? null, "where"),
  };
}

function readNode(value: Json, path: string): Node {
  let nots = 0;
  let here = value;
  while (isObject(here) && "not" in here) {
    object(here, path, ["not"]);
    here = here.not ?? null;
    path = `${path}.not`;
    nots += 1;
  }
  if (!isObject(here)) throw new Misfit("a condition must be an object", path);
  const found = KINDS.filter((kind) => kind in here);
  const [kind] = found;
  if (found.length !== 1 || !kind || kind === "not") {
    throw new Misfit(`a condition needs exactly one of ${KINDS.map((each) => `'${each}'`).join(", ")}`, path);
  }
  return { ...READERS[kind](here, path), nots };
}

const READERS: Record<Exclude<(typeof KINDS)[number], "not">, (given: JsonObject, path: string) => Node> = {
  all: (given, path) => group("all", given, path),
  any: (given, path) => group("any", given, path),
  performed(given, path) {
    const known = object(given, path, ["performed", "filter", ...MEASURES, "within", "between"]);
    return node({
      kind: "performed",
      signal: text(known.performed, `${path}.performed`),
      tests: filter(known, path),
      measures: MEASURES.filter((kind) => there(known, kind)).map((kind) =>
        measure(kind, known[kind], `${path}.${kind}`),
      ),
      span: span(known, path),
    });
  },
  sequence(given, path) {
    const known = object(given, path, ["sequence", "gap", "within", "between"]);
    return node({
      kind: "sequence",
      steps: list(known.sequence, `${path}.sequence`).map((one, at) => step(one, `${path}.sequence[${at}]`)),
      gap: there(known, "gap") ? duration(known.gap, `${path}.gap`) : null,
      span: span(known, path),
    });
  },
  state(given, path) {
    return node({ kind: "state", signal: text(given.state, `${path}.state`), tests: ownTests("state", given, path) });
  },
  attribute(given, path) {
    const name = text(given.attribute, `${path}.attribute`);
    return node({ kind: "attribute", name, tests: ownTests("attribute", given, path) });
  },
  metric(given, path) {
    const known = object(given, path, ["metric", "periods", ...BOUND_OPS]);
    const signal = text(known.metric, `${path}.metric`);
    const periods = there(known, "periods") ? number(known.periods, `${path}.periods`) : "";
    return node({ kind: "metric", signal, periods, bounds: bounds(known, path, ["metric", "periods"]) });
  },
};

function group(kind: "all" | "any", given: JsonObject, path: string): Node {
  const known = object(given, path, [kind]);
  const parts = list(known[kind], `${path}.${kind}`);
  return node({ kind, parts: parts.map((part, at) => readNode(part, `${path}.${kind}[${at}]`)) });
}

function step(value: Json, path: string): Step {
  const known = object(value, path, ["performed", "filter"]);
  return { id: newId(), signal: text(known.performed, `${path}.performed`), tests: filter(known, path) };
}

function measure(kind: Measure["kind"], value: Json | undefined, path: string): Measure {
  const known = object(value, path, kind === "count" ? BOUND_OPS : ["of", ...BOUND_OPS]);
  const of = there(known, "of") ? text(known.of, `${path}.of`) : "";
  return { id: newId(), kind, of, bounds: bounds(known, path, ["of"]) };
}

function bounds(given: JsonObject, path: string, beside: readonly string[]): Bound[] {
  const asked = Object.entries(given).filter(([key]) => !beside.includes(key));
  return asked.map(([op, value]) => ({ id: newId(), op: op as BoundOp, number: number(value, `${path}.${op}`) }));
}

function filter(given: JsonObject, path: string): Test[] {
  if (!there(given, "filter")) return [];
  const wanted = given.filter;
  if (!isObject(wanted)) throw new Misfit("'filter' must be an object of properties", `${path}.filter`);
  return Object.entries(wanted).flatMap(([name, ops]) => {
    const here = `${path}.filter.${name}`;
    const known = Object.entries(object(ops, here, OPS));
    if (known.length === 0) throw new Misfit(`a comparison is required: one of ${OPS.join(" ")}`, here);
    return known.map(([op, value]) => test(name, op as Op, value, `${here}.${op}`));
  });
}

/** Those of a state or an attribute. */
function ownTests(kind: string, given: JsonObject, path: string): Test[] {
  const known = Object.entries(object(given, path, [kind, "is", ...OPS]));
  return known.filter(([key]) => key !== kind).map(([op, value]) => test("", op as Op, value, `${path}.${op}`));
}

function test(name: string, op: Op, value: Json, path: string): Test {
  const made = { id: newId(), path: name, op, several: [] as Operand[] };
  if (op !== "in") return { ...made, value: operand(value, path) };
  const several = list(value, path).map((one, at) => operand(one, `${path}[${at}]`));
  return { ...made, value: { type: several[0]?.type ?? "text", text: "" }, several };
}

function operand(value: Json, path: string): Operand {
  if (value === null) return { type: "null", text: "" };
  if (typeof value === "boolean") return { type: "boolean", text: String(value) };
  if (typeof value === "number") return { type: "number", text: spelled(value) };
  if (typeof value === "string") return { type: "text", text: value };
  throw new Misfit("must be a string, a number, true or false", path);
}

function span(given: JsonObject, path: string): Span {
  const both = there(given, "within") && there(given, "between");
  if (both) throw new Misfit("'within' and 'between' exclude each other", `${path}.between`);
  if (there(given, "within")) return { kind: "within", length: duration(given.within, `${path}.within`) };
  if (!there(given, "between")) return EVER;
  const dates = list(given.between, `${path}.between`);
  if (dates.length !== 2) throw new Misfit("must have 2 dates", `${path}.between`);
  const [from = "", to = ""] = dates.map((date, at) => text(date, `${path}.between[${at}]`));
  return { kind: "between", from, to };
}

function duration(value: Json | undefined, path: string): Duration {
  const found = typeof value === "string" ? /^(.*)([smhdw])$/s.exec(value) : null;
  if (!found) throw new Misfit("must be a whole number and a unit (s, m, h, d or w), as in '30d'", path);
  return { amount: found[1] ?? "", unit: found[2] as Unit };
}

/** Null is a number that is not there yet. */
function number(value: Json | undefined, path: string): string {
  if (value === null) return "";
  if (typeof value !== "number") throw new Misfit("must be a number", path);
  return spelled(value);
}

function text(value: Json | undefined, path: string): string {
  if (typeof value !== "string") throw new Misfit("must be a string", path);
  return value;
}

function list(value: Json | undefined, path: string): Json[] {
  if (!Array.isArray(value)) throw new Misfit("must be a list", path);
  return value;
}

function object(value: Json | undefined, path: string, known: readonly string[]): JsonObject {
  if (!isObject(value)) throw new Misfit("must be an object", path);
  const strange = Object.keys(value).find((key) => !known.includes(key));
  if (strange === undefined) return value;
  throw new Misfit(
    `'${strange.slice(0, 60)}' is not known here, only ${known.join(", ")}`,
    `${path}.${strange.slice(0, 60)}`,
  );
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Null in an optional place is the same as nothing there. */
function there(given: JsonObject, key: string): boolean {
  return Object.hasOwn(given, key) && given[key] !== null;
}
