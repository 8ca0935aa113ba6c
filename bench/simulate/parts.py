"""What an installation is made of. Queues hold numbers of events, not events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from simulate.clock import Clock, Server
from simulate.settings import Setup


@dataclass
class Parcel:
    """Batches that came to one gateway within some milliseconds."""

    batches: int
    born: float


class Partition:
    """Of the log: what was acknowledged and not read by an engine yet."""

    def __init__(self, broker: int) -> None:
        self.broker = broker
        self.led = True
        """A broker answers for it."""
        self.pending: list[tuple[float, Callable[[], None]]] = []
        """What waits for a broker's word, and since when."""
        self._waiting: deque[tuple[float, int]] = deque()
        self.events = 0
        self.under_way = 0
        """Read by an engine, and not committed."""
        self.holder: Engine | None = None
        """Who has its lock."""

    def put(self, now: float, events: int) -> None:
        self._waiting.append((now, events))
        self.events += events

    def take(self, most: int) -> tuple[int, float]:
        """How many events are taken out, oldest first, and since when the oldest waits."""
        taken, oldest = 0, self._waiting[0][0]
        while self._waiting and taken < most:
            since, events = self._waiting.popleft()
            part = min(events, most - taken)
            if part < events:
                self._waiting.appendleft((since, events - part))
            taken += part
        self.events -= taken
        return taken, oldest

    def put_back(self, since: float, events: int) -> None:
        self._waiting.appendleft((since, events))
        self.events += events

    def oldest(self) -> float | None:
        return self._waiting[0][0] if self._waiting else None


@dataclass
class Tally:
    """What came of it all."""

    acknowledged: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """Events by cause."""
    stored: int = 0
    waits: list[tuple[float, float, int]] = field(default_factory=list)
    """When a parcel was answered, after how many seconds, and its batches."""
    samples: list[tuple[float, int, float, float]] = field(default_factory=list)
    """Each second: the moment, events waiting, seconds the oldest of them waits, seconds the leader is behind."""

    def refuse(self, why: str, events: int) -> None:
        self.refused[why] = self.refused.get(why, 0) + events


class Gateway:
    """Takes batches one after the other on one core, and hands them to partitions in turn."""

    def __init__(self, clock: Clock, setup: Setup, partitions: list[Partition], tally: Tally, random: Random) -> None:
        self._clock, self._setup, self._tally, self._random = clock, setup, tally, random
        self._partitions = partitions
        self._turn = random.randrange(len(partitions))
        self._in_flight = 0
        self.core = Server(clock)
        self.catalog = True
        """What it knows of keys and signals is good."""

    def arrive(self, batches: int) -> None:
        setup, now = self._setup, self._clock.now
        partition = self._next()
        room = setup.most_in_flight - self._in_flight
        if not self.catalog:
            self._tally.refuse("no PostgreSQL", batches * setup.batch_events)
        elif partition is None:
            self._tally.refuse("no partition takes batches", batches * setup.batch_events)
        elif room <= 0:
            self._tally.refuse("too many in flight", batches * setup.batch_events)
        else:
            taken = min(batches, room)
            if taken < batches:
                self._tally.refuse("too many in flight", (batches - taken) * setup.batch_events)
            self._in_flight += taken
            parcel = Parcel(taken, now)
            self.core.do(taken * setup.costs.batch, lambda: self._hand_in(parcel, partition))

    def _hand_in(self, parcel: Parcel, partition: Partition) -> None:
        def send() -> None:
            self._clock.after(self._random.uniform(0.5, 1.5) * self._setup.costs.replicate, confirmed)

        def confirmed() -> None:
            if not partition.led:  # the answer is lost, it is asked again
                partition.pending.append((self._clock.now, send))
                return
            self._in_flight -= parcel.batches
            events = parcel.batches * self._setup.batch_events
            partition.put(self._clock.now, events)
            self._tally.acknowledged += events
            self._tally.waits.append((self._clock.now, self._clock.now - parcel.born, parcel.batches))

        send()

    def _next(self) -> Partition | None:
        for _ in self._partitions:
            self._turn = (self._turn + 1) % len(self._partitions)
            partition = self._partitions[self._turn]
            stalled = self._clock.now - self._setup.times.stalled
            if not partition.pending or partition.pending[0][0] > stalled:
                return partition
        return None


class Engine:
    """Stores its partitions, one block of each at a time; its Python does one thing at a time."""

    def __init__(self, clock: Clock, setup: Setup, number: int, shards: list[Server], tally: Tally) -> None:
        self._clock, self._setup, self._shards, self._tally = clock, setup, shards, tally
        self.number = number
        self.core = Server(clock)
        self.owned: dict[Partition, int] = {}
        """With a number that tells this ownership from earlier ones."""
        self.alive = True
        self.may_store = True
        """PostgreSQL and the store are there."""
        self.told: Callable[[int], None] = lambda events: None
        self._blocks = number

    def own(self, partition: Partition) -> None:
        self.owned[partition] = era = self._blocks = self._blocks + 1
        in_doubt, partition.holder = partition.under_way > 0, self
        self._clock.after(self._setup.times.doubt if in_doubt else 0, lambda: self._step(partition, era))

    def disown(self, partition: Partition) -> None:
        """The block that is under way comes to its end before."""
        self.owned.pop(partition, None)

    def _is_mine(self, partition: Partition, era: int) -> bool:
        return self.alive and self.owned.get(partition) == era

    def _step(self, partition: Partition, era: int) -> None:
        setup, costs = self._setup, self._setup.costs
        if not self._is_mine(partition, era):
            return
        if not partition.events or not self.may_store:
            self._clock.after(0.05, lambda: self._step(partition, era))
            return
        events, since = partition.take(setup.block_events)
        partition.under_way = events
        self._blocks += 1
        shard = self._shards[self._blocks % len(self._shards)]

        def inserted() -> None:
            self._clock.after(costs.block_commit, committed)

        def committed() -> None:
            if not self.alive:
                partition.put_back(since, events)
            elif not self.may_store:
                self._clock.after(0.5, committed)
                return
            else:
                partition.under_way = 0
                self._tally.stored += events
                self.told(events)
            rest = setup.times.linger if events < setup.block_events // 4 else 0.0
            self._clock.after(rest, lambda: self._step(partition, era))

        def planned() -> None:
            shard.do(costs.insert_begin + events * costs.event_insert, inserted)

        def made() -> None:
            self._clock.after(costs.block_begin, planned)

        self.core.do(events * costs.event_read, made)
