import { useCallback, useMemo, useReducer } from "react";
import * as edit from "./edit";
import { type Body, blank, emptyModel, type Model, type Node } from "./model";

/** Changes of one field within this time are undone at once. */
const TOGETHER_MS = 1500;
const MOST_UNDO = 200;

/** Who is to have the focus next: a node, or one button of it. `turn` tells one wish from the next. */
export type Wish = { id: string; part: string; turn: number };
export type Course = {
  past: readonly Model[];
  present: Model;
  future: readonly Model[];
  /** What was changed last, and when. */
  tag: string;
  at: number;
  wish: Wish | null;
  /** What was just done, for those who do not see it. */
  said: string;
};

type Do =
  | { type: "set"; model: Model; tag: string; at: number; wish?: { id: string; part: string }; said?: string }
  | { type: "undo" }
  | { type: "redo" };

export function begin(model: Model): Course {
  return { past: [], present: model, future: [], tag: "", at: 0, wish: null, said: "" };
}

export function step(course: Course, act: Do): Course {
  const { past, present, future } = course;
  if (act.type === "undo") {
    const before = past.at(-1);
    if (!before) return course;
    return {
      ...course,
      past: past.slice(0, -1),
      present: before,
      future: [present, ...future],
      tag: "",
      said: "Undone",
    };
  }
  if (act.type === "redo") {
    const [after, ...rest] = future;
    if (!after) return course;
    return { ...course, past: [...past, present], present: after, future: rest, tag: "", said: "Done again" };
  }
  if (act.model === present) return course;
  const together = act.tag !== "" && act.tag === course.tag && act.at - course.at < TOGETHER_MS;
  return {
    past: together ? past : [...past, present].slice(-MOST_UNDO),
    present: act.model,
    future: [],
    tag: act.tag,
    at: act.at,
    wish: act.wish ? { ...act.wish, turn: (course.wish?.turn ?? 0) + 1 } : course.wish,
    said: act.said ?? "",
  };
}

export type Builder = ReturnType<typeof useBuilder>;

/** A definition being built: what can be done with it, and undone. */
export function useBuilder(first?: () => Model) {
  const [course, dispatch] = useReducer(step, first, (make) => begin((make ?? emptyModel)()));
  const { present } = course;
  const set = useCallback(
    (model: Model, tag = "", wish?: { id: string; part: string }, said?: string) =>
      dispatch({ type: "set", model, tag, at: Date.now(), ...(wish ? { wish } : {}), ...(said ? { said } : {}) }),
    [],
  );
  return useMemo(() => {
    const where = (next: Node, id: string, part: string, said: string) =>
      set(edit.withWhere(present, next), "", { id, part }, said);
    return {
      model: present,
      wish: course.wish,
      said: course.said,
      canUndo: course.past.length > 0,
      canRedo: course.future.length > 0,
      undo: () => dispatch({ type: "undo" }),
      redo: () => dispatch({ type: "redo" }),
      load: (model: Model, tag = "") => set(model, tag),
      subject: (subject: string) => set({ ...present, subject }, "subject"),
      replace: (id: string, next: Node, tag = "") =>
        set(edit.withWhere(present, edit.replaced(present.where, id, next)), tag),
      add(group: string, kind: Body["kind"]) {
        const made = blank(kind);
        where(edit.added(present.where, group, made), made.id, "first", "Condition added");
      },
      remove(id: string) {
        const next = edit.neighbour(present.where, id);
        const without = edit.removed(present.where, id);
        const part = next && edit.find(without, next) ? "first" : "add";
        where(without, next ?? without.id, part, "Condition removed");
      },
      duplicate(id: string) {
        const [next, copy] = edit.duplicated(present.where, id);
        where(next, copy.id, "first", "Condition duplicated");
      },
      wrap(id: string) {
        const [next, group] = edit.wrapped(present.where, id);
        where(next, group.id, "first", "Put into a group");
      },
      unwrap(id: string) {
        where(
          edit.unwrapped(present.where, id),
          edit.neighbour(present.where, id) ?? present.where.id,
          "first",
          "Group taken apart",
        );
      },
      move(id: string, by: -1 | 1) {
        const next = edit.moved(present.where, id, by);
        if (next) where(next, id, by === 1 ? "down" : "up", by === 1 ? "Moved down" : "Moved up");
      },
    };
  }, [present, course.wish, course.said, course.past.length, course.future.length, set]);
}
