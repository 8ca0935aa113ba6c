"""What the engine that leads learns of all engines' commits, in the order of the blocks."""

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from headwater.cluster.reading import Partitions
from headwater.events import Lane
from headwater.log.base import Record
from headwater.state.base import Cursor, Link, Place, Step

POLL_SECONDS = 0.05
"""Between two looks at what was committed, where nobody tells of it sooner."""
FIRST_BACK_OFF, LAST_BACK_OFF = 0.1, 5.0
_PIECE = 10_000

_logger = logging.getLogger(__name__)


class Commits(Protocol):
    """`state.postgres`'s side of it."""

    def watermark(self) -> dict[Lane, int]: ...

    def follow(self, after: Mapping[Lane, int]) -> Step: ...

    def prune(self, before: Mapping[Lane, int]) -> None:
        """Forgets where blocks lie up to these, and what they linked."""

    def wait(self, seconds: float) -> None:
        """Until something was committed, or so long."""


class Following:
    """One thread runs `run`; `span_of` and `cursors` may be asked by any."""

    def __init__(self, commits: Commits, partitions: Partitions) -> None:
        self._commits = commits
        self._partitions = partitions
        self._known: dict[Lane, int] = dict(commits.watermark())
        self._places: dict[Lane, dict[int, Place]] = {lane: {} for lane in Lane}
        self._lock = threading.Lock()
        self._noted: Callable[[Collection[Link]], None] = lambda links: None
        self._stored: Callable[[Mapping[Lane, Cursor]], None] = lambda cursors: None
        self._told: Callable[[Sequence[Record]], None] = lambda records: None
        self._needed: Callable[[], Mapping[Lane, int] | None] = lambda: None

    def tell(
        self,
        noted: Callable[[Collection[Link]], None],
        stored: Callable[[Mapping[Lane, Cursor]], None],
        told: Callable[[Sequence[Record]], None],
        needed: Callable[[], Mapping[Lane, int] | None],
    ) -> None:
        """Before it runs: `noted` gets links, then `stored` the cursors that go with them, then `told` the records.
        `needed`: the block up to which each lane was read by who reads blocks; None when nobody does."""
        self._noted, self._stored, self._told, self._needed = noted, stored, told, needed

    def cursors(self) -> dict[Lane, Cursor]:
        """Up to which block each lane is stored, and known to whoever asks here."""
        return {lane: Cursor(block, block) for lane, block in self._known.items()}

    def place_of(self, lane: Lane, after: int, upto: int) -> dict[int, Place]:
        """Where blocks lie: see `reading.Blocks`."""
        with self._lock:
            return {number: place for number, place in self._places[lane].items() if after < number <= upto}

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set. What fails is tried again."""
        back_off = FIRST_BACK_OFF
        while not stop.is_set():
            try:
                self._commits.wait(POLL_SECONDS)
                self.step()
                back_off = FIRST_BACK_OFF
            except Exception:
                _logger.exception("what is stored cannot be followed; tried again in %.1f s", back_off)
                stop.wait(back_off)
                back_off = min(2 * back_off, LAST_BACK_OFF)

    def step(self) -> None:
        """Takes in what was committed since the last one."""
        step = self._commits.follow(self._known)
        if step.watermark == self._known:
            return
        with self._lock:
            for lane, blocks in step.blocks.items():
                self._places[lane].update(blocks)
        self._noted(step.links)
        self._known = dict(step.watermark)
        self._stored(self.cursors())
        for lane, blocks in step.blocks.items():
            for _, place in sorted(blocks.items()):
                self._told(list(self._partitions.within(place, lane, _PIECE)))
        self._commits.prune(self._known)
        self._forget()

    def _forget(self) -> None:
        """Drops the places of blocks that were read."""
        needed = self._needed() or self._known
        with self._lock:
            for lane, upto in needed.items():
                places = self._places[lane]
                for number in [number for number in places if number <= upto]:
                    del places[number]
