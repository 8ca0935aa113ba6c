"""From a column's value to what stands in the event: text of a CSV field, or a typed value of Parquet."""

import base64
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal, get_args

import msgspec

from headwater.clock import to_iso

Type = Literal["string", "number", "boolean", "json", "seconds", "milliseconds", "version"]
"""`seconds`, `milliseconds`: a number since 1970 UTC, for a date. `version`: a number or "latest"."""
TYPES: tuple[Type, ...] = get_args(Type)

ABSENT = object()
"""The event has no such field."""

Convert = Callable[[Any], Any]
"""From a value to JSON's, ABSENT when there is none. Raises ValueError that says what it must be."""

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def from_text(type_: Type) -> Convert:
    """For the fields of a CSV file. An empty one is absent."""
    convert = _TEXT[type_]

    def converted(text: str) -> Any:
        if not text:
            return ABSENT
        return convert(text)

    return converted


def from_value(type_: Type | None) -> Convert:
    """For what Parquet holds; without a type it stays what it is. Null, and NaN, are absent."""
    if type_ is None:
        return plain

    of_text = _TEXT[type_]

    def converted(value: Any) -> Any:
        value = plain(value)
        if value is ABSENT or (type_ == "json" and not isinstance(value, str)):
            return value
        if isinstance(value, bool | dict | list):
            if type_ == "boolean" and isinstance(value, bool):
                return value
            if type_ != "string":
                raise ValueError(f"must be {_CALLED[type_]}")
        return of_text(value if isinstance(value, str) else _encode(value).decode())

    return converted


def plain(value: Any) -> Any:
    """A value of Parquet as JSON has it: dates as ISO 8601 UTC, decimals as numbers, bytes as base64."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ABSENT
    return _inner(value)


def _inner(value: Any) -> Any:
    if isinstance(value, str | bool | int):
        return value
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            raise ValueError("must be a finite number")
        return value if isinstance(value, float) else msgspec.Raw(format(value, "f").encode())
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        inner = {str(key): plain(each) for key, each in value.items()}
        return {key: each for key, each in inner.items() if each is not ABSENT}
    if isinstance(value, list | tuple):
        return [None if each is None else _inner(each) for each in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


def _string(text: str) -> str:
    return text


def _number(text: str) -> Any:
    """Digit for digit as it stands there: neither rounded nor cut."""
    text = text.strip()
    if not text:
        return ABSENT
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError("must be a number, as 1204.50")
    return msgspec.Raw(text.encode())


def _boolean(text: str) -> Any:
    text = text.strip()
    if not text:
        return ABSENT
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError("must be true or false (or yes, no, 1, 0)") from None


def _json(text: str) -> Any:
    if not text.strip():
        return ABSENT
    try:
        _decode(text)
        return msgspec.Raw(text.encode())
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise ValueError(f"must be JSON: {error}") from None


def _since_1970(text: str, factor: int) -> Any:
    text = text.strip()
    if not text:
        return ABSENT
    try:
        ms = Decimal(text) * factor
        if not abs(ms) < _LAST_MS:
            raise ValueError
    except (ArithmeticError, ValueError):
        raise ValueError(f"must be {'seconds' if factor == 1000 else 'milliseconds'} since 1970, a number") from None
    return to_iso(int(ms // 1))


def _version(text: str) -> Any:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text or ABSENT


_LAST_MS = 253_402_300_800_000
"""The year 10000, behind the last that a date can have."""
_TEXT: dict[Type, Convert] = {
    "string": _string,
    "number": _number,
    "boolean": _boolean,
    "json": _json,
    "seconds": lambda text: _since_1970(text, 1000),
    "milliseconds": lambda text: _since_1970(text, 1),
    "version": _version,
}
_CALLED: dict[Type, str] = {
    "string": "text",
    "number": "a number",
    "boolean": "true or false",
    "json": "JSON",
    "seconds": "seconds since 1970",
    "milliseconds": "milliseconds since 1970",
    "version": 'a number or "latest"',
}
