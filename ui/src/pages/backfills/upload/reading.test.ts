import { describe, expect, test } from "vitest";
import { type Chunk, chunks, flaw, MAX_BATCH, type Row } from "./base";
import { delimiterOf, encodingOf, formatOf, formatOfName, readingOf } from "./format";
import { compiled, parse } from "./mapping";
import { ndjsonRows, rowOf } from "./ndjson";
import { indented, members, put, type Tree, written } from "./raw";
import { tableRows } from "./table";

const file = (content: BlobPart, name = "a.csv") => new File([content], name);

async function all(rows: AsyncIterable<Row[]>): Promise<Row[]> {
  const found: Row[] = [];
  for await (const block of rows) found.push(...block);
  return found;
}

async function table(content: BlobPart, encoding = "utf-8"): Promise<Row[]> {
  const found = file(content);
  const reading = { ...(await readingOf(found)), encoding };
  const mapping = parse("bik", { columns: { a: "email", b: "eventProperties.b" } });
  return all(
    tableRows(
      found,
      reading,
      (header) => compiled(mapping, "bik", header),
      () => {},
    ),
  );
}

test("a format is told by the first bytes, then by the name", () => {
  const none = new Uint8Array();
  expect(formatOf("a.csv", new TextEncoder().encode("PAR1…"), "")).toBe("parquet");
  expect(formatOf("a.jsonl.gz", none, "")).toBe("ndjson");
  expect(formatOf("export", none, ' {"a": 1}')).toBe("ndjson");
  expect(formatOf("export", none, "a;b")).toBe("csv");
  expect(formatOfName("orders.2025.TSV.GZ")).toBe("csv");
  expect(formatOfName("README")).toBeNull();
});

test("a delimiter is the one that the header has most of", () => {
  expect(delimiterOf("a;b;c,d")).toBe(";");
  expect(delimiterOf("a\tb|c\td")).toBe("\t");
  expect(delimiterOf("a")).toBe(",");
  expect(encodingOf(new Uint8Array([0xff, 0xfe, 97, 0]))).toBe("utf-16le");
  expect(encodingOf(new Uint8Array([97]))).toBe("utf-8");
});

describe("CSV", () => {
  test("quotes, line breaks in fields, all ends of lines, blank lines", async () => {
    const rows = await table('a,b\r\n"x, ""y""","1\r\n2"\r\n\r\nz,3\rw,4\n');
    expect(rows.map((row) => row.line)).toEqual([2, 5, 6]);
    expect(rows.map((row) => row.event)).toEqual([
      '{"email":"x, \\"y\\"","eventProperties":{"b":"1\\r\\n2"}}',
      '{"email":"z","eventProperties":{"b":"3"}}',
      '{"email":"w","eventProperties":{"b":"4"}}',
    ]);
  });

  test("what is no proper row is refused, and the next one is read", async () => {
    const rows = await table('a,b\n"x"y,1\n1,2,3\nok,5\nz,"never\nclosed');
    expect(rows.map((row) => [row.line, row.flaw?.code ?? "", row.kept])).toEqual([
      [2, "csv", '"x"y,1'],
      [3, "columns", "1,2,3"],
      [4, "", ["ok", "5"]],
      [5, "csv", 'z,"never\nclosed'],
    ]);
    expect(rows[3]?.flaw?.message).toContain("the lines 5 to 6 are in this row");
  });

  test("bytes of another encoding are refused, or read when it is named", async () => {
    const bytes = new Uint8Array([...new TextEncoder().encode("a,b\nx,1\ny,"), 0xe9, 10]);
    expect((await table(bytes)).map((row) => row.flaw?.code)).toEqual([undefined, "encoding"]);
    expect((await table(bytes, "windows-1252"))[1]?.event).toContain('"b":"é"');
    const wide = new Uint8Array(Buffer.from("\uFEFFa,b\nx,é\n", "utf16le"));
    expect((await table(wide, "utf-16le"))[0]?.event).toContain('"b":"é"');
  });

  test("rows that cross the pieces in which a file is read", async () => {
    const value = "é".repeat(700);
    const content = `a,b\n${Array.from({ length: 300 }, (_, at) => `${at},"${value}\n"`).join("\n")}\n`;
    const rows = await table(content);
    expect(rows.length).toBe(300);
    expect(rows.every((row) => row.kept[1] === `${value}\n`)).toBe(true);
  });

  test("gzip is inflated, and told when it is damaged", async () => {
    const packed = await new Response(
      new Blob(["a,b\nx,1\n"]).stream().pipeThrough(new CompressionStream("gzip")),
    ).arrayBuffer();
    expect((await table(packed)).length).toBe(1);
    await expect(table(packed.slice(0, -6))).rejects.toThrow("not whole");
  });

  test("a file of refused rows is read as what it is about", async () => {
    const marks = "refused_line,refused_code,refused_path,refused_message,refused_hint,refused_text";
    const rows = await table(`a,b,${marks}\nx,1,9,column,p,m,h,\n,,10,csv,,m,h,"y,""2"""\n`);
    expect(rows.map((row) => row.kept)).toEqual([
      ["x", "1"],
      ["y", "2"],
    ]);
  });
});

describe("NDJSON", () => {
  test("events as they stand, and what is none", async () => {
    const content = '\uFEFF{"a": 1.10}\r\n\n[1]\n{bad\n{"refused": {}, "event": {"n": 12345678901234567890}}\n';
    const rows = await all(ndjsonRows(file(content), "utf-8", () => {}));
    expect(rows.map((row) => [row.line, row.event, row.flaw?.code])).toEqual([
      [1, '{"a": 1.10}', undefined],
      [3, "", "type"],
      [4, "", "json"],
      [5, '{"n": 12345678901234567890}', undefined],
    ]);
  });

  test("a refused text that was mended", () => {
    expect(rowOf(1, '{"refused": {}, "text": " {\\"a\\": 1} "}').event).toBe('{"a": 1}');
  });
});

test("JSON as text keeps its digits", () => {
  expect([...members('{"a" : 1.10 , "b":[{"c":"}"}], "d": "\\"" }')]).toEqual([
    ["a", "1.10"],
    ["b", '[{"c":"}"}]'],
    ["d", '"\\""'],
  ]);
  const tree: Tree = new Map();
  put(tree, ["__proto__", "b"], "1.0");
  put(tree, ["__proto__", "c"], '"x"');
  expect(written(tree)).toBe('{"__proto__":{"b":1.0,"c":"x"}}');
  expect(indented('{"a":[1.10,{}],"b":": {"}')).toBe('{\n  "a": [\n    1.10,\n    {}\n  ],\n  "b": ": {"\n}');
});

test("chunks have a hundred events that can be sent, however the rows come", async () => {
  const row = (line: number): Row => {
    return { line, event: "{}", kept: "", flaw: line % 10 === 0 ? flaw("json", "", "") : null };
  };
  const rows = Array.from({ length: 450 }, (_, at) => row(at + 1));
  async function* blocks(size: number) {
    for (let at = 0; at < rows.length; at += size) yield rows.slice(at, at + size);
  }
  const cut = async (size: number) => {
    const found: Chunk[] = [];
    for await (const chunk of chunks(blocks(size), () => 0)) found.push(chunk);
    return found;
  };
  const found = await cut(7);
  expect(found).toEqual(await cut(450));
  const sendable = found.map((chunk) => chunk.rows.filter((each) => each.flaw === null).length);
  expect(sendable).toEqual([MAX_BATCH, MAX_BATCH, MAX_BATCH, MAX_BATCH, 5]);
  expect(found.flatMap((chunk) => chunk.rows)).toEqual(rows);
});
