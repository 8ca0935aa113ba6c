"""One partition of the log on Kafka, as a `Reader`: positions are offsets."""

import logging
import time
from collections.abc import Generator
from contextlib import closing, suppress
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from headwater.errors import CorruptionError, HeadwaterError
from headwater.events import Lane, received_ms
from headwater.log import record
from headwater.log.base import Chunk, Claimed, Damage, Head, Record, Sound, Stretch, Survey
from headwater.log.kafka import Address, address
from headwater.log.kafka_streams import Streams, TrimmedError
from headwater.log.segments import Found, Segment
from headwater.log.survey import examine

_MARK_AGAIN_SECONDS = 10.0
"""What is told while the group's coordinator moves may be lost, and what nobody repeats is forgotten after days."""
_ANSWER_SECONDS = 10.0

_logger = logging.getLogger(__name__)


class KafkaReader:
    """A `Reader` of a partition, safe to use from several threads.

    Positions number records, they are no bytes. Sees what `min.insync.replicas` brokers have. A trim hides what lies
    before it at once, exactly to the record; Kafka removes it from its disks with the segment it lies in, which ends
    after `segment.ms` when something more is appended (see `KafkaAppender.roll`). With `streams` several readers share
    their consumers; whoever made them closes them. Raises LogUnavailableError from every verb but `mark` and `trim`
    when Kafka does not answer.
    """

    def __init__(self, url: str, partition: int = 0, streams: Streams | None = None) -> None:
        self._where: Address = address(url)
        self._partition = partition
        self._shared = streams is not None
        self._streams = streams or Streams(self._where)
        self._admin = AdminClient(dict(self._where.config))
        self._trimmed = 0
        """What lies before it is gone, as far as is known here: a stream may still have it."""
        self._marked = -1
        self._marked_at = 0.0
        self._size = 0
        """Of a record, about."""

    def durable(self) -> int:
        """Half a millisecond: it asks the partition's leader, or what was acknowledged just now might be missing."""
        return self._streams.end(self._partition)

    def read(self, lane: Lane, start: int, most: int, bound: int | None = None) -> Chunk:
        durable = self.durable()
        if start > durable:
            raise CorruptionError(f"position {start} lies behind the end of the log, {durable}")
        records: list[Record] = []
        count, end = 0, start
        try:
            with closing(self._scan(start, durable if bound is None else min(bound, durable))) as founds:
                for found in founds:
                    taken = record.decode(found.data, found.at, found.position, found.end, lane)
                    end = found.end
                    if taken:
                        records.append(taken)
                        count += taken.count
                        if count >= most:
                            break
        except TrimmedError:
            raise CorruptionError(f"position {end} was trimmed from the log") from None
        return Chunk(tuple(records), end, count)

    def heads(self, start: int) -> Generator[Head, None, None]:
        for found in self._walk(start):
            yield record.decode_head(found.data, found.at, found.position, found.end)

    def record(self, position: int, lane: Lane) -> Record | None:
        if not 0 <= position < self.durable():
            return None
        try:
            found = next(self._scan(position, position + 1))
        except TrimmedError:
            return None
        return record.decode(found.data, found.at, found.position, found.end, lane)

    def claims(self, start: int) -> Generator[Claimed, None, None]:
        for found in self._walk(start):
            claimed = record.decode_claims(found.data, found.at, found.end)
            if claimed:
                yield claimed

    def claimed(self) -> int | None:
        return self._streams.words("claimed").read([self._partition]).get(self._partition)

    def since(self, ms: int) -> int:
        """An appender stamps a message with the time of its batch's receipt or a later one."""
        start = self._streams.at(self._partition, ms)
        with closing(self.heads(start)) as heads:
            return next((head.position for head in heads if received_ms(head.batch) >= ms), self.durable())

    def mark(self, stored: int) -> None:
        """Does not wait for Kafka. Up to a second later the appenders know."""
        now = time.monotonic()
        with suppress(HeadwaterError, KafkaException):
            stored = min(stored, self.durable())
            if stored != self._marked or now - self._marked_at > _MARK_AGAIN_SECONDS:
                self._streams.words("stored").write(self._partition, stored, wait=False)
                self._marked, self._marked_at = stored, now

    def want(self, position: int) -> None:
        """Nothing to be told: a trim is exact."""

    def trim(self, before: int, keep_since_ms: int) -> int:
        """Raises OSError when Kafka does not do it now."""
        try:
            oldest, claimed = self._oldest(), self.claimed()
            before = min(before, self.since(keep_since_ms), before if claimed is None else claimed)
            if before <= oldest:
                return oldest
            self._delete(before)
        except (HeadwaterError, KafkaException, TimeoutError) as error:
            raise OSError(f"the log was not trimmed: {error}") from error
        return before

    def _delete(self, before: int) -> None:
        """The leader does it at once, and answers when its followers have, half a second later: that is not waited
        for. Should it die in between, less was trimmed."""
        place = TopicPartition(self._where.topic, self._partition, before)
        outcome = self._admin.delete_records([place], request_timeout=_ANSWER_SECONDS)[place]
        deadline = time.monotonic() + _ANSWER_SECONDS
        while not outcome.done() and self._oldest() < before:
            if time.monotonic() > deadline:
                raise TimeoutError("Kafka does not answer")
            time.sleep(0.002)
        if outcome.done():
            outcome.result()
        self._trimmed = max(self._trimmed, before)

    def size(self) -> int:
        """As many records of the size of its newest: Kafka does not tell clients."""
        there = self.durable() - self._oldest()
        if there and not self._size:
            self._size = self._streams.size(self._partition)
        return there * self._size

    def survey(self) -> Survey:
        """One stretch: how Kafka cuts it into files is its own business."""
        durable = self.durable()
        oldest = min(self._oldest(), durable)
        if oldest == durable:
            return Survey(durable, (), (), begun=durable > 0)
        return Survey(durable, (Stretch(oldest, durable, self._name(), self.size()),), ())

    def examine(self, start: int, payloads: bool) -> Generator[Sound | Damage, None, None]:
        start = max(start, self._oldest())
        yield from examine(self._found, Segment(0, self.durable(), Path(self._name())), start, payloads)

    def close(self) -> None:
        if not self._shared:
            self._streams.close()

    def _oldest(self) -> int:
        self._trimmed = self._streams.start(self._partition)
        return self._trimmed

    def _name(self) -> str:
        return f"{self._where.topic}-{self._partition}"

    def _walk(self, start: int) -> Generator[Found, None, None]:
        """From `start` or the oldest there is to the durable end, whatever is trimmed meanwhile."""
        stop = self.durable()
        if start < stop:
            start = max(start, self._oldest())
        while start < stop:
            try:
                with closing(self._scan(start, stop)) as founds:
                    for found in founds:
                        yield found
                        start = found.end
            except TrimmedError:
                start = max(start + 1, self._oldest())

    def _found(self, segment: Segment, start: int, stop: int) -> Generator[Found, None, None]:
        try:
            yield from self._scan(start, stop)
        except TrimmedError:
            yield from self._walk(start)

    def _scan(self, start: int, stop: int) -> Generator[Found, None, None]:
        """The records that begin in [start, stop), all of them durable. Raises TrimmedError where one is gone."""
        if start < self._trimmed:
            raise TrimmedError
        while start < stop:
            for message in self._streams.take(self._partition, start, stop):
                if message.offset > start:  # nobody writes in transactions, and nothing is compacted
                    raise CorruptionError(f"no record begins at position {start} of the log")
                start = message.offset + 1
                yield Found(message.offset, start, message.data, 0)
