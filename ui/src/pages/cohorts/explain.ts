import type { Schemas } from "@/api/client";
import { isGroup, type Leaf, type Node } from "./builder/model";

export type Found = Schemas["ConditionAnswer"];
/** A part of a definition as one profile meets it. */
export type Verdict = {
  id: string;
  node: Node;
  /** With the `not`s around it. */
  holds: boolean;
  /** Of a condition: what the server found, once for each thing it measures. */
  found: readonly Found[];
  parts: readonly Verdict[];
};

/** The definition's tree with what was found: the server tells the conditions in the order of the definition. */
export function verdict(where: Node, explained: readonly Found[]): Verdict {
  let next = 0;
  const of = (node: Node): Verdict => {
    const { id, body, nots } = node;
    const turned = (holds: boolean) => (nots % 2 === 0 ? holds : !holds);
    if (isGroup(body)) {
      const parts = body.parts.map(of);
      const holds = body.kind === "all" ? parts.every((part) => part.holds) : parts.some((part) => part.holds);
      return { id, node, holds: turned(holds), found: [], parts };
    }
    const found = explained.slice(next, next + measured(body));
    next += measured(body);
    return { id, node, holds: turned(found.every((each) => each.holds)), found, parts: [] };
  };
  return of(where);
}

function measured(body: Leaf): number {
  return body.kind === "performed" ? Math.max(1, body.measures.length) : 1;
}
