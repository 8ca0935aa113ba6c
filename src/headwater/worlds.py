"""How everything would be if a backfill counted, or did not: profiles and cohorts of a world that is not kept."""

from collections.abc import Iterable, Mapping

from headwater.catalog.base import Workspace
from headwater.circles import Circles
from headwater.rules.connect import Attribution, Pair
from headwater.state.base import State

Ages = Mapping[Pair, int | None]
"""Pairs whose links are of another age there; None: they are linked no more."""


class World:
    """Who would belong together in a workspace: what `live.space.Space` asks of `People`.

    Takes a second or two for a million links.
    """

    def __init__(self, state: State, workspace: Workspace, attribution: Attribution, ages: Ages) -> None:
        self._state = state
        self._workspace = workspace.id
        self._attribution = attribution
        self._ages = ages
        self._apart: dict[str, list[Pair]] = {}
        for pair in ages:
            for identity in pair:
                self._apart.setdefault(identity, []).append(pair)
        self._circles = Circles(self._links_of)
        self._circles.sever(attribution.until, ())
        self._circles.restrict(attribution.never, workspace.max_identities)
        self._circles.add(self._links())

    def connected(self, workspace: str, identity: str) -> tuple[str, ...]:
        """As `People.connected`."""
        return self._circles.of(identity)

    def attribution(self, workspace: str) -> Attribution:
        """As `People.attribution`."""
        return self._attribution

    def _links(self) -> Iterable[tuple[str, str, int]]:
        for link in self._state.links(self._workspace):
            if (link.a, link.b) not in self._ages:
                yield link.a, link.b, link.first_ms
        for (a, b), first_ms in self._ages.items():
            if first_ms is not None:
                yield a, b, first_ms

    def _links_of(self, identity: str, most: int) -> Iterable[tuple[Pair, int]]:
        own = self._apart.get(identity, [])
        for pair in own:
            first_ms = self._ages[pair]
            if first_ms is not None:
                yield pair, first_ms
        for link in self._state.links_of(self._workspace, identity, most + len(own)):
            if (link.a, link.b) not in self._ages:
                yield (link.a, link.b), link.first_ms
