"""The tail: what is in the log and not yet committed to the store, known without reading the events themselves."""

import threading
from bisect import insort
from collections import deque
from collections.abc import Callable, Collection, Mapping
from operator import attrgetter

import msgspec

from headwater import clock
from headwater.events import Lane, received_ms
from headwater.log.base import Head, Reader
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


class Tail:
    """An index over the log behind the lanes' cursors. It follows the log by itself; safe to use from threads.

    `cursors` is `State.cursors`. Memory: some 300 bytes a pending record and lane.
    """

    def __init__(self, reader: Reader, cursors: Callable[[], Mapping[Lane, Cursor]]) -> None:
        self._reader = reader
        self._cursors = cursors
        self._lock = threading.Lock()
        self._lanes = {lane: _LaneTail() for lane in Lane}
        self._seen = 0

    def find(self, batch: bytes) -> list[Entry]:
        """The pending shares of one batch: none, one or two."""
        with self._lock:
            self._refresh()
            found = [tail.by_batch.get(batch) for tail in self._lanes.values()]
        return [entry for entry in found if entry]

    def replays(self, batches: Collection[bytes]) -> list[Entry]:
        """What waits to be stored of replayed events of these batches."""
        with self._lock:
            self._refresh()
            lanes = [tail.replays for tail in self._lanes.values() if tail.replays]
            return [entry for known in lanes for batch in batches for entry in known.get(batch, ())]

    def newest(self, lane: Lane, workspace: str) -> list[Entry]:
        """A workspace's entries of a lane, the one with the newest event (`last_ms`) first."""
        with self._lock:
            self._refresh()
            tail = self._lanes[lane]
            ranked, start = tail.ranked[::-1], tail.start
        return [entry for entry in ranked if entry.workspace == workspace and entry.position >= start]

    def oldest(self, lane: Lane, workspace: str) -> list[Entry]:
        """The same, in the order of the log."""
        with self._lock:
            self._refresh()
            queue = list(self._lanes[lane].queue)
        return [entry for entry in queue if entry.workspace == workspace and not entry.replay]

    def backlogs(self) -> list[Backlog]:
        """What each lane has to do, of all workspaces, exact at this moment."""
        with self._lock:
            self._refresh()
            return [tail.backlog(lane) for lane, tail in self._lanes.items()]

    def backlogs_of(self, workspace: str) -> list[Backlog]:
        """The same of one workspace alone."""
        with self._lock:
            self._refresh()
            queues = {lane: list(tail.queue) for lane, tail in self._lanes.items()}
        return [
            _backlog(lane, [entry for entry in queue if entry.workspace == workspace]) for lane, queue in queues.items()
        ]

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


def _backlog(lane: Lane, entries: list[Entry]) -> Backlog:
    oldest = min((entry.received_ms for entry in entries), default=None)
    return Backlog(lane, sum(entry.count for entry in entries), sum(entry.size for entry in entries), oldest)


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
        self._minima: deque[Entry] = deque()
        """Entries before which (in the queue) none was received later: the first is the oldest of all."""
        self._events = 0
        self._bytes = 0

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
            self._events -= entry.count
            self._bytes -= entry.size
        while self._minima and self._minima[0].position < start:
            self._minima.popleft()
        if len(self.ranked) > 2 * len(self.queue) + _MANY:
            self.ranked = [entry for entry in self.ranked if entry.position >= start]

    def backlog(self, lane: Lane) -> Backlog:
        oldest = self._minima[0].received_ms if self._minima else None
        return Backlog(lane, self._events, self._bytes, oldest)

    def _append(self, entry: Entry) -> None:
        self.queue.append(entry)
        if entry.replay:
            self.replays.setdefault(entry.batch, deque()).append(entry)
        else:
            self.by_batch[entry.batch] = entry
        self._events += entry.count
        self._bytes += entry.size
        while self._minima and self._minima[-1].received_ms >= entry.received_ms:
            self._minima.pop()
        self._minima.append(entry)

    def _drop(self, entry: Entry) -> None:
        """The oldest one of its batch."""
        if not entry.replay:
            del self.by_batch[entry.batch]
            return
        waiting = self.replays[entry.batch]
        waiting.popleft()
        if not waiting:
            del self.replays[entry.batch]
