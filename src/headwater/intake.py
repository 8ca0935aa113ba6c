"""The front half of an event's path: from a decoded request to a durable batch.

`STEPS` is the list of what is checked, in order; each step looks at the whole request and notes a fault against an
event (the request is refused) or a reason (the event is acknowledged, and rejected). After them come the quota, the
rows, and the log. Nothing is stored and no quota used unless the log has made the batch durable.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec

from headwater import clock
from headwater.catalog.base import Catalog
from headwater.config import Windows
from headwater.dialects.base import BodyError, Dialect, Fault, Limits, Receipt, Request, Taken, cut, dotted
from headwater.events import Batch, Event, Lane, Part, event_ids, new_batch_id, received_ms
from headwater.log.base import Appender, Reader
from headwater.outcomes import Reason
from headwater.quotas.base import Quotas
from headwater.rules.lane import place
from headwater.rules.quota import Grant, Want, reset_ms, window_of
from headwater.rules.schema import Fault as SchemaFault
from headwater.signals import Signal

_encode_lines = msgspec.json.Encoder().encode_lines


class Draft(msgspec.Struct, gc=False):
    """A request on its way through the steps. The lists run parallel to its events."""

    workspace: str
    dialect: Dialect
    request: Request
    received_ms: int
    faults: list[Fault]
    signals: list[Signal | None]
    versions: list[int | None]
    places: Sequence[int]
    """Where each event stood in the request as it was sent."""
    reasons: dict[int, tuple[Reason, str]] = msgspec.field(default_factory=dict)
    """Index to why an event will be rejected, and the detail for people."""


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """The request cannot be taken as it is; nothing was stored."""

    faults: list[Fault]


class Intake:
    """Receives requests for one gateway."""

    def __init__(self, catalog: Catalog, quotas: Quotas, log: Appender, windows: Windows) -> None:
        self._catalog = catalog
        self._quotas = quotas
        self._log = log
        self._windows = windows
        self._steps: tuple[Callable[[Draft], None], ...] = (self._resolve, self._choose_version, self._validate)

    async def receive(
        self, workspace: str, dialect: Dialect, request: Request, lenient: bool = False
    ) -> Receipt | Refusal:
        """Takes a request or refuses it, all or nothing but for what its signals' limits leave out.

        `lenient`: takes the events without a fault, if there are any; the receipt tells of the others.
        A receipt without `taken` means that the limits left nothing: 429. Raises LogUnavailableError (nothing was
        stored, the quota is given back) and BodyError for what cannot be written down.
        """
        count = len(request.events)
        signals: list[Signal | None] = [None] * count
        versions: list[int | None] = [None] * count
        draft = Draft(
            workspace, dialect, request, clock.now_ms(), list(request.faults), signals, versions, range(count)
        )
        for step in self._steps:
            if draft.faults and not (dialect.collects_faults or lenient):
                break
            step(draft)
        faults = sorted(draft.faults, key=lambda fault: fault.index)
        if faults and (not lenient or not (draft := _without_faulty(draft)).request.events):
            return Refusal(faults)
        receipt = await self._admit(draft, whole=dialect.limits_whole and not lenient)
        if not lenient:
            return receipt
        return msgspec.structs.replace(receipt, faults=_left_out(dialect, faults, receipt))

    # --- the steps -------------------------------------------------------------------------------------------------

    def _resolve(self, draft: Draft) -> None:
        """Every event names a signal that is known and active."""
        known = self._catalog.signals_of(draft.workspace)
        for index, event in enumerate(draft.request.events):
            if event is None:
                continue
            signal = known.get(event.signal)
            if signal is None or not signal.active:
                field = draft.dialect.signal_field
                text = f"is not a known event: '{cut(event.signal, 100)}'"
                draft.faults.append(Fault(index, (field,), "unknown_signal", text))
            else:
                draft.signals[index] = signal

    def _choose_version(self, draft: Draft) -> None:
        """The schema version it names is published; "latest" becomes a number (or null without a schema)."""
        versions, events = draft.versions, draft.request.events
        for index, signal in enumerate(draft.signals):
            if signal is None:
                continue
            event = events[index]
            wanted = event.version if event is not None else None
            if wanted is None:
                versions[index] = signal.latest
            elif self._catalog.has_version(signal.id, wanted):
                versions[index] = wanted
            else:
                text = f"{wanted} is not a published version of '{signal.slug}'"
                draft.faults.append(Fault(index, ("version",), "unknown_version", text))

    def _validate(self, draft: Draft) -> None:
        """Its data fits that schema; if not, the signal's enforcement decides."""
        for index, version in enumerate(draft.versions):
            if version is None:
                continue
            event, signal = draft.request.events[index], draft.signals[index]
            assert event is not None and signal is not None
            validator = self._catalog.validator(signal.id, version)
            data = event.data
            if draft.dialect.nulls_absent and None in data.values():
                data = {key: value for key, value in data.items() if value is not None}
            if validator.ok(data):
                continue
            faults = [_schema_fault(index, draft.dialect.properties, fault) for fault in validator.faults(data)]
            if signal.enforcement == "reject":
                draft.faults.extend(faults)
            else:
                draft.reasons[index] = (Reason.SCHEMA_VIOLATION, _detail(faults))

    # --- quota, rows, log ------------------------------------------------------------------------------------------

    async def _admit(self, draft: Draft, whole: bool) -> Receipt:
        wants = _wants(draft)
        window = self._quotas.window(draft.received_ms)
        grants = await self._quotas.grant(wants, window, whole) if wants else {}
        receipt, chosen = _share_out(draft, wants, grants, window, whole)
        if not receipt.taken:
            return receipt
        try:
            await self._log.append(self._record(draft, receipt, chosen))
        except Exception:
            await self._quotas.give_back(grants, window)
            raise
        return receipt

    def _record(self, draft: Draft, receipt: Receipt, chosen: list[int]) -> Batch:
        rows: dict[Lane, list[tuple[object, ...]]] = {}
        old_migrates = draft.dialect.old_migrates
        for taken, index in zip(receipt.taken, chosen, strict=True):
            event = draft.request.events[index]
            assert event is not None
            lane, row = self._row(draft, taken, index, event, old_migrates)
            rows.setdefault(lane, []).append(row)
        parts = tuple(_part(lane, rows[lane]) for lane in Lane if lane in rows)
        return Batch(UUID(receipt.batch).bytes, draft.workspace, draft.dialect.name, parts)

    def _row(
        self, draft: Draft, taken: Taken, index: int, event: Event, old_migrates: bool
    ) -> tuple[Lane, tuple[object, ...]]:
        """The event's lane and its line as in `events.ROW`."""
        received_ms, occurred_ms = draft.received_ms, event.occurred_ms
        if occurred_ms is None:
            occurred_ms = received_ms
        reason: Reason | str | None
        lane, reason = place(self._windows, occurred_ms, received_ms, event.migration, old_migrates)
        detail = ""
        if reason is None:
            reason, detail = draft.reasons.get(index, ("", ""))
        signal = taken.signal
        row = (
            taken.id,
            event.signal,
            signal.id,
            taken.version,
            occurred_ms,
            reason,
            detail,
            event.identities,
            event.name,
            event.data,
            event.reference,
            "",
        )
        return lane, row


def _wants(draft: Draft) -> dict[str, Want]:
    wants: dict[str, Want] = {}
    for signal in draft.signals:
        assert signal is not None
        if signal.rate_limit is None:
            continue
        want = wants.get(signal.id)
        if want is None:
            wants[signal.id] = Want(signal.rate_limit, 1)
        else:
            want.count += 1
    return wants


def _share_out(
    draft: Draft, wants: dict[str, Want], grants: dict[str, Grant], window: int, whole: bool
) -> tuple[Receipt, list[int]]:
    """Which events the grants cover, first come first served within the batch; and their places in it."""
    over = {signal_id for signal_id, want in wants.items() if grants[signal_id].count < want.count}
    limits = _limits(wants, grants, window) if wants else None
    if over and whole:
        return Receipt(
            "", [], [_taken(draft, i, "") for i, s in enumerate(draft.signals) if s and s.id in over], limits
        ), []
    left = {signal_id: grants[signal_id].count for signal_id in over}
    chosen, limited = [], []
    for index, signal in enumerate(draft.signals):
        assert signal is not None
        if signal.id in left:
            if not left[signal.id]:
                limited.append(_taken(draft, index, ""))
                continue
            left[signal.id] -= 1
        chosen.append(index)
    if not chosen:
        return Receipt("", [], limited, limits), []
    batch = new_batch_id(draft.received_ms)
    ids = event_ids(batch, len(chosen))
    taken = [_taken(draft, index, id_) for index, id_ in zip(chosen, ids, strict=True)]
    return Receipt(str(UUID(bytes=batch)), taken, limited, limits), chosen


def _taken(draft: Draft, index: int, id_: str) -> Taken:
    event, signal = draft.request.events[index], draft.signals[index]
    assert event is not None and signal is not None
    return Taken(draft.places[index], id_, signal, draft.versions[index], event.reference)


def _without_faulty(draft: Draft) -> Draft:
    """The draft of the events against which no fault stands."""
    faulty = {fault.index for fault in draft.faults}
    kept = [index for index in range(len(draft.signals)) if index not in faulty]
    request = msgspec.structs.replace(draft.request, events=[draft.request.events[index] for index in kept])
    reasons = {place: draft.reasons[index] for place, index in enumerate(kept) if index in draft.reasons}
    signals, versions = [draft.signals[index] for index in kept], [draft.versions[index] for index in kept]
    return msgspec.structs.replace(
        draft, request=request, faults=[], signals=signals, versions=versions, places=kept, reasons=reasons
    )


def _left_out(dialect: Dialect, faults: list[Fault], receipt: Receipt) -> list[Fault]:
    """What a lenient answer tells of: the faults, and what was over a limit where the dialect has no list for that."""
    if dialect.limits_whole:
        over = [
            Fault(each.index, (), "rate_limited", "is over the rate limit of its signal") for each in receipt.limited
        ]
        faults = sorted(faults + over, key=lambda fault: fault.index)
    return faults


def _limits(wants: dict[str, Want], grants: dict[str, Grant], window: int) -> Limits:
    return Limits(
        max(want.limit for want in wants.values()),
        min(grant.remaining for grant in grants.values()),
        reset_ms(window),
    )


def _part(lane: Lane, rows: list[tuple[object, ...]]) -> Part:
    times = [row[4] for row in rows]
    try:
        lines = _encode_lines(rows)
    except RecursionError:
        raise BodyError("Request body is nested too deeply") from None
    return Part(lane, len(rows), min(times), max(times), lines)  # type: ignore[type-var, arg-type]


def _schema_fault(index: int, properties: str, fault: SchemaFault) -> Fault:
    return Fault(index, (properties, *fault.path), "schema", _words(fault))


def _words(fault: SchemaFault) -> str:
    if fault.kind == "required":
        return "is required"
    if fault.kind == "type":
        return f"must be {_form(fault.expected)}"
    return fault.message


def _form(expected: object) -> str:
    """JSON Schema's name of a type, or several, as one reads it."""
    names = expected if isinstance(expected, list) else [expected]
    return " or ".join(f"an {name}" if str(name)[0] in "aeiou" else f"a {name}" for name in map(str, names))


def _detail(faults: list[Fault]) -> str:
    """Up to ten faults as one line, kept with the rejected event."""
    return "; ".join(f"{dotted(fault.path).removeprefix('.')} {cut(fault.text, 300)}" for fault in faults[:10])


def taken_this_minute(reader: Reader, now_ms: int) -> Iterator[tuple[int, str, int]]:
    """(window, signal id, events) of what the log holds of the current quota window."""
    window = window_of(now_ms)
    start = window * clock.MINUTE_MS
    decoder = msgspec.json.Decoder(list[Any])
    for head in reader.heads(reader.since(start)):
        if received_ms(head.batch) < start:
            continue
        for lane in head.lanes:
            record = reader.record(head.position, lane)
            for row in decoder.decode_lines(record.lines) if record else ():
                yield window, row[2], 1
