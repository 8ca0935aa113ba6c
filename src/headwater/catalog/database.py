"""The catalog's SQLite file: opened, brought to the newest schema, read whole, written by transactions."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw
import msgspec

from headwater.catalog import chain
from headwater.catalog.base import Backfill, Change, Key, Workspace
from headwater.errors import ConflictError, CorruptionError, StartError, UnavailableError
from headwater.signals import SchemaVersion, Signal
from headwater.transactions import transaction

Record = Workspace | Key | Signal | SchemaVersion | Backfill | Change

_HERE = Path(__file__).parent
_MIGRATIONS = sorted((_HERE / "migrations").glob("*.sql"))
VERSION = len(_MIGRATIONS)
_STATEMENTS = dict(
    re.findall(r"^-- name: (\w+)\n(.*?)(?=\n-- name:|\Z)", (_HERE / "statements.sql").read_text(), re.M | re.S)
)
_BUSY_MS = 5_000
_JSON = ("scopes", "schema", "detail", "never_connect")
"""Columns that hold JSON."""
_CHAINED = 4
"""The migration that begins the audit's chain."""
_CHAINED_COLUMNS = ("workspace", "actor", "action", "target", "detail", "at_ms", "address")
"""In the order of `chain.Row`, behind the id."""

_PUT: dict[type, str] = {
    Workspace: "put_workspace",
    Key: "put_key",
    Signal: "put_signal",
    SchemaVersion: "put_version",
    Backfill: "put_backfill",
    Change: "put_change",
}


class Tables:
    """The tables as they stand, through a connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def version(self) -> int:
        """How many migrations the file has seen; `VERSION` is what this headwater reads."""
        version: int = self._connection.pragma("user_version")
        return version

    def workspaces(self) -> list[Workspace]:
        return [
            Workspace(**{**row, "never_connect": tuple(row["never_connect"])}) for row in self._rows("all_workspaces")
        ]

    def keys(self) -> list[Key]:
        return [Key(**{**row, "scopes": frozenset(row["scopes"])}) for row in self._rows("all_keys")]

    def signals(self) -> list[Signal]:
        return [
            Signal(**{**row, "active": bool(row["active"]), "archived": bool(row["archived"])})
            for row in self._rows("all_signals")
        ]

    def versions(self) -> list[SchemaVersion]:
        return [SchemaVersion(**row) for row in self._rows("all_versions")]

    def latest(self) -> dict[str, int]:
        """The newest schema version of each signal that has one, by its id."""
        return {row["signal_id"]: row["version"] for row in self._rows("latest_versions")}

    def backfills(self) -> list[Backfill]:
        """Of all workspaces, oldest first."""
        return [Backfill(**{**row, "held": bool(row["held"])}) for row in self._rows("all_backfills")]

    def changes(self, workspace: str, limit: int, before: int) -> list[Change]:
        with _told():
            return [Change(**row) for row in self._rows("changes", workspace=workspace, limit=limit, before=before)]

    def noted(self, action: str, since_ms: int) -> list[tuple[str, int]]:
        """Targets and moments of that action since then, oldest first."""
        with _told():
            return [(row["target"], row["at_ms"]) for row in self._rows("noted", action=action, since_ms=since_ms)]

    def made(self) -> list[Change]:
        """What the audit says of anything that was made, oldest first."""
        return [Change(**row) for row in self._rows("made")]

    def end(self) -> tuple[int, bytes, bytes]:
        """Of the audit: the highest id that was ever given, the newest row's hash, the seal."""
        ((given, hash, seal),) = self._connection.execute(_STATEMENTS["end_of_audit"])
        return given, hash, seal or b""  # it is gone: then it fits nothing, also later

    def chained(self) -> Iterator[tuple[chain.Row, bytes]]:
        """Every row of the audit, oldest first, and its hash."""
        for *values, hash in self._connection.execute(_STATEMENTS["chained"]):
            yield chain.row_of(values), hash

    def _rows(self, statement: str, **parameters: object) -> Iterator[dict[str, Any]]:
        cursor = self._connection.execute(_STATEMENTS[statement], parameters)
        for values in cursor:
            row = dict(zip((name for name, _ in cursor.get_description()), values, strict=True))
            yield {name: msgspec.json.decode(value) if name in _JSON else value for name, value in row.items()}


class Database(Tables):
    """Durable when a transaction ends: WAL, `synchronous=FULL`. Another process may write between two transactions.

    `secret` keys the chain of the audit.
    """

    def __init__(self, path: Path, secret: bytes) -> None:
        self._secret = secret
        try:
            path.touch(mode=0o600)
            super().__init__(apsw.Connection(str(path)))
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
        hash, seal = chain.BEGIN, chain.begun(self._secret)
        for row, _ in list(self.chained()):
            hash = chain.hash_of(self._secret, hash, row)
            seal = chain.seal_of(self._secret, seal, hash)
            self._connection.execute(_STATEMENTS["put_hash"], {"id": row[0], "hash": hash})
        self._connection.execute(_STATEMENTS["put_seal"], {"seal": seal})

    def moved(self) -> int:
        """A number that changes when another connection has written (raises apsw.Error)."""
        version: int = self._connection.pragma("data_version")
        return version

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All `put` inside become durable together, or none does: UnavailableError."""
        with _told(), transaction(self._connection):
            yield

    def put(self, record: Record) -> None:
        """Inserts it, or changes of it what can change."""
        values = {name: _column(name, getattr(record, name)) for name in record.__struct_fields__}
        if isinstance(record, Change):
            values |= self._chain(values)
        self._connection.execute(_STATEMENTS[_PUT[type(record)]], values)

    def _chain(self, values: dict[str, Any]) -> dict[str, Any]:
        """The next row's id and hash; the seal is carried on over it."""
        given, last, seal = self.end()
        row = chain.row_of((given + 1, *(values[name] for name in _CHAINED_COLUMNS)))
        hash = chain.hash_of(self._secret, last, row)
        self._connection.execute(_STATEMENTS["put_seal"], {"seal": chain.seal_of(self._secret, seal, hash)})
        return {"id": row[0], "hash": hash}

    def close(self) -> None:
        # SQLite does it only for the last to close, and the engine may still be reading.
        with suppress(apsw.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._connection.close()


def _column(name: str, value: Any) -> Any:
    if name in _JSON:
        return msgspec.json.encode(sorted(value) if isinstance(value, frozenset) else value).decode()
    return value


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
