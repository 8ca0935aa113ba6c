"""The front half of an event's path: from a decoded request to a durable batch.

`STEPS` is the list of what is checked, in order; each step looks at the whole request and notes a fault against an
event (the request is refused) or a reason (the event is acknowledged, and rejected). After them come the quota, the
rows, and the log. Nothing is stored and no quota used unless the log has made the batch durable.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from headwater import clock, ordinary
from headwater.catalog.base import Catalog
from headwater.claims.base import Hold
from headwater.config import Windows
from headwater.dialects.base import BodyError, Dialect, Fault, Receipt, Request, cut
from headwater.drafts import Drafts, Wanted
from headwater.duplicates import Duplicates
from headwater.errors import UnavailableError
from headwater.events import Batch, Claim, Event, Lane, Part, event_ids, id_text, new_batch_id, received_ms
from headwater.log.base import Appender, Reader
from headwater.misfits import detail_of, judged_data, schema_fault
from headwater.outcomes import Reason
from headwater.quotas.base import Quotas
from headwater.rules.lane import corrected, place
from headwater.rules.quota import Grant, window_of
from headwater.rules.values import path_of, value_of
from headwater.shares import left_out, limits_of, share_out, wants_of
from headwater.signals import Signal

_MISSING = {"metric": Reason.METRIC_VALUE_MISSING, "state": Reason.STATE_VALUE_MISSING}
_MUST_BE = {"metric": "must be a number below 10^15", "state": "must be there, and not null"}

_encode_lines = msgspec.json.Encoder().encode_lines


class Draft(msgspec.Struct, gc=False):
    """A request on its way through the steps, which write what they decide into its events."""

    workspace: str
    dialect: Dialect
    request: Request
    received_ms: int
    events: Sequence[Event | None]
    """None where the event could not be read; the lists below run parallel."""
    signals: list[Signal | None]
    places: Sequence[int]
    """Where each event stood in the request as it was sent."""
    faults: list[Fault]
    may_be_limited: bool = True
    """False when none of its signals has a limit."""
    wanted: Wanted = msgspec.field(default_factory=Wanted)
    """Signals to be made if the request is taken."""


class Order(msgspec.Struct, frozen=True, gc=False):
    """How a request is to be taken."""

    hold: Hold
    """What is reserved for it."""
    lenient: bool = False
    """Takes the events without a fault, if there are any; the receipt tells of the others."""
    backfill: str = ""
    """The id of the one that all its events join."""
    seed: bytes = b""
    """What its batch's id is made of, see `events.new_batch_id`; empty for chance."""
    claim: Callable[[bytes, Request, Receipt], Claim] | None = None
    """The claim of the request itself, which lies in the batch of this id."""


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """The request cannot be taken as it is; nothing was stored."""

    faults: list[Fault]


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """A request that passed. Its events are handed to the log, and become durable, by awaiting `durable`.

    None when the limits left nothing to take: 429. Awaiting it raises LogUnavailableError when nothing was stored; the
    quota is given back then. While it waits it keeps no event in memory.
    """

    receipt: Receipt
    durable: Awaitable[None] | None


class Intake:
    """Receives requests for one gateway."""

    def __init__(self, catalog: Catalog, quotas: Quotas, log: Appender, windows: Windows) -> None:
        self._catalog = catalog
        self._quotas = quotas
        self._log = log
        self._windows = windows
        self._drafts = Drafts(catalog)
        self._duplicates = Duplicates(catalog)
        self._steps: tuple[Callable[[Draft], None], ...] = (
            self._resolve,
            self._choose_version,
            self._validate,
            self._measure,
        )

    async def receive(self, workspace: str, dialect: Dialect, request: Request, order: Order) -> Admitted | Refusal:
        """Takes a request or refuses it, all or nothing but for what its signals' limits leave out.

        Raises BodyError for what cannot be written down, UnavailableError when nothing can be taken now.
        """
        draft = _draft(workspace, dialect, request)
        if not self._is_ordinary(draft):
            for step in self._steps:
                if draft.faults and not (dialect.collects_faults or order.lenient):
                    break
                step(draft)
        faults = sorted(draft.faults, key=lambda fault: fault.index)
        if faults and (not order.lenient or not (draft := _without_faulty(draft)).events):
            return Refusal(faults)
        return await self._admit(draft, order, faults)

    def judge(self, workspace: str, dialect: Dialect, events: Sequence[Event]) -> list[Fault]:
        """What stands against events that were taken before, by what holds now. Each that has no fault gets its
        signal's id, version and value, and a reason if it would be rejected again."""
        draft = _draft(workspace, dialect, Request(events, []))
        for step in self._steps:
            step(draft)
        return draft.faults

    def _is_ordinary(self, draft: Draft) -> bool:
        """Whether no step has anything to say: then all that they would decide is decided."""
        if draft.faults:
            return False
        events: Sequence[Event] = draft.events  # type: ignore[assignment]  # all were read: there is no fault
        decided = ordinary.decide(events, self._catalog.signals_of(draft.workspace), self._catalog.validator)
        if decided is None:
            return False
        draft.signals, draft.may_be_limited = [*decided.signals], decided.may_be_limited
        return True

    # --- the steps -------------------------------------------------------------------------------------------------

    def _resolve(self, draft: Draft) -> None:
        """Every event names a signal that is known and active, or one that waits for approval."""
        known, signals = self._catalog.signals_of(draft.workspace), draft.signals
        for index, event in enumerate(draft.events):
            if event is None:
                continue
            signal = known.get(event.signal)
            if signal is None or not signal.active or signal.draft:
                signal = self._found(draft, index, event)
            if signal is not None:
                event.signal_id = signal.id
                signals[index] = signal

    def _found(self, draft: Draft, index: int, event: Event) -> Signal | None:
        """The signal of an event that does not just name it; a fault where there is none that may be sent."""
        signal = self._drafts.find(draft.workspace, draft.dialect, event.signal, draft.wanted)
        if signal is None or not signal.active:
            draft.faults.append(_unknown(draft, index, event))
            return None
        event.signal = signal.slug
        if signal.draft:
            event.reason, event.detail = Reason.SIGNAL_DRAFT, f"'{signal.slug}' waits for approval"
        return signal

    def _choose_version(self, draft: Draft) -> None:
        """The schema version it names is published; "latest" becomes a number (or null without a schema)."""
        for index, (event, signal) in enumerate(zip(draft.events, draft.signals, strict=True)):
            if event is None or signal is None:
                continue
            if signal.draft:
                event.schema_version = None
            elif event.schema_version is None:
                event.schema_version = signal.latest
            elif not self._catalog.has_version(signal.id, event.schema_version):
                text = f"{event.schema_version} is not a published version of '{signal.slug}'"
                draft.faults.append(Fault(index, ("version",), "unknown_version", text))
                draft.signals[index] = None

    def _validate(self, draft: Draft) -> None:
        """Its data fits that schema; if not, the signal's enforcement decides. All events of a schema at once."""
        events = draft.events
        for (signal_id, version), indexes in _by_schema(draft).items():
            validator = self._catalog.validator(signal_id, version)
            if validator.all_ok([events[index].data for index in indexes]):  # type: ignore[union-attr]
                continue
            for index in indexes:
                found = validator.faults(_data(draft, index))
                if found:
                    self._misfit(draft, index, [schema_fault(index, draft.dialect.properties, each) for each in found])

    def _misfit(self, draft: Draft, index: int, faults: list[Fault]) -> None:
        event, signal = draft.events[index], draft.signals[index]
        assert event is not None and signal is not None
        if signal.enforcement == "reject":
            draft.faults.extend(faults)
        else:
            event.reason, event.detail = Reason.SCHEMA_VIOLATION, detail_of(faults)

    def _measure(self, draft: Draft) -> None:
        """What metrics and states measure is there; if not, the event is rejected, whatever the enforcement."""
        if {signal.type for signal in draft.signals if signal is not None} == {"event"}:
            return
        for index, (event, signal) in enumerate(zip(draft.events, draft.signals, strict=True)):
            if event is None or signal is None or signal.value is None:
                continue
            try:
                event.value = value_of(signal, event.data)
            except RecursionError:
                place = (draft.dialect.properties, *path_of(signal.value))
                draft.faults.append(Fault(index, place, "nested", "is nested too deeply"))
                continue
            if event.value is None and not event.reason:
                path = f"{draft.dialect.properties}.{signal.value}"
                event.reason, event.detail = _MISSING[signal.type], f"{path} {_MUST_BE[signal.type]}"

    # --- quota, lines, log -----------------------------------------------------------------------------------------

    async def _admit(self, draft: Draft, order: Order, faults: list[Fault]) -> Admitted:
        """`faults`: of the events that were left out of the draft."""
        sorted_ = None
        if draft.dialect.dedupes or self._duplicates.possible(draft.workspace):
            sorted_ = await self._duplicates.sort(
                draft.workspace, draft.dialect, draft.events, draft.signals, order.hold
            )
        rest = _only(draft, sorted_.rest) if sorted_ else draft
        wants = wants_of(rest.signals) if draft.may_be_limited else {}
        whole = draft.dialect.limits_whole and not order.lenient
        window = self._quotas.window(draft.received_ms)
        grants = await self._quotas.grant(wants, window, whole) if wants else {}
        limits = limits_of(wants, grants, window) if wants else None
        chosen, limited = share_out(rest.events, rest.places, wants, grants, whole)
        batch = new_batch_id(draft.received_ms, order.seed)
        taken, repeated, claims = _number(rest, chosen, batch), frozenset[int](), tuple[Claim, ...]()
        try:
            if taken and draft.wanted.signals:
                self._make(draft, taken)
            parts = self._parts(rest, taken, chosen, order.backfill)
            if sorted_:
                claims = sorted_.claims(chosen, taken)
                taken, repeated, limited = sorted_.told(draft.events, draft.places, chosen, taken, limited)
            if order.lenient:
                faults = left_out(draft.dialect, faults, limited)
            receipt = Receipt(id_text(batch) if chosen else "", taken, limited, limits, faults, repeated)
            if not taken:
                return Admitted(receipt, None)
            if order.claim:
                claims = (*claims, order.claim(batch, draft.request, receipt))
                claims += await sorted_.marks(order.hold, batch, claims[-1].backfill) if sorted_ else ()
        except BaseException:
            await self._quotas.give_back(grants, window)
            raise
        stored = Batch(batch, draft.workspace, draft.dialect.name, parts, claims)
        return Admitted(receipt, self._store(stored, grants, window, order.hold))

    def _make(self, draft: Draft, taken: Sequence[Event]) -> None:
        """Makes the signals that these events want. As late as that, and not for a log that takes nothing: nothing is
        to stay of a request that is not taken. Raises UnavailableError."""
        if not (status := self._log.status()).ready:
            raise UnavailableError(status.why)
        self._drafts.make(draft.workspace, draft.wanted, taken)

    async def _store(self, batch: Batch, grants: Mapping[str, Grant], window: int, hold: Hold) -> None:
        if not batch.parts and not batch.claims:
            return  # all of it was there before
        try:
            appended = hold.append(batch) if batch.claims else self._log.append(batch)
            del batch  # it was written down; what waits for the disk is kept small
            await appended
        except Exception:
            await self._quotas.give_back(grants, window)
            raise

    def _parts(self, draft: Draft, taken: list[Event], chosen: Sequence[int], backfill: str) -> tuple[Part, ...]:
        """Each event in its lane, with its time; an event whose date keeps it out of there is rejected.

        All of them migrate, in `backfill`, if it is given; else those whose sender asked for it, in the standing one.
        """
        if not (backfill or draft.request.migrating) and {event.occurred_ms for event in taken} == {None}:
            received = draft.received_ms
            for event in taken:
                event.occurred_ms = received
            return (Part(Lane.REALTIME, len(taken), received, received, _lines(taken)),)
        realtime: list[Event] = []
        migration: list[Event] = []
        windows, received, old_migrates = self._windows, draft.received_ms, draft.dialect.old_migrates
        places, migrating, all_migrate = draft.places, draft.request.migrating, bool(backfill)
        sent_ms = draft.request.sent_ms
        for index, event in zip(chosen, taken, strict=True):
            migrates = all_migrate or places[index] in migrating
            if migrates:
                backfill = backfill or self._catalog.standing_backfill(draft.workspace, received).id
                event.backfill_id = backfill
            if event.occurred_ms is None:
                event.occurred_ms = received
            else:
                if sent_ms and (sent := sent_ms.get(places[index])) is not None:
                    event.occurred_ms = corrected(event.occurred_ms, sent, received)
                lane, reason = place(windows, event.occurred_ms, received, migrates, old_migrates)
                migrates = lane is Lane.MIGRATION
                if reason is not None and event.reason != Reason.SIGNAL_DRAFT:
                    event.reason, event.detail = reason, ""
            (migration if migrates else realtime).append(event)
        lanes = ((Lane.REALTIME, realtime), (Lane.MIGRATION, migration))
        return tuple([_part(lane, events) for lane, events in lanes if events])


def _draft(workspace: str, dialect: Dialect, request: Request) -> Draft:
    events, now = request.events, clock.now_ms()
    return Draft(workspace, dialect, request, now, events, [None] * len(events), range(len(events)), request.faults)


def _unknown(draft: Draft, index: int, event: Event) -> Fault:
    text = f"is not a known event: '{cut(event.signal, 100)}'"
    return Fault(index, (draft.dialect.signal_field,), "unknown_signal", text)


def _by_schema(draft: Draft) -> dict[tuple[str, int], list[int]]:
    """The places of the events that have a schema, by signal id and version."""
    found: dict[tuple[str, int], list[int]] = {}
    for index, (event, signal) in enumerate(zip(draft.events, draft.signals, strict=True)):
        if event is not None and signal is not None and event.schema_version is not None:
            found.setdefault((signal.id, event.schema_version), []).append(index)
    return found


def _data(draft: Draft, index: int) -> dict[str, Any]:
    """What the schema sees of an event's data."""
    event = draft.events[index]
    assert event is not None
    return judged_data(draft.dialect, event.data)


def _number(draft: Draft, chosen: Sequence[int], batch: bytes) -> list[Event]:
    """The chosen events, each with its id."""
    events = draft.events
    taken: list[Event] = [events[index] for index in chosen]  # type: ignore[misc]  # they passed: they were read
    for event, id_ in zip(taken, event_ids(batch, len(taken)), strict=True):
        event.id = id_
    return taken


def _without_faulty(draft: Draft) -> Draft:
    """The draft of the events against which no fault stands."""
    faulty = {fault.index for fault in draft.faults}
    return _only(draft, [index for index in range(len(draft.events)) if index not in faulty])


def _only(draft: Draft, kept: Sequence[int]) -> Draft:
    """The draft of some of its events, without faults."""
    return msgspec.structs.replace(
        draft,
        events=[draft.events[index] for index in kept],
        signals=[draft.signals[index] for index in kept],
        places=[draft.places[index] for index in kept],
        faults=[],
    )


def _part(lane: Lane, events: list[Event]) -> Part:
    times = [event.occurred_ms for event in events]
    return Part(lane, len(events), min(times), max(times), _lines(events))  # type: ignore[type-var, arg-type]


def _lines(events: list[Event]) -> bytes:
    try:
        return _encode_lines(events)
    except RecursionError:
        raise BodyError("Request body is nested too deeply") from None


def taken_this_minute(reader: Reader, now_ms: int) -> Iterator[tuple[int, str, int]]:
    """(window, signal id, events) of what the log holds of the current quota window."""
    window = window_of(now_ms)
    start = window * clock.MINUTE_MS
    decoder = msgspec.json.Decoder(list[Any])
    for head in reader.heads(reader.since(start)):
        if received_ms(head.batch) < start or head.replay:  # a replay uses no quota
            continue
        for lane in head.lanes:
            record = reader.record(head.position, lane)
            for row in decoder.decode_lines(record.lines) if record else ():
                yield window, row[2], 1
