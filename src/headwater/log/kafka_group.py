"""Which engine stores which partition: a consumer group that reads nothing."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from headwater.log.kafka import address

_POLL_SECONDS = 0.5
_LOST_SECONDS = 20.0
"""An engine that was dropped from the group goes on storing so long: mostly its coordinator moves from a broker that
died, and who may store a partition is decided elsewhere (`cluster.owning`)."""
_GROUP = {
    "partition.assignment.strategy": "cooperative-sticky",  # who stays keeps its partitions
    "session.timeout.ms": 10_000,
    "heartbeat.interval.ms": 1_000,
    "enable.auto.commit": False,
    "auto.offset.reset": "latest",
    "topic.metadata.refresh.interval.ms": 10_000,  # partitions that were added
    "queued.max.messages.kbytes": 1024,
}

_logger = logging.getLogger(__name__)


class KafkaGroup:
    """Tells of every new assignment from the thread that runs it."""

    def __init__(self, url: str, assigned: Callable[[frozenset[int]], None]) -> None:
        where = address(url)
        self._topic = where.topic
        self._assigned = assigned
        self._mine: frozenset[int] = frozenset()
        self._lost_at: float | None = None
        self._consumer = Consumer({**where.config, **_GROUP, "group.id": f"{where.topic}.engines"})

    def run(self, stop: threading.Event) -> None:
        """Belongs to the group until `stop` is set, then leaves it, so that others take over at once."""
        self._consumer.subscribe([self._topic], on_assign=self._more, on_revoke=self._less, on_lost=self._lost)
        try:
            while not stop.is_set():
                message = self._consumer.poll(_POLL_SECONDS)
                if message is not None and (error := message.error()):
                    _logger.warning("the group of engines: %s", error.str())
                if self._lost_at is not None and time.monotonic() - self._lost_at > _LOST_SECONDS:
                    self._tell(self._mine)
        finally:
            self._consumer.close()

    def _more(self, consumer: Any, given: Sequence[TopicPartition]) -> None:
        consumer.incremental_assign(given)
        try:
            consumer.pause(given)  # readers of our own read
        except KafkaException as error:
            _logger.warning("the group of engines: %s", error)
        self._tell(self._mine | {each.partition for each in given})

    def _less(self, consumer: Any, taken: Sequence[TopicPartition]) -> None:
        self._tell(self._mine - {each.partition for each in taken})
        consumer.incremental_unassign(taken)

    def _lost(self, consumer: Any, taken: Sequence[TopicPartition]) -> None:
        """Nothing is told yet: what it is assigned when it is back counts."""
        self._mine -= {each.partition for each in taken}
        self._lost_at = time.monotonic()
        consumer.incremental_unassign(taken)

    def _tell(self, mine: frozenset[int]) -> None:
        self._mine, self._lost_at = mine, None
        self._assigned(mine)
