"""Cohorts with nothing behind them but a table of who performed what how often."""

from collections.abc import Mapping, Sequence
from typing import Any

from headwater.errors import HeadwaterError
from headwater.live.base import Explained, Preview
from headwater.rules.cohort import Definition, Performed, leaves
from headwater.signals import Signal
from headwater.state.cohorts import Cohort
from headwater.state.cohorts_sqlite import SqliteMemberships

WORKSPACE = "ws_abcdefgh"
ADA, PHONE, BOB, ACME = "email:ada@x.example", "phone:+19494572000", "email:bob@x.example", "account:1"
ORDERED: dict[str, Any] = {"subject": "person", "where": {"performed": "ordered", "count": {">=": 2}}}
SIGNALS = {
    slug: Signal(f"sig_{slug}", WORKSPACE, slug, slug, "event", True, None, "quarantine")
    for slug in ("ordered", "addToCart")
}


def connected(workspace: str, identity: str) -> tuple[str, ...]:
    """Ada has a phone; nobody else has anything."""
    return (ADA, PHONE) if identity in (ADA, PHONE) else (identity,)


class Remembered:
    """`live.base.Questions` over a table of how often who performed what."""

    def __init__(self, kept: SqliteMemberships) -> None:
        self.kept = kept
        self.orders = {ADA: 2, BOB: 1}
        self.defined: dict[str, Definition] = {}
        self.fails: HeadwaterError | None = None

    def define(self, cohort: Cohort, definition: Definition) -> None:
        self.defined[cohort.id] = definition
        if self.fails:
            raise self.fails
        self.kept.fill(cohort.id, self._found(definition), 1_000)

    def forget(self, cohort_id: str) -> None:
        self.defined.pop(cohort_id, None)

    def size(self, cohort_id: str) -> int:
        return len(list(self.kept.members(cohort_id)))

    def as_of(self, workspace: str | None = None) -> int:
        return 2_000

    def member(self, cohort_id: str, identity: str) -> bool:
        return self.kept.since(cohort_id, connected(WORKSPACE, identity)[0]) is not None

    def explain(self, cohort_id: str, identity: str) -> Sequence[Explained]:
        """Of somebody never seen nothing is observed."""
        count = self.orders.get(connected(WORKSPACE, identity)[0])
        found = [
            (leaf, count if count is None or isinstance(leaf, Performed) else [5_000, 6_000])
            for leaf in leaves(self.defined[cohort_id].where)
        ]
        return [Explained(leaf, (count or 0) >= 2, observed) for leaf, observed in found]

    def preview(self, workspace: str, definition: Definition, sample: int) -> Preview:
        found = self._found(definition)
        return Preview(len(found), found[:sample])

    def cohorts_of(self, workspace: str, identity: str) -> Mapping[str, bool]:
        return {id_: self.member(id_, identity) for id_ in self.defined}

    def _found(self, definition: Definition) -> list[str]:
        leaf = leaves(definition.where)[0]
        least = leaf.bounds[0].number // 10**9 if isinstance(leaf, Performed) else 2
        return sorted(identity for identity, count in self.orders.items() if count >= least)
