"""Whatever a server answers, it is known what is to be done about each event."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headwater_client import Event
from headwater_client.answers import LONGEST_WAIT, Again, Split, Taken, read

THREE = [Event("bigmind", "s", b"{}", f"r{number}") for number in range(3)]
BIK = [Event("bik", "s", b"{}") for _ in range(3)]
NOW = 1_800_000_000.0


def verdict(status: int, body: Any, events: list[Event] = THREE, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read(status, named, content, events, NOW)


def data(*references: str) -> list[dict[str, str]]:
    return [{"id": "1", "reference": reference} for reference in references]


def test_all_of_it_was_taken() -> None:
    assert verdict(200, {"success": True, "data": data("r0", "r1", "r2")}) == Taken()
    assert verdict(200, {"status": 200, "success": True}, BIK) == Taken()


def test_those_over_a_limit_wait_until_the_window_ends() -> None:
    body = {"success": True, "data": data("r1"), "rate_limited": [{"reference": "r0"}, {"reference": "r2"}]}
    said = verdict(
        200, body, x_ratelimit_reset="2026-01-01T00:01:00Z", date="Thu, 01 Jan 2026 00:00:20 GMT"
    )  # the sender's clock is years off: the server's counts
    assert said == Taken(limited=(0, 2), wait=40)


def test_a_lenient_answer_names_what_was_left_out() -> None:
    errors = [
        {"index": 1, "code": "rate_limited", "path": "events[1]", "message": "'events[1]' is over"},
        {"index": 2, "code": "schema", "path": "events[2].a.b", "message": "m", "hint": "h"},
        {"index": 2, "code": "type", "path": "events[2].c", "message": "another"},
    ]
    said = verdict(200, {"status": 200, "success": True, "errors": errors}, BIK)
    assert said.limited == (1,) and len(said.refused) == 1
    refused = said.refused[0]
    assert (refused.index, refused.code, refused.path, refused.message, refused.hint) == (2, "schema", "a.b", "m", "h")


def test_a_refusal_of_every_event_is_final() -> None:
    errors = [{"index": index, "code": "unknown_signal"} for index in range(3)]
    said = verdict(404, {"success": False, "error": "e", "errors": errors})
    assert [each.index for each in said.refused] == [0, 1, 2]
    some = verdict(400, {"status": 400, "errors": [each | {"message": "m"} for each in errors[:2]]}, BIK)
    assert isinstance(some, Split), "not of every one: who is to blame is not known"


def error(status: int, events: list[Event], text: str = "e") -> dict[str, Any]:
    """As headwater tells it."""
    return {"success": False, "error": text} if events is THREE else {"status": status, "errors": [{"message": text}]}


@pytest.mark.parametrize("events", [THREE, BIK])
@pytest.mark.parametrize("status", [400, 413])
def test_a_body_that_is_refused_is_halved(status: int, events: list[Event]) -> None:
    said = verdict(status, error(status, events), events)
    assert isinstance(said, Split)
    assert (said.refusal.code, said.refusal.message) == ("too_large" if status == 413 else "invalid", "e")


@pytest.mark.parametrize("events", [THREE, BIK])
def test_what_was_taken_and_erased_is_taken(events: list[Event]) -> None:
    assert verdict(410, error(410, events), events) == Taken()


@pytest.mark.parametrize("events", [THREE, BIK])
def test_a_key_of_another_request_is_never_used_again(events: list[Event]) -> None:
    said = verdict(422, error(422, events, "differs"), events)
    assert [(each.code, each.message) for each in said.refused] == [("idempotency_key", "differs")] * 3


FOREIGN: list[Any] = [
    b"",
    b"<html>410 Gone",
    [],
    {"error": "blocked"},
    {"success": False, "error": {"code": 1000}},
    {"status": "error", "errors": [{"message": "no"}]},
    {"status": 400, "errors": []},
    {"status": 410, "errors": ["gone"]},
    {"errors": [{"index": index, "message": "no"} for index in range(3)]},
]


@pytest.mark.parametrize("events", [THREE, BIK])
@pytest.mark.parametrize("body", FOREIGN)
@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_what_stands_in_between_settles_nothing(status: int, body: Any, events: list[Event]) -> None:
    said = verdict(status, body, events)
    assert isinstance(said, Again) and said.slow and str(status) in said.why
    other = error(status, BIK if events is THREE else THREE)
    assert isinstance(verdict(status, other, events), Again), "an error of the other dialect's"


@pytest.mark.parametrize("body", FOREIGN)
def test_a_limit_in_between_is_met_by_halves_but_refuses_no_event(body: Any) -> None:
    for events in (THREE, BIK):
        assert isinstance(verdict(413, body, events), Split)
        said = verdict(413, body, events[:1])
        assert isinstance(said, Again) and said.slow


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 599])
def test_what_passes_is_tried_again(status: int) -> None:
    said = verdict(status, b"", retry_after="7")
    assert isinstance(said, Again) and (said.wait, said.slow) == (7, False)
    assert said.alone == (status in (409, 429)), "a limit or a race is no outage"


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 407, 418, 451, 204])
def test_what_somebody_has_to_mend_is_tried_again_slowly(status: int) -> None:
    said = verdict(status, b"")
    assert isinstance(said, Again) and said.slow


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Please log in</html>",
        b"[]",
        {"success": False},
        {"success": True},
        {"success": True, "data": data("r0")},
        {"success": True, "data": data("r0", "r1", "r2"), "errors": [{"index": 7}]},
    ],
)
def test_a_200_that_headwater_never_sends_settles_nothing(body: Any) -> None:
    for events in (THREE, BIK):
        said = verdict(200, body, events)
        assert isinstance(said, Again) and said.slow and said.unknown


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5", 5), ("0.5", 0.5), ("-3", 0), ("nan", 0), ("1e99", LONGEST_WAIT), ("soon", 0), ("", 0)],
)
def test_a_wait_is_bounded(text: str, seconds: float) -> None:
    assert verdict(503, b"", retry_after=text).wait == seconds


def test_a_wait_may_be_a_date() -> None:
    said = verdict(503, b"", retry_after="Thu, 01 Jan 2026 00:00:30 GMT", date="Thu, 01 Jan 2026 00:00:20 GMT")
    assert said.wait == 10


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 4) | st.sampled_from(("r0", "r1", "rate_limited", "x")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(("success", "data", "errors", "rate_limited", "reference", "index", "code", "error")), inner
        )
    ),
    max_leaves=20,
)


@given(st.sampled_from((200, 400, 404, 410, 413, 422, 429, 500)), ANY, st.sampled_from((THREE, BIK)))
@example(200, {"success": True, "data": [], "rate_limited": [{"reference": []}]}, THREE)
def test_any_answer_leads_to_a_verdict_on_every_event(status: int, body: Any, events: list[Event]) -> None:
    said = verdict(status, body, events)
    if isinstance(said, Taken):
        named = [*said.limited, *(each.index for each in said.refused)]
        assert len(set(named)) == len(named) and set(named) <= {0, 1, 2}
        assert status in (200, 400, 404, 410, 422)
