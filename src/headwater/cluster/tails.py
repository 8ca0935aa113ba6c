"""What is in a log of many partitions and not yet committed: `tail.Tail` of each, put together."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter

from headwater.cluster.reading import Partition
from headwater.events import Lane
from headwater.state.base import Cursor
from headwater.tail import Backlog, Entry, Tail

Cursors = Callable[[int], Mapping[Lane, Cursor]]
"""How far a partition is stored, in spread positions."""


class Tails:
    """As `tail.Tail`."""

    def __init__(self, partitions: Sequence[Partition], cursors: Cursors) -> None:
        self._each = [Tail(partition, _of(cursors, number)) for number, partition in enumerate(partitions)]

    def find(self, batch: bytes) -> list[Entry]:
        return [entry for tail in self._each for entry in tail.find(batch)]

    def replays(self, batches: Collection[bytes]) -> list[Entry]:
        return [entry for tail in self._each for entry in tail.replays(batches)]

    def newest(self, lane: Lane, workspace: str) -> list[Entry]:
        found = [entry for tail in self._each for entry in tail.newest(lane, workspace)]
        return sorted(found, key=attrgetter("last_ms"), reverse=True)

    def oldest(self, lane: Lane, workspace: str) -> list[Entry]:
        found = [entry for tail in self._each for entry in tail.oldest(lane, workspace)]
        return sorted(found, key=attrgetter("batch"))  # ids grow with time, to the millisecond

    def backlogs(self) -> list[Backlog]:
        return _together(tail.backlogs() for tail in self._each)

    def backlogs_of(self, workspace: str) -> list[Backlog]:
        return _together(tail.backlogs_of(workspace) for tail in self._each)

    def waiting(self) -> dict[str, list[Backlog]]:
        every: dict[str, list[list[Backlog]]] = {}
        for tail in self._each:
            for workspace, backlogs in tail.waiting().items():
                every.setdefault(workspace, []).append(backlogs)
        return {workspace: _together(backlogs) for workspace, backlogs in every.items()}


def _of(cursors: Cursors, number: int) -> Callable[[], Mapping[Lane, Cursor]]:
    return lambda: cursors(number)


def _together(parts: Iterable[Sequence[Backlog]]) -> list[Backlog]:
    """Each lane's backlogs as one."""
    known: dict[Lane, list[Backlog]] = {lane: [] for lane in Lane}
    for backlogs in parts:
        for backlog in backlogs:
            known[backlog.lane].append(backlog)
    return [_sum(lane, backlogs) for lane, backlogs in known.items()]


def _sum(lane: Lane, backlogs: Sequence[Backlog]) -> Backlog:
    oldest = [backlog.oldest_ms for backlog in backlogs if backlog.oldest_ms is not None]
    events, size = sum(each.events for each in backlogs), sum(each.bytes for each in backlogs)
    return Backlog(lane, events, size, min(oldest, default=None))
