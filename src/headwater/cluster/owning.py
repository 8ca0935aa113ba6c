"""Which partitions this engine stores: those it is assigned, each once nobody else holds it any more.

An assignment only says who should store a partition. Who may is decided by a lock that a session of the database
holds, and frees when it ends: an engine that was killed loses its partitions, one that hangs keeps them until its
session is ended, and two never store the same one.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol

from headwater.clock import now_ms
from headwater.events import Lane
from headwater.pipeline import LaneStatus, Status
from headwater.state.base import Cursor

LOOK_SECONDS = 0.5
"""Between two looks at what is wanted and what has ended."""

_logger = logging.getLogger(__name__)


class Held(Protocol):
    """A partition that this engine stores."""

    def start(self) -> None:
        """Begins to store, in a thread of its own."""

    def is_alive(self) -> bool:
        """Whether it still stores."""

    def status(self) -> Status: ...

    def close(self) -> None:
        """Ends after the block that is under way, and gives the partition back. Idempotent."""


class Owner:
    """Holds what is wanted, as far as it can be had."""

    def __init__(self, take: Callable[[int], Held | None]) -> None:
        """`take` opens a partition; None while another engine holds it."""
        self._take = take
        self._lock = threading.Lock()
        self._wanted: frozenset[int] = frozenset()
        self._held: dict[int, Held] = {}
        self._wake = threading.Event()
        self._failure = ""
        self._waits_since: dict[int, int] = {}

    def want(self, partitions: frozenset[int]) -> None:
        """What is assigned from now on. Returns at once."""
        with self._lock:
            self._wanted = partitions
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set, and gives everything back."""
        try:
            while not stop.is_set():
                self.step()
                self._wake.wait(LOOK_SECONDS)
                self._wake.clear()
        finally:
            for number in list(self._held):
                self._give_back(number)

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def step(self) -> None:
        """Gives back what is not wanted any more and what has ended, then takes what is missing."""
        with self._lock:
            wanted = self._wanted
        for number, held in list(self._held.items()):
            if number not in wanted or not held.is_alive():
                self._give_back(number)
        self._waits_since = {number: since for number, since in self._waits_since.items() if number in wanted}
        for number in sorted(wanted - self._held.keys()):
            self._get(number)

    def held(self) -> dict[int, Status]:
        """What is stored here, by partition."""
        return {number: held.status() for number, held in list(self._held.items())}

    def waits(self) -> dict[int, int]:
        """What is assigned here and cannot be had yet, by partition: since when, in UTC ms."""
        return dict(self._waits_since)

    def failure(self) -> str:
        """Why the last partition could not be taken; empty when it could."""
        return self._failure

    def status(self) -> Status:
        """Of all that is stored here, as one pipeline's: ready when each partition is."""
        each = self.held()
        faults = [f"partition {number}: {of.why}" for number, of in sorted(each.items()) if not of.ready]
        if self._failure:
            faults.append(f"a partition cannot be taken: {self._failure}")
        lanes = {lane: _together([of.lanes[lane] for of in each.values()]) for lane in Lane}
        failures, last = sum(of.failures for of in each.values()), [of.last_error for of in each.values()]
        return Status(not faults, "; ".join(faults), lanes, failures, next(filter(None, last), ""))

    def _get(self, number: int) -> None:
        try:
            held = self._take(number)
        except Exception as error:
            if str(error) != self._failure:
                _logger.exception("partition %d cannot be taken, and is tried again", number)
            self._failure, held = str(error), None
        else:
            self._failure = ""
        if held is None:
            self._waits_since.setdefault(number, now_ms())
            return
        self._waits_since.pop(number, None)
        self._held[number] = held
        held.start()
        _logger.info("partition %d is stored here", number)

    def _give_back(self, number: int) -> None:
        with suppress(Exception):
            self._held[number].close()
        del self._held[number]
        _logger.info("partition %d is not stored here any more", number)


def _together(lanes: Iterable[LaneStatus]) -> LaneStatus:
    """Without a cursor: each partition has its own."""
    known = list(lanes)
    return LaneStatus(Cursor(0, 0), sum(of.blocks for of in known), sum(of.events for of in known))
