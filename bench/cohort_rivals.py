"""DuckDB and PostgreSQL with the same events as the row store of the cohorts' bench, asked the same.

Both get the table `events` of `history.fill_table`, as one would keep it there: the data as JSON, in PostgreSQL as
`jsonb` with an index by time and one by person, both vacuumed and analyzed, and memory for it; DuckDB as it comes, on a
file. What takes too long is given up.
"""

import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import duckdb
import psycopg
import pyarrow

import machine
from cohort_kinds import DUCKDB, POSTGRES, Words
from servers import HERE

sys.path.append(str(HERE.parent / "tests"))

import services

BLOCK = 50_000
"""Rows that are moved at a time."""
COLUMNS = "id, signal, occurred_ms, subject, person, data"
MEMORY = {"shared_buffers": "4GB", "effective_cache_size": "12GB", "work_mem": "256MB", "maintenance_work_mem": "1GB"}
"""PostgreSQL's, on a machine of 24 GiB: for small tables, too, it only takes what it needs."""
DUCK_TABLE = """
CREATE TABLE events (id BIGINT, signal VARCHAR, occurred_ms BIGINT, subject VARCHAR, person BIGINT, data JSON)
"""
POSTGRES_TABLE = """
CREATE TABLE events (id bigint, signal text, occurred_ms bigint, subject text, person bigint, data jsonb)
"""
INDICES = (
    "CREATE INDEX by_time ON events (signal, occurred_ms)",
    "CREATE INDEX by_person ON events (signal, person, occurred_ms)",
)
AS_LINE = (
    "id || char(9) || signal || char(9) || occurred_ms || char(9) || subject || char(9) || person || char(9) || "
    "replace(data, '\\', '\\\\') || char(10)"
)
"""A row as PostgreSQL's COPY reads it; JSON escapes tabs and line ends by itself."""

Tell = Callable[[int], None]
Found = tuple[int | None, float]
"""The count, None when it was given up, and milliseconds."""


class Rival(Protocol):
    name: str
    words: Words
    """How its SQL differs."""

    def fill(self, table: Path, tell: Tell) -> None:
        """Takes all rows of the row store in that file. `tell` gets how many each time."""

    def ask(self, sql: str) -> Found:
        """The count that a question gives."""

    def version(self) -> str:
        """Of the program."""

    def size(self) -> int:
        """Bytes on disk."""

    def close(self) -> None:
        """Ends it. Idempotent."""


class DuckDB:
    """In this process, on all cores."""

    name, words = "DuckDB", DUCKDB

    def __init__(self, path: Path, patience: float) -> None:
        self._path, self._patience = path, patience
        path.unlink(missing_ok=True)
        self._database = duckdb.connect(str(path))

    def fill(self, table: Path, tell: Tell) -> None:
        self._database.execute("DROP TABLE IF EXISTS events")
        self._database.execute(DUCK_TABLE)
        for rows in _blocks(table, COLUMNS):
            block = pyarrow.table(dict(zip(COLUMNS.split(", "), map(list, zip(*rows, strict=True)), strict=True)))
            self._database.register("block", block)
            self._database.execute("INSERT INTO events SELECT * FROM block")
            tell(len(rows))
        self._database.execute("CHECKPOINT")
        self._database.execute("ANALYZE")

    def ask(self, sql: str) -> Found:
        giving_up = threading.Timer(self._patience, self._database.interrupt)
        giving_up.start()
        began, size = time.perf_counter(), None
        try:
            found = self._database.execute(sql).fetchone()
            size = int(found[0]) if found else None
        except duckdb.InterruptException:
            pass
        finally:
            giving_up.cancel()
        return size, (time.perf_counter() - began) * 1e3

    def version(self) -> str:
        return str(duckdb.__version__)

    def size(self) -> int:
        return self._path.stat().st_size

    def close(self) -> None:
        self._database.close()


class Roomy(services.Postgres):
    def command(self) -> list[str]:
        return super().command() + [part for name, value in MEMORY.items() for part in ("-c", f"{name}={value}")]


class Postgres:
    """A server of its own on loopback; filled anew each time, for its directory goes with it."""

    name, words = "PostgreSQL", POSTGRES

    def __init__(self, patience: float) -> None:
        self._server = Roomy()
        self._server.start()
        self._database = psycopg.connect(self._server.database(), autocommit=True)
        self._database.execute(f"SET statement_timeout = {round(patience * 1000)}")

    def fill(self, table: Path, tell: Tell) -> None:
        self._database.execute("SET statement_timeout = 0")
        self._database.execute(POSTGRES_TABLE)
        with self._database.cursor() as cursor, cursor.copy(f"COPY events ({COLUMNS}) FROM STDIN") as copy:
            for lines in _blocks(table, AS_LINE):
                copy.write("".join(line for (line,) in lines))
                tell(len(lines))
        for statement in (*INDICES, "VACUUM (ANALYZE) events", "RESET statement_timeout"):
            self._database.execute(statement)

    def ask(self, sql: str) -> Found:
        began, size = time.perf_counter(), None
        try:
            found = self._database.execute(sql).fetchone()
            size = int(found[0]) if found else None
        except psycopg.errors.QueryCanceled:
            pass
        return size, (time.perf_counter() - began) * 1e3

    def version(self) -> str:
        major, minor = divmod(self._database.info.server_version, 10_000)
        return f"{major}.{minor}"

    def size(self) -> int:
        return machine.disk_bytes(self._server.folder / "data" / "base")

    def close(self) -> None:
        self._database.close()
        self._server.stop()


def _blocks(table: Path, what: str) -> Iterator[list[Any]]:
    """The rows of the row store, some at a time."""
    with closing(sqlite3.connect(table)) as database:
        cursor = database.execute(f"SELECT {what} FROM events")
        while rows := cursor.fetchmany(BLOCK):
            yield rows
