"""The catalog as the engine reads it: the gateway's file, looked at and never written."""

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import apsw
import msgspec

from headwater.catalog.base import Backfill, Workspace
from headwater.catalog.database import VERSION, Tables
from headwater.errors import HeadwaterError, NotFoundError, StartError
from headwater.readonly import look_at
from headwater.signals import Signal

_NONE: Mapping[str, Signal] = MappingProxyType({})

_logger = logging.getLogger("headwater.catalog")


class _Contents(msgspec.Struct, frozen=True):
    """What was read at one moment. Mappings given out are never changed, only replaced."""

    workspaces: dict[str, Workspace] = {}
    signals: dict[str, dict[str, Signal]] = {}
    """By workspace and slug, archived ones left out."""
    ever: dict[str, dict[str, Signal]] = {}
    """The same with archived ones."""
    backfills: dict[str, dict[str, Backfill]] = {}
    """By workspace and id, the newest first."""
    excluded: dict[str, frozenset[str]] = {}
    """Of each workspace that has some, those that count for nothing."""

    def defines(self, other: "_Contents") -> bool:
        """Whether both say the same of workspaces and signals."""
        return (self.workspaces, self.ever) == (other.workspaces, other.ever)


class CatalogReader:
    """`catalog.base.Definitions`. Each verb looks first whether the gateway wrote: some 5 microseconds.

    The gateway makes the file and brings it to the newest schema, so it may be missing or older at first: then there
    is nothing, and it is looked for again. Raises StartError when a newer headwater wrote it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: apsw.Connection | None = None
        self._closed = False
        self._moved: int | None = None
        self._known = _Contents()
        self._revision = 0
        self._told = ""
        self._look()

    def signals_of(self, workspace: str) -> Mapping[str, Signal]:
        return self._look().signals.get(workspace, _NONE)

    def ever(self, workspace: str) -> Mapping[str, Signal]:
        return self._look().ever.get(workspace, _NONE)

    def signal(self, workspace: str, slug: str) -> Signal | None:
        return self.signals_of(workspace).get(slug)

    def workspace(self, id: str) -> Workspace:
        found = self._look().workspaces.get(id)
        if found is None:
            raise NotFoundError("there is no such workspace")
        return found

    def workspaces(self) -> Sequence[Workspace]:
        return sorted(self._look().workspaces.values(), key=lambda workspace: workspace.name)

    def backfills(self, workspace: str) -> Sequence[Backfill]:
        return list(self._look().backfills.get(workspace, {}).values())

    def backfill(self, workspace: str, id: str) -> Backfill | None:
        return self._look().backfills.get(workspace, {}).get(id)

    def excluded(self, workspace: str) -> frozenset[str]:
        return self._look().excluded.get(workspace, frozenset())

    def revision(self) -> int:
        self._look()
        return self._revision

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _look(self) -> _Contents:
        """What is true now; what was true last when the file cannot be read."""
        with self._lock:
            try:
                self._follow()
                self._told = ""
            except StartError:
                raise
            except (apsw.Error, HeadwaterError, msgspec.MsgspecError, TypeError) as error:
                self._warn(str(error))
            return self._known

    def _follow(self) -> None:
        connection = self._opened()
        if connection is None:
            return
        moved: int = connection.pragma("data_version")
        if moved == self._moved:
            return
        found = _read(connection)
        self._moved = moved
        if found is None:
            return
        if not found.defines(self._known) or not self._revision:
            self._revision += 1
        self._known = found

    def _opened(self) -> apsw.Connection | None:
        if self._connection is None and not self._closed and _is_there(self._path):
            self._connection = look_at(self._path, None)
        return self._connection

    def _warn(self, why: str) -> None:
        """Once for each thing that goes wrong, and not at every look."""
        if why != self._told:
            self._told = why
            _logger.warning("the catalog cannot be read, going on with what is known: %s", why)


def _is_there(path: Path) -> bool:
    """An empty file is one that the gateway has only begun."""
    return path.is_file() and path.stat().st_size > 0


def _read(connection: apsw.Connection) -> _Contents | None:
    """All of one moment; None for a file that waits to be brought to the newest schema."""
    tables = Tables(connection)
    connection.execute("BEGIN")
    try:
        version = tables.version()
        if version > VERSION:
            raise StartError("the catalog was made by a newer headwater")
        if version < VERSION:
            return None
        latest, ever = tables.latest(), dict[str, dict[str, Signal]]()
        for signal in tables.signals():
            found = msgspec.structs.replace(signal, latest=latest.get(signal.id))
            ever.setdefault(signal.workspace, {})[signal.slug] = found
        signals = {
            workspace: {slug: signal for slug, signal in of.items() if not signal.archived}
            for workspace, of in ever.items()
        }
        backfills = _by_workspace(tables.backfills())
        excluded = {
            workspace: frozenset(each.id for each in of.values() if not each.counts)
            for workspace, of in backfills.items()
        }
        return _Contents({each.id: each for each in tables.workspaces()}, signals, ever, backfills, excluded)
    finally:
        connection.execute("ROLLBACK")


def _by_workspace(backfills: Sequence[Backfill]) -> dict[str, dict[str, Backfill]]:
    """The newest first."""
    found = dict[str, dict[str, Backfill]]()
    for each in reversed(backfills):
        found.setdefault(each.workspace, {})[each.id] = each
    return found
