"""Claims: what was taken once and must not be taken again, and what the next one who asks is told.

A claim is durable with the batch that it lies in, by the log's own fsync; from there it is taken over into a file that
outlives the log's trimming. Kinds, and what their values hold:

    key         the `Idempotency-Key` of a request   the batch's id, 16 bytes, then the first answer (`rules.answered`)
    reference   of an event, with its signal's id    the event's id, 16 bytes, then what `rules.duplicate` needs
    replay      an event's id                        the event's id, 16 bytes
    told        that the kept answer of the batch    that event's id, 16 bytes
                it comes with names a duplicate's
                first event: see `told_key`

So each value begins with the id of that which it is about: an erasure finds it by that.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import Literal, Protocol
from uuid import UUID

import msgspec

from headwater.errors import ConflictError
from headwater.events import Batch, Claim, batch_of

Kind = Literal["key", "reference", "replay"]


def claim_key(workspace: str, kind: Kind, text: str) -> bytes:
    """The 16 bytes that a claim is found by. `text` may hold anything."""
    return blake2b(f"{workspace}\0{kind}\0{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def told_key(event_id: bytes, batch: bytes) -> bytes:
    """That of a `told` claim. An erasure knows the event and not who was told of it: it looks for `told_of`."""
    return told_of(batch_of(UUID(bytes=event_id))) + blake2b(event_id + batch, digest_size=8).digest()


def told_of(batch: bytes) -> bytes:
    """The 8 bytes that the keys of all claims begin with which tell of events of a batch."""
    return blake2b(batch, digest_size=8).digest()


class InFlightError(ConflictError):
    """Somebody holds it right now, and it will be known in a moment."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """A claim as it is kept."""

    claim: Claim
    batch: bytes
    """The id of the batch that it came with."""
    workspace: str


class Shelf(Protocol):
    """Where claims are kept for as long as they count. One thread at a time writes; any may read meanwhile."""

    def find(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """The values of those that are there, by key."""

    def take(self, rows: Sequence[Row], now_ms: int, position: int) -> None:
        """Writes them down as of now, in place of older ones of the same key; durable when it returns.

        `position`: of the log, before which all claims are here now.
        """

    def position(self) -> int:
        """What was told last; 0 when nothing ever was."""

    def backfills(self) -> Sequence[tuple[str, str]]:
        """Workspace and id of those that claims belong to."""

    def prune(self, before_ms: int, kept: Collection[tuple[str, str]], most: int) -> int:
        """Removes about `most` of those written down before then, and returns how many; not those of the backfills
        `kept`."""

    def count(self) -> int:
        """How many there are."""

    def close(self) -> None: ...


class Hold(Protocol):
    """What one caller has reserved. Leaving the `with` gives back what was not handed to the log."""

    async def take(
        self, keys: Collection[bytes], *, wait: bool = True, void: Callable[[bytes], bool] = lambda _: False
    ) -> Mapping[bytes, bytes]:
        """The values of those that were claimed before; all others are reserved: nobody else gets them meanwhile.

        What others hold right now is waited for, and then looked up; without `wait` it raises InFlightError. A value
        that is `void` counts as none, and the new claim will take its place.
        All keys at once, or callers who wait for each other's would never end. Raises UnavailableError.
        """

    def append(self, batch: Batch) -> Awaitable[None]:
        """As `log.base.Appender.append`, for a batch whose claims are held here: they count from its fsync on, or are
        given back when it fails, whether anybody still waits for it or not. May be called for several batches."""

    def __enter__(self) -> "Hold": ...

    def __exit__(self, *_: object) -> None: ...


class Claims(Protocol):
    """One owner, one event loop."""

    def hold(self) -> Hold:
        """Costs nothing as long as nothing is taken."""


class Reserved(msgspec.Struct, frozen=True):
    """What `reserve` tells."""

    known: Mapping[bytes, bytes]
    """The values of those claimed before; all others are held."""
    append: Callable[[Batch], Awaitable[None]]
    """`Hold.append`."""


@asynccontextmanager
async def reserved(claims: Claims, keys: Collection[bytes]) -> AsyncIterator[Reserved]:
    """Reserves all of the keys for the time inside, waiting for those that others hold."""
    with claims.hold() as hold:
        known = await hold.take(keys)
        yield Reserved(known, hold.append)
