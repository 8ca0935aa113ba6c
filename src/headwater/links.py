"""Which identities are linked, found anew in what is stored: after events came to count, count no more, or are gone."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from headwater.people import People
from headwater.rules.connect import Pair
from headwater.state.base import State
from headwater.store.base import Store

SLICE = 50_000
"""Pairs held at once, about."""
NAMED = 5_000
"""Pairs that are asked for by name at once."""

_NO_RANGE = {"a0": "", "b0": "", "a1": "", "b1": ""}


class Links:
    """The links of all workspaces, as they follow from the store. What is stored meanwhile comes with its own block.

    Every verb makes links as old as the events say that count, takes out those that none makes, and returns how many
    pairs it looked at.
    """

    def __init__(self, store: Store, state: State, people: People) -> None:
        self._store = store
        self._state = state
        self._people = people

    def of_backfill(self, workspace: str, backfill: str) -> int:
        """The pairs that a backfill's events name."""
        about = {"workspace": workspace, "backfill": backfill}
        slices = 1 + self._store.rows("pairs_count", about)[0]["pairs"] // SLICE
        slicing = ({"slices": slices, "slice": number} for number in range(slices))
        return sum(self._relink(workspace, about | each | _NO_RANGE, ()) for each in slicing)

    def of_workspace(self, workspace: str) -> int:
        """All pairs that are linked there."""
        return sum(self._relink(workspace, _between(workspace, known), known) for known in self._known(workspace))

    def of_pairs(self, workspace: str, pairs: Iterable[Pair]) -> int:
        """These pairs, linked by now or not."""
        ordered = sorted(pairs)
        for at in range(0, len(ordered), NAMED):
            self._relink_named(workspace, ordered[at : at + NAMED])
        return len(ordered)

    def _relink_named(self, workspace: str, pairs: Sequence[Pair]) -> None:
        ones, others = map(list, zip(*pairs, strict=True))
        excluded = sorted(self._people.attribution(workspace).excluded)
        about = {"workspace": workspace, "ones": ones, "others": others, "excluded": excluded}
        with self._state.watch() as watch:
            found: dict[Pair, int | None] = dict.fromkeys(pairs)
            found |= {(row["a"], row["b"]): row["first_ms"] for row in self._store.rows("pairs_among", about)}
            self._state.relink(workspace, found, watch)
        self._people.refresh(workspace, {identity for pair in pairs for identity in pair})

    def _known(self, workspace: str) -> Iterator[list[Pair]]:
        """In pieces, in order."""
        pairs = ((link.a, link.b) for link in self._state.links(workspace))
        while piece := list(islice(pairs, SLICE)):
            yield piece

    def _relink(self, workspace: str, about: dict[str, str | int], known: Sequence[Pair]) -> int:
        excluded = sorted(self._people.attribution(workspace).excluded)
        with self._state.watch() as watch:
            rows = self._store.rows("pairs_of", about | {"excluded": excluded})
            found: dict[Pair, int | None] = dict.fromkeys(known)
            found |= {(row["a"], row["b"]): row["first_ms"] for row in rows}
            self._state.relink(workspace, found, watch)
        self._people.refresh(workspace, {identity for pair in found for identity in pair})
        return len(found)


def _between(workspace: str, pairs: Sequence[Pair]) -> dict[str, str | int]:
    """What `pairs_of` takes for a run of pairs, in order."""
    (a0, b0), (a1, b1) = pairs[0], pairs[-1]
    return {"workspace": workspace, "backfill": "", "slices": 1, "slice": 0, "a0": a0, "b0": b0, "a1": a1, "b1": b1}
