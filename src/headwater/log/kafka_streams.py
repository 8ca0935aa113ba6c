"""Records of Kafka, from any offset on: consumers that belong to no group, each somewhere in a partition.

Nobody asks for what lies behind the high watermark, so a consumer is stopped once it has reached it, and the next
request makes it go on: else it would ask the brokers all the time whether something new has come.
"""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Lock
from time import monotonic
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from headwater.errors import LogUnavailableError
from headwater.log.kafka import Address, Open, is_gone, patiently, unavailable
from headwater.log.kafka_words import Words

_CONSUMERS = 4
"""Places in the log that can be read on from at once without a seek: both lanes, and questions."""
_AT_ONCE = 1_000
"""Messages taken from a consumer at once."""
_KEPT_BYTES = 8 << 20
"""What was read stays so long: a lane looks at a record before it takes it."""
_ANSWER_SECONDS = 10.0
_LEADER_SECONDS = 2.0
"""How long one leader is waited for. librdkafka goes on waiting for one that is gone."""

_READING = {
    "group.id": "headwater",  # it must have one, and never joins it
    "enable.auto.commit": False,
    "auto.offset.reset": "error",
    "fetch.wait.max.ms": 10,  # a seek waits for the fetch before it
    "fetch.error.backoff.ms": 50,
    "fetch.queue.backoff.ms": 10,
    "queued.max.messages.kbytes": 16 << 10,
    "max.partition.fetch.bytes": 4 << 20,
}


class Message(NamedTuple):
    offset: int
    data: bytes


class TrimmedError(Exception):
    """The offset is not there any more."""


class Streams:
    """Safe to use from threads. Readers of several partitions may share one."""

    def __init__(self, where: Address) -> None:
        self._where = where
        self._asking = Open(Consumer({**where.config, **_READING}))
        self._words: dict[str, Words] = {}
        self._idle: list[_Stream] = []
        """The one used last at the end."""
        self._made = 0
        self._closed = False
        self._change = Condition(Lock())

    def end(self, partition: int) -> int:
        """The high watermark; 0 while there is no such partition. Raises LogUnavailableError."""
        return self.ends([partition])[partition]

    def start(self, partition: int) -> int:
        """The oldest offset there is."""
        return self._offsets([partition], OFFSET_BEGINNING)[partition]

    def ends(self, partitions: list[int]) -> dict[int, int]:
        return self._offsets(partitions, OFFSET_END)

    def starts(self, partitions: list[int]) -> dict[int, int]:
        return self._offsets(partitions, OFFSET_BEGINNING)

    def at(self, partition: int, ms: int) -> int:
        """The first offset of a message stamped with that time or later; the high watermark where there is none."""
        found = self._offsets([partition], ms)[partition]
        return self.end(partition) if found < 0 else found

    def take(self, partition: int, start: int, stop: int) -> list[Message]:
        """Messages from `start` on, at least one, none at or behind `stop`, which is no later than the high watermark.

        Raises TrimmedError when `start` was trimmed, LogUnavailableError when Kafka does not answer.
        """
        with self._stream(partition, start) as stream:
            return stream.take(partition, start, stop)

    def words(self, name: str) -> Words:
        """Those of that name. They are closed with the streams."""
        with self._change:
            if self._closed:
                raise LogUnavailableError("the log is closed")
            if name not in self._words:
                self._words[name] = Words(self._where, name)
            return self._words[name]

    def size(self, partition: int) -> int:
        """What one of a partition's records takes, about, in bytes; 0 when it has none."""
        start, end = self.start(partition), self.end(partition)
        if start == end:
            return 0
        try:
            some = self.take(partition, max(start, end - 10), end)
        except TrimmedError:
            return 0
        return sum([len(each.data) for each in some]) // len(some)

    def close(self) -> None:
        """Waits for calls that are under way, some seconds at most."""
        with self._change:
            self._closed = True
            streams, self._idle = self._idle, []
            self._change.notify_all()
        for stream in streams:
            stream.close()
        for words in self._words.values():
            words.close()
        self._asking.close()

    def _offsets(self, partitions: list[int], time: int) -> dict[int, int]:
        topic = self._where.topic

        def ask() -> dict[int, int]:
            wanted = [TopicPartition(topic, each, time) for each in partitions]
            with self._asking as consumer:
                try:
                    found = consumer.offsets_for_times(wanted, timeout=_LEADER_SECONDS)
                except KafkaException as error:
                    if is_gone(error):
                        return dict.fromkeys(partitions, 0)
                    # Nothing else tells this consumer, which is assigned nothing, who leads now.
                    consumer.list_topics(topic, timeout=_LEADER_SECONDS)
                    raise
            for each in found:
                if each.error:
                    raise KafkaException(each.error)
            return {each.partition: each.offset for each in found}

        return patiently(ask, _ANSWER_SECONDS)

    @contextmanager
    def _stream(self, partition: int, start: int) -> Iterator["_Stream"]:
        stream = self._lent(partition, start)
        try:
            yield stream
        except BaseException:
            stream.forget()
            raise
        finally:
            with self._change:
                closed = self._closed
                if not closed:
                    self._idle.append(stream)
                    self._change.notify()
            if closed:
                stream.close()

    def _lent(self, partition: int, start: int) -> "_Stream":
        """The one that is there already, else a new one, else the one that was not used for longest."""
        with self._change:
            if not self._idle and self._made >= _CONSUMERS:
                self._change.wait_for(lambda: self._idle or self._closed)
            if self._closed:
                raise LogUnavailableError("the log is closed")
            for at, stream in enumerate(self._idle):
                if stream.has(partition, start):
                    return self._idle.pop(at)
            if self._made < _CONSUMERS:
                self._made += 1
                return _Stream(self._where)
            return self._idle.pop(0)


class _Stream:
    """A consumer, and what it brought last. For one thread at a time."""

    def __init__(self, where: Address) -> None:
        self._topic = where.topic
        self._consumer = Consumer({**where.config, **_READING})
        self._partition = -1
        self._offsets: list[int] = []
        self._kept: list[Message] = []
        self._bytes = 0
        self._next = 0
        """The offset that the consumer brings next."""
        self._stopped = True

    def has(self, partition: int, start: int) -> bool:
        if self._partition != partition:
            return False
        return (self._offsets[0] if self._offsets else self._next) <= start <= self._next

    def take(self, partition: int, start: int, stop: int) -> list[Message]:
        if not self.has(partition, start):
            self._go(partition, start)
        self._drop(start)
        if not self._offsets or self._offsets[-1] < start:
            self._fetch()
        if self._next >= stop and not self._stopped:
            self._consumer.unassign()  # to pause it is as good, but then it takes a second to go on
            self._stopped = True
        taken = self._kept[bisect_left(self._offsets, start) : bisect_left(self._offsets, stop)]
        if not taken:
            raise LogUnavailableError(f"Kafka has nothing at {start} of partition {partition}, and had")
        return taken

    def forget(self) -> None:
        """The next `take` begins with a seek."""
        self._partition = -1

    def close(self) -> None:
        self._consumer.close()

    def _go(self, partition: int, start: int) -> None:
        self._offsets.clear()
        self._kept.clear()
        self._bytes, self._partition, self._next = 0, partition, start
        self._consumer.unassign()
        self._stopped = True

    def _drop(self, start: int) -> None:
        """What is no longer wanted, all at once: that is cheaper."""
        if self._bytes > _KEPT_BYTES:
            gone = bisect_left(self._offsets, start)
            self._bytes -= sum([len(each.data) for each in self._kept[:gone]])
            del self._offsets[:gone], self._kept[:gone]

    def _fetch(self) -> None:
        """At least one message more."""
        if self._stopped:
            self._consumer.assign([TopicPartition(self._topic, self._partition, self._next)])
            self._stopped = False
        before, deadline = self._next, monotonic() + _ANSWER_SECONDS
        while self._next == before:
            for message in self._consumer.consume(1, timeout=0.2) or ():
                self._note(message)
            if monotonic() > deadline:
                raise LogUnavailableError("Kafka does not bring what it has")
        for message in self._consumer.consume(_AT_ONCE, timeout=0):
            self._note(message)

    def _note(self, message: Any) -> None:
        error, offset = message.error(), message.offset()
        if error:
            if error.code() == KafkaError._AUTO_OFFSET_RESET:
                raise TrimmedError
            raise unavailable(KafkaException(error))
        if offset >= self._next:
            data = message.value() or b""
            self._offsets.append(offset)
            self._kept.append(Message(offset, data))
            self._bytes += len(data)
            self._next = offset + 1
