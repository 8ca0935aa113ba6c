"""Stored rows as the events that a destination gets."""

from collections.abc import Sequence

from headwater.clock import moment
from headwater.destinations.base import Event, Identity
from headwater.events import received_of
from headwater.rules.identity import split_identity
from headwater.store.blocks import Stored


def events_of(rows: Sequence[Stored]) -> list[Event]:
    return [_event(row) for row in rows]


def _event(row: Stored) -> Event:
    return Event(
        id=row.event_id,
        workspace=row.workspace,
        signal=row.signal,
        signal_id=row.signal_id,
        schema_version=row.schema_version,
        dialect=row.dialect,
        identities=tuple([Identity(*split_identity(each)) for each in row.identities]),
        name=row.name,
        occurred_at=moment(row.occurred_ms),
        received_at=moment(received_of(row.event_id)),
        lane=row.lane.value,
        status="rejected" if row.reason else "processed",
        reason=row.reason,
        detail=row.detail,
        data=row.data,
        reference=row.reference,
        backfill_id=row.backfill_id,
        replayed_at=moment(row.replayed_ms) if row.replayed_ms else None,
    )
