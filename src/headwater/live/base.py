"""What live membership is asked; what it keeps is `state.cohorts`."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from headwater.rules.cohort import Definition, Leaf
from headwater.state.cohorts import Cohort


class Explained(msgspec.Struct, frozen=True):
    """One condition and what was found."""

    leaf: Leaf
    holds: bool
    observed: Any
    """A count; a sum or average (a number, None for an average of nothing); for a sequence the times (ms) of the
    steps it got to, one a step; a state's, metric's or attribute's value, None when there is none. None for an
    identity never seen."""


class Preview(msgspec.Struct, frozen=True):
    size: int
    sample: Sequence[str]
    """Identities that stand for profiles, the first by order of identity."""


class Figures(msgspec.Struct, frozen=True):
    """How live membership is, for `/metrics`."""

    ready: bool
    cohorts: int
    conditions: int
    """Different ones; cohorts share those that ask the same."""
    identities: int
    bytes: int
    """Of the arrays."""
    as_of: int
    """See `Questions.as_of`; 0 before the first time."""
    failures: int
    """Times that all was begun anew, since the start."""

    def behind_seconds(self, now_ms: int) -> float:
        """How long ago everything stored and the clock were followed last; 0 before the first time."""
        return max(0, now_ms - self.as_of) / 1000 if self.as_of else 0.0


class Questions(Protocol):
    """Safe to ask from any thread. Raises UnavailableError while the engine catches up after its start, for a cohort
    that is not followed, and where something takes longer than an answer may."""

    def define(self, cohort: Cohort, definition: Definition) -> None:
        """It lives from here on: returns when its first members are found and written down."""

    def forget(self, cohort_id: str) -> None: ...

    def size(self, cohort_id: str) -> int: ...

    def as_of(self, workspace: str | None = None) -> int:
        """Everything stored until then (UTC ms), the clock until then, and what was set, cut or reverted until then in
        this workspace, are in what is answered. While a workspace is made anew this stands still, though those who
        live follow events."""

    def member(self, cohort_id: str, identity: str) -> bool: ...

    def explain(self, cohort_id: str, identity: str) -> Sequence[Explained]:
        """One entry for each of `rules.cohort.leaves(definition.where)`, in that order."""

    def preview(self, workspace: str, definition: Definition, sample: int) -> Preview: ...
