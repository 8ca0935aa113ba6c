"""Questions about events, answered from the store, the state and what of the log is not stored yet.

An event is in the log, then in both, then in the store alone. So whatever asks both takes its picture of the log
first and of the store second: an event that moves in between is seen twice, never missed, and the stored form wins.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec

from headwater import clock
from headwater.catalog.base import Definitions
from headwater.errors import NotFoundError
from headwater.events import MAX_BATCH, Lane, Line, batch_of, event_ids, received_of
from headwater.log.base import Records
from headwater.outcomes import Status
from headwater.people import People
from headwater.rules.answers import EventAnswer, Page, PipelineAnswer, Row, Wanted, answer_of, rows_of
from headwater.rules.filters import DEFAULT_LIMIT, TOP, Filters, Place, identity_of
from headwater.rules.profile import profile_id
from headwater.state.base import State
from headwater.store.base import Store
from headwater.store.queries import whose
from headwater.tail import Backlog, Entry, Pending

_BITE = 2000  # events of an export taken from the log at once
_PIECE = 128 * 1024  # bytes of an export handed on at once
_TRIES = 4  # times that a profile's page is made, while what belongs to it changes meanwhile
_REMEMBERED = 100_000  # profile ids kept during one export

_rows = msgspec.json.Decoder(Row, strict=False)
_encoder = msgspec.json.Encoder()
_place = attrgetter("place")


class Insight:
    """The questions. Every one is about one workspace and sees nothing of another. Safe to use from threads."""

    def __init__(
        self, store: Store, state: State, people: People, catalog: Definitions, reader: Records, tail: Pending
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._people = people
        self._state = state
        self._reader = reader
        self._tail = tail

    def event(self, workspace: str, event_id: UUID) -> EventAnswer:
        """One event, from the moment it was acknowledged. Raises NotFoundError."""
        row = self._stored_event(workspace, event_id)
        row = row or self._logged_event(workspace, event_id)
        row = row or self._stored_event(workspace, event_id)
        if row is None:
            raise NotFoundError(f"There is no event {event_id}")
        return self._answers(workspace, [row])[0]

    def batch(self, workspace: str, batch_id: UUID) -> Page:
        """The events of one request, in its order. Raises NotFoundError."""
        known: dict[str, Row] = {}
        if _is_receipt(batch_id) and batch_id.bytes[-1] == 0:
            pending = self._read(self._shares(workspace, batch_id.bytes), Filters())
            stored = self._stored(workspace, event_ids(batch_id.bytes, MAX_BATCH))
            known = _by_id(pending, stored)
        if not known:
            raise NotFoundError(f"There is no batch {batch_id}")
        return Page(self._answers(workspace, [known[id_] for id_ in sorted(known)]))

    def events(self, workspace: str, filters: Filters, limit: int = DEFAULT_LIMIT, after: Place = TOP) -> Page:
        """Up to `limit` events behind `after`, newest first."""
        return self._page("page", workspace, filters, limit, after)

    def events_of(
        self, workspace: str, key: str, filters: Filters, limit: int = DEFAULT_LIMIT, after: Place = TOP
    ) -> Page:
        """The same of the profile of an identity (`type:id`): those that belong to it, and those that were rejected or
        reverted and would, or are pending and will. None where no event names it. Raises NotFoundError for a key that
        is no identity."""
        identity = identity_of(key)
        if identity is None:
            raise NotFoundError(f"'{key}' is no identity")
        for _ in range(_TRIES):
            of = _Owner(self._people, workspace, identity)
            page = self._page("page_of", workspace, filters, limit, after, of)
            if of.holds():
                break
        return page

    def _page(
        self, query: str, workspace: str, filters: Filters, limit: int, after: Place, of: "_Owner | None" = None
    ) -> Page:
        want = limit + 1
        pending: list[Row] = []
        if filters.status is Status.PENDING:
            pending = self._still_pending(workspace, filters, want, after, of)
        elif filters.status is None:
            pending = self._pending(workspace, filters, want, after, of)
        asked = self._parameters(workspace, filters) | (of.parameters if of else {})
        rows = self._store.rows(query, asked | _behind(after, want))
        known = _by_id(pending, msgspec.convert(rows, list[Row], strict=False))
        found = heapq.nlargest(want, known.values(), key=_place)
        more = found[limit - 1].place.encode() if len(found) > limit else None
        return Page(self._answers(workspace, found[:limit]), more)

    def export(self, workspace: str, filters: Filters) -> Iterator[bytes]:
        """All events that fit as NDJSON, in pieces and no order, but that those still pending come last.

        None that was acknowledged before the start is missed and none comes twice. Close it when it is not exhausted.
        """
        profiles = _Profiles(self._people, workspace)
        piece = bytearray()
        for row in self._exported(workspace, filters):
            piece += _encoder.encode(answer_of(row, profiles.of(row)))
            piece += b"\n"
            if len(piece) >= _PIECE:
                yield bytes(piece)
                piece.clear()
        if piece:
            yield bytes(piece)

    def pipelines(self, workspace: str) -> list[PipelineAnswer]:
        """What each lane has still to do of this workspace's events."""
        lags, now = self._tail.backlogs_of(workspace), clock.now_ms()
        return [PipelineAnswer(lag.lane, lag.events, lag.bytes, lag.age_seconds(now)) for lag in lags]

    def backlogs(self) -> list[Backlog]:
        """The same of all workspaces, for the operator."""
        return self._tail.backlogs()

    def log_bytes(self) -> int:
        """What the log takes on disk."""
        return self._reader.size()

    def _answers(self, workspace: str, rows: Iterable[Row]) -> list[EventAnswer]:
        profiles = _Profiles(self._people, workspace)
        return [answer_of(row, profiles.of(row)) for row in rows]

    def _stored_event(self, workspace: str, event_id: UUID) -> Row | None:
        if not _is_receipt(event_id):
            return None
        return next(iter(self._stored(workspace, [str(event_id)])), None)

    def _logged_event(self, workspace: str, event_id: UUID) -> Row | None:
        rows = self._read(self._shares(workspace, batch_of(event_id)), Filters())
        return next((row for row in rows if row.event_id == str(event_id)), None)

    def _shares(self, workspace: str, batch: bytes) -> list[Entry]:
        return [entry for entry in self._tail.find(batch) if entry.workspace == workspace]

    def _stored(self, workspace: str, ids: Sequence[str]) -> list[Row]:
        """Those of the ids that are in the store, by id."""
        if not ids:
            return []
        rows = self._store.rows("events", {"workspace": workspace, "ids": ids} | self._fates(workspace))
        return msgspec.convert(rows, list[Row], strict=False)

    def _read(self, entries: Iterable[Entry], filters: Filters, of: "_Owner | None" = None) -> list[Row]:
        """The events of log records. One that is trimmed away has none: it is in the store, asked after this."""
        rows: list[Row] = []
        wanted = of.admitted(filters.admits) if of else filters.admits
        for entry in entries:
            record = self._reader.record(entry.position, entry.lane)
            if (
                record
                and all(needle in record.lines for needle in _needles(filters))
                and (of is None or of.may_be_in(record.lines))
            ):
                rows += rows_of(record.lines, record.dialect, record.lane, record.position, wanted)
        return rows

    def _pending(
        self, workspace: str, filters: Filters, want: int, after: Place, of: "_Owner | None" = None
    ) -> list[Row]:
        """The first `want` events behind `after` among the records that are not committed, newest first.

        Records are read by their newest event, and only until no other can hold an event for this page.
        """
        best: list[tuple[Place, Row]] = []
        for lane in filters.lanes:
            for entry in self._tail.newest(lane, workspace):
                if entry.last_ms < (best[0][0].occurred_ms if len(best) == want else filters.from_ms):
                    break
                if entry.first_ms > min(after.occurred_ms, filters.to_ms):
                    continue
                for row in self._read([entry], filters, of):
                    if row.place < after:
                        _keep(best, want, row)
        return [row for _, row in sorted(best, reverse=True)]

    def _still_pending(
        self, workspace: str, filters: Filters, want: int, after: Place, of: "_Owner | None" = None
    ) -> list[Row]:
        """The same without those that are stored already, though their block is not committed."""
        found: list[Row] = []
        while True:
            rows = self._pending(workspace, filters, want, after, of)
            reached = self._reached()
            doubtful = [row.event_id for row in rows if row.position < reached[row.lane]]
            stored = {row.event_id for row in self._stored(workspace, doubtful)}
            found += [row for row in rows if row.event_id not in stored]
            if len(rows) < want or len(found) >= want:
                return found[:want]
            after = rows[-1].place

    def _exported(self, workspace: str, filters: Filters) -> Iterator[Row]:
        committed = {lane: cursor.block for lane, cursor in self._state.cursors().items()}
        ask_log = filters.status in (None, Status.PENDING)
        tails = [self._tail.oldest(lane, workspace) for lane in filters.lanes] if ask_log else []
        passed: set[str] = set()
        for row in self._streamed(workspace, filters):
            if row.block > committed[row.lane]:
                passed.add(row.event_id)
            yield row
        for bite in chain.from_iterable(map(_bites, tails)):
            for row in self._settled(workspace, bite, filters):
                if row.event_id not in passed:
                    yield row

    def _streamed(self, workspace: str, filters: Filters) -> Iterator[Row]:
        pieces = self._store.stream("export", self._parameters(workspace, filters))
        rest = b""
        try:
            for piece in pieces:
                head, _, rest = (rest + piece).rpartition(b"\n")
                yield from _rows.decode_lines(head)
            yield from _rows.decode_lines(rest)
        finally:
            _close(pieces)

    def _settled(self, workspace: str, entries: Sequence[Entry], filters: Filters) -> Iterator[Row]:
        """What became of one lane's entries: the stored form of what is stored by now, the log's of the rest.

        Only records before the end of the block under way can be stored, so only they are looked up.
        """
        pending = self._read(entries, filters)
        lane, reached = entries[0].lane, self._reached()
        doubtful = [entry.batch for entry in entries if entry.position < reached[lane]]
        ids = [id_ for batch in doubtful for id_ in event_ids(batch, MAX_BATCH)]
        stored = {row.event_id: row for row in self._stored(workspace, ids) if row.lane is lane}
        if filters.status in (None, Status.PENDING):  # one of a held backfill is pending when it is stored, too
            yield from (row for row in stored.values() if filters.status in (None, row.status) and filters.admits(row))
        yield from (row for row in pending if row.event_id not in stored)

    def _fates(self, workspace: str) -> dict[str, list[str]]:
        """What `$status` takes: the backfills that were reverted, and those whose events do not count yet."""
        known = self._catalog.backfills(workspace)
        return {
            "reverted": [each.id for each in known if each.status == "reverted"],
            "held": [each.id for each in known if each.held],
        }

    def _parameters(self, workspace: str, filters: Filters) -> dict[str, Any]:
        return _parameters(workspace, filters) | self._fates(workspace)

    def _reached(self) -> dict[Lane, int]:
        """Positions from which on nothing can be in the store: behind each lane's cursor, or its block under way."""
        plans = self._state.plans()
        ends = {lane: plan.end for lane, plan in plans.items()}
        return {lane: max(cursor.position, ends.get(lane, 0)) for lane, cursor in self._state.cursors().items()}


class _Owner:
    """The profile whose events are asked for."""

    def __init__(self, people: People, workspace: str, identity: str) -> None:
        self._people = people
        self._workspace = workspace
        self._identity = identity
        self._connected = people.connected(workspace, identity)
        self._attribution = people.attribution(workspace)
        self._needles = [msgspec.json.encode(each) for each in self._connected]
        self.parameters = whose(self._attribution, self._connected)

    def holds(self) -> bool:
        """Whether it is still the same. If not, an event that a block stored meanwhile may be in neither the log nor
        what was asked of the store: it may belong to an identity that the same block connected."""
        of = self._people
        return (of.connected(self._workspace, self._identity), of.attribution(self._workspace)) == (
            self._connected,
            self._attribution,
        )

    def admitted(self, admits: Wanted) -> Wanted:
        return lambda line: admits(line) and self._owns(line)

    def _owns(self, line: Line) -> bool:
        """Whether a pending event will be this one's."""
        received = received_of(line.id)
        return self._identity in self._people.profile(self._workspace, line.identities, received, pending=True)

    def may_be_in(self, lines: bytes) -> bool:
        return any(needle in lines for needle in self._needles)


class _Profiles:
    """Profile ids of one workspace's events, each looked up once."""

    def __init__(self, people: People, workspace: str) -> None:
        self._people = people
        self._workspace = workspace
        self._known: dict[tuple[str, ...], str] = {}

    def of(self, row: Row) -> str | None:
        """None for an event that counts for nobody, as one that was rejected or reverted, and for one set aside."""
        if row.reason or row.backfill_id in self._people.attribution(self._workspace).excluded:
            return None
        pending = row.status is Status.PENDING
        key = tuple(self._people.profile(self._workspace, row.identities, row.received_ms, pending))
        if not key:
            return None
        if key not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = profile_id(self._workspace, key)
        return self._known[key]


def _is_receipt(id_: UUID) -> bool:
    """Whether such an id is ever given to an event or batch."""
    return id_.version == 7


def _by_id(pending: Iterable[Row], stored: Iterable[Row]) -> dict[str, Row]:
    """Each event once, in its stored form where there is one."""
    return {row.event_id: row for row in chain(pending, stored)}


def _keep(best: list[tuple[Place, Row]], want: int, row: Row) -> None:
    """Adds a row to a heap of the `want` greatest."""
    if len(best) < want:
        heapq.heappush(best, (row.place, row))
    else:
        heapq.heappushpop(best, (row.place, row))


def _needles(filters: Filters) -> list[bytes]:
    """Bytes that a record's lines must hold if one of them is to fit: looking for them is cheaper than decoding."""
    return [msgspec.json.encode(text) for text in _exact(filters) if text is not None]


def _exact(filters: Filters) -> tuple[str | None, ...]:
    return filters.identity, filters.signal, filters.reference, filters.backfill


def _bites(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Runs of entries of some `_BITE` events."""
    bite: list[Entry] = []
    count = 0
    for entry in entries:
        bite.append(entry)
        count += entry.count
        if count >= _BITE:
            yield bite
            bite, count = [], 0
    if bite:
        yield bite


def _parameters(workspace: str, filters: Filters) -> dict[str, Any]:
    return {
        "workspace": workspace,
        "identity": filters.identity or "",
        "signal": filters.signal or "",
        "status": filters.status or "",
        "lane": filters.lane or "",
        "reference": filters.reference or "",
        "backfill": filters.backfill or "",
        "from_ms": filters.from_ms,
        "to_ms": filters.to_ms,
    }


def _behind(after: Place, want: int) -> dict[str, Any]:
    return {"after_ms": after.occurred_ms, "after_id": after.id, "limit": want}


def _close(pieces: Iterator[bytes]) -> None:
    """A store's stream is a generator in all but type."""
    close = getattr(pieces, "close", None)
    if close is not None:
        close()
