"""`drain.Drain` of many partitions: a place is a position of each."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from headwater.drain import Place
from headwater.errors import UnavailableError
from headwater.events import Lane
from headwater.log.base import Reader
from headwater.state.base import Cursor

WAIT_SECONDS, POLL_SECONDS = 60.0, 0.1

T = TypeVar("T")


class Commits(Protocol):
    """What `state.commits` knows."""

    def watermark(self) -> Mapping[Lane, int]: ...

    def given(self) -> Mapping[Lane, int]:
        """The highest number of a block that was written down."""

    def cursors(self) -> Mapping[int, Mapping[Lane, Cursor]]: ...


class PartitionsDrain:
    """Every engine moves the cursors of its partitions over what has nothing for a lane; here it is only waited for."""

    def __init__(self, readers: Sequence[Reader], commits: Commits, known: Callable[[], Mapping[Lane, int]]) -> None:
        """`known`: the block up to which everybody here has heard of what is stored."""
        self._readers = readers
        self._commits = commits
        self._known = known

    def end(self) -> Place:
        return [reader.durable() for reader in self._readers]

    def stored(self, place: Place) -> bool:
        cursors = self._commits.cursors()
        if any(not self._is_there(cursors.get(number), end) for number, end in enumerate(place)):
            return False
        self.between(lambda: None)
        return True

    def trimmed(self, place: Place) -> bool:
        return all(self._oldest(number) >= end for number, end in enumerate(place))

    def between(self, work: Callable[[], T]) -> T:
        """Does something once all blocks are stored, and heard of, that were begun until now: those that begin after it
        see whatever was changed before. Raises UnavailableError when that takes longer than a minute."""
        begun, deadline = self._commits.given(), time.monotonic() + WAIT_SECONDS
        while any(self._known().get(lane, 0) < block for lane, block in begun.items()):
            if time.monotonic() > deadline:
                raise UnavailableError("not all engines store events now: see /readyz", retry_after=5)
            time.sleep(POLL_SECONDS)
        return work()

    def _is_there(self, cursors: Mapping[Lane, Cursor] | None, end: int) -> bool:
        return end == 0 or (cursors is not None and all(cursor.position >= end for cursor in cursors.values()))

    def _oldest(self, number: int) -> int:
        """The first position that is left of a partition; its end when nothing is."""
        reader = self._readers[number]
        segments = reader.survey().segments
        return segments[0].base if segments else reader.durable()
