import { describe, expect, test } from "vitest";
import docs from "../../../../../docs/cohorts.md?raw";
import demo from "../../../../../src/headwater/demo/definitions.py?raw";
import grammar from "../../../../../src/headwater/rules/grammar.py?raw";
import { complete } from "./complete";
import { chance, definition } from "./generate";
import { canonical, type Json, toJson } from "./json";
import { BOUND_OPS, KINDS, MEASURES, OPS, UNITS } from "./model";
import { Misfit, read } from "./read";
import { TEMPLATES } from "./templates";
import { sentence } from "./words";
import { write } from "./write";

const CASES = 3000;

function same(given: Json): void {
  const model = read(given);
  const wanted = canonical(given);
  const { model: kept, left } = complete(model);
  const written = write(model);
  expect(left).toBe(0);
  expect(canonical(written) === wanted || toJson(written)).toBe(true);
  expect(kept && canonical(write(kept)) === wanted).toBe(true);
  expect(canonical(JSON.parse(toJson(written, 2))) === wanted).toBe(true);
  const said = sentence(model);
  expect(/^(People|Every) .+\.$/s.test(said) && !said.includes("undefined")).toBe(true);
}

test("every definition that the grammar takes becomes a model and the same definition again", () => {
  const random = chance(20261122);
  const seen = new Set<string>();
  for (let each = 0; each < CASES; each += 1) {
    const made = definition(random);
    same(made);
    if (each % 10 > 0) continue;
    for (const found of toJson(made).matchAll(/"([^"\s]+)": /g)) seen.add(found[1] ?? "");
  }
  const words = [...KINDS, ...OPS, ...MEASURES, "is", "filter", "within", "between", "gap", "of", "periods"];
  expect(words.filter((word) => !seen.has(word))).toEqual([]);
}, 60_000);

test("the builder knows every word that the grammar knows", () => {
  const quoted = (text = "") => [...text.matchAll(/"([^"]+)"/g)].map((found) => found[1]);
  const kinds = /self\._kinds: .*?= \{(.*?)\}/s.exec(grammar)?.[1] ?? "";
  expect([...kinds.matchAll(/"(\w+)":/g)].map((found) => found[1])).toEqual([...KINDS]);
  expect(quoted(/_BOUND_OPS = \((.*?)\)/.exec(grammar)?.[1])).toEqual([...BOUND_OPS]);
  expect([...BOUND_OPS, ...quoted(/_OPS = \(\*_BOUND_OPS, (.*?)\)/.exec(grammar)?.[1])]).toEqual([...OPS]);
  expect(quoted(/_MEASURES = \((.*?)\)/.exec(grammar)?.[1])).toEqual([...MEASURES]);
  expect(/_DURATION = .*\[([a-z]+)\]\)"/.exec(grammar)?.[1]?.split("")).toEqual([...UNITS]);
  const keys = [...grammar.matchAll(/_object\([\w[\]"]+, \w+, \(([^)]*)\)/g)].flatMap((found) => quoted(found[1]));
  const known = [...KINDS, "subject", "where", "filter", "within", "between", "gap", "periods", "is", "of"];
  expect([...new Set(keys)].filter((key) => !known.includes(key as never))).toEqual([]);
  expect(keys.length).toBeGreaterThan(12);
});

/** The JSON objects in a text that begin so, whole. */
function objects(text: string, begins: RegExp): string[] {
  return [...text.matchAll(begins)].map((found) => {
    let depth = 0;
    for (let at = found.index; at < text.length; at += 1) {
      if (text[at] === "{") depth += 1;
      if (text[at] === "}") depth -= 1;
      if (depth === 0) return text.slice(found.index, at + 1);
    }
    throw new Error(`never closed: ${found[0]}`);
  });
}

describe("the examples", () => {
  test("of the documentation", () => {
    const found = objects(docs, /\{"subject": "person", "where": \{/g);
    expect(found).toHaveLength(1);
    for (const each of found) same(JSON.parse(each));
    const conditions = objects(docs, /\{"(performed|state|not)": (?!SLUG|…)/g).filter((each) => !each.includes("…"));
    expect(conditions.length).toBeGreaterThanOrEqual(8);
    for (const each of conditions) same({ subject: "person", where: JSON.parse(each) });
  });

  test("of the demo", () => {
    const spelled = demo.replaceAll("month,", '["2026-01-01", "2026-02-01"],').replaceAll(/,(\s*[}\]])/g, "$1");
    const found = objects(spelled, /\{\s*"(performed|sequence|state|attribute|metric|not|any)":/g).filter(
      (each) => !each.includes("type"),
    );
    expect(found.length).toBeGreaterThanOrEqual(20);
    for (const each of found) same({ subject: "account", where: JSON.parse(each) });
  });

  test("of the templates", () => {
    expect(TEMPLATES.length).toBeGreaterThanOrEqual(6);
    for (const each of TEMPLATES) same(each.definition);
    for (const each of TEMPLATES) {
      const named = [...toJson(each.definition).matchAll(/"(?:performed|state|metric)": "([^"]+)"/g)].map(
        (found) => found[1],
      );
      expect([...new Set(named)].sort()).toEqual([...each.signals].sort());
    }
  });
});

test("null in an optional place is nothing", () => {
  const given = { performed: "a", filter: null, count: null, within: null, between: null };
  expect(write(read({ subject: "person", where: given })).where).toEqual({ performed: "a" });
  const metric = { metric: "m", periods: null, ">=": 1 };
  expect(write(read({ subject: "person", where: metric })).where).toEqual({ metric: "m", ">=": 1 });
});

test("what no builder can show is refused, with its place", () => {
  const refused = (where: Json) => {
    try {
      read({ subject: "person", where });
    } catch (error) {
      return error instanceof Misfit ? error.path : String(error);
    }
    return null;
  };
  expect(refused({ all: [{ performed: "a" }, { performed: "b", often: 3 }] })).toBe("where.all[1].often");
  expect(refused({ not: { performed: "a", within: "30 days ago" } })).toBe("where.not.within");
  expect(refused({ performed: "a", within: 30 })).toBe("where.within");
  expect(refused({ performed: "a", filter: { b: {} } })).toBe("where.filter.b");
  expect(refused({ all: [], any: [] })).toBe("where");
  expect(refused([])).toBe("where");
  expect(refused({ performed: "a", count: 3 })).toBe("where.count");
});

test("numbers that 64 bits do not hold are written as the floats they are", () => {
  expect(toJson([2 ** 53, 2 ** 63, 1e20, -(2 ** 64), 0.1])).toBe(
    "[9007199254740992, 9.223372036854776e+18, 1e+20, -1.8446744073709552e+19, 0.1]",
  );
});
