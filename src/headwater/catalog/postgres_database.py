"""The catalog's tables in PostgreSQL: read as they stand, written by transactions that follow one another."""

import hmac
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Cursor

from headwater.catalog import chain
from headwater.catalog.base import Change
from headwater.catalog.patience import patient
from headwater.catalog.rows import PUT, Record, Rows, Writing, is_definition, values_of
from headwater.errors import ConflictError, CorruptionError, InvalidError, StartError, UnavailableError
from headwater.postgres import Database, statements, told

_HERE = Path(__file__).parent
SCRIPTS = [path.read_text() for path in sorted((_HERE / "migrations_postgres").glob("*.sql"))]
VERSION = len(SCRIPTS)
PART = "catalog"
STATEMENTS = statements(_HERE / "statements_postgres.sql")

_PIECE = 10_000
"""Rows of the audit read at once."""
_WRITE_SECONDS = 5.0
"""How long a transaction may take."""
_ASK_SECONDS = 2.0
"""How long a question may take."""
_DOUBT_SECONDS = 5.0
"""How long it is tried to find out whether a transaction was written whose last answer was lost."""


class PostgresTables(Rows):
    """The tables as they stand, through a cursor; of those that have a revision, what is newer than `since`."""

    def __init__(self, cursor: Cursor[Any], since: int = -1) -> None:
        self._cursor = cursor
        self._since = since

    def end(self) -> tuple[int, bytes, bytes]:
        given, hash, seal = _one(self._cursor, "end_of_audit")
        return given, hash, seal or b""  # it is gone: then it fits nothing, also later

    def chained(self) -> Iterator[tuple[chain.Row, bytes]]:
        after = -(1 << 62)
        while found := self._cursor.execute(STATEMENTS["chained"], {"after": after, "limit": _PIECE}).fetchall():
            for *values, hash in found:
                yield chain.row_of(values), hash
            after = found[-1][0]

    def _rows(self, statement: str, **parameters: object) -> Iterator[dict[str, Any]]:
        cursor = self._cursor.execute(STATEMENTS[statement], {"since": self._since} | parameters)
        names = [column.name for column in cursor.description or ()]
        for values in cursor.fetchall():
            yield values_of(names, values)

    def _told(self) -> AbstractContextManager[None]:
        return told(PART)


class PostgresDatabase(Writing):
    """Several processes may write, one at a time. Safe to call from any thread."""

    def __init__(self, url: str, secret: bytes) -> None:
        """StartError when it cannot be used, or was made with another secret."""
        super().__init__(secret)
        self._lock = threading.RLock()
        self._cursor: Cursor[Any] | None = None
        self._newest: tuple[int, bytes] | None = None
        self._changed = False
        self.revision = 0
        """Inside a transaction: what the catalog's will be if anything but the audit changes."""
        self.sessions = Database(url, PART, SCRIPTS)
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        proof = hmac.digest(self._secret, b"proof", "sha256")
        try:
            with self.sessions.writing() as cursor:
                cursor.execute(STATEMENTS["begin"], {"seal": chain.begun(self._secret), "proof": proof})
                found = cursor.execute(STATEMENTS["proof"]).fetchone()
        except (psycopg.Error, UnavailableError) as error:
            raise StartError(f"cannot open the catalog: {error}") from error
        if found is None:
            raise CorruptionError("the catalog is damaged: the end of its audit is gone")
        if not hmac.compare_digest(found[0], proof):
            raise StartError(
                "this catalog's keys were made with another secret: every gateway needs the same file key-secret"
            )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock, _refused():
            self._newest, doubtful = None, False
            try:
                with told(PART), self.sessions.session() as connection, patient(connection, _WRITE_SECONDS):
                    with connection.transaction(), connection.cursor() as self._cursor:
                        self._lock_end(self._cursor)
                        yield
                        self._advance(self._cursor)
                        doubtful = True
                    doubtful = False
            except UnavailableError:
                if not doubtful or not self._was_written():
                    raise
            finally:
                self._cursor = None

    def put(self, record: Record) -> None:
        values = self._columns(record)
        self.cursor.execute(STATEMENTS[PUT[type(record)]], values | {"revision": self.revision})
        if isinstance(record, Change):
            self._newest = values["id"], values["hash"]
        self._changed = self._changed or is_definition(record)

    @property
    def cursor(self) -> Cursor[Any]:
        """The transaction's."""
        assert self._cursor is not None
        return self._cursor

    def are_behind(self, revision: int, name: str) -> bool:
        """Whether a follower other than this one has not taken a revision over."""
        with self._asking() as cursor:
            (found,) = _one(cursor, "are_behind", revision=revision, name=name)
            return bool(found)

    def forget_behind(self, revision: int, name: str) -> None:
        with self._asking() as cursor:
            cursor.execute(STATEMENTS["forget"], {"revision": revision, "name": name})

    def end(self) -> tuple[int, bytes, bytes]:
        return PostgresTables(self.cursor).end()

    def chained(self) -> Iterator[tuple[chain.Row, bytes]]:
        return PostgresTables(self.cursor).chained()

    def close(self) -> None:
        self.sessions.close()

    @contextmanager
    def _asking(self) -> Iterator[Cursor[Any]]:
        """A cursor outside the transaction. Raises UnavailableError, CorruptionError."""
        with (
            told(PART),
            self.sessions.session() as connection,
            patient(connection, _ASK_SECONDS),
            connection.cursor() as cursor,
        ):
            yield cursor

    def _lock_end(self, cursor: Cursor[Any]) -> None:
        """All that is read behind it is of a moment in which nobody else writes."""
        cursor.execute(STATEMENTS["patience"])
        (revision,) = _one(cursor, "lock")
        self.revision, self._changed = revision + 1, False

    def _advance(self, cursor: Cursor[Any]) -> None:
        if self._changed:
            cursor.execute(STATEMENTS["advance"], {"revision": self.revision})

    def _was_written(self) -> bool:
        """Whether the transaction is there whose last answer was lost. The audit's last row, which no other
        transaction can have made, says so; as long as it can still come, the end is locked."""
        if self._newest is None:
            return True  # there was nothing to write
        deadline = time.monotonic() + _DOUBT_SECONDS
        while True:
            try:
                with self._asking() as cursor, cursor.connection.transaction():
                    self._lock_end(cursor)
                    found = cursor.execute(STATEMENTS["was_written"], {"id": self._newest[0]}).fetchone()
                    return found is not None and found[0] == self._newest[1]
            except UnavailableError as error:
                if time.monotonic() > deadline:
                    raise UnavailableError("the database went away: nobody knows yet whether this is done") from error
            time.sleep(0.1)

    def _seal(self, given: int, seal: bytes) -> None:
        self.cursor.execute(STATEMENTS["put_end"], {"given": given, "seal": seal})

    def _rows(self, statement: str, **parameters: object) -> Iterator[dict[str, Any]]:
        with self._asking() as cursor:
            yield from PostgresTables(cursor)._rows(statement, **parameters)

    def _told(self) -> AbstractContextManager[None]:
        return told(PART)


@contextmanager
def _refused() -> Iterator[None]:
    """What PostgreSQL does not take, as headwater's errors."""
    try:
        yield
    except psycopg.IntegrityError as error:
        raise ConflictError("this exists already") from error
    except psycopg.DataError as error:
        raise InvalidError("this holds a character or a number that cannot be written down") from error


def _one(cursor: Cursor[Any], statement: str, **parameters: object) -> tuple[Any, ...]:
    found: tuple[Any, ...] | None = cursor.execute(STATEMENTS[statement], parameters).fetchone()
    if found is None:
        raise CorruptionError("the catalog is damaged: the end of its audit is gone")
    return found
