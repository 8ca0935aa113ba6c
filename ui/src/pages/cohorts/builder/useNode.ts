import { useSite } from "./context";
import type { Leaf, Node } from "./model";

/** Changes the condition of a node; changes under one tag in a row are undone at once. */
export type Change<T extends Leaf> = (change: Partial<Omit<T, "kind">>, tag?: string) => void;

export function useChange<T extends Leaf>(node: Node, body: T): Change<T> {
  const { builder } = useSite();
  return (change, tag) =>
    builder.replace(node.id, { ...node, body: { ...body, ...change } }, tag ? `${node.id} ${tag}` : "");
}

/** A list with one of its items changed, or without it. */
export function withItem<T extends { id: string }>(list: readonly T[], id: string, change: Partial<T>): T[] {
  return list.map((each) => (each.id === id ? { ...each, ...change } : each));
}

export function without<T extends { id: string }>(list: readonly T[], id: string): T[] {
  return list.filter((each) => each.id !== id);
}
