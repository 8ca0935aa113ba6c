"""How far each destination has come, durably: a position by lane."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import msgspec

from headwater.events import Lane


class Planned(msgspec.Struct, frozen=True, array_like=True):
    """What is being delivered: written down before, so that it is the same one after a crash."""

    first: int
    last: int
    begin_ms: int | None
    """Of the window; None for whole blocks."""


class Position(msgspec.Struct, frozen=True):
    """One lane."""

    block: int = 0
    """Every block up to here was delivered, or is in `windows` or `planned`."""
    windows: dict[int, tuple[int, int]] = {}
    """Not delivered yet, by their begin: the first and the last block, up to `block`, that have some of it."""
    planned: Planned | None = None


class Kept(NamedTuple):
    version: int
    """How often it was written down; 0: never."""
    lanes: dict[Lane, Position]
    """Empty at first."""


class Positions(Protocol):
    """Safe to call from several threads. Raises UnavailableError when the disk or the database fails."""

    def load(self, name: str) -> Kept:
        """Of the destination `name`."""

    def save(self, name: str, version: int, lanes: Mapping[Lane, Position]) -> int:
        """Durable when it returns; gives the next version. Raises NotOwnerError, and writes nothing, when it is not
        `version` that stands there: somebody else delivers by now."""

    def close(self) -> None: ...


def encoded(lanes: Mapping[Lane, Position]) -> str:
    return msgspec.json.encode(lanes).decode()


def decoded(text: str) -> dict[Lane, Position]:
    return _decode(text)


_decode = msgspec.json.Decoder(dict[Lane, Position]).decode
