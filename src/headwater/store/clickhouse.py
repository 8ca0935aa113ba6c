"""The embedded store: ClickHouse inside this process (chDB), files below one directory.

One handle writes; questions go through a few reader clients, so that they run while an insert runs. chDB lets one
process open a directory; a lock file beside it makes a start wait for a dying process without a word.
"""

import logging
import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from errno import EIO
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import urlencode

import chdb
import clickhouse_connect
import numpy as np
from clickhouse_connect.driver.client import Client
from numpy.typing import NDArray

from headwater.errors import CorruptionError, StartError, UnavailableError
from headwater.events import Lane
from headwater.locks import WAIT_SECONDS, DirectoryLock
from headwater.store import deletion, queries, schema
from headwater.store.base import Block
from headwater.store.copies import link_store
from headwater.store.parts import GONE, Parts
from headwater.store.rows import COLUMNS

READERS = 4
"""Questions answered at once; a further one waits."""
READER_WAIT = 30.0
"""Seconds a question waits for its turn before it is refused."""
CLOSE_WAIT = 5.0
"""Seconds that closing waits for a question under way."""
KEEP_EVERY = 10.0
"""Seconds between two checks of merged parts; much less than the table's `old_parts_lifetime`."""
PIECE = 256 * 1024
"""Bytes of a piece of a stream, at most."""

_ENGINE = {
    "max_server_memory_usage_to_ram_ratio": 0.5,
    "mark_cache_size": 64 << 20,
    "index_mark_cache_size": 64 << 20,
    "primary_index_cache_size": 64 << 20,
    "max_thread_pool_free_size": 8,
}
"""For the whole process: the machine is small and shared with the gateway."""

_WRITING = {
    "async_insert": 0,  # on by default: an insert would be answered before it is durable
    "insert_deduplicate": 0,  # a block that was cut short is inserted again on purpose
    "max_partitions_per_insert_block": 0,  # a clock that jumped must not stop a lane
    "max_insert_block_size": 1 << 20,  # one block in memory, so one part a partition:
    "max_insert_block_size_bytes": 0,  # there as a whole or not at all
    "min_insert_block_size_rows": 1 << 20,
    "min_insert_block_size_bytes": 0,
    "max_insert_threads": 1,
    "input_format_parallel_parsing": 0,
    "input_format_json_compact_allow_variable_number_of_columns": 1,  # what an older headwater logged is shorter
    "log_queries": 0,
}

_READING = {
    "log_queries": 0,
    "output_format_json_quote_64bit_integers": 0,
}

_INSERT = f"INSERT INTO events ({', '.join(COLUMNS)}) FORMAT JSONCompactEachRow".encode()

_ACTIVE = "SELECT path FROM system.parts WHERE database = currentDatabase() AND active"

_logger = logging.getLogger(__name__)


class ChdbStore:
    """`store.base.Store` on chDB.

    Waits up to `wait_seconds` for another process to let go of the directory; StartError after that.
    """

    def __init__(self, path: Path, wait_seconds: float = WAIT_SECONDS) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = str(path.resolve())
        self._lock = DirectoryLock(path.with_name(path.name + ".lock"), wait_seconds)
        self._writing = threading.Lock()
        self._closed = threading.Event()
        self._damage: CorruptionError | None = None
        self._readers: queue.LifoQueue[Client | None] = queue.LifoQueue()
        for _ in range(READERS):
            self._readers.put(None)
        try:
            self._writer = _connected(self._path)
            _migrate(self._writer)
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
        with self._writing:
            self._check_damage()
            # Not chDB's send_insert, which keeps the insert's errors to itself.
            self._writer.query(b"\n".join((_INSERT, b"".join(block.chunks))))
            self._check_inserted()

    def counts(self, lane: Lane, block: int) -> dict[int, int]:
        with self._writing:
            self._check_damage()
            self._check_inserted()  # of an insert whose own check was cut short
        found = self.rows("block_months", {"lane": lane.value, "block": block})
        return {row["month"]: row["events"] for row in found}

    def rows(self, query: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        with self._reader() as client:
            return list(client.query(queries.sql(query), parameters=dict(parameters)).named_results())

    def columns(self, sql: str, parameters: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        with self._reader() as client:
            answer = client.query_arrow(sql, parameters=dict(parameters))
        return {name: _array(answer.column(name)) for name in answer.column_names}

    def stream(self, query: str, parameters: Mapping[str, Any]) -> Iterator[bytes]:
        with self._reader() as client:
            answer = cast(
                IO[bytes], client.raw_stream(queries.sql(query), parameters=dict(parameters), fmt="JSONEachRow")
            )
            try:
                while piece := answer.read(PIECE):
                    yield piece
            finally:
                answer.close()

    def check(self, part: str) -> str:
        name = _quoted(part)
        with self._reader() as client:
            try:
                found = client.query(f"CHECK TABLE events PART {name} SETTINGS check_query_single_value_result = 0")
            except Exception as error:
                if GONE in str(error):
                    return ""
                return str(error)
        return "".join(str(why) or "it does not match its checksums" for _, ok, why in found.result_rows if ok != "1")

    def doom(self, key: str, query: str, parameters: Mapping[str, Any]) -> None:
        with self._reader() as client:
            client.command(queries.sql(query), parameters={"job": key, **parameters})

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
            with suppress(queue.Empty):
                for _ in range(READERS):
                    self._close_reader()
            self._keeper_handle.close()
            self._writer.close()
            self._lock.release()

    def _close_reader(self) -> None:
        client = self._readers.get(timeout=CLOSE_WAIT)
        if client is not None:
            client.close()

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

    @contextmanager
    def _reader(self) -> Iterator[Client]:
        """Lends a client to one thread; made when first needed."""
        try:
            client = self._readers.get(timeout=READER_WAIT)
        except queue.Empty:
            raise UnavailableError("too many questions at once") from None
        try:
            client = client or clickhouse_connect.get_client(interface="chdb", path=self._path, settings=_READING)
            yield client
        finally:
            self._readers.put(client)


def _array(column: Any) -> NDArray[Any]:
    """An Arrow column, in chunks, as numpy has it."""
    kind = str(column.type)
    if kind == "string":
        return _strings(column)
    if kind.startswith("list"):
        lists = np.empty(len(column), dtype=object)
        lists[:] = column.to_pylist()
        return lists
    numbers: NDArray[Any] = column.to_numpy()
    return numbers


def _strings(column: Any) -> NDArray[Any]:
    """Equal ones as one object: there are far fewer of them than rows."""
    # In one piece, or every chunk brings a dictionary; "large", for one piece may have more than 2 GB.
    coded = column.cast("large_utf8").combine_chunks().dictionary_encode()
    values = np.array([*coded.dictionary.to_pylist(), None], dtype=object)
    places = coded.indices.fill_null(len(values) - 1)
    found: NDArray[Any] = values[places.to_numpy(zero_copy_only=False)]
    return found


def _quoted(name: str) -> str:
    """A part's name as an SQL string; ValueError when it cannot be one."""
    if not re.fullmatch(r"[\w-]+", name, re.ASCII):
        raise ValueError(f"'{name}' is no part")
    return f"'{name}'"


def _connected(path: str) -> Any:
    """The engine of this process, started on `path`, and the handle that writes."""
    return chdb.connect(f"{path}?{urlencode({**_ENGINE, **_WRITING})}")  # type: ignore[no-untyped-call]


def _runner(handle: Any) -> Callable[[str], str]:
    return lambda statement: str(handle.query(statement, "TSV"))


def _migrate(writer: Any) -> None:
    """Runs each numbered file of `store/migrations` that has not run here, in order.

    A crash between a file and its entry runs the file again, so each must bear that.
    """
    writer.query(
        "CREATE TABLE IF NOT EXISTS migrations (number UInt32, name String, applied_at DateTime('UTC') DEFAULT now())"
        " ENGINE = MergeTree ORDER BY number SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
    )
    done = {int(line) for line in str(writer.query("SELECT number FROM migrations", "TSV")).split()}
    if max(done, default=0) > schema.version():
        raise StartError(f"a newer headwater made it (version {max(done)}, this one knows {schema.version()})")
    for number, name, text in schema.migrations():
        if number not in done:
            for statement in schema.statements(text):
                writer.query(statement)
            writer.query(f"INSERT INTO migrations (number, name) VALUES ({number}, '{name}')")  # noqa: S608 - our file's name
