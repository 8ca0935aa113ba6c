"""Sequences: the times of each step's events, and the search for steps that follow one another."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from headwater.events import Line
from headwater.live.arrays import Bools, Ints, Nodes, Places
from headwater.live.crowd import Crowd
from headwater.live.facts import Facts
from headwater.live.kept import NEVER, Columns, Kept, Verdict, inside, turns
from headwater.rules import cohort
from headwater.rules.match import matcher

_TIME_BITS = 49
"""Milliseconds of ten thousand years fit."""
_AT_ONCE = 1 << (62 - _TIME_BITS)
"""Profiles whose number fits beside a time into 64 bits."""


class Chain(Kept):
    """One list of facts a step."""

    def __init__(self, leaf: cohort.Sequence) -> None:
        super().__init__()
        self._leaf = leaf
        self._matches = [matcher(step.tests) if step.tests else None for step in leaf.steps]
        self._facts = [Facts() for _ in leaf.steps]
        self._steps: list[int] = []
        self._now = 0

    def see(self, step: int, node: int, line: Line, data: Callable[[], dict[str, Any]]) -> bool:
        matches = self._matches[step]
        if matches is not None and not matches(data()):
            return False
        self._steps.append(step)
        self._nodes.append(node)
        self._ms.append(line.occurred_ms)
        return True

    def flush(self) -> Nodes:
        steps, self._steps = np.array(self._steps, np.intp), []
        nodes, ms = self._seen()
        within = self._leaf.window.within_ms
        floor = None if within is None else self._now - within
        for step, facts in enumerate(self._facts):
            own = steps == step
            facts.add(nodes[own], ms[own], floor=floor)
        return nodes

    def load(self, step: int, columns: Columns) -> None:
        self._facts[step].add(columns.nodes, columns.ms)

    def touched(self) -> Nodes:
        return np.unique(np.concatenate([facts.nodes() for facts in self._facts]))

    def judge(self, crowd: Crowd, now: int) -> Verdict:
        self._now = now
        holds = np.zeros(len(crowd), np.bool_)
        within = self._leaf.window.within_ms
        due = None if within is None else np.full(len(crowd), NEVER)
        found = self._times(crowd)
        # A few profiles at a time, so that a profile's number and a time fit into one sortable number.
        for first in range(0, len(crowd), _AT_ONCE):
            self._judge(found, first, min(first + _AT_ONCE, len(crowd)), now, holds)
        if within is not None and due is not None:
            for profiles, ms in found:
                np.minimum.at(due, profiles, turns(within, ms, now))
        return Verdict(holds, due)

    def _judge(self, found: Sequence[tuple[Places, Ints]], first: int, last: int, now: int, holds: Bools) -> None:
        reached: Ints | None = None
        for profiles, ms in found:
            own = (profiles >= first) & (profiles < last) & inside(self._leaf.window, ms, now)
            keys = np.sort(((profiles[own] - first).astype(np.int64) << _TIME_BITS) + (ms[own] + (1 << 47)))
            reached = keys if reached is None else follow(reached, keys, self._leaf.gap_ms)
        if reached is not None:
            holds[first + (reached >> _TIME_BITS)] = True

    def _times(self, crowd: Crowd) -> list[tuple[Places, Ints]]:
        """Profile and time of each fact, by step."""
        groups = crowd.groups
        found = [facts.of(crowd.nodes) for facts in self._facts]
        return [(groups[places], ms) for places, (ms,) in found]

    def observe(self, crowd: Crowd, now: int) -> Any:
        times = [sorted(ms[inside(self._leaf.window, ms, now)].tolist()) for _, ms in self._times(crowd)]
        return furthest(times, self._leaf.gap_ms)

    def forget(self, nodes: Nodes) -> None:
        for facts in self._facts:
            facts.forget(nodes)

    @property
    def nbytes(self) -> int:
        return sum(facts.nbytes for facts in self._facts)


def follow(reached: Ints, keys: Ints, gap_ms: int | None) -> Ints:
    """Those of the keys (profile and time, sorted) that lie strictly behind one of `reached`, at most a gap away.

    The nearest one before is the one to look at: whatever is further away has the greater gap.
    """
    if not len(reached) or not len(keys):
        return keys[:0]
    before = np.searchsorted(reached, keys, "left") - 1
    nearest = reached[np.maximum(before, 0)]
    held = (before >= 0) & (nearest >> _TIME_BITS == keys >> _TIME_BITS)
    if gap_ms is not None:
        held &= keys - nearest <= gap_ms
    followed: Ints = keys[held]
    return followed


def furthest(times: Sequence[Sequence[int]], gap_ms: int | None) -> list[int]:
    """The times of the steps that one profile got to, the first ones on: all of them when the sequence holds.

    `times`: of each step's events, ascending.
    """
    levels: list[tuple[Sequence[int], list[int]]] = [(times[0], [])]
    """Times that a step was reached at, and for each the place of the one before it."""
    for later in times[1:]:
        before = levels[-1][0]
        reached: list[int] = []
        behind: list[int] = []
        for ms in later:
            at = bisect_left(before, ms) - 1
            if at >= 0 and (gap_ms is None or ms - before[at] <= gap_ms):
                reached.append(ms)
                behind.append(at)
        if not reached:
            break
        levels.append((reached, behind))
    way: list[int] = []
    at = len(levels[-1][0]) - 1
    for reached_at, come_from in reversed(levels):
        if at >= 0:
            way.append(reached_at[at])
            at = come_from[at] if come_from else -1
    return way[::-1]
