"""Numbers by partition that outlive whoever wrote them: the committed offsets of a group that has no members."""

from collections.abc import Iterable
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from headwater.log.kafka import Address, Open, patiently, unavailable

_ANSWER_SECONDS = 3.0


class Words:
    """Safe to use from threads.

    It asks as a consumer of that group would that was given its partitions by hand. An AdminClient has verbs for that,
    too, but whatever it asks a group's coordinator, librdkafka (2.16 and before) uses memory that it has freed when
    that broker is lost or coordinates no more, and ends the process (confluentinc/librdkafka#5397, #5040).
    """

    def __init__(self, where: Address, name: str) -> None:
        self._topic = where.topic
        config = {"group.id": f"{where.topic}.{name}", "enable.auto.commit": False}
        self._consumer = Open(Consumer({**where.config, **config}))

    def read(self, partitions: Iterable[int]) -> dict[int, int]:
        """Those that were written. Raises LogUnavailableError."""
        wanted = [TopicPartition(self._topic, each) for each in partitions]

        def ask() -> dict[int, int]:
            with self._consumer as consumer:
                return _offsets(consumer.committed(wanted, timeout=_ANSWER_SECONDS))

        return patiently(ask)

    def write(self, partition: int, position: int, *, wait: bool) -> None:
        """Raises LogUnavailableError when it waits for the outcome."""
        told = [TopicPartition(self._topic, partition, position)]

        def tell() -> None:
            with self._consumer as consumer:
                _offsets(consumer.commit(offsets=told, asynchronous=not wait) or ())
                consumer.poll(0)  # outcomes that nobody fetches are kept for ever

        try:
            if wait:
                patiently(tell)
            else:
                tell()
        except KafkaException as error:
            raise unavailable(error) from error

    def close(self) -> None:
        self._consumer.close()


def _offsets(answer: Iterable[Any]) -> dict[int, int]:
    """Raises KafkaException when one of them has an error."""
    found: dict[int, int] = {}
    for each in answer:
        if each.error:
            raise KafkaException(each.error)
        if each.offset >= 0:
            found[each.partition] = each.offset
    return found
