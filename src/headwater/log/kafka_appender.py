"""Appending to the log on Kafka."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from headwater.clock import now_ms, to_iso
from headwater.errors import LogUnavailableError, LogUndecidedError, StartError
from headwater.events import Batch, new_batch_id, received_ms
from headwater.log.base import Status
from headwater.log.kafka import MESSAGE_BYTES, Address, address, prepare
from headwater.log.kafka_backlog import Backlog
from headwater.log.kafka_doubts import Doubt, Doubts
from headwater.log.kafka_streams import Streams
from headwater.log.kafka_waiting import Settle, Waiting, doubt_of, settle_all, tells_of_clocks
from headwater.log.record import encode, nothing

_LEAST_TICK, _MOST_TICK = 0.001, 0.01
"""How often somebody looks for what was delivered, in seconds, while something is under way: a tenth of the time that
Kafka takes at present, or else a gateway that waits for slow disks would do little but look. It is the next partition's
turn then, too."""
_LOOK_SECONDS = 1.0
_STALLED_SECONDS = 1.0
"""Nothing more goes to a partition whose oldest batch waits so long. A leader that dies takes ten times that."""
_SLOW_SECONDS = 0.2
"""Another partition is preferred to one whose oldest batch waits so long."""
_AT_ONCE = 256 << 10
"""Bytes that go to one partition before it is the next one's turn."""
_HELD_SECONDS = 5
_SKEWED_SECONDS = 10.0
"""Until it is tried again whether the clocks are right by now."""
_CLOSE_SECONDS = 15.0

_WRITING = {
    "enable.idempotence": True,  # with it acks=all; a repeated request is known to the leader, and its successor
    "message.timeout.ms": 0,  # never: what Kafka may have taken is not given up, see `doubts`
    "request.timeout.ms": 10_000,
    "retry.backoff.max.ms": 500,
    "linger.ms": 1,
    "compression.type": "none",  # records are
    "message.max.bytes": MESSAGE_BYTES + 65_536,
    "queue.buffering.max.messages": 1_000_000,  # the bound is ours
    "queue.buffering.max.kbytes": 1 << 20,
}

_logger = logging.getLogger(__name__)


def receipt(batch: Batch) -> int:
    """When the batch was received. A replay has the id of an older one: for that it is now."""
    return now_ms() if batch.replay else received_ms(batch.id)


class KafkaAppender:
    """An `Appender` over all partitions of a topic, which it makes when it is not there. There may be many of them.

    A batch goes to one partition, in turn, but to none that does not confirm what it got or that has too few replicas
    in sync: while one leader is away, only the batches wait that were on their way to it. They wait until Kafka has
    confirmed them or it is certain that it never will (`doubts`): mostly until a new leader is found, some 10 s; where
    no leader is found, until there is one again. Meanwhile everything new is refused at once, and `status` says why.
    So an answer is never wrong; it may be late.

    To await `append` raises LogUnavailableError when the batch is not in the log and never will be, and
    LogUndecidedError when nobody can know: after a `close` while Kafka was away, and where the log was trimmed before
    anybody could look.

    `partitions`, `replicas`, `min_insync`: of a topic that has to be made, and the last two at least of one that is
    there. `waiting_bytes`: with more than that unconfirmed, batches are refused. `stamp`: a batch's time for Kafka,
    which refuses it when that is long ago: a gateway that was frozen and is believed dead appends nothing any more.
    Raises StartError, and SettingsError.
    """

    def __init__(
        self,
        url: str,
        *,
        partitions: int = 12,
        replicas: int = 3,
        min_insync: int = 2,
        waiting_bytes: int = 64 << 20,
        wait_seconds: float = 30.0,
        stamp: Callable[[Batch], int] = receipt,
    ) -> None:
        self._where: Address = address(url)
        self._topic = prepare(
            self._where, partitions=partitions, replicas=replicas, min_insync=min_insync, seconds=wait_seconds
        )
        self._most = waiting_bytes
        self._stamp = stamp
        self._streams = Streams(self._where)
        self._admin = AdminClient(dict(self._where.config))
        self._all = [*range(self._topic.partitions)]
        try:
            self._ends = self._streams.ends(self._all)
        except LogUnavailableError as error:
            self._streams.close()
            raise StartError(str(error)) from error
        self._fit = set(self._all)
        """Partitions with a leader and enough replicas in sync, as far as is known."""
        self._pending: list[dict[Waiting, Any]] = [{} for _ in self._all]
        """By partition, in the order in which they were handed in."""
        self._bytes = 0
        self._delivered: deque[tuple[Waiting, KafkaError | None, int]] = deque()
        self._lent: dict[int, float] = {}
        """Partitions that got a record since their last barrier, and when."""
        self._turn, self._at_once = 0, 0
        self._ticking: set[asyncio.AbstractEventLoop] = set()
        self._tick_seconds = _LEAST_TICK
        self._doubts = Doubts(self._topic, self._streams, self._barrier)
        self._settling = threading.Lock()
        self._gate = threading.Lock()
        self._closing = self._broken = False
        self._held = self._away = ""
        self._away_ms = 0
        self._skewed_until = 0.0
        self._commits = self._batches = 0
        self._backlog = Backlog(self._topic, self._streams)
        self._producer = self._new_producer()
        self._stop = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="log-keeper", daemon=True)
        self._keeper.start()

    # --- the port ----------------------------------------------------------------------------------------------------

    def append(self, batch: Batch) -> "asyncio.Future[None]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        refusal = self._refusal()
        if refusal is None:
            stamp = self._stamp(batch)
            if now_ms() - stamp < self._topic.before_ms:
                refusal = self._hand_in(encode(batch), batch.id, self._next(), stamp, future)
            else:
                refusal = LogUnavailableError("the batch was received too long ago for Kafka to take it")
        if refusal:
            future.set_exception(refusal)
        else:
            self._tick_on(loop)
        return future

    def hold(self, why: str) -> None:
        self._held = why

    def roll(self, older_seconds: float) -> None:
        """Kafka ends a segment that is old enough with the next record alone: a partition where nothing was appended
        lately gets an empty one, once, or what was trimmed would stay on the disk."""
        quiet = time.monotonic() - max(older_seconds, self._topic.segment_ms / 1000)
        for partition, since in [*self._lent.items()]:
            if since < quiet and not self._refusal():
                self._hand_in_nothing(partition, now_ms(), lambda outcome: None)

    def claimed(self, position: int) -> None:
        """Of a log of one partition alone: a position is one partition's. Raises LogUnavailableError."""
        if len(self._all) > 1:
            raise ValueError("whoever keeps the claims of several partitions keeps their cursors, too")
        self._streams.words("claimed").write(0, position, wait=True)

    def durable(self) -> int:
        """Over all partitions: with one of them it is a position, with several a number that grows."""
        return sum(self._ends.values())

    def status(self) -> Status:
        if self._closing:
            return Status(False, "the log is closed", self.durable(), self._commits, self._batches)
        why = " ".join(filter(None, (self._failing(), self._held)))
        return Status(not why, why, self.durable(), self._commits, self._batches, self._backlog.bytes)

    def close(self) -> None:
        """Waits some seconds for what is under way."""
        with self._gate:
            first, self._closing = not self._closing, True
        if not first:
            self._keeper.join()
            return
        deadline = time.monotonic() + _CLOSE_SECONDS
        while (any(self._pending) or len(self._doubts)) and time.monotonic() < deadline:
            self._poll(0.02)
        self._stop.set()
        self._backlog.close()
        self._keeper.join()
        self._doubts.close()
        left = [waiting for each in self._pending for waiting in each]
        outcome = LogUndecidedError("the log was closed before Kafka confirmed a batch")
        settle_all([(waiting.settle, outcome) for waiting in left])
        self._producer.purge()
        self._streams.close()

    # --- handing in --------------------------------------------------------------------------------------------------

    def _refusal(self) -> LogUnavailableError | None:
        """Why a batch is not even tried."""
        if self._closing:
            return LogUnavailableError("the log is closing")
        if self._held:
            return LogUnavailableError(self._held, retry_after=_HELD_SECONDS)
        if self._bytes > self._most:
            return LogUnavailableError("too much waits for Kafka to confirm it")
        why = self._failing()
        return LogUnavailableError(why) if why else None

    def _failing(self) -> str:
        """Empty while there is a partition that takes batches."""
        if self._broken:
            return "the connection to Kafka is made anew"
        if time.monotonic() < self._skewed_until:
            return "Kafka refuses this machine's time. Set its clock right, or those of Kafka's brokers"
        if self._away:
            return f"{self._away}, since {to_iso(self._away_ms)}. Have a look at its brokers"
        if not self._fit:
            least = self._topic.min_insync
            return f"every partition lacks a leader or {least} replicas in sync. Have a look at Kafka's brokers"
        if not any(self._takes(partition, time.monotonic()) for partition in self._all):
            return "Kafka has not confirmed anything for a while. Have a look at its brokers"
        return ""

    def _takes(self, partition: int, now: float, seconds: float = _STALLED_SECONDS) -> bool:
        if partition not in self._fit:
            return False
        try:
            oldest = next(iter(self._pending[partition]), None)
        except RuntimeError:  # another thread has just learned of one that is done
            return True
        return oldest is None or now - oldest.since < seconds

    def _next(self) -> int:
        """The partition whose turn it is; there is one, or `_refusal` had said so."""
        now = time.monotonic()
        for seconds in (_SLOW_SECONDS, _STALLED_SECONDS):
            for step in range(len(self._all)):
                partition = (self._turn + step) % len(self._all)
                if self._takes(partition, now, seconds):
                    self._turn = partition
                    return partition
        return self._turn

    def _hand_in(
        self, record: bytes, key: bytes, partition: int, stamp: int, settle: "asyncio.Future[None] | Settle"
    ) -> LogUnavailableError | None:
        """Why it is not under way, if it is not."""
        waiting = Waiting(record, partition, stamp, self._ends[partition], settle)
        noted = partial(self._note, waiting)
        with self._gate:  # or it could slip in behind the last look of `close`, or into a producer that is given up
            if self._closing or self._broken:
                return LogUnavailableError("the log is closing" if self._closing else self._failing())
            self._pending[partition][waiting] = None
            self._bytes += waiting.size
            try:
                self._producer.produce(
                    self._topic.name, record, key, partition=partition, timestamp=stamp, on_delivery=noted
                )
            except (BufferError, KafkaException) as error:
                self._forget(waiting)
                self._broken = isinstance(error, KafkaException) and error.args[0].code() == KafkaError._FATAL
                return LogUnavailableError(f"Kafka: {error}")
        self._backlog.note(waiting.size)
        self._at_once += waiting.size
        self._lent[partition] = waiting.since
        if self._at_once > _AT_ONCE:
            self._pass_turn()
        return None

    def _hand_in_nothing(self, partition: int, stamp: int, settle: Settle) -> bool:
        id_ = new_batch_id(stamp)
        handed = self._hand_in(nothing(id_), id_, partition, stamp, settle) is None
        self._lent.pop(partition, None)
        return handed

    def _pass_turn(self) -> None:
        self._turn, self._at_once = (self._turn + 1) % len(self._all), 0

    def _barrier(self, partition: int, stamp: int, seconds: float) -> bool:
        """See `Doubts`: whether it is known to be there. One more harms nobody."""
        known, outcomes = threading.Event(), list[Exception | None]()

        def settle(outcome: Exception | None) -> None:
            outcomes.append(outcome)
            known.set()

        if not self._hand_in_nothing(partition, stamp, settle):
            return False
        known.wait(seconds)
        return outcomes == [None]

    # --- what became of it -------------------------------------------------------------------------------------------

    def _tick_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Delivery reports are fetched by the loop's own thread: the library calls Python once for each, and from
        another thread each of them would wait for the interpreter."""
        if loop not in self._ticking:
            self._ticking.add(loop)
            loop.call_later(self._tick_seconds, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._ticking.discard(loop)
        self._poll(0)
        if self._at_once:
            self._pass_turn()
        if any(self._pending):
            self._tick_on(loop)

    def _poll(self, seconds: float) -> None:
        self._producer.poll(seconds)
        if self._delivered and self._settling.acquire(blocking=False):
            try:
                self._settle()
            finally:
                self._settling.release()

    def _note(self, waiting: Waiting, error: KafkaError | None, message: Any) -> None:
        """Called by the library, in whichever thread polls."""
        self._delivered.append((waiting, error, -1 if error else message.offset()))

    def _settle(self) -> None:
        done: list[tuple[Any, Exception | None]] = []
        doubts: list[Doubt] = []
        took, now = _MOST_TICK, time.monotonic()
        for waiting, error, offset in self._fetched():
            took = min(took, (now - waiting.since) / 10)
            if error is None:
                self._ends[waiting.partition] = max(self._ends[waiting.partition], offset + 1)
                self._batches += isinstance(waiting.settle, asyncio.Future)
                done.append((waiting.settle, None))
            elif isinstance(waiting.settle, asyncio.Future):
                doubts.append(doubt_of(waiting, error))
            else:
                done.append((waiting.settle, LogUnavailableError(error.str())))
            if error is not None and error.code() == KafkaError._FATAL:
                self._broken = True
            if error is not None and tells_of_clocks(error, waiting):
                self._skewed_until = time.monotonic() + _SKEWED_SECONDS
        self._commits += any(outcome is None for _, outcome in done)
        self._pace(took)
        settle_all(done)
        if doubts:
            _logger.error("%d batches were not confirmed, it is being found out: %s", len(doubts), doubts[0].why)
            self._doubts.add(doubts)

    def _pace(self, wanted: float) -> None:
        """Slower by and by, faster at once."""
        self._tick_seconds = max(_LEAST_TICK, min(wanted, 1.2 * self._tick_seconds))

    def _fetched(self) -> list[tuple[Waiting, KafkaError | None, int]]:
        """What was delivered, each once, and no longer pending."""
        fetched = []
        with self._gate:
            while self._delivered:
                if self._forget(self._delivered[0][0]):
                    fetched.append(self._delivered[0])
                self._delivered.popleft()
        return fetched

    def _forget(self, waiting: Waiting) -> bool:
        """Whether it was pending."""
        known = self._pending[waiting.partition].pop(waiting, self) is None
        self._bytes -= waiting.size if known else 0
        return known

    # --- the keeper --------------------------------------------------------------------------------------------------

    def _new_producer(self) -> Producer:
        return Producer({**self._where.config, **_WRITING})

    def _keep(self) -> None:
        looked = 0.0
        while not self._stop.wait(0.05):
            self._poll(0)
            if self._broken:
                self._renew()
            if time.monotonic() - looked > _LOOK_SECONDS:
                self._look()
                looked = time.monotonic()

    def _renew(self) -> None:
        """What the old producer has under way becomes doubts."""
        _logger.error("the connection to Kafka is made anew")
        old = self._producer
        old.purge()
        deadline = time.monotonic() + 5
        while len(old) and time.monotonic() < deadline:
            self._poll(0.05)
        with self._gate:
            self._producer = self._new_producer()
            for waiting in [waiting for each in self._pending for waiting in each]:  # nothing is heard of them any more
                self._delivered.append((waiting, KafkaError(KafkaError._PURGE_INFLIGHT), -1))
            self._broken = False

    def _look(self) -> None:
        """How Kafka is. One broker is asked: where others confirm batches meanwhile, only that one is away."""
        confirmed = self._commits
        try:
            found = self._admin.list_topics(self._topic.name, timeout=3).topics[self._topic.name]
            if found.error is not None:
                raise KafkaException(found.error)
        except KafkaException as error:
            if self._commits == confirmed:
                self._away_ms = self._away_ms or now_ms()
                self._away = f"Kafka does not answer: {error.args[0].str()}"
            return
        self._away, self._away_ms = "", 0
        least = self._topic.min_insync
        self._fit = {n for n, each in found.partitions.items() if each.leader >= 0 and len(each.isrs) >= least}
