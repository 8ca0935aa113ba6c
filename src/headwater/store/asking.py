"""Asks ClickHouse, in this process or a server: what both stores share.

Questions go through a few clients, so that they run while an insert runs.
"""

import queue
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any, cast

import numpy as np
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import OperationalError
from numpy.typing import NDArray

from headwater.errors import StartError, UnavailableError
from headwater.store import queries, schema
from headwater.store.discretion import discreet, unquoted
from headwater.store.parts import GONE

READERS = 4
"""Questions answered at once; a further one waits."""
READER_WAIT = 30.0
"""Seconds a question waits for its turn before it is refused."""
CLOSE_WAIT = 5.0
"""Seconds that closing waits for a question under way."""
PIECE = 256 * 1024
"""Bytes of a piece of a stream, at most."""

READING = {
    "log_queries": 0,
    "output_format_json_quote_64bit_integers": 0,
}
"""Settings of a question."""

WRITING = {
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
"""Settings of an insert."""

_ENDED_EARLY = re.compile(rb"\n\r?\n?(__exception__|Code: \d+\. DB::Exception).{0,2000}", re.DOTALL)
"""How a server that fails in the middle of an answer ends it: no JSON line begins so."""
_OVERLAP = 32


class Asking:
    """Of `store.base.Store` all that asks. `connect` makes a client; each is used by one thread at a time."""

    _table = "events"
    """The one that has parts."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self._readers: queue.LifoQueue[Client | None] = queue.LifoQueue()
        for _ in range(READERS):
            self._readers.put(None)

    def rows(self, query: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        with self._reader() as client:
            return list(client.query(self._sql(query), parameters=dict(parameters)).named_results())

    def columns(self, sql: str, parameters: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        with self._reader() as client:
            answer = client.query_arrow(sql, parameters=dict(parameters))
        return {name: _array(answer.column(name)) for name in answer.column_names}

    def stream(self, query: str, parameters: Mapping[str, Any]) -> Iterator[bytes]:
        with self._reader() as client:
            answer = cast(
                IO[bytes], client.raw_stream(self._sql(query), parameters=dict(parameters), fmt="JSONEachRow")
            )
            try:
                yield from _whole(answer)
            finally:
                answer.close()

    def check(self, part: str) -> str:
        name = _quoted(part)
        with self._reader() as client:
            try:
                found = client.query(
                    f"CHECK TABLE {self._table} PART {name} SETTINGS check_query_single_value_result = 0"
                )
            except OperationalError:  # a server did not answer
                raise
            except Exception as error:
                if GONE in str(error):
                    return ""
                return str(error)
        return "".join(str(why) or "it does not match its checksums" for _, ok, why in found.result_rows if ok != "1")

    def doom(self, key: str, query: str, parameters: Mapping[str, Any]) -> None:
        with self._reader() as client:
            # Not `command`: parameters would be part of the URL, however long.
            client.raw_query(self._sql(query), parameters={"job": key, **parameters})

    def _sql(self, query: str) -> str:
        return queries.sql(query)

    def _close_readers(self) -> None:
        """Waits up to CLOSE_WAIT for each question under way."""
        with suppress(queue.Empty):
            for _ in range(READERS):
                client = self._readers.get(timeout=CLOSE_WAIT)
                if client is not None:
                    client.close()

    @contextmanager
    def _reader(self) -> Iterator[Client]:
        """Lends a client to one thread; made when first needed."""
        try:
            client = self._readers.get(timeout=READER_WAIT)
        except queue.Empty:
            raise UnavailableError("too many questions at once") from None
        try:
            with discreet():
                client = client or self._connect()
                yield client
        finally:
            self._readers.put(client)


def migrate(run: Callable[[str], str], statements: Callable[[str], list[str]] = schema.statements) -> None:
    """Runs each numbered file of `store/migrations` that has not run here, in order.

    A crash between a file and its entry runs the file again, so each must bear that; so must two that do it at once.
    `statements` takes a file's text apart; `run` runs a statement and returns its answer as tab-separated text.
    """
    for statement in statements(_MIGRATIONS):
        run(statement)
    done = {int(line) for line in run("SELECT number FROM migrations").split()}
    if max(done, default=0) > schema.version():
        raise StartError(f"a newer headwater made it (version {max(done)}, this one knows {schema.version()})")
    for number, name, text in schema.migrations():
        if number not in done:
            for statement in statements(text):
                run(statement)
            run(f"INSERT INTO migrations (number, name) VALUES ({number}, '{name}')")  # noqa: S608 - our file's name


_MIGRATIONS = """\
CREATE TABLE IF NOT EXISTS migrations
(
    number UInt32,
    name String,
    applied_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
ORDER BY number
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"""


def _whole(answer: IO[bytes]) -> Iterator[bytes]:
    """The pieces of a stream. Raises UnavailableError when the server gave up in the middle of it."""
    before = b"\n"
    while piece := answer.read(PIECE):
        seen = before + piece
        if (b"__exception__" in seen or b"DB::Exception" in seen) and (told := _ENDED_EARLY.search(seen)):
            raise UnavailableError(f"the store gave up: {unquoted(told.group().decode(errors='replace').strip())}")
        yield piece
        before = seen[-_OVERLAP:]


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
