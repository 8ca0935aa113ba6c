import { describe, expect, test } from "vitest";
import { complete, conditions, missing } from "./complete";
import * as edit from "./edit";
import { at, fieldsOf } from "./fields";
import { chance, definition } from "./generate";
import { type Json, toJson } from "./json";
import { locate } from "./locate";
import { blank, emptyModel, isGroup, type Model, type Node } from "./model";
import { read } from "./read";
import { begin, step } from "./useBuilder";
import { sentence } from "./words";
import { write, writeNode } from "./write";

const p = (performed: string) => ({ performed });

function model(where: Json): Model {
  return read({ subject: "person", where });
}

/** The id of the only condition about a signal. */
function idOf(root: Node, signal: string): string {
  const { body } = root;
  if (isGroup(body)) return body.parts.map((part) => idOf(part, signal)).find((id) => id !== "") ?? "";
  return body.kind === "performed" && body.signal === signal ? root.id : "";
}

describe("a tree of conditions", () => {
  const { where } = model({ all: [p("a"), { any: [p("b"), p("c")] }, p("d")] });
  const moved = (signal: string, by: -1 | 1) => {
    const next = edit.moved(where, idOf(where, signal), by);
    return next && writeNode(next);
  };

  test("moves as the eye goes: past, into and out of groups", () => {
    expect(moved("a", -1)).toBeNull();
    expect(moved("d", 1)).toBeNull();
    expect(moved("a", 1)).toEqual({ all: [{ any: [p("a"), p("b"), p("c")] }, p("d")] });
    expect(moved("d", -1)).toEqual({ all: [p("a"), { any: [p("b"), p("c"), p("d")] }] });
    expect(moved("b", -1)).toEqual({ all: [p("a"), p("b"), { any: [p("c")] }, p("d")] });
    expect(moved("c", -1)).toEqual({ all: [p("a"), { any: [p("c"), p("b")] }, p("d")] });
  });

  test("a group that is left empty goes away", () => {
    const one = model({ all: [{ any: [p("b")] }, p("d")] }).where;
    expect(writeNode(edit.moved(one, idOf(one, "b"), 1) ?? one)).toEqual({ all: [p("b"), p("d")] });
  });

  test("down and up again, wherever it stands, loses and doubles nothing", () => {
    const random = chance(7);
    for (let each = 0; each < 200; each += 1) {
      const { where: root } = read(definition(random));
      const count = conditions(root.body);
      const ids = (node: Node): string[] => [node.id, ...(isGroup(node.body) ? node.body.parts.flatMap(ids) : [])];
      for (const id of ids(root).slice(1, 12)) {
        const next = edit.moved(root, id, random() < 0.5 ? 1 : -1);
        if (next) expect(conditions(next.body)).toBe(count);
        expect(conditions(edit.wrapped(root, id)[0].body)).toBe(count);
        expect(conditions(edit.unwrapped(root, id).body)).toBe(count);
      }
    }
  });

  test("copies are equal and have ids of their own", () => {
    const [next, copy] = edit.duplicated(where, idOf(where, "b"));
    expect(writeNode(next)).toEqual({ all: [p("a"), { any: [p("b"), p("b"), p("c")] }, p("d")] });
    expect(copy.id).not.toBe(idOf(where, "b"));
  });

  test("wrapping and taking apart are opposites; what is added to a condition makes a group", () => {
    const [next, group] = edit.wrapped(where, idOf(where, "d"));
    expect(writeNode(edit.unwrapped(next, group.id))).toEqual(writeNode(where));
    const single = model(p("a")).where;
    expect(writeNode(edit.added(single, single.id, model(p("b")).where))).toEqual({ all: [p("a"), p("b")] });
    expect(writeNode(edit.removed(single, single.id))).toEqual({ all: [] });
  });

  test("the focus goes to the next, else the one before, else the group", () => {
    expect(edit.neighbour(where, idOf(where, "b"))).toBe(idOf(where, "c"));
    expect(edit.neighbour(where, idOf(where, "c"))).toBe(idOf(where, "b"));
    const only = model({ all: [p("a")] }).where;
    expect(edit.neighbour(only, idOf(only, "a"))).toBe(only.id);
  });
});

test("faults are found at the part that they are about, the left out ones skipped", () => {
  const whole = model({
    all: [
      p(""),
      { not: { any: [p("b"), { performed: "c", count: { ">=": 1 }, filter: { "a.b": { ">": 1 }, a: { in: [1] } } }] } },
      { sequence: [p("x"), { performed: "y", filter: { k: { "=": 1 } } }], gap: "1d" },
      { state: "s", in: ["a"], "!=": "b" },
    ],
  });
  const { model: kept, left } = complete(whole);
  expect(left).toBe(1);
  if (!kept) throw new Error("nothing is complete");
  const part = (path: string) => JSON.stringify(find(kept, locate(kept, `definition.where${path}`)));
  expect(part(".all[0].not.any[1].performed")).toContain('"signal":"c"');
  expect(part(".all[0].not.any[1].count.>=")).toMatch(/^\{"id":"c\d+","op":">=","number":"1"\}$/);
  expect(part(".all[0].not.any[1].filter.a.b.>")).toContain('"path":"a.b"');
  expect(part(".all[0].not.any[1].filter.a.in[0]")).toContain('"path":"a","op":"in"');
  expect(part(".all[1].sequence[1].filter.k.=")).toContain('"path":"k"');
  expect(part(".all[1].sequence[0].performed")).toContain('"signal":"x","tests":[]');
  expect(part(".all[1].gap")).toContain('"kind":"sequence"');
  expect(part(".all[2].!=")).toContain('"op":"!="');
  expect(locate(kept, "definition.subject")).toBeNull();
  const long = "é".repeat(80);
  const other = model({ performed: "a", filter: { [long]: { "=": 1 } } });
  const id = locate(other, `definition.where.filter.${"é".repeat(60)}….=`);
  expect(JSON.stringify(find(other, id))).toContain(long);
});

function find(value: unknown, id: string | null): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  if ("id" in value && value.id === id) return value;
  for (const one of Object.values(value)) {
    const found = find(one, id);
    if (found) return found;
  }
  return undefined;
}

test("what is not complete says what it needs", () => {
  expect(missing(blank("performed"))?.text).toBe("Choose a signal");
  expect(complete(emptyModel())).toEqual({ model: null, left: 0 });
  const unfinished: Json[] = [
    { performed: "a", within: "0d" },
    { performed: "a", within: "d" },
    { performed: "a", count: { ">=": null } },
    { performed: "a", sum: { of: "", ">=": 1 } },
    { performed: "a", filter: { "a..b": { "=": 1 } } },
    { performed: "a", between: ["2026-01-01", ""] },
    { state: "a", in: [] },
    { state: "a" },
    { metric: "a" },
    { sequence: [p("a")] },
    { state: "a", is: 1, "=": 2 },
  ];
  for (const where of unfinished) {
    expect([where, complete(model(where)).left]).toEqual([where, 1]);
  }
});

test("undoing goes back step by step, a field's typing at once", () => {
  const first = emptyModel();
  const typed = (subject: string, at: number) =>
    ({ type: "set", model: { ...first, subject }, tag: "subject", at }) as const;
  let course = step(step(begin(first), typed("d", 0)), typed("de", 100));
  course = step(course, typed("deal", 9000));
  expect(course.past.length).toBe(2);
  course = step(course, { type: "undo" });
  expect(course.present.subject).toBe("de");
  course = step(course, { type: "undo" });
  expect(course.present).toBe(first);
  expect(step(course, { type: "undo" })).toBe(course);
  course = step(step(course, { type: "redo" }), { type: "redo" });
  expect(course.present.subject).toBe("deal");
});

test("properties are collected by path with their types and samples", () => {
  const data = [
    { a: { b: 1 }, tags: ["x", "y"], s: "t", "no.path": 1, n: null },
    { a: { b: 2 }, s: true },
  ];
  const found = fieldsOf(data);
  expect(found.map((field) => field.path)).toEqual(["a.b", "s", "n", "tags"]);
  expect(found[0]).toEqual({ path: "a.b", types: ["number"], list: false, samples: [1, 2] });
  expect(found[1]?.types).toEqual(["text", "boolean"]);
  expect(found[3]).toMatchObject({ list: true, samples: ["x", "y"] });
  expect(at(data[0], "a.b")).toBe(1);
  expect(at(data[0], "a.toString")).toBeUndefined();
});

test("a definition reads as a sentence", () => {
  const of = (where: Json, subject = "person") =>
    sentence(read({ subject, where }), new Map([["m", { aggregation: "sum", period: "day" }]]));
  expect(of({ performed: "a", count: { ">=": 3 }, within: "30d", filter: { itemPrice: { ">=": 500 } } })).toBe(
    "People who did a at least 3 times in the last 30 days where itemPrice ≥ 500.",
  );
  expect(of({ metric: "m", periods: 7, ">=": 5000 }, "account")).toBe(
    "Every account that has a total of m of at least 5,000 over the last 7 days.",
  );
  expect(of({ not: { any: [p("a"), { not: p("b") }] } })).toBe("People who not any of (did a, or did not do b).");
  expect(of({ all: [] })).toBe("People, whoever they are: no condition yet.");
});

test("written and read again, an unfinished model is the same", () => {
  const whole = model({ all: [p(""), { metric: "m", ">=": null }, { state: "s", is: "" }, { all: [] }] });
  expect(toJson(write(read(JSON.parse(toJson(write(whole))))))).toBe(toJson(write(whole)));
});
