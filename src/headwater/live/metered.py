"""Metrics: the numbers of the last so many periods, which all move on together when a period ends."""

from collections.abc import Callable
from typing import Any

import numpy as np

from headwater.events import Line
from headwater.live.arrays import Bools, Ints, Nodes, Places
from headwater.live.crowd import Crowd
from headwater.live.facts import Facts
from headwater.live.kept import NEVER, Columns, Kept, Verdict, measured, summed, told
from headwater.live.limbs import Sums, columns, joined
from headwater.rules.cohort import Metric
from headwater.rules.numbers import parsed, plain
from headwater.rules.rollup import next_start, period_start, periods_back


class Metered(Kept):
    """The metric's numbers (0 for a count without one) with their times."""

    def __init__(self, leaf: Metric) -> None:
        super().__init__()
        self._leaf = leaf
        self._facts = Facts(numbers=True)
        self._numbers: list[int] = []
        self._since: int | None = None

    def see(self, step: int, node: int, line: Line, data: Callable[[], dict[str, Any]]) -> bool:
        number = parsed(line.value) if line.value is not None else None
        if number is None and self._leaf.aggregation != "count":
            return False
        self._nodes.append(node)
        self._ms.append(line.occurred_ms)
        self._numbers.append(number or 0)
        return True

    def flush(self) -> Nodes:
        nodes, ms = self._seen()
        self._facts.add(nodes, ms, *columns(self._numbers), floor=self._since)
        self._numbers = []
        return nodes

    def load(self, step: int, columns: Columns) -> None:
        assert columns.hi is not None and columns.lo is not None
        self._facts.add(columns.nodes, columns.ms, columns.hi, columns.lo)

    def touched(self) -> Nodes:
        return self._facts.nodes()

    def judge(self, crowd: Crowd, now: int) -> Verdict:
        profiles, ms, limbs, first, end = self._found(crowd, now)
        self._since = first - 1
        inside = (ms >= first) & (ms < end)
        holds = self._held(len(crowd), profiles[inside], [limb[inside] for limb in limbs])
        due = np.full(len(crowd), NEVER)
        due[profiles[ms >= first]] = end
        return Verdict(holds, due)

    def observe(self, crowd: Crowd, now: int) -> Any:
        profiles, ms, limbs, first, end = self._found(crowd, now)
        inside = (ms >= first) & (ms < end)
        profiles, limbs = profiles[inside], [limb[inside] for limb in limbs]
        if self._leaf.aggregation in ("min", "max"):
            _, extremes = self._extremes(profiles, limbs)
            return plain(joined(extremes.hi[0], extremes.lo[0])) if len(profiles) else None
        return told(self._leaf.aggregation, *summed(1, profiles, limbs))

    def _found(self, crowd: Crowd, now: int) -> tuple[Places, Ints, list[Ints], int, int]:
        """Profile, time and limbs of the facts, and from when to when the periods last."""
        period = self._leaf.period
        places, (ms, *limbs) = self._facts.of(crowd.nodes)
        first = periods_back(period, period_start(period, now), self._leaf.periods - 1)
        return crowd.groups[places], ms, limbs, first, next_start(period, period_start(period, now))

    def _held(self, count: int, profiles: Places, limbs: list[Ints]) -> Bools:
        leaf = self._leaf
        if leaf.aggregation in ("min", "max"):
            places, extremes = self._extremes(profiles, limbs)
            holds = np.zeros(count, np.bool_)
            holds[places] = measured("sum", np.ones(len(places), np.int64), extremes, leaf.bounds)
            return holds
        return measured(leaf.aggregation, *summed(count, profiles, limbs), leaf.bounds)

    def _extremes(self, profiles: Places, limbs: list[Ints]) -> tuple[Places, Sums]:
        """The profiles that have numbers, ascending, with the least or greatest of each."""
        order = np.lexsort((limbs[1], limbs[0], profiles))
        profiles = profiles[order]
        edges = (
            np.flatnonzero(np.diff(profiles, prepend=-1))
            if self._leaf.aggregation == "min"
            else (np.flatnonzero(np.diff(profiles, append=-1)))
        )
        chosen = order[edges]
        return profiles[edges], Sums(limbs[0][chosen], limbs[1][chosen])

    def forget(self, nodes: Nodes) -> None:
        self._facts.forget(nodes)

    @property
    def nbytes(self) -> int:
        return self._facts.nbytes
