"""The embedded store: ClickHouse inside this process (chDB), files below one directory.

One handle writes; questions go through a few reader clients, so that they run while an insert runs. chDB lets one
process open a directory; a lock file beside it makes a start wait for a dying process without a word.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from errno import EIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import chdb
import clickhouse_connect
from clickhouse_connect.driver.client import Client

from headwater.durable import make_directory
from headwater.errors import CorruptionError, StartError
from headwater.events import Lane
from headwater.locks import WAIT_SECONDS, DirectoryLock
from headwater.store import deletion, library, queries
from headwater.store.asking import READING, WRITING, Asking, migrate
from headwater.store.base import Block
from headwater.store.copies import link_store
from headwater.store.discretion import discreet
from headwater.store.parts import Parts
from headwater.store.pipes import piped

KEEP_EVERY = 10.0
"""Seconds between two checks of merged parts; much less than the table's `old_parts_lifetime`."""
_ENGINE = {
    "max_server_memory_usage_to_ram_ratio": 0.5,
    "mark_cache_size": 64 << 20,
    "index_mark_cache_size": 64 << 20,
    "primary_index_cache_size": 64 << 20,
    "max_thread_pool_free_size": 8,
}
"""For the whole process: the machine is small and shared with the gateway."""

_ACTIVE = "SELECT path FROM system.parts WHERE database = currentDatabase() AND active"

_logger = logging.getLogger(__name__)


class ChdbStore(Asking):
    """`store.base.Store` on chDB.

    Waits up to `wait_seconds` for another process to let go of the directory; StartError after that.
    """

    def __init__(self, path: Path, wait_seconds: float = WAIT_SECONDS) -> None:
        make_directory(path, 0o777)
        self._path = str(path.resolve())
        self._lock = DirectoryLock(path.with_name(path.name + ".lock"), wait_seconds)
        self._writing = threading.Lock()
        self._closed = threading.Event()
        self._damage: CorruptionError | None = None
        super().__init__(self._client)
        try:
            self._writer = _connected(self._path)
            migrate(_runner(self._writer))
            deletion.keep_replaced(_runner(self._writer))
            self._inserted = Parts(_runner(self._writer))
            self._keeper_handle = _connected(self._path)
            self._merged = Parts(_runner(self._keeper_handle))
            self._keeping = threading.RLock()
        except Exception as error:
            self._lock.release()
            raise StartError(f"the store at {path} cannot be opened: {error}") from error
        self._keeper = threading.Thread(target=self._keep, name="store-keeper", daemon=True)
        self._keeper.start()

    def insert(self, block: Block) -> None:
        """Raises OSError when the block cannot be read back: then nothing of the broken months is there."""
        if not block.count:
            return
        with self._writing, discreet():
            self._check_damage()
            # Not chDB's send_insert, which keeps the insert's errors to itself.
            with piped(b"".join(block.chunks)) as pipe:
                self._writer.query(queries.sql("insert_piped").replace("$pipe", str(pipe)))
            self._check_inserted()

    def counts(self, lane: Lane, block: int) -> dict[int, int]:
        with self._writing:
            self._check_damage()
            self._check_inserted()  # of an insert whose own check was cut short
        found = self.rows("block_months", {"lane": lane.value, "block": block})
        return {row["month"]: row["events"] for row in found}

    def delete(self, key: str, upto: Mapping[Lane, int]) -> bool:
        with self._keeping:
            self._check_damage()
            return not deletion.goes_on(_runner(self._keeper_handle), key, upto)

    def purge(self) -> bool:
        with self._keeping:
            if self._keep_merged():  # what is big is read back while inserts go on
                return False
            with self._writing:
                self._check_damage()
                self._check_inserted()
                return not self._merged.broken(merged=True) and deletion.clean(_runner(self._keeper_handle))

    def spare(self, job: str) -> None:
        with self._keeping:
            deletion.spare(_runner(self._keeper_handle), job)

    def snapshot(self, folder: Path) -> None:
        with self._keeping:
            self._keep_merged()
            with self._writing:
                self._check_damage()
                self._check_inserted()
                found = str(self._writer.query(_ACTIVE, "TSVRaw")).splitlines()
                link_store(Path(self._path), folder, {Path(line) for line in found})
            # What merges made since the first look; one that was merged on meanwhile could be read.
            if broken := self._keep_merged():
                raise StartError(f"the disk did not take the merged parts {', '.join(broken)}; try again")

    def close(self) -> None:
        """Waits for an insert, and up to CLOSE_WAIT for questions and streams under way. Idempotent."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._keeper.join()
        with self._writing:
            self._close_readers()
            self._keeper_handle.close()
            self._writer.close()
            self._lock.release()

    def _client(self) -> Client:
        return clickhouse_connect.get_client(interface="chdb", path=self._path, settings=READING)

    def _check_damage(self) -> None:
        if self._damage:
            raise self._damage

    def _check_inserted(self) -> None:
        """Under the lock `_writing`."""
        broken = self._inserted.broken(merged=False)
        if broken:
            self._inserted.heal(broken)
            raise OSError(EIO, f"the store could not be written: {', '.join(broken)}")

    def _keep(self) -> None:
        """Checks what merges make, every few seconds, beside the inserts: a merged part may be big."""
        library.give_back()
        if not self._closed.wait(KEEP_EVERY):
            library.give_back()  # what only the start of those who ask and follow has needed
        while not self._closed.wait(KEEP_EVERY):
            try:
                self._keep_merged()
            except CorruptionError:
                pass  # it is told by whoever wants to write
            except Exception:
                _logger.exception("the store's parts could not be checked; it is tried again")

    def _keep_merged(self) -> list[str]:
        """Names the parts that had to be taken out."""
        with self._keeping:
            broken = self._merged.broken(merged=True)
            try:
                self._mend(broken)
            except CorruptionError as error:
                self._damage = error
                raise
            return broken

    def _mend(self, broken: list[str]) -> None:
        if broken:
            _logger.error(
                "the disk did not take the merged parts %s: what they were made of is back", ", ".join(broken)
            )
            with self._writing:
                self._merged.heal(broken)


def _connected(path: str) -> Any:
    """The engine of this process, started on `path`, and the handle that writes."""
    return chdb.connect(f"{path}?{urlencode({**_ENGINE, **WRITING})}")  # type: ignore[no-untyped-call]


def _runner(handle: Any) -> Callable[[str], str]:
    return lambda statement: str(handle.query(statement, "TSV"))
