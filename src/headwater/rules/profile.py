"""Profiles: the connected set of identities of one person or object."""

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from headwater.rules.ids import ALPHABET

_LENGTH = 22  # base62 digits that hold 128 bits


def profile_id(workspace: str, identities: Iterable[str]) -> str:
    """`prf_` + 22 base62: the smallest blake2b-128 hash of (workspace, identity) over the connected set.

    So the same set has the same id, whatever order its events came in. Raises ValueError when the set is empty.
    """
    return "prf_" + _base62(min(_digest(f"{workspace}\0{identity}") for identity in identities))


def newest_name(names: Iterable[str]) -> str | None:
    """The one shown among names given at the same moment: the greatest as canonical JSON."""
    return max(names, key=msgspec.json.encode, default=None)


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def _base62(digest: bytes) -> str:
    number, digits = int.from_bytes(digest, "big"), []
    for _ in range(_LENGTH):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
