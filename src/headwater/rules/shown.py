"""What the live feed shows: an event's line, and what has become of it."""

from collections.abc import Mapping

import msgspec

from headwater import clock
from headwater.events import Lane, Line, received_of
from headwater.outcomes import Status
from headwater.rules.answers import Identity
from headwater.rules.identity import split_identity


class LiveEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that was just stored."""

    id: str
    signal: str
    status: Status
    reason: str | None
    lane: Lane
    dialect: str
    identities: list[Identity]
    occurred_at: str
    received_at: str
    backfill_id: str | None


class LaneNow(msgspec.Struct, frozen=True, gc=False):
    """What a lane has still to do of a workspace's events."""

    lane: Lane
    backlog: int
    age_seconds: float


class Tick(msgspec.Struct, omit_defaults=True):
    """What happened since the one before it."""

    events: list[LiveEvent]
    """The newest first."""
    matched: int
    shown: int
    lanes: list[LaneNow]
    sampled: bool = False
    """`matched` is an estimate: there was more to look through than a screen is worth."""


def status_of(line: Line, fates: Mapping[str, Status]) -> Status:
    """What a stored event is, with what its backfill makes of it: see `store/sql/pieces/status.sql`."""
    fate = fates.get(line.backfill_id) if line.backfill_id else None
    if fate is Status.REVERTED:
        return fate
    return Status.REJECTED if line.reason else fate or Status.PROCESSED


def event_of(line: Line, lane: Lane, dialect: str, status: Status) -> LiveEvent:
    """A record's line as it is shown."""
    return LiveEvent(
        line.id,
        line.signal,
        status,
        line.reason or None,
        lane,
        dialect,
        [Identity(*split_identity(identity)) for identity in line.identities],
        clock.to_iso(line.occurred_ms),
        clock.to_iso(received_of(line.id)),
        line.backfill_id or None,
    )
