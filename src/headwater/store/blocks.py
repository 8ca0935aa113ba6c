"""What committed blocks hold: for whoever follows the store instead of the log, however slowly.

A block never changes once it is committed, and blocks of a lane are numbered without gaps, so a number is all that such
a reader has to keep. Only erasure and retention take events out.
"""

from typing import NamedTuple

import msgspec

from headwater.events import Lane
from headwater.store.base import Store


class Stored(msgspec.Struct, frozen=True, gc=False):
    """An event's row."""

    block: int
    lane: Lane
    workspace: str
    dialect: str
    event_id: str
    signal: str
    signal_id: str
    schema_version: int | None
    occurred_ms: int
    reason: str
    """Empty when it was processed."""
    detail: str
    identities: list[str]
    """`type:id`, split at the first colon."""
    name: str | None
    data: str
    """JSON, as it was sent."""
    reference: str | None
    backfill_id: str
    value: str | None
    replayed_ms: int
    """When it was replayed; the row that it was rejected with is another one, with the same id. Else 0."""


class Window(NamedTuple):
    """A span of time in which events came in; a replayed one comes in when it is replayed."""

    begin_ms: int
    """A multiple of its length."""
    length_ms: int


class Share(msgspec.Struct, frozen=True, gc=False):
    """What of one block came in in one window."""

    block: int
    begin_ms: int
    events: int
    newest_ms: int
    """When the latest of them came in."""


_decode = msgspec.json.Decoder(Stored).decode_lines


def rows_of(
    store: Store, lane: Lane, first: int, last: int, workspace: str = "", window: Window | None = None
) -> list[Stored]:
    """The rows of the blocks from `first` to `last`, both included, by block and id; of one workspace, if it is given,
    and of one window. All at once: a block has up to 50,000."""
    begin_ms, length_ms = window or (0, 0)
    about = {"lane": lane.value, "first": first, "last": last, "workspace": workspace}
    pieces = store.stream("block_rows", about | {"begin_ms": begin_ms, "window_ms": length_ms})
    return _decode(b"".join(pieces))


def shares_of(store: Store, lane: Lane, first: int, last: int, window_ms: int, workspace: str = "") -> list[Share]:
    """Which blocks have events, by block and window; those of `window_ms` begin at its multiples."""
    about = {"lane": lane.value, "first": first, "last": last, "workspace": workspace, "window_ms": window_ms}
    return [Share(**row) for row in store.rows("block_windows", about)]
