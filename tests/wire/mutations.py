"""Bodies that are almost right: valid batches changed in their structure, their text and their bytes, by a seed."""

import copy
import gzip
import json
import random
import string
from collections.abc import Callable
from typing import Any, NamedTuple

TIME = ("2024-11-15T10:30:00Z", "2026-11-22T04:05:06.789+05:30", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00")
BIK_EVENTS: list[dict[str, Any]] = [
    {"name": "Name", "email": "test@bik.ai", "phoneNumber": "+19494572000", "eventName": "catalogViewed"}
    | {"eventProperties": {"catalogId": "1234", "catalogName": "Test catalog 1"}},
    {"email": "a@b.example", "eventName": "pageViewed", "eventProperties": {}},
    {"phoneNumber": "+919876543210", "eventName": "addToCart", "createdAt": "2024-11-15T10:30:00Z", "isMigration": True}
    | {"eventProperties": {"productId": "P1", "variantId": "V1", "itemPrice": 12.5, "tags": ["a", None]}},
    {"email": "c@d.example", "eventName": "ordered", "isMigration": False, "eventProperties": {"orderId": "1"}},
]
BIGMIND_EVENTS: list[dict[str, Any]] = [
    {"signal": "visits", "identity": {"type": "account", "id": "001ABC000000123"}},
    {"signal": "visits", "version": "latest", "identity": {"type": "contact", "id": "2"}, "data": {"page": "/docs"}},
    {"signal": "strict", "version": 1, "identity": {"type": "email", "id": "A@b.example"}, "data": {"page": "/a"}},
    {"signal": "rare", "identity": {"type": "deal", "id": "3"}, "timestamp": "2024-11-15T10:30:00Z", "reference": "r"},
]
EVENTS = {"bik": BIK_EVENTS, "bigmind": BIGMIND_EVENTS}
PATHS: dict[str, list[tuple[str, ...]]] = {
    "bik": [
        *((name,) for name in ("name", "email", "phoneNumber", "eventName", "eventProperties", "createdAt")),
        *(("isMigration",), ("eventProperties", "productId"), ("eventProperties", "itemPrice")),
        *(("eventProperties", "orderId"), ("isMigrtion",), ("eventname",), ("unknown",)),
    ],
    "bigmind": [
        *((name,) for name in ("signal", "version", "identity", "data", "timestamp", "reference", "unknown")),
        *(("identity", "type"), ("identity", "id"), ("data", "page"), ("data", "deep"), ("identity", "extra")),
    ],
}
RAW = "@raw:"
"""A string that begins so becomes what stands behind it, without quotes: JSON that `json` would never write."""
RAWS = [
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1E400", "-0", "-0.0", "00", "01", "0x10", "+1", ".5", "1."),
    *("9" * 19, "9" * 400, "-" + "9" * 25, "1." + "3" * 400, "1e-999", "18446744073709551616", "2e", "nul", "True"),
    *('"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '"\\x"', '"\\u12"', '"a\nb"', '"\t"', "'a'", '"', "{", "[1,]", ""),
    *('{"a":1,"a":2}', '{"a":{"a":1},"a":null}', '{"":1}', '{"a":1,}', "{a:1}", '{"\\ud800":1}', "/*x*/1", "[]]"),
]
STRINGS = [
    *("", " ", "x", "latest", "visits", "strict", "none such", "account", "email", "ADA@EXAMPLE.COM ", "+19494572000"),
    *(
        "null",
        "\0",
        "\x7f",
        "\u2028",
        "\ufeff",
        "\U0001f600",
        "e\u0301",
        "\u202e",
        "a" * 300,
        "x" * 5000,
        "'; DROP TABLE",
    ),
    *("@", "a@", "@b", "a@b", "+", "+1", "1" * 40, "2024", "now", "../../etc", "%00", "<script>", "{{x}}", *TIME),
]
OTHERS: list[Any] = [None, True, False, 0, 1, -1, 1.5, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 1e308, 5e-324, [], {}]
OTHERS += [[[]], [None], [{}], {"a": None}, {"": ""}, ["x", 1, None, {}], {"type": "email", "id": "x"}, [1] * 1000]
ODD_BYTES = [
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf5\x80\x80\x80",
    b"\xe2\x82",
    b"\0",
    b"\xef\xbb\xbf",
    b"\n",
    b"}",
]
CODINGS = ["br", "deflate", "gzip, gzip", "zstd", "x-gzip", "identity", ""]
FACES: list[tuple[int, Callable[[random.Random, int], str]]] = [
    (8, lambda chance, depth: "[" * depth + "]" * depth),
    (8, lambda chance, depth: '{"a":' * depth + "1" + "}" * depth),
    (2, lambda chance, depth: "[" * depth),
    (2, lambda chance, depth: '[{"a":' * depth),
]


class Mutant(NamedTuple):
    """One request."""

    single: bool
    lenient: bool
    coding: str | None
    body: bytes


class Mutator:
    """Makes requests for one dialect, the same ones for the same seed."""

    def __init__(self, dialect: str, seed: int) -> None:
        self._chance = random.Random(f"{dialect} {seed}")
        self._dialect = dialect
        self._recent: list[bytes] = [b"{}"]

    def next(self) -> Mutant:
        chance = self._chance
        single = chance.random() < 0.2
        if chance.random() < 0.5:
            text = self._text(single)
            self._recent = [*self._recent[-20:], text]
        else:
            text = self._bytes(chance.choice(self._recent))
        return self._coded(single, chance.random() < 0.05, text)

    # --- structure -----------------------------------------------------------------------------------------------

    def _text(self, single: bool) -> bytes:
        chance = self._chance
        count = (
            1 if single else chance.choice((0, 1, 1, 2, 3, 5)) if chance.random() < 0.99 else chance.choice((100, 101))
        )
        events: list[Any] = [copy.deepcopy(chance.choice(EVENTS[self._dialect])) for _ in range(count)]
        for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
            self._change(events)
        whole: Any = (events or [{}])[0] if single else {"events": events}
        if single and self._dialect == "bik" and chance.random() < 0.5:
            whole = {"event": whole}
        if chance.random() < 0.02:
            whole = self._value()
        return self._written(whole)

    def _change(self, events: list[Any]) -> None:
        if not events:
            return
        chance, index = self._chance, self._chance.randrange(len(events))
        if chance.random() < 0.05 or not isinstance(events[index], dict):
            events[index] = self._value()
            return
        place, *rest = chance.choice(PATHS[self._dialect])
        holder = events[index]
        if rest and isinstance(holder.get(place), dict):
            holder, place = holder[place], rest[0]
        if chance.random() < 0.2:
            holder.pop(place, None)
        else:
            holder[place] = self._value()

    def _value(self) -> Any:
        chance = self._chance
        kind = chance.random()
        if kind < 0.35:
            return chance.choice(STRINGS)
        if kind < 0.6:
            return copy.deepcopy(chance.choice(OTHERS))
        if kind < 0.85:
            return RAW + chance.choice(RAWS)
        if kind < 0.9:
            make = chance.choices([face for _, face in FACES], [weight for weight, _ in FACES])[0]
            return RAW + make(chance, chance.choice((2, 30, 100, 500, 1100, 5000)))
        if kind < 0.999:
            return "".join(chance.choices(string.printable, k=chance.randrange(30)))
        return "y" * chance.choice((200_000, 262_100, 300_000))

    def _written(self, value: Any) -> bytes:
        text = json.dumps(value, ensure_ascii=self._chance.random() < 0.5)
        while (start := text.find('"' + RAW)) >= 0:
            end = json.decoder.scanstring(text, start + 1)  # type: ignore[attr-defined]
            text = text[:start] + end[0][len(RAW) :] + text[end[1] :]
        if self._chance.random() < 0.03 and text.startswith("{"):
            text = text[:-1] + "," + text[1:]  # every key twice
        return text.encode(errors="surrogatepass")

    # --- bytes ---------------------------------------------------------------------------------------------------

    def _bytes(self, text: bytes) -> bytes:
        chance, data = self._chance, bytearray(text)
        for _ in range(chance.choice((1, 1, 2, 3))):
            place = chance.randrange(len(data) + 1)
            match chance.randrange(8):
                case 0:
                    del data[place:]
                case 1:
                    data[place:place] = chance.choice(ODD_BYTES)
                case 2:
                    del data[place : place + chance.randrange(1, 9)]
                case 3:
                    data[place:place] = data[place : place + chance.randrange(1, 60)]
                case 4:
                    data[place : place + 1] = bytes([chance.randrange(256)])
                case 5:
                    data += chance.choice((b" ", b"\0", b"x", b"{}", bytes(data[:100])))
                case 6:
                    digits = [at for at, byte in enumerate(data[:2000]) if 48 <= byte <= 57]
                    if digits:
                        data[chance.choice(digits)] = chance.choice(b"0123456789-.eE")
                case _:
                    data[place : place + 1] = chance.choice((b'"', b"\\", b":", b",", b"[", b"{", b"}", b"]"))
        return bytes(data)

    def _coded(self, single: bool, lenient: bool, text: bytes) -> Mutant:
        chance, kind = self._chance, self._chance.random()
        if kind < 0.86:
            if kind < 0.00005:
                text += b" " * (5 * 1024 * 1024 + 1 - len(text))
            return Mutant(single, lenient, None, text)
        packed = gzip.compress(text, compresslevel=1, mtime=0)
        if kind < 0.94:
            return Mutant(single, lenient, "gzip", packed)
        if kind < 0.98:
            return Mutant(single, lenient, "gzip", self._bytes(packed))
        if kind < 0.99:
            return Mutant(single, lenient, "gzip", text)
        return Mutant(single, lenient, chance.choice(CODINGS), text)
