"""What waits and what is under way: when which events go together, and when a batch is tried again.

Without I/O, threads or a clock: times are arguments, in seconds of a clock that only goes forward (`now`), and of the
wall's (`wall`). An event is here from `add` until `settle` or `clear`, and counts against the bounds all that time.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from uuid import uuid4

from headwater_client.answers import Again, Taken, Verdict
from headwater_client.events import PATHS, Dialect, Event
from headwater_client.settings import Settings

_FRAME = len(b'{"events":[]}')
_MOST_DOUBLINGS = 32


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """An event that was accepted."""

    event: Event
    home: object = None
    """The file of the spool in which it lies; a batch has items of one file."""
    number: int = 0
    """In that file."""

    @property
    def size(self) -> int:
        return len(self.event.body)


@dataclass(slots=True, eq=False)
class Batch:
    """Events that are sent together, always the same under its key."""

    items: Sequence[Item]
    key: str = field(default_factory=lambda: uuid4().hex)
    formed: float = 0.0
    """When it was sent first; of the wall's clock. 0: not yet."""
    tries: int = 0
    """How often that failed."""
    unknown: bool = False
    """It may have been taken: an answer was lost."""
    taken_at: float = 0.0
    """When it was last handed out."""
    begun: bool = False
    """The spool knows it."""
    old: bool = False
    """That it may have been taken long ago was told."""

    @property
    def dialect(self) -> Dialect:
        return self.items[0].event.dialect

    @property
    def events(self) -> list[Event]:
        return [item.event for item in self.items]

    def body(self) -> bytes:
        """Byte for byte the same whenever it is asked for."""
        return b'{"events":[%s]}' % b",".join([item.event.body for item in self.items])


class _Queue:
    """Events of one dialect that wait to be put together, each with the time from which it waits."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[float, Item]] = deque()
        self.bytes = 0

    def append(self, since: float, item: Item) -> None:
        self.waiting.append((since, item))
        self.bytes += item.size

    def put_back(self, since: float, items: Sequence[Item]) -> None:
        """At the front, in their order."""
        self.waiting.extendleft((since, item) for item in reversed(items))
        self.bytes += sum(item.size for item in items)

    def pop(self) -> Item:
        _, item = self.waiting.popleft()
        self.bytes -= item.size
        return item

    def due(self, settings: Settings) -> float:
        """When a batch is to be formed; there must be an event."""
        if len(self.waiting) >= settings.batch_events or self.bytes >= settings.batch_bytes:
            return float("-inf")
        return self.waiting[0][0] + settings.interval

    def form(self, settings: Settings) -> Batch:
        """The first of them that may go together: of one file, no reference twice."""
        items, size, references = [self.pop()], 0, set[str]()
        size = _FRAME + items[0].size
        while self.waiting and len(items) < settings.batch_events:
            references.add(items[-1].event.reference)
            following = self.waiting[0][1]
            size += following.size + 1
            known = following.event.reference and following.event.reference in references
            if size > settings.batch_bytes or known or following.home is not items[0].home:
                break
            items.append(self.pop())
        return Batch(tuple(items))


class Outbox:
    """The events of one client."""

    def __init__(self, settings: Settings, random: Random | None = None) -> None:
        self._settings = settings
        self._random = random or Random()  # noqa: S311  # jitter
        self._queues: dict[Dialect, _Queue] = {dialect: _Queue() for dialect in PATHS}
        self._ready: deque[Batch] = deque()
        self._later: list[tuple[float, int, Batch | Sequence[Item]]] = []
        self._order = itertools.count()
        self._failures = 0
        self._failed_at = float("-inf")
        self._paused_until = float("-inf")
        self.flushing = False
        """Batches do not wait to be full."""
        self.events = 0
        self.bytes = 0
        self._flying: set[Batch] = set()

    def has_room(self, size: int) -> bool:
        """For an event of so many bytes."""
        return self.events < self._settings.max_events and self.bytes + size <= self._settings.max_bytes

    def add(self, item: Item, now: float) -> None:
        """The caller has seen to it that there is room."""
        self._count((item,), 1)
        self._queues[item.event.dialect].append(now, item)

    def restore(self, batches: Iterable[Batch], items: Sequence[Item], now: float) -> None:
        """What another process left: batches keep their keys."""
        for batch in batches:
            self._count(batch.items, 1)
            self._ready.append(batch)
        for item in items:
            self.add(item, now - self._settings.interval)

    def take(self, now: float, wall: float) -> Batch | None:
        """The next batch to send, if one is due; it is under way until it is settled."""
        if now < self._paused_until:
            return None
        self._wake(now)
        batch = self._ready.popleft() if self._ready else self._form(now)
        if batch is not None:
            batch.formed = batch.formed or wall
            batch.taken_at = now
            self._flying.add(batch)
        return batch

    def due(self, now: float) -> float | None:
        """Seconds until `take` has something, 0 or more; None while nothing waits."""
        times = [self._later[0][0]] if self._later else []
        if self._ready:
            times.append(now)
        waiting = [queue for queue in self._queues.values() if queue.waiting]
        times += [now if self.flushing else queue.due(self._settings) for queue in waiting]
        return max(min(times), self._paused_until, now) - now if times else None

    def settle(self, batch: Batch, verdict: Verdict, now: float) -> Sequence[Item]:
        """Ends a batch's flight; returns the items that will go under other keys."""
        self._flying.remove(batch)
        if isinstance(verdict, Again):
            self._back_off(batch, verdict, now)
            return ()
        self._failures = 0
        if isinstance(verdict, Taken):
            return self._taken(batch, verdict, now)
        if len(batch.items) == 1:
            self._count(batch.items, -1)
            return ()
        half = len(batch.items) // 2
        self._ready.extendleft((Batch(batch.items[half:]), Batch(batch.items[:half])))
        return batch.items

    def forget(self, batch: Batch) -> None:
        """Ends the flight of a batch that is given up."""
        self._flying.remove(batch)
        self._count(batch.items, -1)

    def is_flying(self, batch: Batch) -> bool:
        """It was handed out, and is neither settled nor forgotten nor cleared."""
        return batch in self._flying

    def clear(self) -> list[Item]:
        """Gives up everything, also what is under way."""
        items = [item for batch in (*self._flying, *self._ready) for item in batch.items]
        for _, _, entry in self._later:
            items.extend(entry.items if isinstance(entry, Batch) else entry)
        items.extend(item for queue in self._queues.values() for _, item in queue.waiting)
        self._flying.clear()
        self._queues = {dialect: _Queue() for dialect in PATHS}
        self._ready.clear()
        self._later.clear()
        self._count(items, -1)
        return items

    def _wake(self, now: float) -> None:
        """Batches whose time has come are ready; events go to the front of their queue."""
        while self._later and self._later[0][0] <= now:
            _, _, entry = heapq.heappop(self._later)
            if isinstance(entry, Batch):
                self._ready.append(entry)
            else:
                since = now - self._settings.interval
                self._queues[entry[0].event.dialect].put_back(since, entry)

    def _form(self, now: float) -> Batch | None:
        waiting = [queue for queue in self._queues.values() if queue.waiting]
        due = [queue for queue in waiting if self.flushing or queue.due(self._settings) <= now]
        if not due:
            return None
        return min(due, key=lambda queue: queue.waiting[0][0]).form(self._settings)

    def _taken(self, batch: Batch, verdict: Taken, now: float) -> Sequence[Item]:
        limited = tuple(batch.items[index] for index in verdict.limited)
        back = set(map(id, limited))
        self._count([item for item in batch.items if id(item) not in back], -1)
        if limited:
            self._put_off(now + verdict.wait + self._jitter(1), limited)
        return limited

    def _back_off(self, batch: Batch, verdict: Again, now: float) -> None:
        """The batch waits by how often it failed itself, all others by how often anything did: the server is spared,
        and one batch that cannot pass holds up nobody."""
        batch.tries += 1
        batch.unknown = batch.unknown or verdict.unknown
        if batch.taken_at >= self._failed_at:  # those under way at once fail for one cause
            self._failures += 1
            self._failed_at = now
        if verdict.slow:
            pause = self._settings.backoff_most * self._random.uniform(0.5, 1)
        else:
            pause = self._jitter(self._failures) + (0 if verdict.alone else verdict.wait)
        self._paused_until = max(self._paused_until, now + pause)
        self._put_off(now + verdict.wait + self._jitter(batch.tries), batch)

    def _put_off(self, until: float, entry: Batch | Sequence[Item]) -> None:
        heapq.heappush(self._later, (until, next(self._order), entry))

    def _jitter(self, tries: int) -> float:
        """Full jitter: anywhere between none and the bound, so that clients that fail together do not come together."""
        bound = min(self._settings.backoff_most, self._settings.backoff_first * 2 ** min(tries, _MOST_DOUBLINGS))
        return self._random.uniform(0, bound)

    def _count(self, items: Iterable[Item], sign: int) -> None:
        for item in items:
            self.events += sign
            self.bytes += sign * item.size
