"""What committed blocks hold: for whoever follows the store instead of the log, however slowly.

A block never changes once it is committed, and blocks of a lane are numbered without gaps, so a number is all that such
a reader has to keep. Only erasure and retention take events out.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

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
    bytes: int = 0
    """Of their data, where that was asked for."""


_FIRST, _LAST = "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"
_decode = msgspec.json.Decoder(Stored).decode_lines


def rows_of(
    store: Store,
    lane: Lane,
    first: int,
    last: int,
    workspace: str = "",
    window: Window | None = None,
    ids: tuple[str, str] = (_FIRST, _LAST),
) -> list[Stored]:
    """The rows of the blocks from `first` to `last`, both included, by block and id; of one workspace, if it is given,
    of one window, and behind one id up to another. All at once: `sizes_of` tells how much that is."""
    about = _about(lane, first, last, workspace, window) | {"after": ids[0], "upto": ids[1]}
    return _decode(b"".join(store.stream("block_rows", about)))


def slices_of(
    store: Store, lane: Lane, block: int, most_bytes: int, workspace: str = "", window: Window | None = None
) -> Iterator[list[Stored]]:
    """The same of one block, in slices of about so many bytes of data."""
    about = _about(lane, block, block, workspace, window) | {"block": block, "bytes": most_bytes}
    after = _FIRST
    for row in store.rows("block_slices", about):
        yield rows_of(store, lane, block, block, workspace, window, (after, row["last"]))
        after = row["last"]


def shares_of(store: Store, lane: Lane, first: int, last: int, window_ms: int, workspace: str = "") -> list[Share]:
    """Which blocks have events, by block and window; those of `window_ms` begin at its multiples."""
    return _shares("block_windows", store, lane, first, last, window_ms, workspace)


def sizes_of(store: Store, lane: Lane, first: int, last: int, window_ms: int, workspace: str = "") -> list[Share]:
    """The same, with their bytes; that takes as long as to read the events."""
    return _shares("block_sizes", store, lane, first, last, window_ms, workspace)


def _shares(query: str, store: Store, lane: Lane, first: int, last: int, window_ms: int, workspace: str) -> list[Share]:
    about = {"lane": lane.value, "first": first, "last": last, "workspace": workspace, "window_ms": window_ms}
    return [Share(**row) for row in store.rows(query, about)]


def _about(lane: Lane, first: int, last: int, workspace: str, window: Window | None) -> dict[str, Any]:
    begin_ms, length_ms = window or (0, 0)
    about = {"lane": lane.value, "first": first, "last": last, "workspace": workspace}
    return about | {"begin_ms": begin_ms, "window_ms": length_ms}
