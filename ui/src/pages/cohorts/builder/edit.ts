import { isGroup, type Model, type Node, newId, node } from "./model";

/** The group that holds a node, and at which place; null for the root and for what is not there. */
export type Spot = { parent: Node; at: number };

export function find(root: Node, id: string): Node | null {
  if (root.id === id) return root;
  for (const part of partsOf(root)) {
    const found = find(part, id);
    if (found) return found;
  }
  return null;
}

export function spotOf(root: Node, id: string): Spot | null {
  const at = partsOf(root).findIndex((part) => part.id === id);
  if (at >= 0) return { parent: root, at };
  for (const part of partsOf(root)) {
    const found = spotOf(part, id);
    if (found) return found;
  }
  return null;
}

/** The same tree with another node in a node's place. */
export function replaced(root: Node, id: string, next: Node): Node {
  if (root.id === id) return next;
  if (!isGroup(root.body) || !find(root, id)) return root;
  return withParts(
    root,
    root.body.parts.map((part) => replaced(part, id, next)),
  );
}

/** With a new last part. What is no group becomes the first part of one. */
export function added(root: Node, group: string, part: Node): Node {
  const target = find(root, group);
  if (!target) return root;
  if (!isGroup(target.body)) return replaced(root, group, node({ kind: "all", parts: [target, part] }));
  return replaced(root, group, withParts(target, [...target.body.parts, part]));
}

/** Without a node; the root leaves an empty group behind. */
export function removed(root: Node, id: string): Node {
  const spot = spotOf(root, id);
  if (!spot) return root.id === id ? node({ kind: "all", parts: [] }) : root;
  const parts = partsOf(spot.parent);
  return replaced(
    root,
    spot.parent.id,
    withParts(spot.parent, [...parts.slice(0, spot.at), ...parts.slice(spot.at + 1)]),
  );
}

/** With a copy right behind it; also gives the copy. */
export function duplicated(root: Node, id: string): [Node, Node] {
  const original = find(root, id) ?? root;
  const copy = renewed(original);
  const spot = spotOf(root, id);
  if (!spot) return [node({ kind: "all", parts: [original, copy] }), copy];
  return [replaced(root, spot.parent.id, inserted(spot.parent, spot.at + 1, copy)), copy];
}

/** In a group of its own; also gives the group. */
export function wrapped(root: Node, id: string): [Node, Node] {
  const group = node({ kind: "all", parts: [find(root, id) ?? root] });
  return [replaced(root, id, group), group];
}

/** Whether a group's parts may stand in its place and mean the same kind of thing. */
export function canUnwrap(root: Node, id: string): boolean {
  const target = find(root, id);
  if (!target || !isGroup(target.body) || target.nots > 0) return false;
  return spotOf(root, id) ? target.body.parts.length > 0 : target.body.parts.length === 1;
}

export function unwrapped(root: Node, id: string): Node {
  const target = find(root, id);
  if (!target || !canUnwrap(root, id)) return root;
  const spot = spotOf(root, id);
  const [only] = partsOf(target);
  if (!spot) return only ?? root;
  const parts = partsOf(spot.parent);
  const all = [...parts.slice(0, spot.at), ...partsOf(target), ...parts.slice(spot.at + 1)];
  return replaced(root, spot.parent.id, withParts(spot.parent, all));
}

/**
 * One place up or down as the eye goes: past a condition, into a group that is next, out of a group at its edge. A
 * group that is left empty goes away. Null where it is the first or last of all already.
 */
export function moved(root: Node, id: string, by: -1 | 1): Node | null {
  const spot = spotOf(root, id);
  const target = find(root, id);
  if (!spot || !target) return null;
  const beside = partsOf(spot.parent)[spot.at + by];
  const without = removed(root, id);
  const parent = find(without, spot.parent.id) ?? without;
  if (beside) {
    if (!isGroup(beside.body)) return replaced(without, parent.id, inserted(parent, spot.at + by, target));
    const place = by === 1 ? 0 : partsOf(beside).length;
    return replaced(without, beside.id, inserted(beside, place, target));
  }
  const above = spotOf(without, parent.id);
  if (!above) return null;
  const place = above.at + (by === 1 ? 1 : 0);
  const out = replaced(without, above.parent.id, inserted(above.parent, place, target));
  return partsOf(parent).length === 0 ? removed(out, parent.id) : out;
}

/** Where the focus goes when a node is gone: to the next one, else the one before, else its group. */
export function neighbour(root: Node, id: string): string | null {
  const spot = spotOf(root, id);
  if (!spot) return null;
  const parts = partsOf(spot.parent);
  return (parts[spot.at + 1] ?? parts[spot.at - 1] ?? spot.parent).id;
}

export function withWhere(model: Model, where: Node): Model {
  return { ...model, where };
}

function partsOf(of: Node): Node[] {
  return isGroup(of.body) ? of.body.parts : [];
}

function withParts(of: Node, parts: Node[]): Node {
  return isGroup(of.body) ? { ...of, body: { ...of.body, parts } } : of;
}

function inserted(of: Node, at: number, part: Node): Node {
  const parts = partsOf(of);
  return withParts(of, [...parts.slice(0, at), part, ...parts.slice(at)]);
}

/** The same with ids of its own, all the way down. */
function renewed<T>(value: T): T {
  if (Array.isArray(value)) return value.map(renewed) as T;
  if (typeof value !== "object" || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([key, one]) => [key, renewed(one)]));
  return ("id" in copy ? { ...copy, id: newId() } : copy) as T;
}
