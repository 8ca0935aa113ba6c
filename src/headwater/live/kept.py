"""What each kind of condition keeps of the events, and how it judges profiles by it.

A judgement may change by the clock alone; with it comes when it has to be made again at the earliest.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from headwater.events import Line
from headwater.live.arrays import Bools, Ints, Nodes, Places, grown
from headwater.live.crowd import Crowd
from headwater.live.facts import Facts
from headwater.live.limbs import Sums, averages_hold, columns, counts_hold, joined, sums_hold
from headwater.rules.cohort import Bound, Performed, Window
from headwater.rules.match import matcher
from headwater.rules.numbers import SCALE, billionths, plain
from headwater.rules.values import at

NEVER = np.iinfo(np.int64).max
"""Due never: only an event can change the judgement."""


class Verdict(msgspec.Struct, frozen=True):
    """By profile, in a crowd's order."""

    holds: Bools
    due: Ints | None
    """UTC ms from which on it may be another; None when the clock has no say."""


class Columns(msgspec.Struct, frozen=True):
    """Facts in bulk: a node and a time each, and a number's limbs or a text where the condition needs one."""

    nodes: Nodes
    ms: Ints
    hi: Ints | None = None
    lo: Ints | None = None
    texts: Sequence[str] | None = None
    counts: Ints | None = None
    """Set when each row sums up several events; `hi` and `lo` are sums then, `ms` is empty."""


class Kept(ABC):
    """One condition's memory. Not safe to use from threads."""

    def __init__(self) -> None:
        self._nodes: list[int] = []
        self._ms: list[int] = []

    @abstractmethod
    def see(self, step: int, node: int, line: Line, data: Callable[[], dict[str, Any]]) -> bool:
        """Looks at an event of one of its signals (of the step with that number); whether it matters. It counts once
        flushed."""

    @abstractmethod
    def flush(self) -> Nodes:
        """Takes in what was seen; the nodes that it was about."""

    @abstractmethod
    def load(self, step: int, columns: Columns) -> None:
        """Takes in facts of the store."""

    @abstractmethod
    def touched(self) -> Nodes:
        """All nodes that it knows something about."""

    @abstractmethod
    def judge(self, crowd: Crowd, now: int) -> Verdict: ...

    @abstractmethod
    def observe(self, crowd: Crowd, now: int) -> Any:
        """What is found of one profile, as `live.base.Explained.observed`."""

    @abstractmethod
    def forget(self, nodes: Nodes) -> None:
        """Drops all it knows about these nodes."""

    def fit(self, room: int) -> None:  # noqa: B027 - most keep nothing by node
        """There are so many nodes at most, from now on."""

    @property
    @abstractmethod
    def nbytes(self) -> int: ...

    def _seen(self) -> tuple[Nodes, Ints]:
        seen = np.array(self._nodes, np.int32), np.array(self._ms, np.int64)
        self._nodes, self._ms = [], []
        return seen


class Measured(Kept):
    """A count, sum or average of matching events: what tallies and windows have in common."""

    def __init__(self, leaf: Performed) -> None:
        super().__init__()
        self._measure, self._bounds, self._window = leaf.measure, leaf.bounds, leaf.window
        self._of = leaf.of
        self._matches = matcher(leaf.tests) if leaf.tests else None
        self._numbers: list[int] = []

    def see(self, step: int, node: int, line: Line, data: Callable[[], dict[str, Any]]) -> bool:
        if self._matches is not None and not self._matches(data()):
            return False
        if self._of is not None:
            number = billionths(at(data(), self._of))
            if number is None:
                return False
            self._numbers.append(number)
        self._nodes.append(node)
        self._ms.append(line.occurred_ms)
        return True

    def _limbs(self) -> tuple[Ints, Ints]:
        numbers, self._numbers = self._numbers, []
        return columns(numbers)

    def _held(self, counts: Ints, sums: Sums | None) -> Bools:
        return measured(self._measure, counts, sums, self._bounds)


class Tally(Measured):
    """Without a window, or between two dates: a count and a sum by node say it all."""

    def __init__(self, leaf: Performed, room: int) -> None:
        super().__init__(leaf)
        self._counts = np.zeros(room, np.int32)
        self._hi: Ints | None = np.zeros(room, np.int64) if self._of else None
        self._lo: Ints | None = np.zeros(room, np.int64) if self._of else None

    def see(self, step: int, node: int, line: Line, data: Callable[[], dict[str, Any]]) -> bool:
        window = self._window
        if window.from_ms is not None and line.occurred_ms < window.from_ms:
            return False
        if window.to_ms is not None and line.occurred_ms >= window.to_ms:
            return False
        return super().see(step, node, line, data)

    def flush(self) -> Nodes:
        nodes, _ = self._seen()
        self._add(nodes, np.ones(len(nodes), np.int64), *(self._limbs() if self._of else (None, None)))
        return nodes

    def load(self, step: int, columns: Columns) -> None:
        assert columns.counts is not None
        self._add(columns.nodes, columns.counts, columns.hi, columns.lo)

    def _add(self, nodes: Nodes, counts: Ints, hi: Ints | None, lo: Ints | None) -> None:
        np.add.at(self._counts, nodes, counts)
        if self._hi is not None and self._lo is not None and hi is not None and lo is not None:
            np.add.at(self._hi, nodes, hi)
            np.add.at(self._lo, nodes, lo)
            # So that limbs never overflow, however long this runs.
            settled = Sums(self._hi[nodes], self._lo[nodes]).settled()
            self._hi[nodes], self._lo[nodes] = settled.hi, settled.lo

    def touched(self) -> Nodes:
        return np.nonzero(self._counts)[0].astype(np.int32)

    def judge(self, crowd: Crowd, now: int) -> Verdict:
        return Verdict(self._held(*self._totals(crowd)), None)

    def observe(self, crowd: Crowd, now: int) -> Any:
        return told(self._measure, *self._totals(crowd))

    def _totals(self, crowd: Crowd) -> tuple[Ints, Sums | None]:
        counts = _by_profile(self._counts, crowd)
        if self._hi is None or self._lo is None:
            return counts, None
        return counts, Sums(_by_profile(self._hi, crowd), _by_profile(self._lo, crowd))

    def forget(self, nodes: Nodes) -> None:
        for column in (self._counts, self._hi, self._lo):
            if column is not None:
                column[nodes] = 0

    def fit(self, room: int) -> None:
        if room > len(self._counts):
            self._counts = grown(self._counts, room, 0)
            if self._hi is not None and self._lo is not None:
                self._hi, self._lo = grown(self._hi, room, 0), grown(self._lo, room, 0)

    @property
    def nbytes(self) -> int:
        return sum(column.nbytes for column in (self._counts, self._hi, self._lo) if column is not None)


class Recent(Measured):
    """Within a window that ends now: the times themselves, as long as they can still matter."""

    def __init__(self, leaf: Performed) -> None:
        super().__init__(leaf)
        assert leaf.window.within_ms is not None
        self._within = leaf.window.within_ms
        self._facts = Facts(numbers=self._of is not None)
        self._now = 0

    def flush(self) -> Nodes:
        nodes, ms = self._seen()
        self._facts.add(nodes, ms, *(self._limbs() if self._of else ()), floor=self._now - self._within)
        return nodes

    def load(self, step: int, columns: Columns) -> None:
        limbs = (columns.hi, columns.lo) if columns.hi is not None and columns.lo is not None else ()
        self._facts.add(columns.nodes, columns.ms, *limbs)

    def touched(self) -> Nodes:
        return self._facts.nodes()

    def judge(self, crowd: Crowd, now: int) -> Verdict:
        self._now = now
        counts, sums, profiles, ms = self._totals(crowd, now)
        due = np.full(len(crowd), NEVER)
        np.minimum.at(due, profiles, turns(self._within, ms, now))
        return Verdict(self._held(counts, sums), due)

    def observe(self, crowd: Crowd, now: int) -> Any:
        return told(self._measure, *self._totals(crowd, now)[:2])

    def _totals(self, crowd: Crowd, now: int) -> tuple[Ints, Sums | None, Places, Ints]:
        places, (ms, *limbs) = self._facts.of(crowd.nodes)
        profiles = crowd.groups[places]
        held = inside(self._window, ms, now)
        return *summed(len(crowd), profiles[held], [limb[held] for limb in limbs]), profiles, ms

    def forget(self, nodes: Nodes) -> None:
        self._facts.forget(nodes)

    @property
    def nbytes(self) -> int:
        return self._facts.nbytes


def performed(leaf: Performed, room: int) -> Kept:
    """What such a condition keeps."""
    return Tally(leaf, room) if leaf.window.within_ms is None else Recent(leaf)


def summed(profiles: int, of: Places, limbs: Sequence[Ints]) -> tuple[Ints, Sums | None]:
    """Counts, and sums where there are numbers, by profile."""
    counts = np.bincount(of, minlength=profiles).astype(np.int64)
    if not limbs:
        return counts, None
    sums = [np.zeros(profiles, np.int64) for _ in limbs]
    for total, limb in zip(sums, limbs, strict=True):
        np.add.at(total, of, limb)
    return counts, Sums(*sums)


def measured(measure: str, counts: Ints, sums: Sums | None, bounds: tuple[Bound, ...]) -> Bools:
    """Whether what was measured fulfils all bounds."""
    if measure == "count" or sums is None:
        return counts_hold(counts, bounds)
    if measure == "avg":
        return averages_hold(sums, counts, bounds)
    return sums_hold(sums, bounds)


def told(measure: str, counts: Ints, sums: Sums | None) -> int | float | None:
    """The first profile's measure as a JSON number; None for an average of nothing."""
    if measure == "count" or sums is None:
        return int(counts[0])
    total = joined(sums.hi[0], sums.lo[0])
    if measure == "sum":
        return plain(total)
    return total / (int(counts[0]) * SCALE) if counts[0] else None


def inside(window: Window, ms: Ints, now: int) -> Bools:
    """Which times count."""
    if window.within_ms is not None:
        return (ms > now - window.within_ms) & (ms <= now)
    held = np.ones(len(ms), np.bool_)
    if window.from_ms is not None:
        held &= ms >= window.from_ms
    if window.to_ms is not None:
        held &= ms < window.to_ms
    return held


def turns(within_ms: int, ms: Ints, now: int) -> Ints:
    """When each time begins or ceases to count in a window that ends now; NEVER for one that is over."""
    found: Ints = np.where(ms > now, ms, np.where(ms > now - within_ms, ms + within_ms, NEVER))
    return found


def _by_profile(column: npt.NDArray[np.signedinteger[Any]], crowd: Crowd) -> Ints:
    if not len(crowd):
        return np.empty(0, np.int64)
    return np.add.reduceat(column[crowd.nodes].astype(np.int64), crowd.starts)
