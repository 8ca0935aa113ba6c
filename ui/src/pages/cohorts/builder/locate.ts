import { isGroup, type Model, type Node, type Test } from "./model";

/** Characters of a property's name in a fault's path: what is longer is cut there. */
const SHOWN = 60;

/**
 * The part of a model that a fault's path is about: the id of a test, a step, a measure, a bound or a condition; null
 * when it is the whole. `path` as the server tells it: `definition.where.all[1].count.>=`.
 */
export function locate(model: Model, path: string): string | null {
  const found = /^(?:definition\.)?where(.*)$/s.exec(path);
  return found ? inNode(model.where, found[1] ?? "") : null;
}

function inNode(node: Node, path: string): string {
  let rest = path;
  for (let each = 0; each < node.nots; each += 1) {
    if (!rest.startsWith(".not")) return node.id;
    rest = rest.slice(4);
  }
  const { body } = node;
  if (isGroup(body)) {
    const place = new RegExp(`^\\.${body.kind}\\[(\\d+)\\](.*)$`, "s").exec(rest);
    const part = place ? body.parts[Number(place[1])] : undefined;
    return part ? inNode(part, place?.[2] ?? "") : node.id;
  }
  return inLeaf(node, rest.slice(1)) ?? node.id;
}

function inLeaf({ body }: Node, rest: string): string | undefined {
  switch (body.kind) {
    case "performed": {
      const measure = body.measures.find((each) => rest === each.kind || rest.startsWith(`${each.kind}.`));
      const bound = measure?.bounds.find((each) => rest === `${measure.kind}.${each.op}`);
      return bound?.id ?? measure?.id ?? ofFilter(body.tests, rest);
    }
    case "sequence": {
      const place = /^sequence\[(\d+)\]\.?(.*)$/s.exec(rest);
      const step = place ? body.steps[Number(place[1])] : undefined;
      return step && (ofFilter(step.tests, place?.[2] ?? "") ?? step.id);
    }
    case "metric":
      return body.bounds.find((each) => rest === each.op)?.id;
    case "state":
    case "attribute":
      return body.tests.find((each) => rest === each.op || rest.startsWith(`${each.op}[`))?.id;
  }
}

function ofFilter(tests: readonly Test[], rest: string): string | undefined {
  if (!rest.startsWith("filter.")) return undefined;
  const here = rest.slice("filter.".length);
  const fits = (whole: string) => whole === here || here.startsWith(`${whole}[`);
  return (tests.find((test) => fits(`${shown(test.path)}.${test.op}`)) ?? tests.find((test) => fits(shown(test.path))))
    ?.id;
}

function shown(path: string): string {
  const whole = [...path];
  return whole.length > SHOWN ? `${whole.slice(0, SHOWN).join("")}…` : path;
}
