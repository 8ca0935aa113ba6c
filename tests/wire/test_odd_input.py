"""Odd but good input: what is acknowledged is stored as it was sent, whatever is in it."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from harness import Server, until
from wire.client import Client
from wire.languages import BIGMIND, BIK, FREE, SIGNAL, Language


@pytest.fixture
def ready(client: Client) -> Client:
    """A workspace with the signal of both languages' good events, without limits."""
    signal = {"name": SIGNAL, "slug": SIGNAL, "type": "event", "rate_limit": None}
    assert client.call("POST", "/v1/signals", signal).status == 201
    return client


def events_of(client: Client, batch: str) -> Any:
    """The events of a batch once each has its outcome."""

    def settled() -> Any:
        answer = client.call("GET", f"/v1/batches/{batch}")
        assert answer.status == 200, answer
        events = answer.json["data"]
        return None if any(event["status"] == "pending" for event in events) else events

    return until(settled, what=f"batch {batch} has its outcome")


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


DATA: dict[str, Any] = {
    "NUL and control characters": "a\0b\x01\x1f\x7f",
    "escapes": '"\\/\b\f\n\r\t',
    "line separators": "\u2028\u2029\u0085",
    "astral characters": "\U0001f600\U0010ffff",
    "non-characters": "\ufffe\uffff",
    "combining and bidirectional": "e\u0301\u202eabc",
    "big integers": [2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1],
    "small and large floats": [1e308, 5e-324, -0.0, 0.1],
    "nested a hundred deep": deep(100),
    "empty things": ["", [], {}, None, {"": ""}],
    "many keys": {f"k{n}": n for n in range(2000)},
    "markup and quotes": "<script>'--;DROP TABLE events</script>{{x}} %s ${y}",
    "long": "x" * 200_000,
    "looks like a row": '[1,"realtime"],\n["x"]',
}


@pytest.mark.parametrize("value", DATA.values(), ids=DATA)
def test_data_comes_back_as_it_was_sent(ready: Client, language: Language, value: Any) -> None:
    data = {"value": value, "key " + value[:50] if isinstance(value, str) else "key": 1}
    event = language.event(**{FREE[language.name][0]: data})
    answer = ready.post(language.batch, language.batch_of(event, event))
    assert answer.status == 200, answer
    for stored in events_of(ready, answer.headers["headwater-batch"]):
        assert stored["status"] == "processed", stored
        assert stored["data"] == data
        assert json.loads(ready.call("GET", f"/v1/events/{stored['id']}").body)["data"] == data


def test_written_otherwise_means_the_same(ready: Client, language: Language) -> None:
    """White space, escapes, a byte order of members: raw JSON of any spelling."""
    body = language.batch_of(language.event(**{FREE[language.name][0]: {"k": "@"}}))
    spelt = body.replace(b'"@"', b'\n\t[ 1.50 , 1E2, "\\u0041\\/\\ud83d\\ude00" ]\r\n ').replace(b'"k"', b'"\\u006b"')
    answer = ready.post(language.batch, b" \r\n" + spelt + b"\n")
    assert answer.status == 200, answer
    (stored,) = events_of(ready, answer.headers["headwater-batch"])
    assert stored["data"] == {"k": [1.5, 100, "A/\U0001f600"]}


HUGE = ["1" + "0" * 30, "-" + "9" * 400, "1e400", "0." + "3" * 400, "1" + "0" * 5000]


@pytest.mark.parametrize("number", HUGE, ids=lambda text: text[:8])
def test_numbers_beyond_any_machine_type(server: Server, ready: Client, language: Language, number: str) -> None:
    """Taken or refused, but never a 5xx, and what was taken is processed."""
    body = language.batch_of(language.event(**{FREE[language.name][0]: {"k": "@"}})).replace(b'"@"', number.encode())
    answer = ready.post(language.batch, body)
    if answer.status == 200:
        (stored,) = events_of(ready, answer.headers["headwater-batch"])
        assert stored["status"] == "processed"
    else:
        assert answer.status == 400, answer
        language.refusal(answer)


@pytest.mark.parametrize("levels", [200, 400, 900, 2000, 10_000])
def test_nesting_between_shallow_and_mad(ready: Client, language: Language, levels: int) -> None:
    body = language.batch_of(language.event(**{FREE[language.name][0]: {"k": "@"}}))
    answer = ready.post(language.batch, body.replace(b'"@"', b"[" * levels + b"]" * levels))
    if answer.status == 200:
        (stored,) = events_of(ready, answer.headers["headwater-batch"])
        assert stored["status"] == "processed"
        text = ready.call("GET", f"/v1/events/{stored['id']}").body
        assert text.count(b"[") >= levels
    else:
        assert answer.status == 400, answer
        language.refusal(answer)


DUPLICATES = {
    "bik": [
        b'{"events": [], "events": [{"email": "a@b.de", "eventName": "pageViewed", "eventProperties": {}}]}',
        b'{"events": [{"email": 1, "email": "a@b.de", "eventName": "pageViewed", "eventProperties": {}}]}',
        b'{"events": [{"email": "a@b.de", "eventName": "ordered", "eventProperties": {"orderId": 1, "orderId": "1"}}]}',
        b'{"events": [{"email": "a@b.de", "eventName": "ordered", "eventProperties": {},'
        b'"eventProperties": {"orderId": "1"}}]}',
    ],
    "bigmind": [
        b'{"events": [], "events": [{"signal": "visits", "identity": {"type": "account", "id": "1"}}]}',
        b'{"events": [{"signal": 1, "signal": "visits", "identity": {"type": "account", "id": "1"}}]}',
        b'{"events": [{"signal": "visits", "identity": {"type": "account", "id": 1, "id": "1"}}]}',
        b'{"events": [{"signal": "visits", "identity": {"type": "account", "id": "1"}, "data": 1,'
        b'"data": {"a": 1, "a": 2}}]}',
    ],
}


@pytest.mark.parametrize("place", range(4))
def test_duplicate_keys(ready: Client, language: Language, place: int) -> None:
    """The last one counts, as everywhere, or the request is refused; either way what is checked is what is stored."""
    answer = ready.post(language.batch, DUPLICATES[language.name][place])
    if answer.status == 200:
        (stored,) = events_of(ready, answer.headers["headwater-batch"])
        assert stored["status"] == "processed", stored
        assert stored["data"] in ({}, {"orderId": "1"}, {"a": 2}), stored
    else:
        assert answer.status == 400, answer
        language.refusal(answer)


NAMES = ["\0", " ", "a" * 10_000, "\U0001f600", "'\"\\", "a:b:c", "../..", "%00", "\u202e"]


@pytest.mark.parametrize("text", NAMES, ids=lambda text: ascii(text)[:12])
def test_odd_identities_and_references(ready: Client, text: str) -> None:
    """Taken as they are, or refused by name; a profile can be asked for by what was taken."""
    event = BIGMIND.event(identity={"type": "account", "id": text}, reference=text)
    answer = ready.post(BIGMIND.batch, BIGMIND.batch_of(event))
    if answer.status != 200:
        assert answer.status == 400 and "events[0].identity.id" in BIGMIND.refusal(answer), answer
        return
    assert answer.json["data"][0]["reference"] == text
    (stored,) = events_of(ready, answer.headers["headwater-batch"])
    assert stored["reference"] == text
    (identity,) = stored["identities"]
    named = quote(f"{identity['type']}:{identity['id']}", safe="")
    profile = ready.call("GET", f"/v1/profiles/{named}")
    assert profile.status == 200 and profile.json["id"] == stored["profile_id"], profile
    listed = ready.call("GET", f"/v1/events?identity={named}").json["data"]
    assert [each["id"] for each in listed] == [stored["id"]]


@pytest.mark.parametrize(
    "name", ["", " ", "\0", "x" * 100_000, "Ünïcödé \U0001f600"], ids=lambda text: ascii(text)[:12]
)
def test_odd_names(ready: Client, name: str) -> None:
    answer = ready.post(BIK.batch, BIK.batch_of(BIK.event(name=name)))
    assert answer.status == 200, answer
    (stored,) = events_of(ready, answer.headers["headwater-batch"])
    assert stored["name"] in (name, name.strip(), None), stored["name"]


ODD_EMAILS = ["not-an-email", "@", "a@", "a b@c.de", "a\0@b.de", "ä@ö.de", "x" * 300 + "@b.de", "A@B", '"a b"@c.de']


@pytest.mark.parametrize("email", ODD_EMAILS, ids=lambda text: ascii(text)[:12])
def test_odd_emails(ready: Client, email: str) -> None:
    """Trimmed and lower-cased, or refused by name."""
    answer = ready.post(BIK.batch, BIK.batch_of(BIK.event(email=email)))
    if answer.status == 200:
        (stored,) = events_of(ready, answer.headers["headwater-batch"])
        assert stored["identities"] == [{"type": "email", "id": email.strip().lower()}]
    else:
        assert answer.status == 400 and "events[0].email" in BIK.refusal(answer), answer


EDGES = {
    "0001-01-01T00:00:00Z": "0001-01-01T00:00:00.000Z",
    "0001-01-01T00:00:00+14:00": "0001-01-01T00:00:00.000Z",
    "1899-12-31T23:59:59.999Z": "1899-12-31T23:59:59.999Z",
    "1969-12-31T23:59:59.999Z": "1969-12-31T23:59:59.999Z",
    "1970-01-01": "1970-01-01T00:00:00.000Z",
    "2024-02-29T12:00:00Z": "2024-02-29T12:00:00.000Z",
}


@pytest.mark.parametrize(("sent", "shown"), EDGES.items())
def test_dates_long_ago(ready: Client, language: Language, sent: str, shown: str) -> None:
    fields = {"createdAt": sent, "isMigration": True} if language is BIK else {"timestamp": sent}
    answer = ready.post(language.batch, language.batch_of(language.event(**fields)))
    assert answer.status == 200, answer
    (stored,) = events_of(ready, answer.headers["headwater-batch"])
    assert (stored["occurred_at"], stored["lane"], stored["status"]) == (shown, "migration", "processed")


@pytest.mark.parametrize("sent", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "2300-01-01"])
def test_dates_far_ahead(ready: Client, language: Language, sent: str) -> None:
    answer = ready.post(language.batch, language.batch_of(language.event(**{TIMES[language.name]: sent})))
    assert answer.status == 200, answer
    (stored,) = events_of(ready, answer.headers["headwater-batch"])
    assert stored["status"] == "rejected" and stored["occurred_at"][:4] == sent[:4], stored


TIMES = {"bik": "createdAt", "bigmind": "timestamp"}
