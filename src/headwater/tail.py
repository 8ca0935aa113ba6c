"""The tail: what is in the log and not yet committed to the store, known without reading the events themselves."""

import threading
from bisect import insort
from collections import deque
from collections.abc import Callable, Collection, Mapping
from operator import attrgetter
from typing import Protocol

import msgspec

from headwater import clock
from headwater.events import Lane, received_ms
from headwater.log.base import Head, Heads
from headwater.state.base import Cursor

_MANY = 64  # so many new entries are sorted in at once rather than one by one

_last_ms = attrgetter("last_ms")


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One lane's share of a record that is not committed yet."""

    position: int
    size: int
    """Bytes that the whole record takes in the log."""
    batch: bytes
    received_ms: int
    """Of a replay: when it was seen here first; its batch is an older one's."""
    workspace: str
    lane: Lane
    count: int
    first_ms: int
    last_ms: int
    replay: bool = False
    """Rejected events once more. Until they are stored they count as rejected, so only the backlog and `Tail.replays`
    know of them."""


class Backlog(msgspec.Struct, frozen=True):
    """What one lane has still to do: everything acknowledged that has no outcome yet."""

    lane: Lane
    events: int
    bytes: int
    """Of the log; a record of both lanes counts in each."""
    oldest_ms: int | None
    """When the oldest of them was received; None when there is nothing to do."""

    def age_seconds(self, now_ms: int) -> float:
        """How long the oldest has waited; 0 when there is nothing to do."""
        return 0.0 if self.oldest_ms is None else max(0, now_ms - self.oldest_ms) / 1000


class Pending(Protocol):
    """What is in the log and not yet committed. Safe to use from threads."""

    def find(self, batch: bytes) -> list[Entry]:
        """The pending shares of one batch: none, one or two."""

    def replays(self, batches: Collection[bytes]) -> list[Entry]:
        """What waits to be stored of replayed events of these batches."""

    def newest(self, lane: Lane, workspace: str) -> list[Entry]:
        """A workspace's entries of a lane, the one with the newest event (`last_ms`) first."""

    def oldest(self, lane: Lane, workspace: str) -> list[Entry]:
        """The same, in the order of the log."""

    def backlogs(self) -> list[Backlog]:
        """What each lane has to do, of all workspaces, exact at this moment."""

    def backlogs_of(self, workspace: str) -> list[Backlog]:
        """The same of one workspace alone."""

    def waiting(self) -> dict[str, list[Backlog]]:
        """The same of every workspace that has something to do, at one moment."""


class Tail:
    """`Pending` of one log: an index over it behind the lanes' cursors. It follows the log by itself.

    `cursors` is `State.cursors`. Memory: some 300 bytes a pending record and lane.
    """

    def __init__(self, reader: Heads, cursors: Callable[[], Mapping[Lane, Cursor]]) -> None:
        self._reader = reader
        self._cursors = cursors
        self._lock = threading.Lock()
        self._lanes = {lane: _LaneTail() for lane in Lane}
        self._seen = 0

    def find(self, batch: bytes) -> list[Entry]:
        with self._lock:
            self._refresh()
            found = [tail.by_batch.get(batch) for tail in self._lanes.values()]
        return [entry for entry in found if entry]

    def replays(self, batches: Collection[bytes]) -> list[Entry]:
        with self._lock:
            self._refresh()
            lanes = [tail.replays for tail in self._lanes.values() if tail.replays]
            return [entry for known in lanes for batch in batches for entry in known.get(batch, ())]

    def newest(self, lane: Lane, workspace: str) -> list[Entry]:
        with self._lock:
            self._refresh()
            tail = self._lanes[lane]
            ranked, start = tail.ranked[::-1], tail.start
        return [entry for entry in ranked if entry.workspace == workspace and entry.position >= start]

    def oldest(self, lane: Lane, workspace: str) -> list[Entry]:
        with self._lock:
            self._refresh()
            queue = list(self._lanes[lane].queue)
        return [entry for entry in queue if entry.workspace == workspace and not entry.replay]

    def backlogs(self) -> list[Backlog]:
        with self._lock:
            self._refresh()
            return [tail.backlog(lane) for lane, tail in self._lanes.items()]

    def backlogs_of(self, workspace: str) -> list[Backlog]:
        with self._lock:
            self._refresh()
            return [tail.backlog_of(lane, workspace) for lane, tail in self._lanes.items()]

    def waiting(self) -> dict[str, list[Backlog]]:
        with self._lock:
            self._refresh()
            known = {workspace for tail in self._lanes.values() for workspace in tail.tallies}
            return {
                workspace: [tail.backlog_of(lane, workspace) for lane, tail in self._lanes.items()]
                for workspace in known
            }

    def _refresh(self) -> None:
        """Forgets what was committed, takes in what was appended: the work grows with what is new, not with what is."""
        cursors = self._cursors()
        for lane, tail in self._lanes.items():
            tail.forget(cursors[lane].position)
        start = max(self._seen, min(cursor.position for cursor in cursors.values()))
        if start < self._reader.durable():
            self._take_in(start)

    def _take_in(self, start: int) -> None:
        new: dict[Lane, list[Entry]] = {lane: [] for lane in Lane}
        for head in self._reader.heads(start):
            for lane in head.lanes:
                if head.position >= self._lanes[lane].start:
                    new[lane].append(_entry(head, lane))
            self._seen = head.end
        for lane, entries in new.items():
            self._lanes[lane].add(entries)


def _entry(head: Head, lane: Lane) -> Entry:
    share = head.lanes[lane]
    received = clock.now_ms() if head.replay else received_ms(head.batch)
    about = (head.position, head.end - head.position, head.batch, received, head.workspace, lane)
    return Entry(*about, share.count, share.first_ms, share.last_ms, head.replay)


class _Tally:
    """What a run of entries adds up to; they come and go in the log's order."""

    __slots__ = ("_bytes", "_events", "_minima")

    def __init__(self) -> None:
        self._events = 0
        self._bytes = 0
        self._minima: deque[Entry] = deque()
        """Entries before which none was received later: the first is the oldest of all."""

    def add(self, entry: Entry) -> None:
        self._events += entry.count
        self._bytes += entry.size
        while self._minima and self._minima[-1].received_ms >= entry.received_ms:
            self._minima.pop()
        self._minima.append(entry)

    def drop(self, entry: Entry) -> bool:
        """Takes the first one off again. Whether none is left."""
        self._events -= entry.count
        self._bytes -= entry.size
        if self._minima[0] is entry:
            self._minima.popleft()
        return not self._minima

    def backlog(self, lane: Lane) -> Backlog:
        oldest = self._minima[0].received_ms if self._minima else None
        return Backlog(lane, self._events, self._bytes, oldest)


class _LaneTail:
    """One lane's entries: in the log's order, by batch, and by their newest event."""

    def __init__(self) -> None:
        self.start = 0
        """Everything before it is committed."""
        self.queue: deque[Entry] = deque()
        self.by_batch: dict[bytes, Entry] = {}
        """Without replays; `replays` alone has those: a batch may have several."""
        self.replays: dict[bytes, deque[Entry]] = {}
        self.ranked: list[Entry] = []
        """By `last_ms`; may still hold entries before `start`."""
        self.tallies: dict[str, _Tally] = {}
        """Of the workspaces that have entries."""
        self._all = _Tally()

    def add(self, entries: list[Entry]) -> None:
        """Takes in entries that follow the ones here in the log."""
        for entry in entries:
            self._append(entry)
        listed = [entry for entry in entries if not entry.replay]
        if len(listed) >= _MANY:
            self.ranked.extend(listed)
            self.ranked.sort(key=_last_ms)
        else:
            for entry in listed:
                insort(self.ranked, entry, key=_last_ms)

    def forget(self, start: int) -> None:
        """Drops what lies before `start`. From `ranked` only once that is the greater part, so that it stays cheap."""
        self.start = start
        while self.queue and self.queue[0].position < start:
            entry = self.queue.popleft()
            self._drop(entry)
            self._all.drop(entry)
            if self.tallies[entry.workspace].drop(entry):
                del self.tallies[entry.workspace]
        if len(self.ranked) > 2 * len(self.queue) + _MANY:
            self.ranked = [entry for entry in self.ranked if entry.position >= start]

    def backlog(self, lane: Lane) -> Backlog:
        return self._all.backlog(lane)

    def backlog_of(self, lane: Lane, workspace: str) -> Backlog:
        tally = self.tallies.get(workspace)
        return tally.backlog(lane) if tally else Backlog(lane, 0, 0, None)

    def _append(self, entry: Entry) -> None:
        self.queue.append(entry)
        if entry.replay:
            self.replays.setdefault(entry.batch, deque()).append(entry)
        else:
            self.by_batch[entry.batch] = entry
        self._all.add(entry)
        self.tallies.setdefault(entry.workspace, _Tally()).add(entry)

    def _drop(self, entry: Entry) -> None:
        """The oldest one of its batch."""
        if not entry.replay:
            del self.by_batch[entry.batch]
            return
        waiting = self.replays[entry.batch]
        waiting.popleft()
        if not waiting:
            del self.replays[entry.batch]
