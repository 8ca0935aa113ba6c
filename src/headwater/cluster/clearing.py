"""Claims past one machine: what gateways reserved that died is cleared away, and what counts no more is forgotten."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

from headwater import clock
from headwater.errors import HeadwaterError

LOOK_SECONDS = 5.0
PRUNE_SECONDS = 60.0
PRUNED_AT_ONCE = 100_000

_logger = logging.getLogger(__name__)


class Reservations(Protocol):
    """`claims.postgres.Reservations`."""

    def abandoned(self) -> Sequence[Any]: ...

    def void(self, abandoned: Any) -> int: ...


class Shelf(Protocol):
    """What of `claims.base.Shelf` is asked here."""

    def prune(self, before_ms: int, kept: Collection[tuple[str, str]], most: int) -> int: ...

    def backfills(self) -> Sequence[tuple[str, str]]: ...


class Clearing:
    """For the engine that leads; one thread runs it."""

    def __init__(
        self,
        reservations: Reservations,
        shelf: Shelf,
        ends: Callable[[], list[int]],
        taken: Callable[[], list[int]],
        kept_ms: int,
        is_open: Callable[[str, str], bool],
    ) -> None:
        """`ends`: of all partitions now. `taken`: up to where the claims of each are written down. `kept_ms`: how long
        claims count; those of an open backfill (`is_open`) for as long as it is."""
        self._reservations = reservations
        self._shelf = shelf
        self._ends = ends
        self._taken = taken
        self._kept_ms = kept_ms
        self._is_open = is_open
        self._waits: tuple[Sequence[Any], list[int]] | None = None
        """What is abandoned, and how far claims must be written down before it is certain what became of it."""
        self._prune = 0.0

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set. What fails is tried again."""
        while not stop.wait(LOOK_SECONDS):
            try:
                self.step()
            except HeadwaterError as error:
                _logger.warning("claims are not cleared away: %s; it is tried again", error)
            except Exception:
                _logger.exception("claims are not cleared away; it is tried again")

    def step(self) -> None:
        """One look."""
        if self._waits is None:
            if abandoned := self._reservations.abandoned():
                self._waits = abandoned, self._ends()
        elif all(taken >= end for taken, end in zip(self._taken(), self._waits[1], strict=False)):
            for each in self._waits[0]:
                if count := self._reservations.void(each):
                    _logger.warning("%d keys that a gateway had reserved when it ended are free again", count)
            self._waits = None
        if time.monotonic() >= self._prune:
            self._prune = time.monotonic() + PRUNE_SECONDS
            kept = [each for each in self._shelf.backfills() if self._is_open(*each)]
            self._shelf.prune(clock.now_ms() - self._kept_ms, kept, PRUNED_AT_ONCE)
