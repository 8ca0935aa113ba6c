"""Follows the store for one destination, in a thread of its own, as far behind as it is.

Neither the log nor the pipeline waits for it: it reads committed blocks out of the store, and how far it is stands in
`state.positions`. A delivery is written down before it is made and taken off after it; whatever crashes in between, the
same one is made again.
"""

import logging
import threading
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from headwater.clock import moment, now_ms
from headwater.destinations import planning
from headwater.destinations.base import Delivery, DeliveryError, Destination, Erasing, ErasingInPieces, Event, Identity
from headwater.destinations.declared import Declared
from headwater.destinations.events import events_of
from headwater.errors import HeadwaterError, NotOwnerError
from headwater.events import Lane
from headwater.state.positions import Planned, Position, Positions
from headwater.store.base import Store
from headwater.store.blocks import Share, Stored, Window, rows_of, shares_of, sizes_of, slices_of
from headwater.tracing import span

LOOK_SECONDS = 1.0
"""Between two looks for what was stored."""
FIRST_BACK_OFF, LAST_BACK_OFF = 1.0, 60.0
"""Seconds until what failed is tried again, doubled from the first to the last."""
MOST_BLOCKS = 5_000
"""Looked through at once."""
ERASE_SECONDS = 5.0
"""How long an erasure waits for a delivery under way, before it asks again."""

_logger = logging.getLogger(__name__)


class LaneStatus(msgspec.Struct, frozen=True):
    delivered: int
    """Events, since the start."""
    behind: int
    """Blocks that are stored and not delivered."""


class Status(msgspec.Struct, frozen=True):
    """How a destination is."""

    name: str
    kind: str
    workspace: str
    erases: bool
    lanes: dict[Lane, LaneStatus]
    failures: int
    """Tries that failed, since the start."""
    failing: str
    """Why the last try failed; empty when it did not."""
    delivered_ms: int | None
    """When the last delivery was made, since the start."""


class Followed(msgspec.Struct, frozen=True):
    """What it looks at."""

    store: Store
    watermark: Callable[[], Mapping[Lane, int]]
    """Every block up to these is committed."""
    oldest: Callable[[], Mapping[Lane, int | None]]
    """When the oldest event was received that is not stored yet; None when all are."""


class Runner:
    """`run` is for one thread; everything else for any."""

    def __init__(
        self,
        declared: Declared,
        destination: Destination,
        positions: Positions,
        followed: Followed,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._declared = declared
        self._destination = destination
        self._positions = positions
        self._followed = followed
        self._clock = clock
        self._window_ms = (destination.window_seconds or 0) * 1000
        self._lock = threading.Lock()
        self._ends = threading.Event()
        self._version = 0
        self._at: dict[Lane, Position] | None = None
        self._newest = dict.fromkeys(Lane, 0)
        self._delivered = dict.fromkeys(Lane, 0)
        self._watermark: Mapping[Lane, int] = dict.fromkeys(Lane, 0)
        self._oldest: Mapping[Lane, int | None] = {}
        self._failures = 0
        self._failing = ""
        self._delivered_ms: int | None = None

    def run(self, stop: threading.Event) -> None:
        """Delivers until `stop` is set."""
        pause, self._ends = FIRST_BACK_OFF, stop
        while not stop.is_set():
            try:
                moved = self.step()
                self._failing, pause, wait = "", FIRST_BACK_OFF, LOOK_SECONDS
            except Exception as error:
                if stop.is_set():
                    break
                self._failed(error, pause)
                moved, wait, pause = False, pause, min(2 * pause, LAST_BACK_OFF)
            if not moved:
                stop.wait(wait)
        with self._lock:
            self._destination.close()

    def step(self) -> bool:
        """Makes one delivery of each lane, if there is one. Whether there was. Raises what the destination raises."""
        with self._lock:
            at = self._loaded()
            self._oldest = self._followed.oldest()  # before the other: what is stored in between waits still, then
            self._watermark = self._followed.watermark()
            moved = [self._advance(lane, at) for lane in Lane]
            return any(moved)

    def status(self) -> Status:
        lanes = {lane: LaneStatus(self._delivered[lane], self._behind(lane)) for lane in Lane}
        erases = isinstance(self._destination, Erasing | ErasingInPieces)
        about = (self._declared.name, self._declared.kind, self._declared.workspace, erases)
        return Status(*about, lanes, self._failures, self._failing, self._delivered_ms)

    def erase(
        self, workspace: str, keys: Collection[str], until_ms: int, reached: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Takes people out of what was written, or of a piece of it; not while a delivery is under way. How far it came
        (`base.ErasingInPieces`), None once they are gone. Raises what the destination raises."""
        if not self.status().erases or self._declared.workspace not in ("", workspace):
            return None
        if not self._lock.acquire(timeout=ERASE_SECONDS):
            return {**reached}
        try:
            return self._erase(workspace, [Identity(*key.split(":", 1)) for key in keys], moment(until_ms), reached)
        finally:
            self._lock.release()

    def _erase(
        self, workspace: str, identities: Sequence[Identity], until: datetime, reached: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        destination = self._destination
        if isinstance(destination, ErasingInPieces):
            return destination.erase_piece(workspace, identities, until, reached)
        if isinstance(destination, Erasing):
            destination.erase(workspace, identities, until)
        return None

    def _loaded(self) -> dict[Lane, Position]:
        if self._at is None:
            self._version, known = self._positions.load(self._declared.name)
            begin = dict.fromkeys(Lane, 0)
            if not self._version and self._declared.begin == "now":
                begin = {**self._followed.watermark()}
            self._at = {lane: known.get(lane, Position(begin[lane])) for lane in Lane}
            if not self._version:
                self._save(self._at)
        return self._at

    def _save(self, at: dict[Lane, Position]) -> None:
        try:
            self._version = self._positions.save(self._declared.name, self._version, at)
        except BaseException:
            self._at = None  # nobody knows what stands there
            raise

    def _advance(self, lane: Lane, at: dict[Lane, Position]) -> bool:
        if at[lane].planned is None:
            planned = self._next(lane, at)
            if planned is None:
                return False
            at[lane] = planning.begun(at[lane], planned)
            self._save(at)
        planned = at[lane].planned
        assert planned is not None
        self._deliver(lane, planned)
        at[lane] = replace(at[lane], planned=None)
        self._save(at)
        return True

    def _next(self, lane: Lane, at: dict[Lane, Position]) -> Planned | None:
        """Moves the position over what has nothing to deliver; that need not be written down."""
        upto = self._watermark[lane]
        if at[lane].block > upto:
            raise HeadwaterError(
                f"it was delivered block {at[lane].block} of the {lane.value} lane, and the store ends with {upto}: "
                "an older backup was restored. Give it another name, and an empty place to write to"
            )
        while True:
            position = at[lane]
            last = min(upto, position.block + MOST_BLOCKS)
            shares = self._shares(lane, position.block + 1, last) if last > position.block else []
            if not self._window_ms:
                planned = planning.next_blocks(position, shares)
                at[lane] = replace(position, block=last) if planned is None else position
            else:
                self._newest[lane] = max([self._newest[lane], *(share.newest_ms for share in shares)])
                at[lane] = planning.noted(position, shares, last)
                planned = planning.over(at[lane], self._window_ms, self._settled_ms(lane, last == upto))
            if planned is not None or last == upto:
                return planned

    def _settled_ms(self, lane: Lane, all_seen: bool) -> int:
        """What came in before is stored, and was looked at."""
        if not all_seen:
            return self._newest[lane]
        oldest, now = self._oldest[lane], self._clock()
        # Between a receipt and its place in the log lie moments, for which the grace of a window is there.
        return max(now if oldest is None else min(now, oldest), self._newest[lane])

    def _shares(self, lane: Lane, first: int, last: int, sized: bool = False) -> list[Share]:
        window_ms, ask = self._window_ms or 3_600_000, sizes_of if sized else shares_of
        return ask(self._followed.store, lane, first, last, window_ms, self._declared.workspace)

    def _deliver(self, lane: Lane, planned: Planned) -> None:
        counted = [0]
        window = None if planned.begin_ms is None else moment(planned.begin_ms)
        events = partial(self._events, lane, planned, counted)
        delivery = Delivery(lane.value, planned.first, planned.last, window, events)
        with span("destination.deliver", headwater__destination=self._declared.name, headwater__delivery=delivery.key):
            self._destination.deliver(delivery)
        self._delivered[lane] += counted[0]
        self._delivered_ms = self._clock()

    def _events(self, lane: Lane, planned: Planned, counted: list[int]) -> Iterator[Sequence[Event]]:
        counted[0] = 0
        begin_ms = planned.begin_ms
        window = None if begin_ms is None else Window(begin_ms, self._window_ms)
        for start in range(planned.first, planned.last + 1, MOST_BLOCKS):
            shares = self._shares(lane, start, min(planned.last, start + MOST_BLOCKS - 1), sized=True)
            wanted = [share for share in shares if begin_ms is None or share.begin_ms == begin_ms]
            for first, last in planning.runs(wanted):
                run = [share for share in wanted if first <= share.block <= last]
                left = sum(share.events for share in run)
                for rows in self._rows(lane, run, window):
                    if self._ends.is_set():
                        raise DeliveryError("headwater ends: it is delivered after the next start")
                    left -= len(rows)
                    counted[0] += len(rows)
                    yield events_of(rows)
                if left:
                    raise DeliveryError("events were deleted while they were read: they are read again")

    def _rows(self, lane: Lane, run: Sequence[Share], window: Window | None) -> Iterator[Sequence[Stored]]:
        store, workspace, first, last = self._followed.store, self._declared.workspace, run[0].block, run[-1].block
        if first == last and sum(share.bytes for share in run) > planning.MOST_BYTES:
            yield from slices_of(store, lane, first, planning.MOST_BYTES, workspace, window)
        else:
            yield rows_of(store, lane, first, last, workspace, window)

    def _behind(self, lane: Lane) -> int:
        at = self._at
        if at is None:
            return self._watermark[lane]
        position = at[lane]
        waiting = [first for first, _ in position.windows.values()]
        waiting += [position.planned.first] if position.planned else []
        return max(0, self._watermark[lane] - min([position.block, *(first - 1 for first in waiting)]))

    def _failed(self, error: Exception, pause: float) -> None:
        if isinstance(error, NotOwnerError):
            self._at = None
        self._failures += 1
        self._failing = words(error)
        _logger.error("destination %s: %s; it is tried again in %.0f s", self._declared.name, self._failing, pause)


def words(error: Exception) -> str:
    """What may be told of an error: a plug-in's own exceptions may quote the event that they are about."""
    if isinstance(error, HeadwaterError):
        return str(error)[:500]
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
