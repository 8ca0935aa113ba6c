"""A record on its way to Kafka, and how those who wait for it are told what became of it."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

from confluent_kafka import KafkaError

from headwater.clock import now_ms
from headwater.log.kafka_doubts import Doubt, mark_of

_FRESH_SECONDS = 5.0

Settle = Callable[[Exception | None], None]
"""To be called once with the outcome; None: it is durable."""

_logger = logging.getLogger(__name__)


class Waiting:
    """A record that was handed to the client library."""

    __slots__ = ("behind", "mark", "partition", "settle", "since", "size", "stamp")

    def __init__(
        self, record: bytes, partition: int, stamp: int, behind: int, settle: "asyncio.Future[None] | Settle"
    ) -> None:
        self.mark = mark_of(record)
        self.size = len(record)
        self.partition = partition
        self.stamp = stamp
        self.behind = behind
        self.settle = settle
        self.since = time.monotonic()


def doubt_of(waiting: Waiting, error: KafkaError) -> Doubt:
    def settle(outcome: Exception | None) -> None:
        settle_all([(waiting.settle, outcome)])

    why = f"{error.str()} ({error.name()})"
    return Doubt(waiting.partition, waiting.mark, waiting.stamp, waiting.behind, why, settle)


def settle_all(done: Iterable[tuple[Any, Exception | None]]) -> None:
    """Tells those who wait: futures by one call into each loop, or by none in the loop's own thread."""
    futures: list[tuple[asyncio.Future[None], Exception | None]] = []
    for settle, outcome in done:
        if isinstance(settle, asyncio.Future):
            futures.append((settle, outcome))
        else:
            settle(outcome)
    here = asyncio._get_running_loop()
    for loop, some in groupby(futures, key=lambda each: each[0].get_loop()):
        if loop is here:
            _resolve([*some])
            continue
        try:
            loop.call_soon_threadsafe(_resolve, [*some])
        except RuntimeError:
            _logger.warning("the event loop ended before its batches were durable")


def _resolve(some: list[tuple["asyncio.Future[None]", Exception | None]]) -> None:
    for future, outcome in some:
        if future.done():
            continue  # its caller went away, which changes nothing about the record
        if outcome is None:
            future.set_result(None)
        else:
            future.set_exception(outcome)


def tells_of_clocks(error: KafkaError, waiting: Waiting) -> bool:
    """Whether a record was refused for its stamp though it was not under way for long."""
    handed_in, received = time.monotonic() - waiting.since, (now_ms() - waiting.stamp) / 1000
    fresh = handed_in < _FRESH_SECONDS and abs(received) < _FRESH_SECONDS
    return fresh and bool(error.code() == KafkaError.INVALID_TIMESTAMP)
