"""What the catalog answers from: its tables as dictionaries."""

from collections.abc import Iterable, Mapping
from copy import copy
from types import MappingProxyType

import msgspec

from headwater.catalog.base import SESSION_ENDED, Backfill, Change, Key, Principal, Workspace
from headwater.catalog.rows import Record, Rows
from headwater.signals import SchemaVersion, Signal

_NONE: Mapping[str, Signal] = MappingProxyType({})
_NO_BACKFILL: Mapping[str, Backfill] = MappingProxyType({})


class Memory:
    """A copy of the tables. Mappings given out are never changed, only replaced."""

    def __init__(self, tables: Rows) -> None:
        self.workspaces: dict[str, Workspace] = {}
        self.keys: dict[str, Key] = {}
        self.by_digest: dict[bytes, tuple[Key, Principal]] = {}
        self.versions: dict[str, tuple[SchemaVersion, ...]] = {}
        self.backfills: dict[str, dict[str, Backfill]] = {}
        """By workspace and id, oldest first."""
        self.ended: set[str] = set()
        """Ids of sessions."""
        self._live: dict[str, dict[str, Signal]] = {}
        self._archived: set[tuple[str, str]] = set()
        self.follow(tables)

    def follow(self, tables: Rows) -> None:
        """Takes over what stands there."""
        self.put(tables.records())
        self.ended.update(tables.ended())

    def copy(self) -> "Memory":
        """One that can be put to while others ask this one."""
        other = copy(self)
        other.workspaces, other.keys, other.by_digest = self.workspaces.copy(), self.keys.copy(), self.by_digest.copy()
        other.versions, other._live, other._archived = self.versions.copy(), self._live.copy(), self._archived.copy()
        other.ended = self.ended.copy()
        other.backfills = {workspace: known.copy() for workspace, known in self.backfills.items()}
        return other

    def signals_of(self, workspace: str) -> Mapping[str, Signal]:
        return self._live.get(workspace, _NONE)

    def is_taken(self, workspace: str, slug: str) -> bool:
        return slug in self.signals_of(workspace) or (workspace, slug) in self._archived

    def backfills_of(self, workspace: str) -> Mapping[str, Backfill]:
        return self.backfills.get(workspace, _NO_BACKFILL)

    def put(self, records: Iterable[Record]) -> None:
        """Takes over what has become durable: versions first, for a signal's latest is looked up among them."""
        signals: dict[str, dict[str, Signal]] = {}
        for record in sorted(records, key=lambda record: not isinstance(record, SchemaVersion)):
            match record:
                case Workspace():
                    self.workspaces[record.id] = record
                case Key():
                    self.keys[record.id] = record
                    self.by_digest[record.digest] = record, record.principal
                case SchemaVersion():
                    known = self.versions.get(record.signal_id, ())
                    if record.version > len(known):
                        self.versions[record.signal_id] = (*known, record)
                case Signal():
                    fresh = signals.setdefault(record.workspace, dict(self.signals_of(record.workspace)))
                    self._place(record, fresh)
                case Backfill():
                    self.backfills.setdefault(record.workspace, {})[record.id] = record
                case Change():
                    if record.action == SESSION_ENDED:
                        self.ended.add(record.target)
        self._live.update(signals)

    def _place(self, signal: Signal, live: dict[str, Signal]) -> None:
        if signal.archived:
            self._archived.add((signal.workspace, signal.slug))
            live.pop(signal.slug, None)
        else:
            versions = self.versions.get(signal.id)
            latest = versions[-1].version if versions else None
            live[signal.slug] = msgspec.structs.replace(signal, latest=latest)
