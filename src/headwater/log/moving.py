"""A log in files, record by record into Kafka, while it still grows: for the move past one machine. Each once.

What was appended in which run is written down only now and then, so a run that is killed leaves records at the
partitions' ends that nobody has written down. The next one finds them there: before it reads those ends it has to be
certain that nothing of the killed one's can come after them. So all are stamped in the past, nearly so far that Kafka
refuses them, and the next run appends an empty record to each partition when they would be refused for certain (see
`kafka_doubts`); what lies before that is all there is.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Protocol

import msgspec
from confluent_kafka import KafkaException, Producer

from headwater.clock import now_ms
from headwater.errors import CorruptionError, LogUnavailableError
from headwater.events import Batch, Lane, Part, new_batch_id
from headwater.log.base import Appender, Claimed, Damage, Reader, Sound
from headwater.log.kafka import address, prepare
from headwater.log.kafka_streams import Streams
from headwater.log.record import encode, nothing

_LEFT_MS, _MARGIN_MS = 15_000, 5_000
"""How long Kafka takes a record after it was handed in; how far its brokers' clocks may differ."""
_RECORDS, _BYTES = 2_000, 8 << 20
"""At once; then it is written down how far it is."""
_LOOK_SECONDS = 0.05
_AGAIN_SECONDS = 0.5
_WAIT_SECONDS = 30.0

_logger = logging.getLogger(__name__)


class Mark(msgspec.Struct, frozen=True):
    """How far it is."""

    position: int
    """Of the old log: everything before it is in Kafka, unless the store had it."""
    ends: list[int]
    """Of each partition: what of the old log lies at `position` or behind is not before."""
    records: int = 0
    """Appended until then."""
    events: int = 0


class Marks(Protocol):
    """Where that is written down."""

    def mark(self) -> Mark | None:
        """None before the first."""

    def put_mark(self, mark: Mark) -> None:
        """Durable when it returns. Raises an error when this run is not the one that moves any more."""


class LogMove:
    """`run` in a thread of its own; it ends once all is there after `finish`, at `stop`, or by `failure`.

    `options`: of the topic, as `log.kafka.prepare` takes them; `appender` opens it, given how records are stamped.
    `stored`: by lane, the position of the old log before which the store has it. `told` hears of what is appended.
    """

    def __init__(
        self,
        reader: Reader,
        url: str,
        options: Mapping[str, int],
        appender: Callable[[Callable[[Batch], int]], Appender],
        marks: Marks,
        stored: Mapping[Lane, int],
        told: Callable[[Mark], None] = lambda mark: None,
    ) -> None:
        """Makes the topic when it is not there. Raises StartError, SettingsError."""
        self._reader = reader
        self._marks = marks
        self._stored = stored
        self._told = told
        self._url = url
        topic = prepare(address(url), **options, seconds=_WAIT_SECONDS)
        left = min(_LEFT_MS, topic.before_ms // 2)
        self._certain = (left + topic.after_ms + _MARGIN_MS) / 1000
        """Seconds after which nothing that a killed run has appended can come any more."""
        self._appender = appender(lambda batch: now_ms() - topic.before_ms + left)
        self._streams = Streams(address(url))
        self._numbers = [*range(topic.partitions)]
        self._there: set[bytes] = set()
        """Of the records at the ends, what tells one from all others."""
        self._last, self._stop = threading.Event(), threading.Event()
        self.failure: Exception | None = None
        self.at = 0
        """The position that it is at."""

    def partitions(self) -> int:
        """How many there are."""
        return len(self._numbers)

    def is_empty(self) -> bool:
        """Whether Kafka has nothing, and never had."""
        return not any(self._all())

    def lag(self) -> int:
        """Bytes of the old log that are not in Kafka yet."""
        return max(0, self._reader.durable() - self.at)

    def finish(self) -> None:
        """Nothing more comes into the old log."""
        self._last.set()

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        try:
            asyncio.run(self._run())
        except Exception as error:
            _logger.debug("the log is not moved on", exc_info=error)
            self.failure = error

    def close(self) -> None:
        """Once `run` has ended."""
        self._appender.close()
        self._streams.close()

    async def _run(self) -> None:
        mark = self._begun()
        self.at = mark.position
        self._told(mark)
        while not self._stop.is_set():
            last, durable = self._last.is_set(), self._reader.durable()
            sounds = [*islice(self._sounds(mark.position, durable), _RECORDS)] if mark.position < durable else []
            if not sounds:
                if last and mark.position >= durable:
                    return
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            mark = await self._moved(mark, sounds)
            self._marks.put_mark(mark)
            self.at = mark.position
            self._told(mark)

    def _begun(self) -> Mark:
        """Where to go on, and what is there already."""
        mark = self._marks.mark()
        if mark is None:
            mark = Mark(min(self._stored.values()), self._all())
            self._marks.put_mark(mark)
            return mark
        segments = self._reader.survey().segments
        oldest = segments[0].base if segments else self._reader.durable()
        if oldest > mark.position:
            raise CorruptionError(
                f"the old log begins at {oldest} by now, and the move stopped at {mark.position}: "
                "what lies between was trimmed. Begin anew, with an empty target"
            )
        self._there = self._found(mark)
        return mark

    def _found(self, mark: Mark) -> set[bytes]:
        """What an earlier run appended behind the mark."""
        until = time.monotonic() + self._certain
        while time.monotonic() < until and not self._stop.is_set():
            time.sleep(_LOOK_SECONDS)
        found: set[bytes] = set()
        for partition, at in enumerate(mark.ends):
            _barrier(self._url, partition)
            end = self._streams.end(partition)
            while at < end:
                for message in self._streams.take(partition, at, end):
                    at = message.offset + 1
                    found.add(_name(message.data))
        return found

    def _all(self) -> list[int]:
        """Each partition's end."""
        found = self._streams.ends(self._numbers)
        return [found[partition] for partition in self._numbers]

    def _sounds(self, start: int, stop: int) -> Iterator[Sound]:
        size = 0
        for each in self._reader.examine(start, payloads=True):
            if isinstance(each, Damage):
                raise CorruptionError(f"the old log is damaged at {each.position}: {each.why}")
            if each.head.end > stop or size > _BYTES:
                return
            size += each.head.end - each.head.position
            yield each

    async def _moved(self, mark: Mark, sounds: list[Sound]) -> Mark:
        claims = self._reader.claims(mark.position)
        batches = [batch for sound in sounds if (batch := self._batch(sound, claims)) is not None]
        fresh = [batch for batch in batches if not self._is_there(batch)]
        await self._append(fresh)
        events = sum(part.count for batch in batches for part in batch.parts)
        return Mark(sounds[-1].head.end, self._all(), mark.records + len(batches), mark.events + events)

    async def _append(self, batches: list[Batch]) -> None:
        """Until all of them are durable. Those that are refused are tried again: they are not there."""
        while batches:
            outcomes = await asyncio.gather(*map(self._appender.append, batches), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException) and not isinstance(outcome, LogUnavailableError):
                    raise outcome
            batches = [batch for batch, outcome in zip(batches, outcomes, strict=True) if outcome is not None]
            if batches:
                if self._stop.is_set():
                    raise LogUnavailableError("the log in Kafka does not take anything now")
                await asyncio.sleep(_AGAIN_SECONDS)

    def _is_there(self, batch: Batch) -> bool:
        if not self._there:
            return False
        name = _name(encode(batch))
        known = name in self._there
        self._there.discard(name)
        return known

    def _batch(self, sound: Sound, claims: Iterator[Claimed]) -> Batch | None:
        """What of a record is not in the store yet, and its claims; None when that is nothing."""
        head = sound.head
        parts = tuple(
            Part(share.lane, share.count, share.first_ms, share.last_ms, share.lines)
            for share in sound.shares
            if head.position >= self._stored[share.lane]
        )
        claimed = next((each for each in claims if each.end == head.end), None) if head.claims else None
        if not parts and claimed is None:
            return None
        return Batch(head.batch, head.workspace, head.dialect, parts, claimed.claims if claimed else (), head.replay)


def _name(data: bytes) -> bytes:
    """A record's two checksums: a replay has the id of an older batch."""
    return data[4:20]


def _barrier(url: str, partition: int) -> None:
    """An empty record, once Kafka has confirmed it. Raises LogUnavailableError."""
    where = address(url)
    id_ = new_batch_id(now_ms())
    outcomes: list[Any] = []
    producer = Producer({**where.config, "enable.idempotence": True, "message.timeout.ms": 60_000})
    try:
        producer.produce(
            where.topic,
            nothing(id_),
            id_,
            partition=partition,
            timestamp=now_ms(),
            on_delivery=lambda error, message: outcomes.append(error),
        )
        producer.flush(65)
    except KafkaException as error:
        raise LogUnavailableError(f"Kafka: {error}") from error
    if outcomes != [None]:
        raise LogUnavailableError(f"Kafka did not confirm a record: {outcomes[0] if outcomes else 'no answer'}")
