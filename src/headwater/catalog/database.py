"""The catalog's SQLite file: opened, brought to the newest schema, read whole, written by transactions."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw

from headwater.catalog import chain
from headwater.catalog.rows import PUT, Record, Rows, Writing, statements_in, values_of
from headwater.errors import ConflictError, CorruptionError, StartError, UnavailableError
from headwater.transactions import transaction

_HERE = Path(__file__).parent
_MIGRATIONS = sorted((_HERE / "migrations").glob("*.sql"))
VERSION = len(_MIGRATIONS)
_STATEMENTS = statements_in(_HERE / "statements.sql")
_BUSY_MS = 5_000
_CHAINED = 4
"""The migration that begins the audit's chain."""


class Tables(Rows):
    """The tables as they stand, through a connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def version(self) -> int:
        """How many migrations the file has seen; `VERSION` is what this headwater reads."""
        version: int = self._connection.pragma("user_version")
        return version

    def end(self) -> tuple[int, bytes, bytes]:
        ((given, hash, seal),) = self._connection.execute(_STATEMENTS["end_of_audit"])
        return given, hash, seal or b""  # it is gone: then it fits nothing, also later

    def chained(self) -> Iterator[tuple[chain.Row, bytes]]:
        for *values, hash in self._connection.execute(_STATEMENTS["chained"]):
            yield chain.row_of(values), hash

    def _rows(self, statement: str, **parameters: object) -> Iterator[dict[str, Any]]:
        cursor = self._connection.execute(_STATEMENTS[statement], parameters)
        for values in cursor:
            yield values_of([name for name, _ in cursor.get_description()], values)

    def _told(self) -> AbstractContextManager[None]:
        return _told()


class Database(Tables, Writing):
    """Durable when a transaction ends: WAL, `synchronous=FULL`. Another process may write between two transactions."""

    def __init__(self, path: Path, secret: bytes) -> None:
        Writing.__init__(self, secret)
        try:
            path.touch(mode=0o600)
            Tables.__init__(self, apsw.Connection(str(path)))
            self._connection.set_busy_timeout(_BUSY_MS)
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "trusted_schema = OFF"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._migrate()
        except (apsw.CorruptError, apsw.NotADBError) as error:
            raise CorruptionError(f"the catalog {path} is damaged: {error}") from error
        except (apsw.Error, OSError) as error:
            raise StartError(f"cannot open the catalog {path}: {error}") from error

    def _migrate(self) -> None:
        with transaction(self._connection):
            done = self.version()
            if done > VERSION:
                raise StartError("the catalog was made by a newer headwater")
            for number, script in enumerate(_MIGRATIONS[done:], done + 1):
                self._connection.execute(script.read_text())
                self._connection.pragma("user_version", number)
            if done < _CHAINED <= VERSION:
                self._chain_all()

    def _chain_all(self) -> None:
        """Chains the rows that an older headwater wrote."""
        given, hash, seal = 0, chain.BEGIN, chain.begun(self._secret)
        for row, _ in list(self.chained()):
            given, hash = row[0], chain.hash_of(self._secret, hash, row)
            seal = chain.seal_of(self._secret, seal, hash)
            self._connection.execute(_STATEMENTS["put_hash"], {"id": given, "hash": hash})
        self._seal(given, seal)

    def moved(self) -> int:
        """A number that changes when another connection has written (raises apsw.Error)."""
        version: int = self._connection.pragma("data_version")
        return version

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with _told(), transaction(self._connection):
            yield

    def put(self, record: Record) -> None:
        self._connection.execute(_STATEMENTS[PUT[type(record)]], self._columns(record))

    def _seal(self, given: int, seal: bytes) -> None:
        self._connection.execute(_STATEMENTS["put_seal"], {"seal": seal})  # SQLite knows itself what it has given

    def close(self) -> None:
        # SQLite does it only for the last to close, and the engine may still be reading.
        with suppress(apsw.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._connection.close()


@contextmanager
def _told() -> Iterator[None]:
    """SQLite's errors as headwater's."""
    try:
        yield
    except apsw.ConstraintError as error:
        raise ConflictError("this exists already") from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise CorruptionError(f"the catalog is damaged: {error}") from error
    except apsw.Error as error:
        raise UnavailableError(f"the catalog cannot be written: {error}") from error
