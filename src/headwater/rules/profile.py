"""Profiles: the connected set of identities of one person or object."""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

import msgspec

from headwater.rules.ids import ALPHABET
from headwater.rules.values import canonical

NAME = "name"
"""The attribute that every event may give, in its `name`."""
IDENTIFY = "identify"
ATTRIBUTES_SIGNALS = ("customerCreated", IDENTIFY)
"""The signals whose properties are their profile's attributes."""
BESIDE = ("context", "integrations")
"""What lies beside the traits in the data of an `identify` event, and is no attribute."""

_LENGTH = 22  # base62 digits that hold 128 bits


def profile_id(workspace: str, identities: Iterable[str]) -> str:
    """`prf_` + 22 base62: the smallest blake2b-128 hash of (workspace, identity) over the connected set.

    So the same set has the same id, whatever order its events came in. Raises ValueError when the set is empty.
    """
    return "prf_" + _base62(min(_digest(workspace, identity) for identity in identities))


def is_profile_id(text: str) -> bool:
    """Whether it has the form of a profile's id; no identity has, for want of a colon."""
    return text.startswith("prf_") and len(text) == _LENGTH + 4 and text[4:].isalnum()


def representative(workspace: str, identities: Iterable[str]) -> str:
    """The identity that makes the profile's id, and so stands for it. Raises ValueError when the set is empty."""
    return min(identities, key=lambda identity: _digest(workspace, identity))


def attribute_of(name: str, signal: str, event_name: str | None, data: Callable[[], dict[str, Any]]) -> str | None:
    """The value, as canonical JSON, that an event gives to a profile's attribute; None when it gives none.

    `name` is an event's own name, whatever its signal; every other attribute is a top-level property of a
    `customerCreated` or `identify` event, of which null counts as not there. `data` is called only when it is needed.
    """
    if name == NAME:
        return None if event_name is None else canonical(event_name)
    if signal not in giving(name):
        return None
    value = data().get(name)
    return None if value is None else canonical(value)


def giving(name: str) -> tuple[str, ...]:
    """The signals whose events give this attribute, which is not `NAME`."""
    return tuple(each for each in ATTRIBUTES_SIGNALS if each != IDENTIFY or name not in BESIDE)


def newest_name(names: Iterable[str]) -> str | None:
    """The one shown among names given at the same moment: the greatest as canonical JSON."""
    return max(names, key=msgspec.json.encode, default=None)


def _digest(workspace: str, identity: str) -> bytes:
    return blake2b(f"{workspace}\0{identity}".encode(), digest_size=16).digest()


def _base62(digest: bytes) -> str:
    number, digits = int.from_bytes(digest, "big"), []
    for _ in range(_LENGTH):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
