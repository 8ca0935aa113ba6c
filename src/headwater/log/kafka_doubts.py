"""What became of a message that Kafka neither confirmed nor can be trusted to have refused.

A request that got no answer may be in the log, or get there later: it may wait in the buffers of a broker that hangs.
So nobody may say "not stored" before it is certain that it never will be. What makes it certain is the topic's

    message.timestamp.before.max.ms  B    a leader refuses what is stamped more than B before its clock
    message.timestamp.after.max.ms   A    and what is stamped more than A after it

A message in doubt is stamped T. A barrier, an empty record, is appended to its partition with a stamp of
T + B + A + a margin, or later. When a leader has taken that, its clock was at most A behind the stamp, so past T + B:
from there on it refuses the message, and behind the barrier it can never be. Whether it is before it can be read. None
of that hangs on our clock being right, nor on anything but that the clocks of one partition's replicas do not differ
by more than the margin; and readers need not know of any of it.
"""

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple

from headwater.clock import now_ms
from headwater.errors import HeadwaterError, LogUnavailableError, LogUndecidedError
from headwater.log.kafka import Topic
from headwater.log.kafka_streams import Streams, TrimmedError

_MARGIN_MS = 5_000
_PAUSE = 0.2

_logger = logging.getLogger(__name__)


class Doubt(NamedTuple):
    """A message that may be in the log."""

    partition: int
    mark: bytes
    """What tells it from every other: see `mark_of`. Not its batch's id, for a replay has that too."""
    stamp: int
    behind: int
    """It does not lie before this offset."""
    why: str
    """What Kafka or its client said."""
    settle: Callable[[Exception | None], None]
    """To be called once with the outcome; None: it is durable."""


class Doubts:
    """Finds out, in a thread of its own that there is only while there are any."""

    def __init__(self, topic: Topic, streams: Streams, barrier: Callable[[int, int, float], bool]) -> None:
        """`barrier(partition, stamp, seconds)`: whether an empty record of that stamp is known to be appended."""
        self._topic = topic
        self._streams = streams
        self._barrier = barrier
        self._lock = threading.Lock()
        self._open: list[Doubt] = []
        self._looked: set[bytes] = set()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._open)

    def add(self, doubts: list[Doubt]) -> None:
        with self._lock:
            self._open += doubts
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="log-doubts", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Whoever still waits is told that it is not known."""
        self._closing.set()
        thread = self._thread
        if thread:
            thread.join()
        with self._lock:
            left, self._open = self._open, []
        for doubt in left:
            doubt.settle(LogUndecidedError("the log was closed before it was known whether a batch is in it"))

    def wait_ms(self) -> int:
        """How long after a message was stamped it can be known that it is not in the log."""
        return self._topic.before_ms + self._topic.after_ms + _MARGIN_MS

    def _run(self) -> None:
        while not self._closing.is_set():
            with self._lock:
                if not self._open:
                    self._thread = None
                    return
                partitions = {doubt.partition for doubt in self._open}
            for partition in partitions:
                try:
                    self._decide(partition)
                except HeadwaterError as error:
                    _logger.warning("what became of some batches is not known yet: %s", error)
                except Exception:  # those who wait must not wait for nothing
                    _logger.exception("what became of some batches is not known yet")
            self._closing.wait(_PAUSE)

    def _decide(self, partition: int) -> None:
        with self._lock:
            some = [doubt for doubt in self._open if doubt.partition == partition]
        fresh = [doubt for doubt in some if doubt.mark not in self._looked]
        if fresh:  # what is in is in: no need to wait
            self._tell(fresh, self._read(partition, fresh)[0])
            self._looked.update([doubt.mark for doubt in fresh])
        stamp = now_ms()
        due = [doubt for doubt in some if doubt.stamp + self.wait_ms() <= stamp and doubt in self._open]
        if due and self._barrier(partition, stamp, 15.0):
            found, whole = self._read(partition, due)
            self._tell(due, found)
            lost = [doubt for doubt in due if doubt.mark not in found]
            for doubt in self._taken(lost):
                doubt.settle(_refused(doubt) if whole else _unknown(doubt))

    def _tell(self, doubts: list[Doubt], found: set[bytes]) -> None:
        for doubt in self._taken([each for each in doubts if each.mark in found]):
            doubt.settle(None)

    def _taken(self, doubts: list[Doubt]) -> list[Doubt]:
        with self._lock:
            self._open = [each for each in self._open if each not in doubts]
            self._looked.difference_update([each.mark for each in doubts])
        return doubts

    def _read(self, partition: int, doubts: list[Doubt]) -> tuple[set[bytes], bool]:
        """Which of them are in the log, and whether all of it was there to be read."""
        wanted = {doubt.mark for doubt in doubts}
        at, end = min(doubt.behind for doubt in doubts), self._streams.end(partition)
        found: set[bytes] = set()
        whole = True
        while at < end:
            try:
                for message in self._streams.take(partition, at, end):
                    at = message.offset + 1
                    found |= wanted & {mark_of(message.data)}
            except TrimmedError:  # what was stored long ago; else it could not have been
                whole = False
                at = max(at + 1, self._streams.start(partition))
        return found, whole


def mark_of(data: bytes) -> bytes:
    """A record's two checksums."""
    return data[4:20]


def _refused(doubt: Doubt) -> LogUnavailableError:
    return LogUnavailableError(f"Kafka did not take it: {doubt.why}")


def _unknown(doubt: Doubt) -> LogUndecidedError:
    return LogUndecidedError(f"whether Kafka took a batch cannot be known any more, the log was trimmed: {doubt.why}")
