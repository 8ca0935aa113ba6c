"""The back half: from the log into the store, block by block, each exactly once.

A block is written down (planned) before it is inserted and committed after, so after a crash only planned blocks are
in doubt; the store's row counts by month tell what of them is there, and the log makes the rest again.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager, suppress
from typing import TypeVar

import msgspec

from headwater.advice import advice, is_full, number_of
from headwater.clock import now_ms, to_iso
from headwater.commands import Commands
from headwater.config import Settings
from headwater.errors import CorruptionError, LogUnavailableError, NotOwnerError, UnavailableError
from headwater.events import Lane, month_of, received_ms
from headwater.log.base import Reader, Record
from headwater.rules.turns import TurnPolicy, next_turn
from headwater.state.base import Cursor, Link, Plan, RelinkedError, State
from headwater.store.base import Block, Store
from headwater.store.familiar import Familiar
from headwater.store.rows import rows_of
from headwater.tracing import span

BLOCK_BYTES = 32 << 20
"""A block is closed once its lines are this big, whatever it counts, so that memory stays bounded."""
POLL = 0.01
"""Seconds between two looks at an idle log."""
LINGER = 0.1
"""Seconds a lane rests after a small block, so that a trickle does not make a part per event."""
TRIM_EVERY = 1.0
HELD_BACK = 512 << 20
"""Bytes of the log that are stored and kept all the same for somebody who reads behind; no more, or it would fill."""
FIRST_BACK_OFF, LAST_BACK_OFF = 0.1, 5.0
"""Seconds to wait after the first failure, doubled after each further one up to the last."""
BETWEEN_SECONDS, BETWEEN_POLL = 60.0, 0.5
"""How long somebody waits for the moment between two blocks; how often they look whether there will be one at all."""

_PIECE = 1_000
"""Events read at once while a block is gathered."""
_ALL = 1 << 62
_BY_HAND = (
    "Nothing was changed, and events are still taken. A restart will not help: keep a copy of the data directory, let "
    "headwater doctor look at it, and restore what is damaged."
)

_logger = logging.getLogger(__name__)
T = TypeVar("T")


class LaneStatus(msgspec.Struct, frozen=True, gc=False):
    """One lane: how far it is stored, and what was committed since the start."""

    cursor: Cursor
    blocks: int = 0
    events: int = 0


class Status(msgspec.Struct, frozen=True):
    """How the pipeline is, for `/readyz` and `/metrics`."""

    ready: bool
    why: str
    """Empty when ready; else what is wrong, since when, and what to do, for people."""
    lanes: dict[Lane, LaneStatus]
    failures: int
    """Rounds that failed since the start; each was tried again."""
    last_error: str
    """The last failure, even when it is over; empty when there was none."""


class _Work(msgspec.Struct, frozen=True):
    """A block with its records in memory."""

    plan: Plan
    records: Sequence[Record]

    @property
    def count(self) -> int:
        return sum(self.plan.months.values())


class Pipeline:
    """Drains both lanes of the log into the store. One thread drives it; `status` may be asked by any.

    `probe` is told "planned", "inserted" and "committed" as each becomes durable: crash tests stop there.
    `linger` is in seconds, see `LINGER`. `relieve` is called when the disk is full: it makes some room, if it can.
    `stored` is told whenever cursors moved, with the links of the block that was committed, those
    that it knows to be there left out. `needed` says from which
    position on the log is still read by somebody else, None for none. `excluded` tells a workspace's backfills whose
    events link nothing. `told` gets the records of each block that was committed; it must neither fail nor take time.
    `rest`: the longest pause, in seconds, between two looks for records when none came lately.
    """

    def __init__(
        self,
        reader: Reader,
        store: Store,
        state: State,
        settings: Settings,
        *,
        probe: Callable[[str], None] = lambda _: None,
        policy: TurnPolicy | None = None,
        linger: float = LINGER,
        relieve: Callable[[], None] = lambda: None,
        stored: Callable[[Collection[Link]], None] = lambda _: None,
        needed: Callable[[], int | None] = lambda: None,
        excluded: Callable[[str], Collection[str]] = lambda _: (),
        told: Callable[[Sequence[Record]], None] = lambda _: None,
        rest: float = POLL,
    ) -> None:
        self._rest = rest
        self._reader = reader
        self._store = store
        self._state = state
        self._settings = settings
        self._probe = probe
        self._policy = policy or TurnPolicy()
        self._linger = linger
        self._relieve = relieve
        self._stored = stored
        self._needed = needed
        self._excluded = excluded
        self._told = told
        self._familiar = Familiar()
        self._commands = Commands()
        self._ended = False
        """The thread is there no more."""
        self._keepers = 0
        self._keeping = threading.Lock()
        self._failing_since = 0
        self._upcoming: dict[Lane, _Work] = {}
        self._lanes = {lane: LaneStatus(cursor) for lane, cursor in state.cursors().items()}
        self._seen = {lane: status.cursor.position for lane, status in self._lanes.items()}
        self._last_turn = {lane: time.monotonic() for lane in Lane}
        self._rests_until = dict.fromkeys(Lane, 0.0)
        self._trimmed = 0.0
        self._status = Status(False, "starting", dict(self._lanes), 0, "")

    def status(self) -> Status:
        return self._status

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set. A failure is tried again for ever; a CorruptionError ends it, with nothing
        touched, and `status` says so."""
        try:
            self._run(stop)
        finally:
            self._ended = True

    def _run(self, stop: threading.Event) -> None:
        recovered, back_off, pause = False, FIRST_BACK_OFF, 0.0
        while not stop.is_set():
            try:
                if not recovered:
                    self.recover()
                recovered = True
                pause = 0.0 if self.step() else min(max(POLL, 1.2 * pause), self._rest)
                back_off = FIRST_BACK_OFF
            except NotOwnerError as error:
                _logger.warning("nothing is stored here any more: %s", error)
                self._failed(error, "another engine stores it", "")
                return
            except CorruptionError as error:
                _logger.critical("nothing is stored any more: %s", error)
                self._failed(error, "nothing is stored any more", _BY_HAND)
                return
            except Exception as error:
                _logger.exception("storing failed; the same block is tried again in %.1f s", back_off)
                self._failed(error, "storing fails, and is tried again", advice(number_of(error)))
                self._ease(error)
                recovered, pause, back_off = False, back_off, min(2 * back_off, LAST_BACK_OFF)
            stop.wait(pause)

    def recover(self) -> None:
        """Brings every block in doubt to its commit. To be called before the first `step` and after a failed one.

        Raises CorruptionError when log, state and store disagree, LogUnavailableError while the log ends before
        what was already read of it: after a power cut its writer must open it first.
        """
        self._upcoming.clear()
        self._familiar.forget()  # whoever was told of it may have failed
        plans = self._state.plans()
        for lane, cursor in self._state.cursors().items():
            self._lanes[lane] = msgspec.structs.replace(self._lanes[lane], cursor=cursor)
            self._seen[lane] = cursor.position
        self._check_log(max([*self._seen.values(), *(plan.end for plan in plans.values())]))
        for plan in plans.values():
            self._settle(plan)
        self._succeeded()

    def between(self, work: Callable[[], T]) -> T:
        """Has the thread do something between two blocks, when none is half stored, and gives what came of it.

        Raises UnavailableError when the thread does not get there in BETWEEN_SECONDS: nothing is stored then either.
        """
        done = self._commands.put(work)
        deadline = time.monotonic() + BETWEEN_SECONDS
        while not self._ended and time.monotonic() < deadline:
            with suppress(FutureTimeout):
                return done.result(BETWEEN_POLL)
        if not done.cancel():
            return done.result()  # it had begun
        raise UnavailableError("nothing is being stored now: see /readyz", retry_after=5)

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Meanwhile nothing is trimmed from the log."""
        with self._keeping:
            self._keepers += 1
        try:
            yield
        finally:
            with self._keeping:
                self._keepers -= 1

    def step(self) -> int:
        """One round: at most one block of one lane. Returns the events committed; 0 when nothing waits."""
        self._commands.obey()
        waits = {lane: self._waits(lane) for lane in Lane}
        now = time.monotonic()
        turn = next_turn(
            self._policy,
            self._settings.block_events,
            realtime=waits[Lane.REALTIME],
            migration=waits[Lane.MIGRATION],
            idle_ms={lane: int((now - last) * 1000) for lane, last in self._last_turn.items()},
        )
        events = self._store_block(turn.lane, turn.most) if turn else 0
        self._pass_over(self._settings.segment_bytes // 4)
        self._trim(now)
        self._succeeded()
        return events

    def _waits(self, lane: Lane) -> bool:
        """Whether the lane has something to store and is not resting; passes over the other lane's records."""
        if lane in self._upcoming:
            return True
        if self._reader.durable() <= self._seen[lane] or time.monotonic() < self._rests_until[lane]:
            return False
        chunk = self._reader.read(lane, self._seen[lane], 1)
        self._seen[lane] = chunk.records[0].position if chunk.records else chunk.end
        return bool(chunk.records)

    def _store_block(self, lane: Lane, most: int) -> int:
        work = self._upcoming.pop(lane, None) or self._begin(lane, most)
        self._insert(work.plan, work.records)
        upcoming = self._gather(lane, work.plan.block + 1, work.plan.end, most)
        # Only a full block is written down ahead, with this one's commit: that saves a sync when there is much to do,
        # and lets more gather when there is little.
        self._commit(work, upcoming if _is_full(upcoming, most) else None)
        self._last_turn[lane] = time.monotonic()
        self._rests_until[lane] = self._last_turn[lane] + (0 if _is_full(work, most) else self._linger)
        return work.count

    def _begin(self, lane: Lane, most: int) -> _Work:
        cursor = self._lanes[lane].cursor
        work = self._gather(lane, cursor.block + 1, self._seen[lane], most)
        # It begins where the last one ended: what lies between has nothing for the lane.
        plan = self._state.plan(msgspec.structs.replace(work.plan, start=cursor.position))
        self._probe("planned")
        return msgspec.structs.replace(work, plan=plan)

    def _gather(self, lane: Lane, block: int, start: int, most: int) -> _Work:
        records = list(_records(self._reader, lane, start, most))
        end = records[-1].end if records else start
        return _Work(Plan(lane, block, start, end, months_of(records)), records)

    def _insert(self, plan: Plan, records: Sequence[Record]) -> None:
        count = sum(record.count for record in records)
        with span("store.block", headwater__lane=plan.lane.value, headwater__block=plan.block, headwater__events=count):
            chunks = [rows_of(record, plan.block) for record in records]
            self._store.insert(Block(plan.lane, plan.block, chunks, count))
        self._probe("inserted")

    def _commit(self, work: _Work, upcoming: _Work | None = None) -> None:
        plan, known = work.plan, self._lanes[work.plan.lane]
        links, planned = self._write(work, upcoming.plan if upcoming else None)
        self._lanes[plan.lane] = LaneStatus(Cursor(plan.end, plan.block), known.blocks + 1, known.events + work.count)
        self._seen[plan.lane] = plan.end
        self._told(work.records)
        if upcoming and planned:
            self._upcoming[plan.lane] = msgspec.structs.replace(upcoming, plan=planned)
        self._stored(links)
        self._familiar.committed()
        self._probe("committed")

    def _write(self, work: _Work, upcoming: Plan | None) -> tuple[set[Link], Plan | None]:
        """The links that are new, and the upcoming plan as it was written down."""
        changes = self._state.changes()
        links = self._familiar.links(work.records, self._excluded, changes)
        try:
            return links, self._state.commit(work.plan, links, upcoming, changes)
        except RelinkedError:
            links = self._familiar.links(work.records, self._excluded, None)
            return links, self._state.commit(work.plan, links, upcoming)

    def _settle(self, plan: Plan) -> None:
        """Inserts what is missing of a block in doubt, and commits it."""
        records = self._reader.read(plan.lane, plan.start, _ALL, plan.end).records
        there = self._store.counts(plan.lane, plan.block)
        absent = missing(plan, months_of(records), there)
        _logger.warning("%s block %d was in doubt: months %s are missing", plan.lane, plan.block, sorted(absent))
        if absent:
            self._insert(plan, [record for record in records if _month(record) in absent])
        self._commit(_Work(plan, records))

    def _check_log(self, known: int) -> None:
        durable = self._reader.durable()
        if durable < known:
            raise LogUnavailableError(f"the log ends at {durable}, before {known}, up to where it was read already")

    def pass_over(self) -> None:
        """Moves both lanes' cursors over all that they have nothing of, so that the log can be trimmed. For the thread
        itself: see `between`."""
        for lane in Lane:
            self._waits(lane)
        self._pass_over(0)

    def _pass_over(self, most: int) -> None:
        """Moves a lane's cursor over a long run of the other lane's records, so that the log can be trimmed."""
        for lane, status in self._lanes.items():
            cursor, seen = status.cursor, self._seen[lane]
            if lane not in self._upcoming and seen - cursor.position > most:
                self._state.commit(Plan(lane, cursor.block, cursor.position, seen, {}), ())
                self._stored(())
                self._lanes[lane] = msgspec.structs.replace(status, cursor=Cursor(seen, cursor.block))

    def _trim(self, now: float) -> None:
        """Needs durable cursors: after a crash both lanes read on from there."""
        if now - self._trimmed < TRIM_EVERY:
            return
        self._trimmed = now
        self._reader.mark(min(self._seen.values()))
        end = min(lane.cursor.position for lane in self._lanes.values())
        needed = self._needed()
        if needed is not None:
            end = min(end, max(needed, end - HELD_BACK))
        try:
            with self._keeping:
                if not self._keepers:
                    self._reader.trim(end, now_ms() - 1000 * self._settings.log_keep_seconds)
        except OSError as error:
            _logger.warning("the log could not be trimmed: %s", error)

    def _ease(self, error: Exception) -> None:
        """Room for the next try: what was stored before can be trimmed, whatever fails now."""
        try:
            if is_full(error):
                self._relieve()
            self._trim(time.monotonic())
        except Exception:
            _logger.exception("no room could be made")  # the next round says what is wrong, and whether to go on

    def _succeeded(self) -> None:
        known, self._failing_since = self._status, 0
        self._status = Status(True, "", dict(self._lanes), known.failures, known.last_error)

    def _failed(self, error: Exception, what: str, remedy: str) -> None:
        self._failing_since = self._failing_since or now_ms()
        last = f"{type(error).__name__}: {error}"
        why = f"{what}, since {to_iso(self._failing_since)}: {last}"
        why = f"{why.rstrip('.')}. {remedy}".strip()
        self._status = Status(False, why, dict(self._lanes), self._status.failures + 1, last)


def _records(reader: Reader, lane: Lane, start: int, most: int) -> Iterator[Record]:
    """The lane's records from `start` on until `most` events, BLOCK_BYTES or the end are reached."""
    size = 0
    while most > 0 and size < BLOCK_BYTES:
        chunk = reader.read(lane, start, min(most, _PIECE))
        if not chunk.records:
            return
        yield from chunk.records
        size += _size(chunk.records)
        most -= chunk.count
        start = chunk.end


def _is_full(work: _Work, most: int) -> bool:
    return work.count >= most or _size(work.records) >= BLOCK_BYTES


def _size(records: Iterable[Record]) -> int:
    return sum(len(record.lines) for record in records)


def _month(record: Record) -> int:
    return month_of(received_ms(record.batch))


def months_of(records: Iterable[Record]) -> dict[int, int]:
    """The events of records by month of receipt, as `Plan.months` has them."""
    months: Counter[int] = Counter()
    for record in records:
        months[_month(record)] += record.count
    return dict(months)


def missing(plan: Plan, log: dict[int, int], store: dict[int, int]) -> set[int]:
    """The months of a block in doubt that are not in the store. Each month is there as a whole or not at all.

    Raises CorruptionError when log, plan and store do not go together.
    """
    block = f"{plan.lane} block {plan.block} (log {plan.start} to {plan.end})"
    if log != plan.months:
        raise CorruptionError(f"{block} was planned with the rows by month {plan.months}, the log holds {log}")
    wrong = {month: rows for month, rows in store.items() if plan.months.get(month) != rows}
    if wrong:
        raise CorruptionError(f"{block} was planned with the rows by month {plan.months}, the store holds {store}")
    return plan.months.keys() - store.keys()
