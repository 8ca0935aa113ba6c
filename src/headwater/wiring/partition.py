"""One partition as an engine stores it."""

import logging
import threading
from collections.abc import Callable, Collection
from contextlib import ExitStack

from headwater.catalog.base import Definitions
from headwater.claims.base import Row
from headwater.claims.postgres import PostgresShelf
from headwater.clock import now_ms
from headwater.config import Settings
from headwater.errors import HeadwaterError, LockedError, NotOwnerError
from headwater.log.kafka_reader import KafkaReader
from headwater.log.kafka_streams import Streams
from headwater.pipeline import Pipeline, Status
from headwater.state.base import Link
from headwater.state.postgres import PostgresState
from headwater.store.base import Block
from headwater.store.server import ServerStore
from headwater.wiring.urls import Urls

CLAIMS_SECONDS = 0.5
"""Between two looks for claims that nobody has written down yet."""
REST_SECONDS = 0.05
"""Between two looks for records when none came lately: each asks a broker."""
PASS_SECONDS = 2.0
"""Between two looks whether a cursor can be moved over what has nothing for its lane."""
_AT_ONCE = 2_000

_logger = logging.getLogger(__name__)


class StoredPartition:
    """Implements `cluster.owning.Held`."""

    def __init__(
        self,
        number: int,
        settings: Settings,
        urls: Urls,
        streams: Streams,
        catalog: Definitions,
        committed: Callable[[], None],
        probe: Callable[[str], None],
    ) -> None:
        """Raises LockedError while another engine stores it, StartError. `committed` is called after each block."""
        self._number = number
        self._stop = threading.Event()
        self._closing = ExitStack()
        with ExitStack() as stack:
            self._state = PostgresState(urls.database, number)
            stack.callback(self._state.close)
            self._reader = KafkaReader(urls.log, number, streams)
            stack.callback(self._reader.close)
            self._shelf = PostgresShelf(urls.database, number)
            stack.callback(self._shelf.close)
            store = ServerStore(urls.store, layout=urls.layout, owns=self._check)
            stack.callback(store.close)

            def stored(_: Collection[Link]) -> None:
                committed()

            self._claimed = self._shelf.position()
            self._pipeline = Pipeline(
                self._reader,
                store,
                self._state,
                settings,
                probe=probe,
                stored=stored,
                excluded=catalog.excluded,
                needed=lambda: self._claimed,
                rest=REST_SECONDS,
            )
            self._closing = stack.pop_all()
        self._threads = [
            threading.Thread(target=self._pipeline.run, args=(self._stop,), name=f"partition-{number}"),
            threading.Thread(target=self._follow, name=f"claims-{number}"),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def is_alive(self) -> bool:
        return self._threads[0].is_alive()

    def status(self) -> Status:
        return self._pipeline.status()

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        self._closing.close()

    def _check(self, block: Block) -> None:
        if not self._state.owns():
            raise NotOwnerError(f"partition {self._number} is not stored here any more")

    def _follow(self) -> None:
        """Writes claims down, and moves cursors on where a lane has nothing to do."""
        passed = 0.0
        while not self._stop.wait(CLAIMS_SECONDS):
            try:
                self._take_claims()
                passed += CLAIMS_SECONDS
                if passed >= PASS_SECONDS and self._pipeline.status().ready:
                    passed = 0.0
                    self._pipeline.between(self._pipeline.pass_over)
            except HeadwaterError as error:
                _logger.warning("partition %d: %s; it is tried again", self._number, error)

    def _take_claims(self) -> None:
        end, rows = self._reader.durable(), list[Row]()
        if end <= self._claimed:
            return
        for found in self._reader.claims(self._claimed):
            rows += [Row(claim, found.batch, found.workspace) for claim in found.claims]
            if len(rows) >= _AT_ONCE:
                self._shelf.take(rows, now_ms(), found.end)
                self._claimed, rows = found.end, []
        self._shelf.take(rows, now_ms(), max(end, self._claimed))
        self._claimed = max(end, self._claimed)


def taken(open_partition: Callable[[], StoredPartition]) -> StoredPartition | None:
    """None while another engine stores it."""
    try:
        return open_partition()
    except LockedError:
        return None
