"""How much of the log on Kafka is not in the store yet."""

import logging
import threading

from headwater.errors import HeadwaterError
from headwater.log.kafka import Topic
from headwater.log.kafka_streams import Streams

_LOOK_SECONDS = 1.0
_ASSUMED_BYTES = 4096

_logger = logging.getLogger(__name__)


class Backlog:
    """Counts in a thread of its own: while a leader is away, that takes many seconds, and nobody is to wait for it."""

    def __init__(self, topic: Topic, streams: Streams) -> None:
        self.bytes = 0
        """As many records of the mean size as lie behind what the engines have stored."""
        self._streams = streams
        self._all = [*range(topic.partitions)]
        self._count = self._sum = 0
        self._stop = threading.Event()
        threading.Thread(target=self._run, name="log-backlog", daemon=True).start()

    def note(self, size: int) -> None:
        """A record of `size` bytes was handed in."""
        self._count += 1
        self._sum += size

    def close(self) -> None:
        """It ends when its `Streams` are closed at the latest."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            try:
                self.bytes = self._measure()
            except HeadwaterError as error:
                _logger.debug("the backlog is not known now: %s", error)
            except Exception:
                _logger.exception("the backlog is not known now")

    def _measure(self) -> int:
        stored = self._streams.words("stored").read(self._all)
        unknown = [partition for partition in self._all if partition not in stored]
        if unknown:
            stored |= self._streams.starts(unknown)
        ends = self._streams.ends(self._all)
        return sum([max(0, ends[each] - stored[each]) for each in self._all]) * self._mean(ends)

    def _mean(self, ends: dict[int, int]) -> int:
        """Bytes a record takes, about."""
        if not self._count:
            fullest = max(self._all, key=lambda each: ends[each])
            self._count, self._sum = 1, self._streams.size(fullest) or _ASSUMED_BYTES
        return self._sum // self._count
