"""The live feed: what comes in and what becomes of it, told to those who watch, as it happens.

The pipeline tells of every block that it committed, and goes on; a thread of the feed's own counts what was in it, and
reads events only for workspaces that somebody watches, and no more of them than people can see. Counts by second are
exact and kept for a while whether anybody watches or not.
"""

import logging
import math
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import msgspec

from headwater import clock
from headwater.catalog.base import Backfill, Definitions
from headwater.errors import UnavailableError
from headwater.events import Lane, Line, decode_lines
from headwater.log.base import Heads, Record
from headwater.outcomes import Status
from headwater.rules.filters import Filters
from headwater.rules.pulse import ACCEPTED, KEPT, PROCESSED, REJECTED, Point, Pulse
from headwater.rules.shown import LaneNow, LiveEvent, Tick, event_of, status_of
from headwater.tail import Backlog, Pending

TICK_SECONDS = 0.25
SHOWN = 40
"""Events of one tick that are shown; the others are counted."""
MOST_WATCHERS = 200
MOST_WORKSPACES = 512
"""Workspaces whose counts are remembered, beside those that are watched: some 15 MB."""

_READ, _LEAST_READ = 2_000, 200
"""Events that are read of what was committed at once, for all that is asked for; what each is read at least."""
_LOOK, _LEAST_LOOK = 8 << 20, 256 << 10
"""The same in bytes that are looked at."""
_QUEUED = 2
"""Blocks that wait to be counted; the pipeline helps with a third, so that memory stays bounded."""
_TURNED_BACK = 5
"""Seconds that the clock may go back, and is waited for."""
_SETTLED = 60
"""Seconds after which a workspace that does nothing makes room for one that does."""
_AGAIN_SECONDS = 60
"""After which a fault that lasts is told again."""

_logger = logging.getLogger(__name__)


class Found(msgspec.Struct):
    """What fits, of what was committed at once."""

    events: list[LiveEvent]
    matched: int = 0
    sampled: bool = False


class Watcher:
    """One who watches. What happens while nobody takes it is put together, so that it never grows."""

    def __init__(self, workspace: str, filters: Filters, wake: Callable[[], None]) -> None:
        """`wake` is called from the feed's thread whenever there is something to take."""
        self.workspace = workspace
        self.filters = filters
        self._wake = wake
        self._lock = threading.Lock()
        self._lanes: list[LaneNow] | None = None
        self._found = Found([])
        self._points: deque[Point] = deque(maxlen=KEPT)
        self.left = False

    def leave(self) -> None:
        """Nothing is told any more. Waits for nobody."""
        self.left = True

    def take(self) -> tuple[Tick | None, list[Point]]:
        """What there is since the last call; no tick when none was due yet."""
        with self._lock:
            points, lanes, found = list(self._points), self._lanes, self._found
            self._points.clear()
            if lanes is None:
                return None, points
            self._lanes, self._found = None, Found([])
        return Tick(found.events, found.matched, len(found.events), lanes, found.sampled), points

    def add(self, found: Found) -> None:
        with self._lock:
            known = self._found
            events = [*found.events, *known.events][:SHOWN]
            self._found = Found(events, known.matched + found.matched, known.sampled or found.sampled)

    def tick(self, lanes: list[LaneNow], points: Iterable[Point]) -> None:
        with self._lock:
            self._lanes = lanes
            self._points.extend(points)
        self._wake()


class _Taken(msgspec.Struct, frozen=True, gc=False):
    """A committed record, and how many of its events were rejected."""

    record: Record
    rejected: int


class _Outcome(msgspec.Struct, array_like=True, gc=False):
    """The first columns of a line, up to the reason; the decoder skips those after them."""

    id: msgspec.Raw
    signal: msgspec.Raw
    signal_id: msgspec.Raw
    schema_version: msgspec.Raw
    occurred_ms: msgspec.Raw
    reason: str


_outcomes = msgspec.json.Decoder(_Outcome).decode_lines


class Feed:
    """Safe to use from threads; one of them runs `run`, and `told` is for the pipeline's."""

    def __init__(self, reader: Heads, tail: Pending, catalog: Definitions, now_ms: int) -> None:
        """What is in the log already was accepted before `now_ms`."""
        self._reader = reader
        self._tail = tail
        self._catalog = catalog
        self._lock = threading.Lock()
        self._told: deque[Sequence[Record]] = deque()
        self._wake = threading.Event()
        self._watched: dict[str, dict[Filters, set[Watcher]]] = {}
        self._watchers = 0
        self._position = reader.durable()
        self._second = self._since = now_ms // 1000
        self._pulses: dict[str, Pulse] = {}
        self._refused = 0
        """What was not counted in this second, for want of room."""
        self._waiting: Mapping[str, Sequence[Backlog]] = {}
        """As it was known last."""
        self._faults: dict[tuple[type[Exception], str, int], float] = {}
        """By kind and place, when each was told last."""

    # --- the pipeline's side -----------------------------------------------------------------------------------------

    def told(self, records: Sequence[Record]) -> None:
        """A block was committed. Never fails: it is."""
        if not records:
            return
        self._told.append(records)
        self._wake.set()
        if len(self._told) > _QUEUED:
            self._safely(self.drain)

    # --- the thread --------------------------------------------------------------------------------------------------

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set and `wake` called."""
        due = time.monotonic()
        while not stop.is_set():
            self._wake.wait(max(0.0, due - time.monotonic()))
            self._wake.clear()
            if time.monotonic() < due:
                self._safely(self.drain)
            else:
                due = time.monotonic() + TICK_SECONDS
                self._safely(lambda: self.step(clock.now_ms()))

    def wake(self) -> None:
        """Has the thread look whether it is to stop."""
        self._wake.set()

    def _safely(self, work: Callable[[], None]) -> None:
        """Whatever happens here, events are stored."""
        try:
            work()
        except Exception as error:
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        """Once, and once a minute while it lasts: there are four ticks a second."""
        *_, place = traceback.extract_tb(error.__traceback__)
        fault, now = (type(error), place.filename, place.lineno or 0), time.monotonic()
        if now - self._faults.get(fault, -math.inf) >= _AGAIN_SECONDS:
            self._faults[fault] = now
            _logger.error("the live feed lacks something", exc_info=error)

    def step(self, now_ms: int) -> None:
        """A tick: everything that happened until now is counted, and those who watch are told. What cannot be read now
        is read with a later one, and they are told what is known."""
        with self._lock:
            self._part()
            self._safely(self._drain)
            self._safely(self._accept)
            second = now_ms // 1000
            if self._watched or second != self._second:
                self._safely(self._look)
            begun = self._second
            self._close(second)
            for workspace, wanted in self._watched.items():
                points = self._pulse(workspace).points(self._second, begun)
                lanes = _lanes(self._waiting.get(workspace, ()), now_ms)
                for watcher in [each for watchers in wanted.values() for each in watchers]:
                    watcher.tick(lanes, points)

    def drain(self) -> None:
        """Counts what was committed, and reads what is watched of it."""
        with self._lock:
            self._drain()

    def _drain(self) -> None:
        while self._told:
            watched: dict[str, list[_Taken]] = {}
            for record in self._told.popleft():
                taken = _Taken(record, _rejected(record))
                self._count(taken)
                if record.workspace in self._watched:
                    watched.setdefault(record.workspace, []).append(taken)
            for workspace, some in watched.items():
                self._safely(partial(self._show, workspace, some))

    def _count(self, taken: _Taken) -> None:
        record = taken.record
        self._add(record.workspace, record.lane, PROCESSED, record.count - taken.rejected)
        if taken.rejected:
            self._add(record.workspace, record.lane, REJECTED, taken.rejected)

    def _accept(self) -> None:
        """Counts what came into the log; what is replayed did before."""
        if self._position >= self._reader.durable():
            return
        for head in self._reader.heads(self._position):
            if not head.replay:
                for lane, share in head.lanes.items():
                    self._add(head.workspace, lane, ACCEPTED, share.count)
            self._position = head.end

    def _add(self, workspace: str, lane: Lane, what: int, count: int) -> None:
        """Counts it in this second, where there is room for that workspace."""
        pulse = self._room(workspace)
        if pulse is not None:
            pulse.add(self._second, lane, what, count)
        else:
            self._refused += 1
            self._since = self._second + 1  # nobody knows any more whether the next newcomer is one

    def _look(self) -> None:
        self._waiting = self._tail.waiting()

    def _close(self, second: int) -> None:
        """Ends the seconds before `second`."""
        if not self._second - _TURNED_BACK <= second <= self._second + KEPT:
            self._begin(second)  # the clock was set
            return
        if second <= self._second:
            return
        for workspace, lags in self._waiting.items():
            pulse = self._room(workspace)
            if pulse is None:
                self._since = second  # as in `_add`
                continue
            for each in range(self._second, second):
                for lag in lags:
                    pulse.leave(each, lag.lane, lag.events)
        self._second = second
        self._forget()

    def _begin(self, second: int) -> None:
        self._second = self._since = second
        self._pulses.clear()

    def _pulse(self, workspace: str) -> Pulse:
        pulse = self._pulses.get(workspace)
        if pulse is None:
            pulse = self._pulses[workspace] = Pulse(self._since, self._second)
        return pulse

    def _room(self, workspace: str) -> Pulse | None:
        """Where to count; None for a newcomer whom nobody watches, where there are too many already."""
        full = len(self._pulses) >= MOST_WORKSPACES + len(self._watched)
        if full and workspace not in self._pulses and workspace not in self._watched:
            return None
        return self._pulse(workspace)

    def _forget(self) -> None:
        """Drops workspaces of which there is nothing to tell, and, where there are too many, those idle longest."""
        idle = [(each.touched, name) for name, each in self._pulses.items() if name not in self._watched]
        idle.sort()
        surplus = len(idle) - MOST_WORKSPACES
        wanted, self._refused = surplus + self._refused, 0
        for place, (touched, name) in enumerate(idle):
            if touched <= self._second - KEPT and name not in self._waiting:
                del self._pulses[name]
            elif place < surplus or (place < wanted and touched <= self._second - _SETTLED):
                del self._pulses[name]
                self._since = self._second  # as in `_add`

    # --- those who watch ---------------------------------------------------------------------------------------------

    def watch(self, workspace: str, filters: Filters, wake: Callable[[], None]) -> tuple[Watcher, list[Point]]:
        """From now on; with the seconds until now, oldest first. `Watcher.leave` ends it. Raises UnavailableError."""
        watcher = Watcher(workspace, filters, wake)
        with self._lock:
            self._part()
            if self._watchers >= MOST_WATCHERS:
                raise UnavailableError(f"{MOST_WATCHERS} watch already", retry_after=10)
            self._watchers += 1
            self._watched.setdefault(workspace, {}).setdefault(filters, set()).add(watcher)
            return watcher, self._pulse(workspace).points(self._second)

    @property
    def watchers(self) -> int:
        """How many watch."""
        return sum(not each.left for each in self._all())

    def _all(self) -> list[Watcher]:
        return [each for wanted in list(self._watched.values()) for some in list(wanted.values()) for each in some]

    def _part(self) -> None:
        """Forgets those who have left."""
        for watcher in [each for each in self._all() if each.left]:
            wanted = self._watched[watcher.workspace]
            wanted[watcher.filters].discard(watcher)
            self._watchers -= 1
            if not wanted[watcher.filters]:
                del wanted[watcher.filters]
            if not wanted:
                del self._watched[watcher.workspace]

    def _show(self, workspace: str, some: Sequence[_Taken]) -> None:
        fates = _fates(self._catalog.backfills(workspace))
        groups = sum(map(len, self._watched.values()))
        lines: dict[int, list[Line]] = {}
        for filters, watchers in self._watched[workspace].items():
            found = _Search(filters, fates, groups, lines).through(some)
            if found.matched:
                for watcher in watchers:
                    watcher.add(found)


class _Search:
    """What fits one filter. Above its bounds it looks no further, and estimates the rest by what it saw."""

    def __init__(
        self, filters: Filters, fates: Mapping[str, Status], groups: int, lines: dict[int, list[Line]]
    ) -> None:
        """`groups` share the bounds; `lines`: what was read of a record already, by its position."""
        self._filters = filters
        self._fates = fates
        self._lines = lines
        self._read = max(_LEAST_READ, _READ // groups)
        self._look = max(_LEAST_LOOK, _LOOK // groups)
        self._needles = [msgspec.json.encode(each) for each in (filters.signal, filters.identity) if each is not None]

    def through(self, some: Sequence[_Taken]) -> Found:
        found, seen, passed = Found([]), 0, 0
        for taken in reversed(some):
            possible = self._possible(taken)
            if self._read <= 0 or self._look <= 0:
                passed += possible
            elif possible:
                seen += possible
                self._look -= len(taken.record.lines)
                if all(needle in taken.record.lines for needle in self._needles):
                    self._fitting(taken.record, found)
        if passed:
            found.sampled = found.matched != seen
            found.matched += round(passed * found.matched / seen)
        return found

    def _possible(self, taken: _Taken) -> int:
        """How many events of a record can fit, by what is known without reading them."""
        record, status = taken.record, self._filters.status
        if self._filters.lane not in (None, record.lane):
            return 0
        if status is Status.REJECTED:
            return taken.rejected
        if status in (Status.PENDING, Status.REVERTED) and status not in self._fates.values():
            return 0
        return record.count if status in (None, Status.REVERTED) else record.count - taken.rejected

    def _fitting(self, record: Record, found: Found) -> None:
        lines = self._lines.get(record.position)
        if lines is None:
            lines = self._lines[record.position] = decode_lines(record.lines)
        self._read -= len(lines)
        for line in reversed(lines):
            status = status_of(line, self._fates)
            if self._filters.status in (None, status) and self._filters.admits(line):
                found.matched += 1
                if len(found.events) < SHOWN:
                    found.events.append(event_of(line, record.lane, record.dialect, status))


def _rejected(record: Record) -> int:
    try:
        return sum(1 for outcome in _outcomes(record.lines) if outcome.reason)
    except (msgspec.DecodeError, RecursionError):
        _logger.exception("the record at %d cannot be read, and is counted as processed", record.position)
        return 0


def _fates(backfills: Iterable[Backfill]) -> dict[str, Status]:
    """Of those whose events are neither processed nor rejected."""
    reverted = {each.id: Status.REVERTED for each in backfills if each.status == "reverted"}
    return {each.id: Status.PENDING for each in backfills if each.held} | reverted


def _lanes(lags: Iterable[Backlog], now_ms: int) -> list[LaneNow]:
    known = {lag.lane: LaneNow(lag.lane, lag.events, lag.age_seconds(now_ms)) for lag in lags}
    return [known.get(lane) or LaneNow(lane, 0, 0.0) for lane in Lane]
