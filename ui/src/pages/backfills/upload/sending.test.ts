import { describe, expect, test } from "vitest";
import { accepted, alone, refusedOf } from "./answers";
import { type Chunk, flaw, type Row } from "./base";
import { digestOf, keyOf } from "./digest";
import { Refused, refusedFile, refusedLine } from "./refused";
import { run } from "./run";
import { type Outcome, type Reply, Sender, type Server } from "./sender";

const row = (line: number, event = `{"n":${line}}`): Row => ({ line, event, kept: "", flaw: null });
const chunk = (...rows: Row[]): Chunk => ({ number: 0, rows, at: 0 });
const reply = (status: number, body: unknown, retryAfter = ""): Reply => {
  return { status, retryAfter, content: JSON.stringify(body) };
};
type Sent = { events: unknown[]; key: string };

/** A server that gives these answers, one after the other; null for none. */
function answering(...replies: (Reply | null)[]): { server: Server; sent: Sent[] } {
  const sent: Sent[] = [];
  const server: Server = {
    async post(_path, body, headers) {
      sent.push({ events: JSON.parse(body).events, key: headers["idempotency-key"] ?? "" });
      const next = replies[sent.length - 1];
      if (!next) throw new TypeError("network");
      return next;
    },
    signalId: async (slug) => `sig_${slug}`,
    refuses: async () => "",
  };
  return { server, sent };
}

function sender(server: Server, stop = new AbortController()): Sender {
  return new Sender(server, { dialect: "bigmind", digest: "d", backfill: "bf_1", stop: stop.signal });
}

describe("verdicts", () => {
  const none = async () => null;
  test("BIK: what is over a limit is sent again, what is refused is not", async () => {
    const errors = [
      { index: 1, code: "rate_limited", path: "events[1]", message: "over" },
      { index: 2, code: "schema", path: "events[2].eventProperties.x", message: "one", hint: "h" },
      { index: 2, code: "type", path: "events[2].name", message: "two" },
    ];
    const found = await accepted({ errors }, ["{}", "{}", "{}"], none);
    expect([found.taken, found.limited]).toEqual([1, [1]]);
    expect(found.refused.get(2)).toEqual(flaw("schema", "eventProperties.x", "one; two", "h"));
  });

  test("Bigmind: the limited ones are found by signal and reference, in order", async () => {
    const event = (signal: string, reference?: string) => JSON.stringify({ signal, reference });
    const said = {
      data: [{ signal_id: "sig_a" }, { signal_id: "sig_b", reference: "1", duplicate: true }],
      rate_limited: [{ signal_id: "sig_a" }, { signal_id: "sig_a", reference: "2" }],
    };
    const sent = [event("a"), event("b", "1"), event("a"), event("a", "2")];
    const found = await accepted(said, sent, async (slug) => `sig_${slug}`);
    expect(found).toMatchObject({ taken: 2, duplicates: 1, limited: [2, 3] });
    await expect(accepted(said, [event("c", "9")], async (slug) => `sig_${slug}`)).rejects.toThrow("not those");
  });

  test("a refusal that does not speak of every event says nothing of them", () => {
    expect(refusedOf({ errors: [{ index: 0, message: "x" }] }, 2)).toBeNull();
    expect(alone({ error: "events[0].signal is required" }, 400).message).toBe("signal is required");
  });
});

describe("a request", () => {
  test("is sent again under the same key when no answer came, and what was limited under another", async () => {
    const limited = { data: [{}], rate_limited: [{}] };
    const { server, sent } = answering(null, reply(503, {}), reply(200, limited), reply(200, { data: [{}] }));
    const rows = [row(1), row(2)];
    expect(await sender(server).deliver(chunk(...rows))).toEqual({ taken: 2, duplicates: 0, refused: [] });
    expect(sent.map((each) => each.events.length)).toEqual([2, 2, 2, 1]);
    const [first, , third, last] = sent.map((each) => each.key);
    expect(third).toBe(first);
    expect(last).not.toBe(first);
    expect(first).toBe(await keyOf("d", "bf_1", "0.0"));
  });

  test("that is refused as a whole is halved until the event is found", async () => {
    const bad = reply(413, { error: "too large" });
    const { server } = answering(bad, reply(200, { data: [{}] }), bad);
    const outcome = await sender(server).deliver(chunk(row(1), row(2)));
    expect(outcome.taken).toBe(1);
    expect(outcome.refused.map((each) => [each.row.line, each.flaw.code])).toEqual([[2, "too_large"]]);
  });

  test.each([401, 403, 409, 422])("ends it with the server's words: %i", async (status) => {
    const { server } = answering(reply(status, { error: "no more" }));
    await expect(sender(server).deliver(chunk(row(1)))).rejects.toThrow(`${status}: no more`);
  });

  test("into a backfill that is gone ends it", async () => {
    const { server } = answering(reply(404, { error: "no such backfill" }));
    const gone = { ...server, refuses: async () => "it is reverted" };
    await expect(sender(gone).deliver(chunk(row(1)))).rejects.toThrow("it is reverted");
  });

  test("that waits ends at once when it is cancelled", async () => {
    const { server } = answering(reply(429, { error: "limit" }, "60"));
    const stop = new AbortController();
    const sending = sender(server, stop).deliver(chunk(row(1)));
    setTimeout(() => stop.abort(), 20);
    await expect(sending).rejects.toThrow();
  });
});

test("a key comes from the content, the backfill and the place alone", async () => {
  const content = "x".repeat(3_000_000);
  const digest = await digestOf(new File([content], "a"), () => {});
  expect(await digestOf(new File([content.slice(0, 7), content.slice(7)], "b"), () => {})).toBe(digest);
  expect(await digestOf(new File([`${content.slice(1)}y`], "a"), () => {})).not.toBe(digest);
  expect(await keyOf(digest, "bf_1", "0.0")).toMatch(/^upl_[0-9a-f]{32}$/);
  expect(await keyOf(digest, "bf_1", "0.1")).not.toBe(await keyOf(digest, "bf_1", "0.0"));
  expect(await keyOf(digest, "bf_2", "0.0")).not.toBe(await keyOf(digest, "bf_1", "0.0"));
});

describe("all of a file", () => {
  async function* blocks(count: number) {
    for (let at = 0; at < count; at += 50) yield Array.from({ length: 50 }, (_, index) => row(at + index + 1));
  }
  const running = (count: number, deliver: (chunk: Chunk) => Promise<Outcome>) => {
    return { blocks: blocks(count), at: () => 0, deliver, gate: async () => {}, stop: new AbortController() };
  };

  test("three requests are under way at once, each row once", async () => {
    let [now, most] = [0, 0];
    const lines: number[] = [];
    const deliver = async (chunk: Chunk) => {
      most = Math.max(most, ++now);
      await new Promise((done) => setTimeout(done, 5));
      now -= 1;
      return { taken: chunk.rows.length, duplicates: 0, refused: [] };
    };
    const told = (chunk: Chunk) => void lines.push(...chunk.rows.map((each) => each.line));
    await run({ ...running(1000, deliver), told });
    expect(most).toBe(3);
    expect(lines.sort((one, other) => one - other)).toEqual(Array.from({ length: 1000 }, (_, at) => at + 1));
  });

  test("ends when nothing is taken at all", async () => {
    const deliver = async (chunk: Chunk) => {
      const refused = chunk.rows.map((each) => ({ row: each, flaw: flaw("required", "email", "is required") }));
      return { taken: 0, duplicates: 0, refused };
    };
    const work = run({ ...running(5000, deliver), told: () => {} });
    await expect(work).rejects.toThrow("none of the first 1000 rows was taken, the last because of email: is required");
  });
});

test("refused rows are given as the command writes them", async () => {
  const wrong = flaw("schema", "a", "'a' is required");
  expect(refusedLine({ row: row(3, '{"n":1.10}'), flaw: wrong })).toBe(
    '{"refused":{"line":3,"code":"schema","path":"a","message":"\'a\' is required"},"event":{"n":1.10}}\n',
  );
  const refused = new Refused();
  refused.add({ ...row(2), kept: ['x;"y"', "1"] }, wrong);
  refused.add({ line: 3, event: "", kept: "bad;row;", flaw: wrong }, wrong);
  expect(await (await refusedFile(refused, ["a", "b", "refused_line"], ";")).text()).toBe(
    "a;b;refused_line;refused_code;refused_path;refused_message;refused_hint;refused_text\r\n" +
      '"x;""y""";1;2;schema;a;\'a\' is required;;\r\n' +
      ";;3;schema;a;'a' is required;;\"bad;row;\"\r\n",
  );
  expect(refused.byMessage()).toEqual([{ message: "a: 'a' is required", count: 2 }]);
});
