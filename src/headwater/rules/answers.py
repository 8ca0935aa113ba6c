"""An event on its way out: from a row of the store or a line of the log to what is answered about it."""

from collections.abc import Callable, Sequence

import msgspec

from headwater import clock
from headwater.events import Lane, Line, decode_lines, received_of
from headwater.outcomes import Status
from headwater.rules.connect import Reason
from headwater.rules.filters import Place
from headwater.rules.identity import split_identity
from headwater.signals import Aggregation, Period


class Row(msgspec.Struct, gc=False):
    """What is known of one event, wherever it lies. The store's queries give columns of these names."""

    event_id: str
    signal: str
    signal_id: str
    schema_version: int | None
    dialect: str
    identities: list[str]
    name: str | None
    occurred_ms: int
    lane: Lane
    status: Status
    reason: str
    detail: str
    data: str
    """The object as JSON text."""
    reference: str | None
    backfill_id: str
    block: int = 0
    """0: not in the store."""
    position: int = -1
    """Where its record begins; -1: not from the log."""

    @property
    def place(self) -> Place:
        return Place(self.occurred_ms, self.event_id)

    @property
    def received_ms(self) -> int:
        return received_of(self.event_id)


class Identity(msgspec.Struct, gc=False):
    type: str
    id: str


class EventAnswer(msgspec.Struct, gc=False):
    """`GET /v1/events/{id}`."""

    id: str
    signal: str
    signal_id: str
    schema_version: int | None
    dialect: str
    identities: list[Identity]
    profile_id: str | None
    name: str | None
    occurred_at: str
    received_at: str
    lane: Lane
    status: Status
    reason: str | None
    detail: str | None
    data: msgspec.Raw
    reference: str | None
    backfill_id: str | None


class Page(msgspec.Struct):
    """A list: newest first, and the cursor of the page after it, if there is one."""

    data: Sequence[EventAnswer]
    next: str | None = None


class ProfileAnswer(msgspec.Struct):
    """`GET /v1/profiles/{type}:{id}`. Only processed events count, and only those that belong to this profile."""

    id: str
    name: str | None
    identities: list[Identity]
    attributes: dict[str, msgspec.Raw]
    """Up to `profiles.MOST_ATTRIBUTES`, the first by name."""
    events: int
    first_seen: str | None
    """When the earliest event occurred; `last_seen` the latest; None without events."""
    last_seen: str | None
    states: "dict[str, StateAnswer]"
    metrics: "dict[str, MetricAnswer]"
    cohorts: "list[CohortAnswer]"


class StateAnswer(msgspec.Struct, frozen=True, gc=False):
    """A profile's state."""

    value: msgspec.Raw
    since: str
    event_id: str


class MetricAnswer(msgspec.Struct, frozen=True, gc=False):
    """A profile's metric, in the period that runs and in total."""

    aggregation: Aggregation
    period: Period
    period_start: str
    value: msgspec.Raw
    """A JSON number; null where there is nothing to take an average, a minimum or a maximum of."""
    total: msgspec.Raw


class CohortAnswer(msgspec.Struct, frozen=True, gc=False):
    """A cohort that a profile is in."""

    id: str
    name: str


class NotConnectedAnswer(msgspec.Struct, frozen=True, gc=False):
    """Two identities that events named together, and why that connects nothing."""

    identities: list[Identity]
    reason: Reason


class ConnectionsAnswer(msgspec.Struct, frozen=True):
    """`GET /v1/profiles/{type}:{id}/connections`."""

    id: str
    identities: list[Identity]
    set_aside: int
    """Events that name one of its identities and made a merge that was undone."""
    not_connected: list[NotConnectedAnswer]
    """The oldest of them, up to `people.SHOWN`."""


class UnmergeAnswer(msgspec.Struct, frozen=True):
    """`POST /v1/profiles/{type}:{id}/unmerge`."""

    severed: list[list[Identity]]
    """The pairs that connect nothing from now on."""
    profiles: list[ProfileAnswer]
    """What the profile came apart into; that of the identity which was cut comes first."""


class PipelineAnswer(msgspec.Struct, frozen=True):
    """One lane of `GET /v1/pipelines`."""

    lane: Lane
    events: int
    bytes: int
    age_seconds: float
    """Since the oldest of them was received; 0 when there is none."""


Wanted = Callable[[Line], bool]
"""Whether the event is."""


def rows_of(lines: bytes, dialect: str, lane: Lane, position: int, wanted: Wanted) -> list[Row]:
    """The wanted events among a log record's lines, pending.

    What the gateway decided about them is not told before it holds, that is before they are stored.
    """
    return [
        Row(
            event_id=line.id,
            signal=line.signal,
            signal_id=line.signal_id,
            schema_version=line.schema_version,
            dialect=dialect,
            identities=line.identities,
            name=line.name,
            occurred_ms=line.occurred_ms,
            lane=lane,
            status=Status.PENDING,
            reason="",
            detail="",
            data=bytes(line.data).decode(),
            reference=line.reference,
            backfill_id=line.backfill_id,
            position=position,
        )
        for line in decode_lines(lines)
        if wanted(line)
    ]


def answer_of(row: Row, profile_id: str | None) -> EventAnswer:
    """The answer about one event."""
    return EventAnswer(
        id=row.event_id,
        signal=row.signal,
        signal_id=row.signal_id,
        schema_version=row.schema_version,
        dialect=row.dialect,
        identities=[Identity(*split_identity(identity)) for identity in row.identities],
        profile_id=profile_id,
        name=row.name,
        occurred_at=clock.to_iso(row.occurred_ms),
        received_at=clock.to_iso(row.received_ms),
        lane=row.lane,
        status=row.status,
        reason=row.reason or None,
        detail=row.detail or None,
        data=msgspec.Raw(row.data),
        reference=row.reference,
        backfill_id=row.backfill_id or None,
    )
