"""Bad input gets the dialect's own 4xx that names the fault; nothing of it is stored, nothing costs quota."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from wire.client import Answer, Client
from wire.languages import BIGMIND, BIK, FREE, LANGUAGES, MEBIBYTE, SIGNAL, Language, gzipped, padded
from wire.scene import leave_room_in_minute

LIMIT = 7
DEEP = 100_000


@pytest.fixture
def target(client: Client) -> Iterator[Client]:
    """A workspace where both dialects have one signal with a limit; checks afterwards that nothing happened in it."""
    signal = {"name": SIGNAL, "slug": SIGNAL, "type": "event", "rate_limit": LIMIT}
    assert client.call("POST", "/v1/signals", signal).status == 201
    assert client.call("PATCH", "/v1/signals/pageViewed", {"rate_limit": LIMIT}).status == 200
    leave_room_in_minute(8)
    yield client
    assert client.call("GET", "/v1/events").json == {"data": [], "next": None}
    answer = client.post(BIGMIND.batch, BIGMIND.batch_of(BIGMIND.event()))
    assert answer.headers["x-ratelimit-remaining"] == str(LIMIT - 1), "a refused request cost quota"
    assert client.post(BIK.batch, BIK.batch_of(*[BIK.event()] * LIMIT)).status == 200, "a refused request cost quota"


def text_of(language: Language, *fields: str) -> dict[str, Any]:
    """A good event with `"@"` where the fault goes."""
    return language.event(**dict.fromkeys(fields, "@"))


def with_raw(language: Language, event: dict[str, Any], raw: bytes) -> bytes:
    """The event between two good ones, in a batch, with raw bytes in the place of `"@"`."""
    body = language.batch_of(language.event(), event, language.event())
    assert b'"@"' in body
    return body.replace(b'"@"', raw)


def refused(language: Language, answer: Answer, *names: str, status: int = 400) -> None:
    assert answer.status == status, answer
    text = language.refusal(answer)
    for name in names:
        assert name in text, f"{name!r} is not named: {text}"


NO_JSON = {
    "empty": b"",
    "blank": b"  \n",
    "text": b"hello",
    "cut": b'{"events": [{"signal": "visits"',
    "trailing": b'{"events": []} x',
    "two values": b'{"events": []}{"events": []}',
    "single quotes": b"{'events': []}",
    "trailing comma": b'{"events": [],}',
    "comment": b'{"events": [] /* none */}',
    "form": b"events=1",
    "xml": b"<events/>",
    "binary": bytes(range(256)),
    "utf-16": '{"events": []}'.encode("utf-16"),
    "half a string": b'{"events": "',
    "raw line feed in a string": b'{"events": [{"name": "a\nb"}]}',
    "lone minus": b'{"events": -}',
    "leading zero": b'{"events": [01]}',
    "NaN": b"NaN",
}


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
def test_no_json(target: Client, language: Language, body: bytes) -> None:
    refused(language, target.post(language.batch, body))
    refused(language, target.post(language.single, body))


@pytest.mark.parametrize("body", [b"null", b"1", b'"x"', b"[]", b"true", b"[{}]", b"{}"])
def test_no_object(target: Client, language: Language, body: bytes) -> None:
    refused(language, target.post(language.batch, body))
    refused(language, target.post(language.single, body))


@pytest.mark.parametrize("events", ["null", "1", '"x"', "{}", "true", "[]"])
def test_events_is_no_array_or_empty(target: Client, language: Language, events: str) -> None:
    refused(language, target.post(language.batch, b'{"events": %s}' % events.encode()), "events")


@pytest.mark.parametrize("event", [None, 1, "x", [], True, [{}]], ids=repr)
def test_event_is_no_object(target: Client, language: Language, event: Any) -> None:
    answer = target.post(language.batch, language.batch_of(language.event(), event, language.event()))
    refused(language, answer, "events[1]")


STRINGS: list[Any] = [1, 1.5, True, False, [], ["x"], {}, {"x": 1}, 10**400]
WRONG: dict[str, dict[str, list[Any]]] = {
    "bik": {
        "name": STRINGS,
        "phoneNumber": [*STRINGS, "x", "123", "+", "+1", "+1949457200000000000", "\0", "+1\x00949"],
        "email": STRINGS,
        "eventName": [*STRINGS, None, "", "nope", "PageViewed", "pageViewed ", "\0", "p" * 10_000],
        "eventProperties": [None, 1, "x", True, [], [{}], ""],
        "createdAt": [
            *STRINGS,
            "",
            " ",
            "x",
            "2026-02-30",
            "2026-13-01",
            "24:00",
            "2026-11-22T24:00:01Z",
            "1732000000",
            "1710121012345",
        ],
        "isMigration": ["true", "", 0, 1, [], {}, "false"],
        "isMigrtion": [True],
        "Email": ["x@bik.ai"],
    },
    "bigmind": {
        "signal": [*STRINGS, None, ""],
        "identity": [None, 1, "account:1", [], True, {}],
        "identity.type": [*STRINGS, None, ""],
        "identity.id": [*STRINGS, None, ""],
        "version": ["1", "Latest", "", 0, -1, 1.5, True, [], {}, 99, 10**30, "latest "],
        "data": [1, "x", True, [], [{}], ""],
        "timestamp": [
            *STRINGS,
            "",
            " ",
            "x",
            "2026-02-30",
            "2026-13-01",
            "24:00",
            "2026-11-22T24:00:01Z",
            "1732000000",
            "1710121012345",
        ],
        "reference": STRINGS,
    },
}
FIELDS = [
    (language, field, value) for language in LANGUAGES for field, vs in WRONG[language.name].items() for value in vs
]


def faulty(language: Language, field: str, value: Any) -> dict[str, Any]:
    if field.startswith("identity."):
        part = field.split(".")[1]
        return language.event(identity={"type": "account", "id": "1", part: value})
    return language.event(**{field: value})


@pytest.mark.parametrize(("speech", "field", "value"), FIELDS, ids=lambda v: repr(v)[:30] if v is not None else "null")
def test_wrong_value(target: Client, speech: Language, field: str, value: Any) -> None:
    event = faulty(speech, field, value)
    answer = target.post(speech.batch, speech.batch_of(speech.event(), event, speech.event()))
    named = "events[1]" if field == "identity" and value == {} else f"events[1].{field}"
    refused(speech, answer, named)
    refused(speech, target.post(speech.single, json.dumps(event).encode()), field)


REQUIRED = [(BIK, "eventName"), (BIK, "eventProperties"), (BIGMIND, "signal"), (BIGMIND, "identity")]


@pytest.mark.parametrize(("speech", "field"), REQUIRED, ids=str)
def test_missing_field(target: Client, speech: Language, field: str) -> None:
    event = speech.event()
    del event[field]
    refused(speech, target.post(speech.batch, speech.batch_of(speech.event(), event)), f"events[1].{field}")
    refused(speech, target.post(speech.single, json.dumps(event).encode()), field)


INVALID = {
    "invalid UTF-8": b'"\xff"',
    "overlong UTF-8": b'"\xc0\x80"',
    "UTF-8 surrogate": b'"\xed\xa0\x80"',
    "cut UTF-8": b'"\xe2\x82"',
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "-Infinity": b"-Infinity",
    "1e999": b"1e999",
    "lone high surrogate": rb'"\ud800"',
    "lone low surrogate": rb'"\udc00x"',
    "surrogates the wrong way round": rb'"\udc00\ud800"',
    "bad escape": rb'"\x41"',
    "raw control character": b'"\x01"',
    "invalid UTF-8 in a key": b'{"\xff": 1}',
    "lone surrogate in a key": rb'{"\ud800": 1}',
    "NaN in a list": b"[1, NaN]",
    "deep arrays": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
}


PLACES = [(name, place) for name in INVALID for place in range(3) if (name, place) != ("1e999", 2)]
"""1e999 is good JSON, only no number that can be kept: in a field that is ignored it is ignored."""


@pytest.mark.parametrize(("name", "place"), PLACES)
def test_bytes_that_are_no_good_json(target: Client, language: Language, name: str, place: int) -> None:
    """In the data (0), in a string (1), in a field that is ignored (2)."""
    raw = INVALID[name]
    field = FREE[language.name][place]
    value = b'{"k": ' + raw + b"}" if place == 0 else raw
    refused(language, target.post(language.batch, with_raw(language, text_of(language, field), value)))
    single = json.dumps(text_of(language, field)).encode().replace(b'"@"', value)
    refused(language, target.post(language.single, single))


@pytest.mark.parametrize(
    "body", [b"[" * DEEP, b"[" * DEEP + b"]" * DEEP, b'{"events":' * DEEP, b'{"events": %s}'], ids=len
)
def test_deep_nesting_at_the_top(target: Client, language: Language, body: bytes) -> None:
    body = body.replace(b"%s", b"[" * DEEP + b"]" * DEEP)
    refused(language, target.post(language.batch, body))
    refused(language, target.post(language.single, body))


def test_101_events(target: Client, language: Language) -> None:
    refused(language, target.post(language.batch, language.batch_of(*[language.event()] * 101)), "100")


def test_10_000_events(target: Client, language: Language) -> None:
    refused(language, target.post(language.batch, language.batch_of(*[language.event()] * 10_000)), "100")


def test_event_too_large(target: Client, language: Language) -> None:
    event = padded(language, 256 * 1024 + 1)
    refused(language, target.post(language.batch, language.batch_of(language.event(), event)), "events[1]")
    refused(language, target.post(language.single, json.dumps(event).encode()))


def test_body_too_large(target: Client, language: Language) -> None:
    body = b'{"events": []' + b" " * (5 * MEBIBYTE) + b"}"
    body = body[: 5 * MEBIBYTE] + b"}"
    assert len(body) == 5 * MEBIBYTE + 1
    refused(language, target.post(language.batch, body), status=413)
    refused(language, target.post(language.single, body), status=413)


def test_body_far_too_large(target: Client, language: Language) -> None:
    refused(language, target.post(language.batch, b" " * (40 * MEBIBYTE)), status=413)


def test_gzip_bomb(target: Client, language: Language) -> None:
    bomb = gzip.compress(b" " * (500 * MEBIBYTE), 9)
    assert len(bomb) < MEBIBYTE
    refused(language, gzipped(target, language, bomb), status=413)


def test_gzip_of_one_byte_too_much(target: Client, language: Language) -> None:
    refused(language, gzipped(target, language, gzip.compress(b" " * (5 * MEBIBYTE + 1))), status=413)


GOOD_GZIP = gzip.compress(b'{"events": []}')
BROKEN_GZIP = {
    "no gzip": b'{"events": []}',
    "cut": GOOD_GZIP[:-9],
    "cut in the header": GOOD_GZIP[:5],
    "wrong checksum": GOOD_GZIP[:-8] + b"\0\0\0\0" + GOOD_GZIP[-4:],
    "garbage behind": GOOD_GZIP + b"garbage",
    "empty": b"",
}


@pytest.mark.parametrize("body", BROKEN_GZIP.values(), ids=BROKEN_GZIP)
def test_broken_gzip(target: Client, language: Language, body: bytes) -> None:
    refused(language, gzipped(target, language, body))


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "x", "gzip, br"])
def test_unknown_content_encoding(target: Client, language: Language, coding: str) -> None:
    refused(language, gzipped(target, language, language.batch_of(language.event()), coding), status=415)


def test_unknown_signal(target: Client, language: Language) -> None:
    event = language.event(**{"eventName" if language is BIK else "signal": "no-such-signal"})
    status = 400 if language is BIK else 404
    refused(
        language,
        target.post(language.batch, language.batch_of(language.event(), event)),
        "no-such-signal",
        status=status,
    )
    refused(language, target.post(language.single, json.dumps(event).encode()), "no-such-signal", status=status)


@pytest.mark.parametrize("key", [None, "", "sk_", "sk_wrong", "x" * 4000, "sk_your_api_key_here", "ä"], ids=repr)
def test_no_or_wrong_key(target: Client, language: Language, key: str | None) -> None:
    headers = [] if key is None else [("Authorization", f"Bearer {key}")]
    for path in (language.batch, language.single):
        answer = target.send("POST", path, headers, language.batch_of(language.event()))
        refused(language, answer, status=401)
