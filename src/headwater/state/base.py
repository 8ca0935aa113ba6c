"""The engine's own memory: how far each lane is stored, which block is in doubt, which identities belong together."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Protocol

import msgspec

from headwater.events import Lane
from headwater.rules.connect import Severed


class Cursor(msgspec.Struct, frozen=True, gc=False):
    """How far a lane is stored."""

    position: int
    """Everything of the lane before it is in the store."""
    block: int
    """The number of the last block committed; 0 before the first."""


class Plan(msgspec.Struct, frozen=True, gc=False):
    """A block about to be inserted, written down before the insert begins."""

    lane: Lane
    block: int
    """1, 2, 3, … per lane."""
    start: int
    """Log positions: the block is the lane's records in [start, end)."""
    end: int
    months: dict[int, int]
    """Rows by partition (202611), to see after a crash what of it is there."""


class Link(msgspec.Struct, frozen=True, gc=False, order=True):
    """Two identities of one workspace that a processed event named together; `a` < `b`."""

    workspace: str
    a: str
    b: str
    first_ms: int
    """When the earliest event that is known to name both occurred."""


def oldest(links: Iterable[Link]) -> list[Link]:
    """Each pair once, as old as the oldest of its links, sorted."""
    return [next(same) for _, same in groupby(sorted(links), key=attrgetter("workspace", "a", "b"))]


class Account(msgspec.Struct, frozen=True, gc=False):
    """One lane: what was committed, and what is under way."""

    cursor: Cursor
    plan: Plan | None
    """The block that was written down and not committed."""
    counted_after: int
    """Rows are counted from the block after this one on: 0 unless an older headwater stored blocks uncounted."""
    months: dict[int, int]
    """Rows committed by partition (202611)."""


class Examined(Protocol):
    """The state as a doctor sees it. Raises CorruptionError when its file cannot be read."""

    def ledger(self) -> dict[Lane, Account]:
        """Both lanes, always, all of one moment."""

    def unknown(self, links: Iterable[Link]) -> list[Link]:
        """Those of the links that are not there, or stand there as younger than they are."""

    def linked(self) -> dict[str, int]:
        """Links by workspace."""

    def faults(self, quick: bool) -> list[str]:
        """What is wrong inside its file; empty when nothing is."""

    def close(self) -> None: ...


class State(Protocol):
    """Every verb is durable when it returns."""

    def cursors(self) -> dict[Lane, Cursor]:
        """Both lanes, always."""

    def plans(self) -> dict[Lane, Plan]:
        """Blocks written down and not committed: at most one a lane."""

    def plan(self, plan: Plan) -> None:
        """Writes a block down."""

    def commit(self, plan: Plan, links: Iterable[Link], upcoming: Plan | None = None) -> None:
        """The block is in the store: moves the cursor to its end, drops its plan, adds the links, and writes down
        the same lane's next block if one is given: one transaction. Links known already are no fault: each is as old
        as the oldest time it was given with."""

    def links(self) -> Iterator[Link]:
        """All of them, those of a workspace side by side."""

    def links_of(self, workspace: str, identity: str, most: int) -> Sequence[Link]:
        """Links of one identity, up to `most` of them. Raises UnavailableError when the disk fails."""

    def sever(self, workspace: str, severed: Sequence[Severed]) -> None:
        """Writes pairs down that connect nothing from now on; one that is there already is cut again, later. All or
        none: UnavailableError when the disk fails."""

    def severed(self) -> dict[str, list[Severed]]:
        """All severed pairs by workspace."""

    def close(self) -> None: ...
