"""JSON read strictly: UTF-8, no NaN, no infinite numbers, no lone surrogates, bounded nesting; says where the fault is.

msgspec refuses all of these already, and fast. What it does not say is where they are: that is found here, on the
slow path only, by reading the body again with the standard library.
"""

import json
import re
from typing import Any

import msgspec

from headwater.dialects.base import BodyError, dotted

_EXPLAINED = 1024 * 1024
"""Bytes of a body in which the place of a fault is looked for; in a longer one that would hold up everybody else."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class _NotFinite:
    """Stands where a number was that JSON cannot hold."""

    def __init__(self, text: str) -> None:
        self.text = text


_Node = tuple[Any, str | int]
"""A place in a document: the node above it (or None) and the step from there."""

_LOOKED_AT = (dict, list, str, _NotFinite)


def decode(body: bytes) -> Any:
    """The body's value; BodyError names what is wrong with it and where."""
    try:
        body.decode()
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _diagnose(body, error) from None


def _diagnose(body: bytes, error: Exception) -> BodyError:
    if isinstance(error, RecursionError):
        return BodyError("Request body is nested too deeply")
    if len(body) > _EXPLAINED:
        return BodyError(f"Request body is not valid JSON: {error}")
    try:
        value = json.loads(body.decode("utf-8", "surrogateescape"), parse_constant=_NotFinite, parse_float=_float)
    except RecursionError:
        return BodyError("Request body is nested too deeply")
    except json.JSONDecodeError as cause:
        return BodyError(f"Request body is not valid JSON: {cause.msg} (line {cause.lineno}, column {cause.colno})")
    except ValueError:
        return BodyError("Request body has a number with too many digits")
    found = _fault(value)
    if found is None:
        return BodyError(f"Request body is not valid JSON: {error}")
    path, text = found
    where = dotted(path).removeprefix(".")
    return BodyError(f"{where or 'body'} {text}", where)


def _float(text: str) -> float | _NotFinite:
    value = float(text)
    return value if value - value == 0 else _NotFinite(text)


def _fault(document: Any) -> tuple[list[str | int], str] | None:
    """The place and the nature of a fault in the document. Without recursion, for it may be nested deeply."""
    stack: list[tuple[_Node | None, Any]] = [(None, document)]
    while stack:
        node, value = stack.pop()
        if isinstance(value, dict | list):
            if isinstance(value, dict) and any(map(_SURROGATE.search, value)):
                return _path(node), "has a key that is not valid UTF-8"
            children = value.items() if isinstance(value, dict) else enumerate(value)
            stack.extend([((node, step), child) for step, child in children if isinstance(child, _LOOKED_AT)])
        elif isinstance(value, _NotFinite):
            return _path(node), f"must be a finite number, not {value.text[:20]}"
        elif isinstance(value, str) and _SURROGATE.search(value):
            return _path(node), "must be valid UTF-8 without lone surrogates"
    return None


def _path(node: "_Node | None") -> list[str | int]:
    steps: list[str | int] = []
    while node is not None:
        node, step = node
        steps.append(step)
    return steps[::-1]


def sizes(body: bytes, field: str) -> list[int]:
    """The bytes of each element of the body's array `field`, as sent; of the body itself when that is empty. The body
    is known to be sound."""
    array = msgspec.json.decode(body, type=dict[str, msgspec.Raw])[field] if field else msgspec.Raw(body)
    return [len(memoryview(raw)) for raw in msgspec.json.decode(array, type=list[msgspec.Raw])]
