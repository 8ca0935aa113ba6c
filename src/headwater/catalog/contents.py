"""What the engine knows of the catalog, wherever it is read from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from headwater.catalog.base import Backfill, Workspace
from headwater.catalog.rows import Rows
from headwater.errors import NotFoundError
from headwater.signals import Signal

_NONE: Mapping[str, Signal] = MappingProxyType({})


class Contents(msgspec.Struct, frozen=True):
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

    def defines(self, other: "Contents") -> bool:
        """Whether both say the same of workspaces and signals."""
        return (self.workspaces, self.ever) == (other.workspaces, other.ever)


class Reading(ABC):
    """The verbs of `catalog.base.Definitions`."""

    @abstractmethod
    def _look(self) -> Contents:
        """What is true now; what was true last when that cannot be told."""

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


def contents_of(tables: Rows) -> Contents:
    """What stands there."""
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
        workspace: frozenset(each.id for each in of.values() if not each.counts) for workspace, of in backfills.items()
    }
    return Contents({each.id: each for each in tables.workspaces()}, signals, ever, backfills, excluded)


def _by_workspace(backfills: Sequence[Backfill]) -> dict[str, dict[str, Backfill]]:
    """The newest first."""
    found = dict[str, dict[str, Backfill]]()
    for each in reversed(backfills):
        found.setdefault(each.workspace, {})[each.id] = each
    return found
