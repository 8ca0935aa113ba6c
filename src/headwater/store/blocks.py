"""What committed blocks hold: for whoever follows the store instead of the log, however slowly.

A block never changes once it is committed, and blocks of a lane are numbered without gaps, so a number is all that such
a reader has to keep. Only erasure and retention take events out.
"""

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


class Hour(msgspec.Struct, frozen=True, gc=False):
    """What of one block came in in one hour."""

    block: int
    hour: int
    """Since 1970, UTC. A replayed event comes in when it is replayed."""
    events: int
    newest_ms: int
    """When the latest of them came in."""


_decode = msgspec.json.Decoder(Stored).decode_lines


def rows_of(
    store: Store, lane: Lane, first: int, last: int, workspace: str = "", hour: int | None = None
) -> list[Stored]:
    """The rows of the blocks from `first` to `last`, both included, by block and id; of one workspace, if it is given,
    and of one hour (see `Hour`). All at once: a block has up to 50,000."""
    about = {"lane": lane.value, "first": first, "last": last, "workspace": workspace}
    return _decode(b"".join(store.stream("block_rows", about | {"hour": -1 if hour is None else hour})))


def hours_of(store: Store, lane: Lane, first: int, last: int, workspace: str = "") -> list[Hour]:
    """Which blocks have events, by block and hour."""
    about = {"lane": lane.value, "first": first, "last": last, "workspace": workspace}
    return [Hour(**row) for row in store.rows("block_hours", about)]
