"""Sending, against a server that does what a script says: limits, refusals in every shape, answers that never come."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.imports.answers import accepted
from headwater.imports.base import Chunk, Row, StoppedError
from headwater.imports.sending import Outcome, Reply, Sender, SilentError

Events = list[dict[str, Any]]


def row(number: int, **fields: Any) -> Row:
    return Row(number, json.dumps({"signal": "s", "reference": f"r{number}"} | fields).encode(), b"")


class Scripted:
    """Implements `imports.sending.Server`: answers by a function, and by key what it answered before."""

    def __init__(self, answer: Callable[[Events], Reply | Exception], signals: Mapping[str, str] | None = None) -> None:
        self._answer = answer
        self._kept: dict[str, tuple[bytes, Reply]] = {}
        self._signals = {"s": "sig_s"} if signals is None else signals
        self.requests: list[tuple[str, Events]] = []
        self.closed = ""

    def post(self, path: str, content: bytes, headers: Mapping[str, str]) -> Reply:
        assert path == "/v1/events/batch" and headers["headwater-backfill"] == "bf_1"
        assert headers["prefer"] == "handling=lenient"
        key, events = headers["idempotency-key"], json.loads(content)["events"]
        self.requests.append((key, events))
        if key in self._kept:
            assert self._kept[key][0] == content, "another body under the same key"
            return self._kept[key][1]
        reply = self._answer(events)
        if isinstance(reply, Exception):
            raise reply
        if reply.status == 200:
            self._kept[key] = (content, reply)
        return reply

    def signal_id(self, slug: str) -> str | None:
        return self._signals.get(slug)

    def refuses(self, backfill: str) -> str:
        return self.closed


def reply(status: int, **body: Any) -> Reply:
    return Reply(status, {}, json.dumps(body).encode())


def pending(event: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "x", "signal_id": f"sig_{event['signal']}", "reference": event.get("reference"), **more}


def all_taken(events: Events) -> Reply:
    return reply(200, success=True, data=[pending(event) for event in events])


def deliver(server: Scripted, rows: list[Row], patience: float = 0, waits: list[str] | None = None) -> Outcome:
    told = (lambda _: None) if waits is None else waits.append
    return Sender(server, "bigmind", "f", "bf_1", patience, told).deliver(Chunk(0, rows, 0))


def test_all_taken() -> None:
    server = Scripted(all_taken)
    assert deliver(server, [row(n) for n in range(100)]) == Outcome(100, 0, [])
    assert len(server.requests) == 1


def test_a_second_run_sends_the_same_under_the_same_keys() -> None:
    """Whatever the answers were: nothing is taken twice, and the outcome is the same."""
    taken = Counter[str]()
    limits = iter([3, 0, 5, 100])

    def limited(events: Events) -> Reply:
        left = next(limits)
        if not left:
            return Reply(429, {"retry-after": "0"}, b"{}")
        taken.update(event["reference"] for event in events[:left])
        over = [{"signal_id": "sig_s", "reference": event["reference"]} for event in events[left:]]
        return reply(200, data=[pending(event) for event in events[:left]], **({"rate_limited": over} if over else {}))

    server, rows = Scripted(limited), [row(n) for n in range(20)]
    assert deliver(server, rows) == Outcome(20, 0, [])
    first = [request for request in server.requests if request not in server.requests[:1]]
    assert deliver(server, rows) == Outcome(20, 0, [])
    assert taken == Counter(f"r{n}" for n in range(20)) and len(first) == 3
    assert len({key for key, _ in server.requests}) == 3


def test_single_verdicts() -> None:
    def answer(events: Events) -> Reply:
        errors = [
            {"index": 1, "code": "schema", "path": "events[1].data.n", "message": "is no number", "hint": "mend it"},
            {"index": 1, "code": "schema", "path": "events[1].data.m", "message": "is required"},
        ]
        return reply(200, data=[pending(events[0]), pending(events[2], duplicate=True)], errors=errors)

    rows = [row(5), row(6), row(7)]
    found = deliver(Scripted(answer), rows)
    assert (found.taken, found.duplicates) == (2, 1)
    ((refused, flaw),) = found.refused
    assert refused == rows[1] and tuple(flaw) == ("schema", "data.n", "is no number; is required", "mend it")


@pytest.mark.parametrize("status", [400, 404])
def test_a_refusal_that_names_no_event_is_taken_apart(status: int) -> None:
    """Down to the single events, so that each that can be taken is."""

    def answer(events: Events) -> Reply:
        if any("bad" in event for event in events):
            return reply(status, success=False, error="events[0].bad is bad")
        return all_taken(events)

    rows = [row(n, **({"bad": 1} if n in (0, 3, 4, 99) else {})) for n in range(100)]
    server = Scripted(answer)
    found = deliver(server, rows)
    assert found.taken == 96
    assert [refused.line for refused, _ in found.refused] == [0, 3, 4, 99]
    assert {flaw.message for _, flaw in found.refused} == {"bad is bad"}
    assert len(server.requests) < 50 and len({key for key, _ in server.requests}) == len(server.requests)


def test_a_refusal_of_every_event_is_believed_at_once() -> None:
    def answer(events: Events) -> Reply:
        errors = [{"index": n, "path": f"events[{n}].signal", "message": "no", "code": "x"} for n in range(len(events))]
        return reply(404, success=False, error="Signals not found: s", errors=errors)

    server = Scripted(answer)
    found = deliver(server, [row(n) for n in range(100)])
    assert found.taken == 0 and len(found.refused) == 100 and len(server.requests) == 1


def test_a_body_too_large_is_halved() -> None:
    server = Scripted(lambda events: reply(413, error="too large") if len(events) > 10 else all_taken(events))
    assert deliver(server, [row(n) for n in range(100)]) == Outcome(100, 0, [])
    found = deliver(Scripted(lambda _: reply(413, error="too large")), [row(1), row(2)])
    assert [flaw.code for _, flaw in found.refused] == ["too_large", "too_large"]


def test_what_was_never_readable_stays_refused_in_its_place() -> None:
    def answer(events: Events) -> Reply:
        errors = [{"index": 0, "code": "x", "path": "", "message": "no"}]
        return reply(200, data=[pending(event) for event in events[1:]], errors=errors)

    bad = row(2)._replace(flaw=(lambda found: found)(deliver(Scripted(answer), [row(0)]).refused[0][1]), event=b"")
    found = deliver(Scripted(answer), [row(1), bad, row(3)])
    assert found.taken == 1 and [refused.line for refused, _ in found.refused] == [1, 2]


def test_it_waits_as_long_as_it_is_told_and_sends_the_same_again() -> None:
    answers = iter(
        [
            Reply(429, {"retry-after": "0"}, b""),
            Reply(503, {"retry-after": "0"}, b""),
            Reply(502, {}, b""),
            Reply(409, {"retry-after": "0"}, b""),
            SilentError("nothing answers"),
            SilentError("reset"),
        ]
    )
    waits: list[str] = []
    server = Scripted(lambda events: next(answers, None) or all_taken(events))
    assert deliver(server, [row(1)], patience=60, waits=waits) == Outcome(1, 0, [])
    assert len({key for key, _ in server.requests}) == 1 and len(server.requests) == 7
    assert "rate limit" in waits[0] and "503" in waits[1] and waits[-1] == ""


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (reply(401, error="Unauthorized"), "--key"),
        (reply(403, error="no"), "scope"),
        (reply(409, error="the backfill is closed"), "closed"),
        (reply(422, error="events[3] differs"), r"events\[3\] differs .*mapping"),
        (Reply(405, {}, b"<html>"), "405"),
        (SilentError("nothing answers at x"), "run the same command again"),
    ],
)
def test_what_cannot_go_on_stops_it(answer: Reply | Exception, said: str) -> None:
    with pytest.raises(StoppedError, match=said):
        deliver(Scripted(lambda _: answer), [row(1)], patience=-1)


def test_a_backfill_that_takes_no_more_events_stops_it() -> None:
    server = Scripted(lambda _: reply(404, error="no backfill"))
    server.closed = "the backfill 'x' is reverted"
    with pytest.raises(StoppedError, match="reverted"):
        deliver(server, [row(1)])


def test_a_request_whose_answer_was_erased_is_told_row_by_row() -> None:
    found = deliver(Scripted(lambda _: reply(410, error="erased")), [row(1), row(2)])
    assert found.taken == 0 and [flaw.code for _, flaw in found.refused] == ["erased"] * 2


def test_stopping_ends_a_wait() -> None:
    sender = Sender(Scripted(lambda _: Reply(429, {"retry-after": "60"}, b"")), "bigmind", "f", "bf_1", 600)
    sender.stop()
    with pytest.raises(StoppedError, match="again"):
        sender.deliver(Chunk(0, [row(1)], 0))


def test_an_answer_about_other_events_is_not_believed() -> None:
    over = [{"signal_id": "sig_other", "reference": "r9"}]
    with pytest.raises(StoppedError, match="make out"):
        deliver(Scripted(lambda _: reply(200, data=[], rate_limited=over)), [row(1), row(2, signal="t")])


sent = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([None, "r1", "r2"]), st.booleans()), min_size=1, max_size=30
)


@settings(max_examples=300, deadline=None)
@given(sent, st.dictionaries(st.sampled_from("abc"), st.integers(0, 10)), st.booleans())
def test_which_events_were_over_a_limit(
    events: list[tuple[str, str | None, bool]], limits: dict[str, int], dedupe: bool
) -> None:
    """Found in the answer of a server that grants in the batch's order, and knows duplicates by their reference."""
    left, known = dict(limits), set[tuple[str, str]]()
    data, over, places, errors = [], [], [], []
    for place, (slug, reference, faulty) in enumerate(events):
        entry = {"signal_id": f"sig_{slug}", "reference": reference}
        if faulty:
            errors.append({"index": place, "code": "x", "path": "", "message": "no"})
        elif dedupe and reference and (slug, reference) in known:
            data.append(entry | {"duplicate": True})
        elif left.get(slug, 99) > 0:
            left[slug] = left.get(slug, 99) - 1
            data.append(entry)
            if reference:
                known.add((slug, reference))
        else:
            over.append(entry)
            places.append(place)
    said = {"data": data, "errors": errors} | ({"rate_limited": over} if over else {})
    bodies = [json.dumps({"signal": slug, "reference": reference}).encode() for slug, reference, _ in events]
    found = accepted(said, bodies, lambda slug: f"sig_{slug}")
    assert found.limited == places
    assert found.taken == len(data) and set(found.refused) == {each["index"] for each in errors}


def test_a_silent_answer_about_a_signal_is_asked_for_again() -> None:
    """Which of two signals a limit left out takes their ids; the server may be away just then."""

    class Fading(Scripted):
        silent = 2

        def signal_id(self, slug: str) -> str | None:
            self.silent -= 1
            if self.silent >= 0:
                raise SilentError("away")
            return f"sig_{slug}"

    def answer(events: Events) -> Reply:
        first, *over = events
        named = [{"signal_id": f"sig_{each['signal']}", "reference": each["reference"]} for each in over]
        return reply(200, data=[pending(first)], **({"rate_limited": named} if over else {}))

    rows = [row(1), row(2, signal="t")]
    assert deliver(Fading(answer), rows, patience=60) == Outcome(2, 0, [])
    with pytest.raises(StoppedError, match="away; run the same command again"):
        deliver(Fading(answer), rows)
