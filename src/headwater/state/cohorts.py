"""Cohorts that last: what they are called and mean, who is in them since when, who came and went."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, Protocol

import msgspec

Kind = Literal["event", "clock", "profile", "backfill", "retention", "caught_up"]
"""Why somebody entered or left: an event, a window that moved on, identities that were connected or cut (or a list of
values that never connect), a backfill that was released or reverted, events that were kept long enough, or something
that happened while the engine was away."""

Place = tuple[int, str]
"""Where a cohort stands in its workspace's list: when it was made (UTC ms), and its id."""
FIRST: Place = (-1, "")
"""Before all."""


class Cohort(msgspec.Struct, frozen=True):
    """A definition people live by."""

    id: str
    """`coh_` + 8 base62."""
    workspace: str
    name: str
    """Unique in the workspace."""
    definition: dict[str, Any]
    """As it was given, JSON."""
    created_ms: int
    filled_ms: int | None = None
    """When its first members were written down; None before that."""

    @property
    def place(self) -> Place:
        return self.created_ms, self.id


class Change(msgspec.Struct, frozen=True, gc=False):
    """Somebody entered or left."""

    cohort: str
    identity: str
    """Which stands for the profile: the one that makes its id (`rules.profile.representative`)."""
    at_ms: int
    entered: bool
    kind: Kind
    event_id: str | None = None
    """The event, where it was one."""


class News(msgspec.Struct, frozen=True, gc=False):
    """A change as whoever follows all of them is told it."""

    number: int
    workspace: str
    name: str
    """The cohort's."""
    change: Change


class Rename(msgspec.Struct, frozen=True, gc=False):
    """A member's profile stands under another identity now; `since` stays, and no change is written down.

    Where `new` is a member already, it stays as it is and `old` goes: there is a member less, though nobody left. Where
    `old` is none nothing happens.
    """

    cohort: str
    old: str
    new: str
    at_ms: int = 0
    """When it was found."""


class Member(msgspec.Struct, frozen=True, gc=False):
    identity: str
    since_ms: int


class Step(msgspec.Struct, frozen=True, gc=False):
    """What happened to a cohort in one span of time."""

    entered: int
    left: int
    merged: int
    """Members that became one profile with another member."""


NOTHING = Step(0, 0, 0)


class Course(msgspec.Struct, frozen=True):
    """How a cohort came to have the members it has."""

    members: int
    """Now."""
    steps: dict[int, Step]
    """By number, from 0 on; one in which nothing happened is left out."""


class Memberships(Protocol):
    """Every verb is durable when it returns. A cohort that is not there (any more) has no members and no changes, and
    what is written about it is lost without a word.

    What people's requests come to (all but `cohorts`, `fill`, `members` and `apply`) raises UnavailableError when the
    disk fails it; then nothing was done."""

    def cohorts(self) -> Sequence[Cohort]:
        """All of all workspaces, oldest first."""

    def cohort(self, workspace: str, cohort_id: str) -> Cohort | None:
        """None where the workspace has no such cohort."""

    def listed(self, workspace: str, after: Place, limit: int) -> Sequence[Cohort]:
        """A workspace's, by their places from behind `after` on, so oldest first."""

    def names(self, workspace: str) -> Sequence[tuple[str, str]]:
        """Ids and names of those that are filled, oldest first."""

    def count(self, workspace: str) -> int:
        """How many a workspace has, filled or not."""

    def add(self, cohort: Cohort) -> None:
        """Raises ConflictError when the workspace has one of this name."""

    def retitle(self, cohort_id: str, name: str) -> None:
        """Gives a cohort another name. Raises ConflictError when the workspace has one of this name."""

    def remove(self, cohort_id: str) -> None:
        """With its members and changes."""

    def fill(self, cohort_id: str, identities: Iterable[str], at_ms: int) -> None:
        """Its first members, instead of whatever a crash left of an earlier try; then it counts as filled. In
        transactions of bounded size."""

    def members(self, cohort_id: str) -> Iterator[Member]:
        """All of them, in no order."""

    def apply(self, changes: Sequence[Change], renames: Sequence[Rename] = ()) -> None:
        """All or nothing: renames members, moves them, and writes the changes down.

        Whoever is in cannot enter and whoever is out cannot leave: such a change is left out, so that the same ones
        applied once more (after a crash) change nothing."""

    def caused(self, workspace: str, event_id: str) -> Sequence[tuple[str, Change]]:
        """Who entered or left because of this event, oldest first, each with the cohort's name; of the workspace's
        cohorts alone. Raises UnavailableError when the disk fails."""

    def erase(self, workspace: str, identities: Iterable[str]) -> None:
        """These are members of no cohort of the workspace, and never were. In one transaction."""

    def wipe(self) -> bool:
        """As `State.wipe`."""

    def since(self, cohort_id: str, identity: str) -> int | None:
        """When (ms) the profile that stands under this identity entered; None when it is out."""

    def page(self, cohort_id: str, after: str, limit: int) -> Sequence[Member]:
        """By identity (code points), from behind `after` on."""

    def changes(
        self, cohort_id: str, before: int | None, limit: int, identities: Sequence[str] | None = None
    ) -> Sequence[tuple[int, Change]]:
        """Newest first, each with its number; only those numbered below `before`, and of these identities."""

    def news(self, after: int, limit: int) -> Sequence[News]:
        """All cohorts' changes, oldest first, from behind the number `after` on. Numbers ascend as they are committed:
        whoever has read up to one misses none."""

    def newest(self) -> int:
        """The highest number that a change ever had; 0 before the first."""

    def course(self, cohort_id: str, from_ms: int, step_ms: int) -> Course:
        """Its members, and all that happened from then on, in steps of so long; both of one moment. Merges of an older
        headwater are not known."""

    def close(self) -> None: ...
