"""The catalog's tables as records, whatever database they are in."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec

from headwater.catalog import chain
from headwater.catalog.base import SESSION_ENDED, Backfill, Change, Key, Workspace
from headwater.clock import DAY_MS, now_ms
from headwater.signals import SchemaVersion, Signal

Record = Workspace | Key | Signal | SchemaVersion | Backfill | Change

PUT: dict[type, str] = {
    Workspace: "put_workspace",
    Key: "put_key",
    Signal: "put_signal",
    SchemaVersion: "put_version",
    Backfill: "put_backfill",
    Change: "put_change",
}
"""The statement that writes each."""

_JSON = ("scopes", "schema", "detail", "never_connect")
"""Columns that hold JSON, as text: so a number stays what it is."""
_CHAINED_COLUMNS = ("workspace", "actor", "action", "target", "detail", "at_ms", "address")
"""In the order of `chain.Row`, behind the id."""

_SESSION_MS = 366 * DAY_MS
"""No session is longer."""


def is_definition(record: Record) -> bool:
    """Whether others must know of it: all but what the audit tells for people."""
    return not isinstance(record, Change) or record.action == SESSION_ENDED


class Rows(ABC):
    """The tables as they stand."""

    @abstractmethod
    def _rows(self, statement: str, **parameters: object) -> Iterator[dict[str, Any]]:
        """What a named statement answers: each row by its columns' names, read by `values_of`."""

    @abstractmethod
    def _told(self) -> AbstractContextManager[None]:
        """Inside, the database's errors are raised as headwater's."""

    @abstractmethod
    def end(self) -> tuple[int, bytes, bytes]:
        """Of the audit: the highest id that was ever given, the newest row's hash, the seal."""

    @abstractmethod
    def chained(self) -> Iterator[tuple[chain.Row, bytes]]:
        """Every row of the audit, oldest first, and its hash."""

    def workspaces(self) -> list[Workspace]:
        return [_workspace(row) for row in self._rows("all_workspaces")]

    def keys(self) -> list[Key]:
        return [_key(row) for row in self._rows("all_keys")]

    def signals(self) -> list[Signal]:
        return [_signal(row) for row in self._rows("all_signals")]

    def versions(self) -> list[SchemaVersion]:
        return [SchemaVersion(**row) for row in self._rows("all_versions")]

    def latest(self) -> dict[str, int]:
        """The newest schema version of each signal that has one, by its id."""
        return {row["signal_id"]: row["version"] for row in self._rows("latest_versions")}

    def backfills(self) -> list[Backfill]:
        """Of all workspaces, oldest first."""
        return [_backfill(row) for row in self._rows("all_backfills")]

    def changes(self, workspace: str, limit: int, before: int) -> list[Change]:
        with self._told():
            return [Change(**row) for row in self._rows("changes", workspace=workspace, limit=limit, before=before)]

    def noted(self, action: str, since_ms: int) -> list[tuple[str, int]]:
        """Targets and moments of that action since then, oldest first."""
        with self._told():
            return [(row["target"], row["at_ms"]) for row in self._rows("noted", action=action, since_ms=since_ms)]

    def records(self) -> list[Record]:
        """All but the audit."""
        return [*self.versions(), *self.signals(), *self.workspaces(), *self.keys(), *self.backfills()]

    def ended(self) -> list[str]:
        """The sessions that were ended, of those that could still go on."""
        return [row["target"] for row in self._rows("ended", action=SESSION_ENDED, since_ms=now_ms() - _SESSION_MS)]

    def made(self) -> list[Change]:
        """What the audit says of anything that was made, oldest first."""
        return [Change(**row) for row in self._rows("made")]


class Writing(Rows):
    """The tables, to be written inside transactions. `secret` keys the chain of the audit."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """All `put` inside become durable together, or none does: UnavailableError. Nobody else writes meanwhile.
        ConflictError for what exists already."""

    @abstractmethod
    def put(self, record: Record) -> None:
        """Inserts it, or changes of it what can change."""

    @abstractmethod
    def _seal(self, given: int, seal: bytes) -> None:
        """Writes down the audit's end: the highest id that was given, and the seal."""

    def _columns(self, record: Record) -> dict[str, Any]:
        """What is written of a record; a row of the audit is chained to the one before."""
        values = {name: _column(name, getattr(record, name)) for name in record.__struct_fields__}
        return values | self._chain(values) if isinstance(record, Change) else values

    def _chain(self, values: dict[str, Any]) -> dict[str, Any]:
        """The next row's id and hash; the seal is carried on over it."""
        given, last, seal = self.end()
        row = chain.row_of((given + 1, *(values[name] for name in _CHAINED_COLUMNS)))
        hash = chain.hash_of(self._secret, last, row)
        self._seal(row[0], chain.seal_of(self._secret, seal, hash))
        return {"id": row[0], "hash": hash}


def statements_in(path: Path) -> dict[str, str]:
    """The statements of a file by the names above them."""
    return dict(re.findall(r"^-- name: (\w+)\n(.*?)(?=\n-- name:|\Z)", path.read_text(), re.M | re.S))


def values_of(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """A row as it was read, by its columns' names."""
    return {
        name: msgspec.json.decode(value) if name in _JSON else value for name, value in zip(names, values, strict=True)
    }


def _column(name: str, value: Any) -> Any:
    if name in _JSON:
        return msgspec.json.encode(sorted(value) if isinstance(value, frozenset) else value).decode()
    return value


def _workspace(row: dict[str, Any]) -> Workspace:
    return Workspace(**{**row, "never_connect": tuple(row["never_connect"])})


def _key(row: dict[str, Any]) -> Key:
    return Key(**{**row, "scopes": frozenset(row["scopes"])})


def _signal(row: dict[str, Any]) -> Signal:
    return Signal(
        **{**row, "active": bool(row["active"]), "archived": bool(row["archived"]), "draft": bool(row["draft"])}
    )


def _backfill(row: dict[str, Any]) -> Backfill:
    return Backfill(**{**row, "held": bool(row["held"])})
