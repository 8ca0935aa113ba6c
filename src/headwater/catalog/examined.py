"""The catalog as a doctor sees it: everything in it, held against its own bytes and hashes."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from headwater.catalog.base import Backfill, Change, Key, Workspace
from headwater.signals import SchemaVersion, Signal


class Contents(msgspec.Struct, frozen=True):
    """Everything in the catalog, as it stands there."""

    workspaces: Sequence[Workspace]
    keys: Sequence[Key]
    signals: Sequence[Signal]
    """Archived ones too. `latest` is not set: it is no column."""
    versions: Sequence[SchemaVersion]
    """By signal, oldest first."""
    made: Sequence[Change]
    """What the audit says of workspaces, signals, schemas, keys and backfills that were made, oldest first."""
    backfills: Sequence[Backfill] = ()


class Chain(msgspec.Struct, frozen=True):
    """The audit held against its hashes."""

    rows: int
    faults: Sequence[str]
    """For people, by row."""


class Examined(Protocol):
    """The catalog as a doctor sees it. Raises CorruptionError when its file cannot be read."""

    def contents(self) -> Contents:
        """All of one moment."""

    def faults(self, quick: bool) -> list[str]:
        """What is wrong inside its file; empty when nothing is."""

    def chain(self, secret: bytes) -> Chain:
        """The audit held against its hashes; see `catalog.chain`."""

    def close(self) -> None: ...
