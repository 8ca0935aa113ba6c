"""JSON read strictly: UTF-8, no NaN, no infinite numbers, no lone surrogates, bounded nesting; says where the fault is.

msgspec refuses all of these already, and fast. What it does not say is where they are: that is found here, on the
slow path only, by reading the body again with the standard library.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from headwater.dialects.base import BodyError, dotted

_SURROGATE = re.compile("[\ud800-\udfff]")


class _NotFinite:
    """Stands where a number was that JSON cannot hold."""

    def __init__(self, text: str) -> None:
        self.text = text


def decode(body: bytes) -> Any:
    """The body's value; BodyError names what is wrong with it and where."""
    try:
        body.decode()
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _diagnose(body, error) from None


def _diagnose(body: bytes, error: Exception) -> BodyError:
    try:
        value = json.loads(
            body.decode("utf-8", "surrogateescape"), parse_constant=_NotFinite, parse_float=_float, parse_int=_int
        )
        for path, fault in _faults(value, ()):
            where = dotted(path).removeprefix(".")
            return BodyError(f"{where or 'body'} {fault}", where)
    except RecursionError:
        return BodyError("Request body is nested too deeply")
    except json.JSONDecodeError as cause:
        return BodyError(f"Request body is not valid JSON: {cause.msg} (line {cause.lineno}, column {cause.colno})")
    return BodyError(f"Request body is not valid JSON: {error}")


def _float(text: str) -> float | _NotFinite:
    value = float(text)
    return value if value - value == 0 else _NotFinite(text)


def _int(text: str) -> int | _NotFinite:
    return int(text) if len(text) < 400 else _NotFinite(text)


def _faults(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, _NotFinite):
        yield path, f"must be a finite number, not {value.text[:20]}"
    elif isinstance(value, str) and _SURROGATE.search(value):
        yield path, "must be valid UTF-8 without lone surrogates"
    elif isinstance(value, dict):
        for key, child in value.items():
            if _SURROGATE.search(key):
                yield path, "has a key that is not valid UTF-8"
            yield from _faults(child, (*path, key))
    elif isinstance(value, list):
        for place, child in enumerate(value):
            yield from _faults(child, (*path, place))


def sizes(body: bytes, field: str) -> list[int]:
    """The bytes of each element of the body's array `field`, as sent. The body is known to be sound."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return [len(memoryview(raw)) for raw in msgspec.json.decode(fields[field], type=list[msgspec.Raw])]
