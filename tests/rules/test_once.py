"""Two requests under one key: the same, or told apart by the first thing that differs."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.rules.once import Difference, First, difference, is_key, keep, keep_event, recall, recall_event, sent

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=8,
)
EVENTS = st.lists(VALUES, min_size=1, max_size=6)
PATH = "/v1/events/batch"


def batch(events: list[Any], **options: Any) -> Any:
    about = {"path": PATH, "single": False, "lenient": False, "backfill": ""} | options
    return sent(**about, body=json.dumps({"events": events}).encode())


def shuffled(value: Any) -> Any:
    """The same value, with the members of its objects in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(each) for each in value] if isinstance(value, list) else value


@given(events=EVENTS)
def test_the_way_its_json_is_written_makes_no_difference(events: list[Any]) -> None:
    spaced = json.dumps({"events": shuffled(events)}, indent=3, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        msgspec.json.decode(spaced)
    except msgspec.DecodeError:  # a lone surrogate, which no dialect takes
        return
    assert difference(batch(events), sent(PATH, False, False, "", spaced)) is None


@given(events=EVENTS, data=st.data())
def test_the_first_event_that_differs_is_named(events: list[Any], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(events) - 1))
    changed = [*events[:index], {"changed": events[index]}, *events[index + 1 :]]
    assert difference(batch(events), batch(changed)) == Difference(f"events[{index}]", f"events[{index}]")


@given(events=EVENTS, more=EVENTS)
def test_the_number_of_events_is_told(events: list[Any], more: list[Any]) -> None:
    found = difference(batch(events), batch(events + more))
    assert found == Difference(f"the number of events, which was {len(events)}", "events")


def test_what_else_may_differ() -> None:
    first = batch([1])
    for options, told in (
        ({"path": "/v1/events", "single": True}, "/v1/events/batch"),
        ({"lenient": True}, "Prefer"),
        ({"backfill": "bf_abcdefgh"}, "Headwater-Backfill"),
    ):
        found = difference(first, batch([1], **options))
        assert found is not None and told in found.what and not found.path
    beside = sent(PATH, False, False, "", b'{"events": [1], "more": 2}')
    assert difference(first, beside) == Difference("the body beside its events")
    one, other = (sent("/v1/events", True, False, "", body) for body in (b'{"a": 1}', b'{"a": 2}'))
    assert difference(one, other) == Difference("the event") and difference(one, one) is None
    odd = sent(PATH, False, False, "", b"[]")
    assert difference(first, odd) is not None and difference(odd, odd) is None


@pytest.mark.parametrize(
    "odd", [b"1e999", b"1" * 5000, b'"\xff"', b"[" * 100_000 + b"]" * 100_000], ids=lambda odd: odd[:5]
)
@pytest.mark.parametrize("single", [False, True])
def test_what_a_dialect_passes_over_unread(odd: bytes, single: bool) -> None:
    """Where not all of a body can be read, it is the same as long as its bytes are."""
    body = b'{"x": %s}' % odd if single else b'{"events": [{"a": 1, "x": %s}]}' % odd
    first, other = sent(PATH, single, False, "", body), sent(PATH, single, False, "", body + b" ")
    assert difference(first, sent(PATH, single, False, "", body)) is None
    for one, two in ((first, other), (first, batch([1], single=single)), (batch([1], single=single), first)):
        assert difference(one, two) == Difference("the event" if single else "the body")


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=2000), EVENTS)
def test_the_first_answer_is_recalled_word_for_word(batch_id: bytes, body: bytes, events: list[Any]) -> None:
    first = First(batch(events), 200, [(b"x-ratelimit-limit", b"100")], "batch", body)
    value = keep(batch_id, first)
    assert value[:16] == batch_id and recall(value) == msgspec.structs.replace(
        first, headers=[(b"x-ratelimit-limit", b"100")]
    )
    assert recall(value[:16]) is None, "what an erasure leaves"


@pytest.mark.parametrize(("version", "backfill"), [(None, ""), (7, "bf_abcdefgh")])
def test_an_event_is_recalled(version: int | None, backfill: str) -> None:
    id_ = "01a203d6-0533-78ee-bbf5-88cfde6c3801"
    first_id, first = recall_event(keep_event(id_, version, backfill))
    assert first_id.hex() == id_.replace("-", "") and (first.schema_version, first.backfill) == (version, backfill)


@pytest.mark.parametrize("key", [b"a", b"~" * 255, b'"8e03978e-40d5"', b"!"])
def test_a_key(key: bytes) -> None:
    assert is_key(key)


@pytest.mark.parametrize("key", [b"", b"a" * 256, b"a b", b"a\x7f", b"\xc3\xa4", b"\t"])
def test_no_key(key: bytes) -> None:
    assert not is_key(key)
