"""A PostgreSQL database that the processes of one headwater share: connections, its schema, its errors, its locks.

All tables lie in the schema `headwater`, those of each part under names of their own. The URL must lead to the server
itself or to a pooler that keeps sessions apart: locks belong to sessions.
"""

import os
import re
import select
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection, Cursor, IsolationLevel
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from headwater.errors import CorruptionError, StartError, UnavailableError

MOST_CONNECTIONS = 8
"""Of one `Database`; who needs one more waits for it."""
WAIT_SECONDS = 10.0
"""How long somebody waits for a connection, and a statement for a lock."""

MOST_SECONDS = 75.0
"""How long a verb may take at all: longer than a statement may on a server that is well."""
_LOOK_SECONDS = 0.25

_CONNECTING: dict[str, Any] = {
    "connect_timeout": 5,
    "application_name": "headwater",
    # A server that went without a word is noticed while an answer is waited for, and while nothing is said.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # ms
}
_SETTLE = """
    SELECT set_config('search_path', 'headwater', false), set_config('lock_timeout', '10s', false),
        set_config('statement_timeout', '60s', false), set_config('idle_in_transaction_session_timeout', '60s', false),
        set_config('synchronous_commit', CASE current_setting('synchronous_commit')
            WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)
"""
_SERVER = "SELECT current_setting('server_encoding'), current_setting('server_version_num')::int"
_OLDEST = 130_000


class Kind(IntEnum):
    """What a lock is about. Locks are the database's: the numbers keep them apart from other programs'."""

    PARTITION = 0x68770002
    LEADER = 0x68770003
    HOLDER = 0x68770004
    LINKS = 0x68770005
    WATCH = 0x68770006
    PRUNE = 0x68770007
    CHANGES = 0x68770008


def statements(path: Path) -> dict[str, str]:
    """The statements of a file by their names: each stands below a line `-- name: …`."""
    found = re.findall(r"^-- name: (\w+)\n(.*?)(?=\n-- name:|\Z)", path.read_text(), re.M | re.S)
    return dict(found)


@contextmanager
def told(what: str) -> Iterator[None]:
    """PostgreSQL's errors as headwater's: UnavailableError for all that may be over in a moment."""
    try:
        yield
    except (psycopg.errors.DataCorrupted, psycopg.errors.IndexCorrupted) as error:
        raise CorruptionError(f"{what}: the database is damaged: {_first(error)}") from error
    except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError) as error:
        raise UnavailableError(f"{what}: the database cannot be used now: {_first(error)}") from error


def connected(url: str) -> Connection[Any]:
    """A session, each statement a transaction of its own unless it is told otherwise. Raises psycopg's errors."""
    connection = psycopg.connect(make_conninfo(**{**_CONNECTING, **conninfo_to_dict(url)}), autocommit=True)
    try:
        with bounded(connection, WAIT_SECONDS):
            connection.execute(_SETTLE)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def looking(url: str) -> Iterator[Connection[Any]]:
    """A session for a look before anything is made there. Raises StartError."""
    try:
        with connected(url) as connection:
            yield connection
    except psycopg.Error as error:
        raise StartError(f"the database cannot be used: {error}") from error


class _Watchdog:
    """One thread for all: a server that hangs keeps its connections open and never answers, and of a time limit only it
    would know."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: dict[object, tuple[float, Connection[Any]]] = {}
        self._thread: threading.Thread | None = None

    def begin(self, connection: Connection[Any], seconds: float) -> object:
        token = object()
        with self._lock:
            self._watched[token] = (time.monotonic() + seconds, connection)
            if self._thread is None or not self._thread.is_alive():  # it ends with a fork, too
                self._thread = threading.Thread(target=self._run, name="postgres-watchdog", daemon=True)
                self._thread.start()
        return token

    def end(self, token: object) -> None:
        """From here on the connection is not cut for this."""
        with self._lock:
            self._watched.pop(token, None)

    def _run(self) -> None:
        while True:
            time.sleep(_LOOK_SECONDS)
            with self._lock:
                now = time.monotonic()
                for token in [token for token, (until, _) in self._watched.items() if until < now]:
                    _, connection = self._watched.pop(token)
                    _cut(connection)


_watchdog = _Watchdog()


@contextmanager
def bounded(connection: Connection[Any], seconds: float) -> Iterator[None]:
    """What takes longer, by some tenths of a second, raises psycopg.OperationalError, and the connection is gone."""
    token = _watchdog.begin(connection, seconds)
    try:
        yield
    finally:
        _watchdog.end(token)


def _cut(connection: Connection[Any]) -> None:
    """Whoever waits for an answer there gets an error at once."""
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.pgconn.socket)) as shared:
        shared.shutdown(socket.SHUT_RDWR)


class Database:
    """One part's tables. Safe to call from several threads: each verb has a connection to itself."""

    def __init__(self, url: str, part: str, scripts: Sequence[str]) -> None:
        """`scripts`: one a version; a database of version n has run the first n.

        Raises StartError when it cannot be reached, or a newer headwater wrote it.
        """
        self._url = url
        self._part = part
        self._idle: list[Connection[Any]] = []
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self.closed = False
        try:
            with self._bounded() as connection:
                _check(connection)
                _update(connection, part, scripts)
        except (psycopg.Error, UnavailableError) as error:
            self.close()
            raise StartError(f"{part}: the database cannot be used: {_first(error)}") from error
        except StartError:
            self.close()
            raise

    @contextmanager
    def session(self) -> Iterator[Connection[Any]]:
        """A connection, each statement a transaction. One that was broken is not used again.

        Raises UnavailableError after WAIT_SECONDS without one, psycopg's errors.
        """
        if not self._room.acquire(timeout=WAIT_SECONDS):
            raise UnavailableError(f"{self._part}: all connections to the database are in use")
        try:
            connection = self._taken()
            try:
                yield connection
            finally:
                self._put_back(connection)
        finally:
            self._room.release()

    @contextmanager
    def reading(self) -> Iterator[Cursor[Any]]:
        """For single questions, each of one moment. Raises UnavailableError, CorruptionError."""
        with told(self._part), self._bounded() as connection, connection.cursor() as cursor:
            yield cursor

    @contextmanager
    def snapshot(self) -> Iterator[Cursor[Any]]:
        """For several questions of one and the same moment. Raises UnavailableError, CorruptionError."""
        with told(self._part), self._bounded() as connection:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            try:
                with connection.transaction(), connection.cursor() as cursor:
                    yield cursor
            finally:
                if not connection.closed:
                    connection.isolation_level = connection.read_only = None

    @contextmanager
    def writing(self) -> Iterator[Cursor[Any]]:
        """One transaction, durable once it is left; each statement sees what others committed before it.

        Raises UnavailableError, CorruptionError; then nothing was done, unless the connection broke at the very end.
        """
        with told(self._part), self._bounded() as connection, connection.transaction(), connection.cursor() as cursor:
            yield cursor

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            self.closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _bounded(self) -> Iterator[Connection[Any]]:
        with self.session() as connection, bounded(connection, MOST_SECONDS):
            yield connection

    def _taken(self) -> Connection[Any]:
        while True:
            with self._lock:
                if self.closed:
                    raise UnavailableError(f"{self._part}: it was closed")
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return connected(self._url)
            if is_live(connection):
                return connection
            connection.close()

    def _put_back(self, connection: Connection[Any]) -> None:
        with self._lock:
            at_rest = connection.info.transaction_status == TransactionStatus.IDLE
            if at_rest and not (self.closed or connection.closed):
                self._idle.append(connection)
                return
        connection.close()


def is_live(connection: Connection[Any]) -> bool:
    """Whether the server has not ended an idle session, as far as is known on this side: the server is asked only when
    it has said something."""
    if connection.closed:
        return False
    try:
        said = select.poll()  # select() takes no descriptor from 1,024 on
        said.register(connection.pgconn.socket, select.POLLIN)
        if said.poll(0):
            with bounded(connection, WAIT_SECONDS):
                connection.execute("")
    except (psycopg.Error, OSError, ValueError):  # a socket that is none any more
        return False
    return not connection.closed


class SessionLock:
    """A lock that a session holds, and that is free once the session has ended, however it did.

    What it guards is to be written through its own `connection`: when that breaks, so does the lock.
    """

    def __init__(self, url: str, kind: Kind, number: int) -> None:
        """Nothing is taken yet."""
        self._url = url
        self._about = (_signed(kind), _signed(number))
        self._connection: Connection[Any] | None = None

    @property
    def connection(self) -> Connection[Any] | None:
        """The session that holds it; None when it is not held, as far as is known without asking."""
        known = self._connection
        return known if known is not None and is_live(known) else None

    def take(self) -> bool:
        """Whether it is held now. What another holds is not waited for. Raises psycopg's errors."""
        if self.connection is not None:
            return True
        self.release()
        connection = connected(self._url)
        try:
            with bounded(connection, WAIT_SECONDS):
                found = connection.execute("SELECT pg_try_advisory_lock(%s::int, %s::int)", self._about).fetchone()
        except BaseException:
            connection.close()
            raise
        if found == (True,):
            self._connection = connection
            return True
        connection.close()
        return False

    def release(self) -> None:
        """Idempotent. Free when it returns, if the server answers: a session's end it notices a moment later."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error), bounded(connection, 1.0):
                connection.execute("SELECT pg_advisory_unlock(%s::int, %s::int)", self._about)
            connection.close()


def held(cursor: Cursor[Any], kind: Kind) -> set[int]:
    """The numbers of all locks of a kind that somebody holds."""
    cursor.execute(
        """
        SELECT objid::bigint FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND classid = %s::bigint::oid AND objsubid = 2
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """,
        (int(kind),),
    )
    return {number for (number,) in cursor.fetchall()}


def lock(cursor: Cursor[Any], kind: Kind, number: int = 0, *, shared: bool = False) -> None:
    """Taken until the transaction ends; waited for, up to WAIT_SECONDS."""
    mode = "_shared" if shared else ""
    cursor.execute(f"SELECT pg_advisory_xact_lock{mode}(%s::int, %s::int)", (_signed(kind), _signed(number)))


def vacuum(database: Database, tables: Sequence[str], most_seconds: float = 2.0) -> bool:
    """What was deleted before is gone from these tables for good, for whoever asks the database. False while a question
    that began before still holds it: then it has to be called again.

    The files' bytes are overwritten when their place is used again, and the server's own write-ahead log has them
    until it is recycled: that is the operator's, like its backups.
    """
    deadline = time.monotonic() + most_seconds
    with told("vacuum"), database.session() as connection:
        (since,) = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()  # type: ignore[misc]
        while _is_seen(connection, since):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        connection.execute("SET statement_timeout = 0")
        try:
            for table in tables:
                connection.execute(f"VACUUM (INDEX_CLEANUP ON) {table}")
        finally:
            if not connection.closed:
                connection.execute("SET statement_timeout = '60s'")
    return True


def _is_seen(connection: Connection[Any], since: int) -> bool:
    """Whether somebody's question is older than that transaction. Ages wrap around, so they are compared by `age`."""
    found = connection.execute(
        """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL
            AND age(backend_xmin) > age((%s::bigint & 4294967295)::text::xid)
        """,
        (since,),
    ).fetchone()
    return bool(found and found[0])


def _check(connection: Connection[Any]) -> None:
    encoding, version = connection.execute(_SERVER).fetchone()  # type: ignore[misc]
    if encoding != "UTF8":
        raise StartError(f"the database's encoding is {encoding}; headwater needs one with UTF8")
    if version < _OLDEST:
        raise StartError(f"PostgreSQL {version // 10_000} is too old; headwater needs {_OLDEST // 10_000} or later")


def _update(connection: Connection[Any], part: str, scripts: Sequence[str]) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(4851776)")  # processes that start at once; the catalog's, too
        cursor.execute("SELECT to_regclass('headwater.versions')")
        if cursor.fetchone() == (None,):
            cursor.execute("CREATE SCHEMA IF NOT EXISTS headwater")
            cursor.execute("CREATE TABLE headwater.versions (part TEXT PRIMARY KEY, version INTEGER NOT NULL)")
        cursor.execute("SELECT version FROM versions WHERE part = %s", (part,))
        (version,) = cursor.fetchone() or (0,)
        if version > len(scripts):
            raise StartError(f"{part}: the database was written by a newer headwater (version {version})")
        if version == len(scripts):
            return
        for script in scripts[version:]:
            cursor.execute(script)  # several statements: none has parameters
        cursor.execute(
            "INSERT INTO versions VALUES (%s, %s) ON CONFLICT (part) DO UPDATE SET version = excluded.version",
            (part, len(scripts)),
        )


def _signed(number: int) -> int:
    """32 bits, as PostgreSQL has them."""
    number &= 0xFFFFFFFF
    return number - (1 << 32) if number >= 1 << 31 else number


def _first(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
