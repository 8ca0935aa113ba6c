"""Segment's and CloudEvents' dialects on any body: it is read, or refused with a reason, and nothing is lost."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.dialects.base import BodyError, Fault, Receipt, Request
from headwater.dialects.cloudevents import CloudEvents
from headwater.dialects.fields import beside
from headwater.dialects.segment import Segment
from headwater.events import Event
from headwater.rules.lane import SKEW_MS, corrected
from headwater.rules.names import slug_for, slug_is_valid

SEGMENT, CLOUD = Segment(), CloudEvents()

_scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6)
)
values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
)
_dates = st.sampled_from(["2026-11-22T04:05:06Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "", "now"])
_emails = st.sampled_from(["A@b.test", "none", "", " a@b.c "])
_traits = st.fixed_dictionaries(
    {}, optional={"email": _emails | values, "phone": st.sampled_from(["+19494572000", "1"]), "name": values}
)


def _some(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Mostly good values, sometimes any, sometimes absent; sometimes a field that nobody knows."""
    return st.fixed_dictionaries(
        {}, optional={name: good | good | values for name, good in fields.items()} | {"channel": values}
    )


messages = _some(
    {
        "type": st.sampled_from(["track", "identify", "page", "screen", "group", "alias", "buy"]),
        "event": st.text(max_size=6),
        "userId": st.sampled_from(["u", "", 5]),
        "anonymousId": st.sampled_from(["a", ""]),
        "previousId": st.just("p"),
        "groupId": st.just("g"),
        "properties": _traits,
        "traits": _traits,
        "context": st.fixed_dictionaries({}, optional={"traits": _traits | values}),
        "messageId": st.sampled_from(["m", ""]),
        "timestamp": _dates,
        "originalTimestamp": _dates,
        "sentAt": _dates,
        "integrations": st.just({"All": True}),
        "name": st.text(max_size=4),
    }
)
clouds = _some(
    {
        "specversion": st.just("1.0"),
        "type": st.text(max_size=6),
        "source": st.sampled_from(["/s", "a b", "é"]),
        "id": st.text(max_size=4),
        "subject": st.sampled_from(
            ["user:1", "a@B.c", "email:x", "urn:x", "https://a/b", "+19494572000", "tel:1", ":"]
        ),
        "time": _dates,
        "data": values,
        "data_base64": st.sampled_from(["aGk=", "!"]),
        "ext": _scalars,
        "Bad-Name": _scalars,
    }
)


def _check(request: Request, sent: list[Any]) -> None:
    """Each event was read, or a fault stands against it; what was read can be written down."""
    assert len(request.events) == len(sent)
    wrong = {fault.index for fault in request.faults}
    for index, event in enumerate(request.events):
        assert (event is None) == (index in wrong)
        if event is not None:
            assert event.identities and all(":" in each for each in event.identities) and event.signal
            assert len(set(event.identities)) == len(event.identities)
            msgspec.json.encode(event)


def _refused(dialect: Segment | CloudEvents, request: Request) -> None:
    if request.faults:
        answer = dialect.refuse(request, request.faults)
        told = json.loads(answer.body)
        assert answer.status == 400 and {each["index"] for each in told["errors"]} == {f.index for f in request.faults}


@given(st.lists(messages | values, min_size=1, max_size=4), _dates)
def test_any_segment_batch(sent: list[Any], sent_at: str) -> None:
    body = json.dumps({"batch": sent, "sentAt": sent_at}).encode()
    if sent_at in ("", "now"):
        with pytest.raises(BodyError, match="sentAt"):
            SEGMENT.decode(body, False, None)
        return
    request = SEGMENT.decode(body, False, None)
    _check(request, sent)
    _refused(SEGMENT, request)


@given(messages | values, st.sampled_from(["track", "identify", "page", "screen", "group", "alias"]))
def test_any_segment_call(sent: Any, kind: str) -> None:
    posted = SEGMENT.open(f"/v1/{kind}", {}, json.dumps(sent).encode())
    if not isinstance(sent, dict):
        with pytest.raises(BodyError):
            SEGMENT.decode(posted.body, posted.single, None, posted.kind)
        return
    request = SEGMENT.decode(posted.body, posted.single, None, posted.kind)
    _check(request, [sent])
    _refused(SEGMENT, request)
    (event,) = request.events
    if event is not None and kind != "track":
        assert event.signal == kind


@given(st.lists(clouds | values, min_size=1, max_size=4))
def test_any_batch_of_cloudevents(sent: list[Any]) -> None:
    request = CLOUD.decode(json.dumps(sent).encode(), False, None)
    _check(request, sent)
    _refused(CLOUD, request)


@given(st.binary(max_size=40), st.sampled_from([b"", b"application/json", b"text/plain; charset=utf-8", b"image/png"]))
def test_any_binary_cloudevent(body: bytes, content: bytes) -> None:
    headers = {b"ce-specversion": b"1.0", b"ce-id": b"1", b"ce-source": b"/s", b"ce-type": b"t"}
    headers |= {b"content-type": content} if content else {}
    try:
        posted = CLOUD.open("/v1/cloudevents", headers, body)
    except BodyError:
        assert content == b"application/json"
        return
    (event,) = CLOUD.decode(posted.body, posted.single, None).events
    assert event is not None and event.reference == "/s 1"
    assert body or event.data.keys() == {"cloudevent"}


@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    for dialect in (SEGMENT, CLOUD):
        for single in (True, False):
            try:
                request = dialect.decode(body, single, None, "page" if single and dialect is SEGMENT else "")
            except BodyError as error:
                refused = dialect.error(error.status, error.message, error.path)
            else:
                _refused(dialect, request)
                continue
            assert refused.status == 400 and json.loads(refused.body)


@pytest.mark.parametrize(
    ("value", "status"), [(b"application/json", 415), (b"", 415), (b"application/cloudevents+xml", 415)]
)
def test_what_is_no_cloudevent(value: bytes, status: int) -> None:
    with pytest.raises(BodyError) as told:
        CLOUD.open("/v1/cloudevents", {b"content-type": value}, b"{}")
    assert told.value.status == status


def test_headers_that_contradict_the_body() -> None:
    headers = {b"ce-specversion": b"1.0", b"ce-data": b"x"}
    with pytest.raises(BodyError, match="ce-data"):
        CLOUD.open("/v1/cloudevents", headers, b"{}")
    with pytest.raises(BodyError, match="UTF-8"):
        CLOUD.open("/v1/cloudevents", {b"ce-specversion": b"1.0", b"ce-id": b"%ff"}, b"{}")


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b'"A"', "A"),
        (rb'"a\"b\\c"', r'a"b\c'),
        (b'"Euro%20%E2%82%AC %22"', 'Euro \u20ac "'),
        (b'""A"', '""A"'),
        (b'"', '"'),
        (b'a"b"', 'a"b"'),
    ],
)
def test_an_attribute_in_quotes(sent: bytes, read: str) -> None:
    headers = {b"ce-specversion": b'"1.0"', b"ce-id": sent, b"ce-source": b"/s", b"ce-type": b"t"}
    (event,) = CLOUD.decode(CLOUD.open("/v1/cloudevents", headers, b"").body, True, None).events
    assert event is not None and event.reference == f"/s {read}"


@pytest.mark.parametrize(
    ("subject", "identity"),
    [
        ("MAILTO:A@b.de", "email:a@b.de"),
        ("Tel:+19494572000", "phone:+19494572000"),
        ("Order:1", "Order:1"),
        ("URN:x:1", "subject:URN:x:1"),
    ],
)
def test_a_scheme_is_the_same_in_capitals(subject: str, identity: str) -> None:
    sent = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "subject": subject}
    (event,) = CLOUD.decode(json.dumps(sent).encode(), True, None).events
    assert event is not None and event.identities == (identity,)


@pytest.mark.parametrize("field", ["userId", "anonymousId", "groupId", "messageId"])
def test_an_id_that_is_a_number_is_bounded_like_any_other(field: str) -> None:
    message = {"userId": "u", "groupId": "g", field: "DIGITS"}
    for digits, faults in ((1024, []), (1025, [(field,)]), (3000, [(field,)])):
        body = json.dumps(message).replace('"DIGITS"', "9" * digits)
        assert [fault.path for fault in SEGMENT.decode(body.encode(), True, None, "group").faults] == faults


@given(st.dictionaries(st.sampled_from("abcd"), values), st.dictionaries(st.sampled_from("abcd"), values))
def test_nothing_is_lost_beside_a_property(properties: dict[str, Any], own: dict[str, Any]) -> None:
    for aside in ("d", "e"):
        if aside in own:
            continue
        found = beside(properties, own, aside)
        assert all(found[name] == value for name, value in own.items())
        for name, value in properties.items():
            where = found[aside] if own.keys() & properties.keys() and name in {*own, aside} else found
            assert where[name] == value


@given(st.text(min_size=1, max_size=120))
def test_a_signal_can_be_called_anything(name: str) -> None:
    assert slug_is_valid(slug_for(name)) and slug_for(slug_for(name)) == slug_for(name)


def test_other_alphabets_do_not_meet() -> None:
    names = ["注文", "購入", "注文 A", "購入 A", "Заказ", "Order", "order placed", "x" * 101, "x" * 102, "!", "?", ".."]
    assert len({slug_for(name) for name in names}) == len(names)
    assert slug_for("Café Crème!") == "cafe-creme" and slug_for("com.example.x") == "com.example.x"


@given(st.integers(0, 10**14), st.integers(0, 10**14), st.integers(10**12, 2 * 10**12))
def test_a_clock_is_set_right_beyond_a_bound(occurred: int, sent: int, received: int) -> None:
    found = corrected(occurred, sent, received)
    if abs(received - sent) <= SKEW_MS:
        assert found == occurred
    elif found != occurred:
        assert found - occurred == received - sent and found >= 0


def test_what_a_lenient_answer_tells() -> None:
    event = Event(signal="s", identities=("user:1",), data={}, id="i", reference="r")
    request = Request([event, None], [], prefix="[%d]")
    receipt = Receipt("b", [event], [], None, [Fault(1, ("id",), "required", "is required")], frozenset([0]))
    told = json.loads(CLOUD.encode(request, receipt, False).body)
    assert told["data"] == [{"id": "i", "status": "pending", "duplicate": True}]
    assert told["errors"][0]["message"] == "[1].id is required"
