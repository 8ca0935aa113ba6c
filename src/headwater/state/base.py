"""The engine's own memory: how far each lane is stored, which block is in doubt, which identities belong together."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal, Protocol

import msgspec

from headwater.events import Lane
from headwater.rules.connect import Pair, Severed


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
    """1, 2, 3, … per lane. Where several engines store, the state gives it."""
    start: int
    """Log positions: the block is the lane's records in [start, end)."""
    end: int
    months: dict[int, int]
    """Rows by partition (202611), to see after a crash what of it is there."""


class RelinkedError(Exception):
    """Links that were left out may not be there any more, or are watched."""


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


JobKind = Literal["settle", "erasure", "retention"]
"""What a job does: a backfill comes to count, or counts no more; a person is erased; what is too old goes."""


class Job(msgspec.Struct, frozen=True):
    """Work over what is stored, of many steps, that is gone on with after a crash."""

    id: str
    kind: JobKind
    workspace: str
    about: dict[str, Any]
    """JSON; what it holds is the kind's own."""
    step: str
    """The one to be done next; `done` when all are."""
    begun_ms: int
    done_ms: int | None = None
    failure: str = ""
    """Why the last try failed; empty when it did not."""


Span = tuple[int, int]
"""The first and the last of a run of blocks."""


class Gone(msgspec.Struct, frozen=True, gc=False):
    """What was deleted of one lane."""

    lane: Lane
    months: dict[int, int]
    """Rows by partition (202611), of those blocks whose rows were counted."""
    emptied: list[Span]
    """Blocks of which no row is left."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where the events of a block lie."""

    partition: int
    start: int
    """The partition's own positions: the block is the lane's records in [start, end)."""
    end: int


class Step(msgspec.Struct, frozen=True):
    """What was committed by all engines since somebody looked last, of one moment."""

    watermark: dict[Lane, int]
    """Every block up to here is committed."""
    blocks: dict[Lane, dict[int, Place]]
    """Those up to there that are new, by number; both lanes, always."""
    links: list[Link]
    """What they linked anew, or made older; in no order."""


class Account(msgspec.Struct, frozen=True, gc=False):
    """One lane: what was committed, and what is under way."""

    cursor: Cursor
    plan: Plan | None
    """The block that was written down and not committed."""
    counted_after: int
    """Rows are counted from the block after this one on: 0 unless an older headwater stored blocks uncounted."""
    months: dict[int, int]
    """Rows committed by partition (202611), without those that were deleted since."""
    emptied: tuple[Span, ...] = ()
    """Blocks that were committed and of which every row was deleted since."""


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

    def jobs(self, kind: JobKind | None = None, workspace: str | None = None) -> list[Job]:
        """As `State.jobs`."""

    def close(self) -> None: ...


class Watch(Protocol):
    """The links committed while it lasts."""

    def of(self, workspace: str) -> Mapping[Pair, int]:
        """Pairs with the earliest time that they were committed with."""


class State(Protocol):
    """Every verb is durable when it returns."""

    def ledger(self) -> dict[Lane, Account]:
        """As `Examined.ledger`."""

    def cursors(self) -> dict[Lane, Cursor]:
        """Both lanes, always."""

    def plans(self) -> dict[Lane, Plan]:
        """Blocks written down and not committed: at most one a lane."""

    def plan(self, plan: Plan) -> Plan:
        """Writes a block down, and returns it with its number: the one that was asked for, where one engine stores.

        Raises NotOwnerError where somebody else stores this by now; nothing was written then."""

    def changes(self) -> int | None:
        """A number that becomes another one when links are taken back or are watched: until then every link that was
        committed is there. None when all that events link has to be told, whether it is known or not."""

    def commit(
        self, plan: Plan, links: Iterable[Link], upcoming: Plan | None = None, changes: int | None = None
    ) -> Plan | None:
        """The block is in the store: moves the cursor to its end, drops its plan, adds the links, and writes down
        the same lane's next block if one is given, and returns that as `plan` does: one transaction. Links known
        already are no fault: each is as old as the oldest time it was given with.

        A plan of the last block's number without rows was not written down: only the cursor moves. `changes`: links
        that are there since that number are left out; RelinkedError when it is another one by now, and nothing was
        written. Raises NotOwnerError as `plan` does."""

    def links(self, workspace: str | None = None) -> Iterator[Link]:
        """All of them, or a workspace's: sorted."""

    def links_of(self, workspace: str, identity: str, most: int) -> Sequence[Link]:
        """Links of one identity, up to `most` of them. Raises UnavailableError when the disk fails."""

    def sever(self, workspace: str, severed: Sequence[Severed]) -> None:
        """Writes pairs down that connect nothing from now on; one that is there already is cut again, later. All or
        none: UnavailableError when the disk fails."""

    def severed(self) -> dict[str, list[Severed]]:
        """All severed pairs by workspace."""

    def unsever(self, workspace: str, identities: Collection[str], until_ms: int) -> None:
        """Forgets the severed pairs with one of these identities, but for those that were cut later. Raises
        UnavailableError when the disk fails."""

    def watch(self) -> AbstractContextManager[Watch]:
        """Notes the links that are committed from its beginning on."""

    def relink(self, workspace: str, links: Mapping[Pair, int | None], watch: Watch) -> None:
        """These pairs are as old as is said here, or linked no more (None); but what the watch noted counts, too.
        All or none: UnavailableError when the disk fails."""

    def put_job(self, job: Job) -> None:
        """Adds it, or writes down what changed of it."""

    def uncount(self, job: Job, gone: Iterable[Gone]) -> None:
        """The same, and in one with it takes back what was counted of rows that are deleted by now. The job must say
        so: done again after a crash, it would be taken back twice."""

    def wipe(self) -> bool:
        """What was removed leaves the files for good. False while a question holds them: then it has to be asked
        again."""

    def job(self, id: str) -> Job | None: ...

    def jobs(self, kind: JobKind | None = None, workspace: str | None = None) -> list[Job]:
        """Of this kind and workspace, if they are given: newest first."""

    def close(self) -> None: ...
