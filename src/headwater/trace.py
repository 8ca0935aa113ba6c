"""The way of one event: what was decided about it, where it lies, whom it counts for and what it changed.

Each step is a sentence for people, and its facts for programs.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec

from headwater import clock
from headwater.catalog.base import Definitions
from headwater.dialects.base import Dialect
from headwater.errors import NotFoundError
from headwater.events import Lane, batch_of, decode_lines, id_text, received_of
from headwater.insight import Insight
from headwater.log.base import Records
from headwater.measures import Measures
from headwater.outcomes import Status
from headwater.people import People
from headwater.rules.answers import EventAnswer
from headwater.rules.filters import Filters, Place
from headwater.rules.hints import hint_of, place_in
from headwater.rules.identity import split_identity
from headwater.rules.profile import profile_id
from headwater.rules.rollup import period_start
from headwater.signals import Signal
from headwater.state.cohorts import Change
from headwater.state.webhooks import Attempt, Delivery, Webhook
from headwater.store.base import Store
from headwater.tail import Pending

MOST = 20
"""Traces told at once."""


class Step(msgspec.Struct, frozen=True):
    """Something that happened to an event, or that it led to."""

    step: str
    """received, waiting, validated, rejected, stored, replayed, backfill, profile, metric, state, cohort,
    webhook."""
    at: str | None
    """When, where that is known."""
    text: str
    facts: dict[str, Any]


class TraceAnswer(msgspec.Struct, frozen=True):
    """`GET /v1/events/{id}/trace`."""

    event: EventAnswer
    steps: Sequence[Step]


class Page(msgspec.Struct, frozen=True):
    data: Sequence[TraceAnswer]
    next: str | None = None


class _Stored(msgspec.Struct, frozen=True):
    """A row of the store: columns of `trace.sql`."""

    event_id: str
    signal: str
    schema_version: int | None
    dialect: str
    identities: list[str]
    occurred_ms: int
    lane: Lane
    block: int
    reason: str
    detail: str
    backfill_id: str
    value: str | None
    replayed_ms: int


class Caused(Protocol):
    """What of `state.cohorts.Memberships` is asked here."""

    def caused(self, workspace: str, event_id: str) -> Sequence[tuple[str, Change]]: ...


class Delivered(Protocol):
    """What of `state.webhooks.Outbox` is asked here."""

    def caused(self, workspace: str, event_id: str) -> Sequence[tuple[Webhook, Delivery]]: ...

    def attempts(self, number: int) -> Sequence[Attempt]: ...


class Traces:
    """The questions. Every one is about one workspace and sees nothing of another. Safe to use from threads."""

    def __init__(
        self,
        insight: Insight,
        measures: Measures,
        store: Store,
        people: People,
        catalog: Definitions,
        memberships: Caused,
        outbox: Delivered,
        reader: Records,
        tail: Pending,
        dialects: Iterable[Dialect],
    ) -> None:
        self._insight = insight
        self._measures = measures
        self._store = store
        self._people = people
        self._catalog = catalog
        self._memberships = memberships
        self._outbox = outbox
        self._reader = reader
        self._tail = tail
        self._dates = {dialect.name: dialect.date_field for dialect in dialects}

    def trace(self, workspace: str, event_id: UUID) -> TraceAnswer:
        """Raises NotFoundError."""
        return self._traced(workspace, self._insight.event(workspace, event_id))

    def by_reference(self, workspace: str, reference: str, limit: int, after: Place) -> Page:
        """Of up to `limit` events behind `after` that were sent under this reference, newest first."""
        found = self._insight.events(workspace, Filters(reference=reference), limit, after)
        return Page([self._traced(workspace, event) for event in found.data], found.next)

    def _traced(self, workspace: str, event: EventAnswer) -> TraceAnswer:
        rows = self._store.rows("trace", {"workspace": workspace, "ids": [event.id]})
        return TraceAnswer(
            event, list(self._steps(workspace, event, msgspec.convert(rows, list[_Stored], strict=False)))
        )

    def _steps(self, workspace: str, event: EventAnswer, rows: Sequence[_Stored]) -> Iterator[Step]:
        yield _received(event)
        if not rows:
            yield _waiting(event.lane, None)
        for row in rows:
            yield from self._taken(row)
        if rows and rows[-1].reason and (again := self._replayed(event.id)) is not None:
            yield _waiting(*again)
        yield from self._backfill(workspace, event)
        if rows and event.status is Status.PROCESSED:
            yield from self._led_to(workspace, rows[-1])

    def _taken(self, row: _Stored) -> Iterator[Step]:
        """What the gateway decided, and where it was stored by that."""
        if row.replayed_ms:
            text = f"replayed into the {row.lane} lane: judged anew, by what held then"
            yield Step("replayed", clock.to_iso(row.replayed_ms), text, {"lane": row.lane})
        yield self._rejected(row) if row.reason else _validated(row)
        text = f"stored in block {row.block} of the {row.lane} lane"
        yield Step("stored", None, text, {"lane": row.lane, "block": row.block})

    def _rejected(self, row: _Stored) -> Step:
        place = place_in(row.reason, row.detail, self._dates.get(row.dialect, ""))
        facts = {"reason": row.reason, "detail": row.detail or None, "path": place, "hint": hint_of(row.reason)}
        return Step("rejected", None, f"rejected with {row.reason}" + (f": {row.detail}" if row.detail else ""), facts)

    def _replayed(self, event_id: str) -> tuple[Lane, int] | None:
        """Where a rejected event waits that was replayed, and since when."""
        for entry in self._tail.replays([batch_of(UUID(event_id))]):
            record = self._reader.record(entry.position, entry.lane)
            for line in decode_lines(record.lines) if record else ():
                if line.id == event_id:
                    return entry.lane, line.replayed_ms
        return None

    def _backfill(self, workspace: str, event: EventAnswer) -> Iterator[Step]:
        known = self._catalog.backfill(workspace, event.backfill_id) if event.backfill_id else None
        if known is None:
            return
        facts = {"id": known.id, "name": known.name, "status": known.status, "held": known.held}
        text, at = f"came with the backfill '{known.name}'", None
        if known.status == "reverted":
            text, at = f"{text}, which was reverted: it counts for nobody", known.reverted_ms
        elif known.held:
            text = f"{text}, which is held: it counts for nobody until that is released"
        elif known.released_ms is not None:
            text, at = f"{text}, which was held and released", known.released_ms
        yield Step("backfill", clock.iso_or_none(at), text, facts)

    # --- what it led to -----------------------------------------------------------------------------------------

    def _led_to(self, workspace: str, row: _Stored) -> Iterator[Step]:
        received_ms = received_of(row.event_id)
        connected = self._people.profile(workspace, row.identities, received_ms, False)
        yield _profile(workspace, connected)
        signal = self._catalog.signal(workspace, row.signal)
        if signal is not None and signal.type == "metric":
            yield from _metric(signal, row)
        if signal is not None and signal.type == "state" and row.value is not None:
            yield self._state(workspace, row, bool(connected))
        for name, change in self._memberships.caused(workspace, row.event_id):
            yield _cohort(name, change)
        for webhook, delivery in self._outbox.caused(workspace, row.event_id):
            yield from self._webhook(webhook, delivery)

    def _webhook(self, webhook: Webhook, delivery: Delivery) -> Iterator[Step]:
        """Each attempt; before the first one, that it waits."""
        about = {"id": webhook.id, "message": delivery.id, "type": delivery.type, "delivery": delivery.status}
        attempts = self._outbox.attempts(delivery.number)
        for each in attempts:
            facts = about | {"status": each.status, "error": each.error or None, "ms": each.took_ms}
            said = each.error or f"taken with {each.status}"
            text = f"{delivery.type} was sent to the webhook {webhook.id}: {said}"
            yield Step("webhook", clock.to_iso(each.at_ms), text, facts)
        if not attempts:
            facts = about | {"status": None, "error": None, "ms": None}
            yield Step("webhook", None, f"{delivery.type} waits to be sent to the webhook {webhook.id}", facts)

    def _state(self, workspace: str, row: _Stored, counts: bool) -> Step:
        """Whether its value is its profile's state now, or a newer one took its place."""
        assert row.value is not None
        now = self._newest(workspace, row) if counts else None
        facts = {"signal": row.signal, "value": msgspec.Raw(row.value.encode()), "is_state": now == row.event_id}
        said = (
            "is the newest, and so the profile's" if now == row.event_id else "is not the profile's: another is newer"
        )
        return Step("state", clock.to_iso(row.occurred_ms), f"its value of '{row.signal}' {said}", facts)

    def _newest(self, workspace: str, row: _Stored) -> str | None:
        """The event whose value is the state of the profile that this one counts for."""
        whose = self._people.attribution(workspace).of(row.identities, received_of(row.event_id))
        try:
            return self._measures.state(workspace, row.signal, whose).event_id
        except NotFoundError:
            return None


def _received(event: EventAnswer) -> Step:
    batch = id_text(batch_of(UUID(event.id)))
    facts = {"batch_id": batch, "dialect": event.dialect, "reference": event.reference}
    return Step("received", event.received_at, f"acknowledged in batch {batch}, in the dialect {event.dialect}", facts)


def _waiting(lane: Lane, replayed_ms: int | None) -> Step:
    facts = {"lane": lane}
    if replayed_ms is None:
        return Step("waiting", None, f"durable in the log; it waits in the {lane} lane to be stored", facts)
    text = f"replayed into the {lane} lane; it waits to be stored again, and counts as rejected until then"
    return Step("replayed", clock.to_iso(replayed_ms), text, facts)


def _validated(row: _Stored) -> Step:
    version = row.schema_version
    said = "its signal has no schema" if version is None else f"its data fit version {version} of its signal's schema"
    return Step("validated", None, said, {"signal": row.signal, "schema_version": version})


def _profile(workspace: str, connected: Sequence[str]) -> Step:
    if not connected:
        text = "it belongs to nobody: two of the identities that it names were cut apart after it came"
        return Step("profile", None, text, {"profile_id": None, "identities": []})
    id_ = profile_id(workspace, connected)
    shown = [dict(zip(("type", "id"), split_identity(each), strict=True)) for each in connected]
    return Step("profile", None, f"it belongs to the profile {id_}", {"profile_id": id_, "identities": shown})


def _metric(signal: Signal, row: _Stored) -> Iterator[Step]:
    """The period that it counts in, by the metric's definition of now."""
    if signal.period is None or (row.value is None and signal.aggregation != "count"):
        return
    start = clock.to_iso(period_start(signal.period, row.occurred_ms))
    value = None if row.value is None else msgspec.Raw(row.value.encode())
    facts = {"signal": signal.slug, "aggregation": signal.aggregation, "period": signal.period}
    text = f"it counts in the {signal.period} of '{signal.slug}' that begins at {start}"
    yield Step("metric", None, text, facts | {"period_start": start, "value": value})


def _cohort(name: str, change: Change) -> Step:
    type_, id_ = split_identity(change.identity)
    facts = {"id": change.cohort, "name": name, "entered": change.entered, "identity": {"type": type_, "id": id_}}
    said = "entered" if change.entered else "left"
    return Step(
        "cohort", clock.to_iso(change.at_ms), f"{change.identity} {said} the cohort '{name}' because of it", facts
    )
