"""Conditions kept up to date: for every profile whether each holds, and when that may change by itself."""

from collections.abc import Callable

import msgspec
import numpy as np

from headwater.live.arrays import NOBODY, Bools, Ints, Nodes, grown
from headwater.live.chain import Chain
from headwater.live.crowd import Crowd, Population
from headwater.live.kept import NEVER, Kept, performed
from headwater.live.metered import Metered
from headwater.live.newest import Newest
from headwater.rules import cohort
from headwater.rules.cohort import Attribute, Leaf, Metric, Node, Performed, State

AT_ONCE = 100_000
"""Profiles judged together, so that memory stays bounded."""
AHEAD = 60_000
"""How far ahead (ms) it is known who is due."""


def key_of(leaf: Leaf) -> bytes:
    """The same for conditions that ask the same; True, 1 and 1.0 are told apart."""
    return msgspec.json.encode(leaf)


def kept_for(leaf: Leaf, room: int) -> Kept:
    """What such a condition keeps."""
    match leaf:
        case Performed():
            return performed(leaf, room)
        case cohort.Sequence():
            return Chain(leaf)
        case Metric():
            return Metered(leaf)
        case State() | Attribute():
            return Newest(leaf)


class Condition:
    """One condition of one workspace. `users` counts the cohorts that have it."""

    def __init__(self, leaf: Leaf, population: Population, now: int) -> None:
        self.leaf = leaf
        self.kept = kept_for(leaf, population.room)
        self.dirty = False
        """Something was seen that is not judged yet."""
        self.users = 0
        self._population = population
        nobody = np.zeros(1, np.int32)
        self.empty = bool(self.kept.judge(Crowd(nobody, nobody, np.zeros(1, np.intp)), now).holds[0])
        """Whether it holds for somebody of whom nothing is known."""
        self.holds = np.full(population.room, self.empty)
        """By root."""
        self._due: Ints | None = None
        self._horizon = 0
        self._soon = NOBODY
        """Every root that is due before the horizon, and maybe others: all of them are looked through rarely."""

    def fit(self) -> None:
        """Makes room for all nodes there are."""
        room = self._population.room
        if room > len(self.holds):
            self.kept.fit(room)
            self.holds = grown(self.holds, room, self.empty)
            if self._due is not None:
                self._due = grown(self._due, room, NEVER)

    def flush(self) -> Nodes:
        """The nodes about which something new is known since the last time."""
        if not self.dirty:
            return NOBODY
        self.dirty = False
        return self.kept.flush()

    def due(self, now: int) -> Nodes:
        """The roots to be judged again since time has passed."""
        if self._due is None:
            return NOBODY
        if now >= self._horizon:
            self._horizon = now + AHEAD
            self._soon = np.flatnonzero(self._due < self._horizon).astype(np.int32)
        come = self._due[self._soon] <= now
        found = self._soon[come]
        if len(found):
            self._soon = self._soon[~come]
            self._due[found] = NEVER
        return found

    def judge(self, roots: Nodes, now: int) -> Nodes:
        """Judges these profiles; those for which it holds now and did not before, or the other way round."""
        changed = [self._judge(roots[at : at + AT_ONCE], now) for at in range(0, len(roots), AT_ONCE)]
        return np.concatenate(changed) if changed else NOBODY

    def _judge(self, roots: Nodes, now: int) -> Nodes:
        verdict = self.kept.judge(self._population.crowd(roots), now)
        changed: Nodes = roots[self.holds[roots] != verdict.holds]
        self.holds[roots] = verdict.holds
        if verdict.due is not None:
            if self._due is None:
                self._due = np.full(len(self.holds), NEVER)
            self._due[roots] = verdict.due
            near = roots[verdict.due < self._horizon]
            if len(near):
                self._soon = np.concatenate((self._soon, near))
        return changed

    def judge_all(self, now: int) -> None:
        """After loading: everybody it knows something about."""
        self.judge(self._population.roots_of(self.kept.touched()), now)

    def gone(self, nodes: Nodes) -> None:
        """These may be no roots any more."""
        self.holds[nodes] = self.empty
        if self._due is not None:
            self._due[nodes] = NEVER

    @property
    def nbytes(self) -> int:
        due = 0 if self._due is None else self._due.nbytes
        return self.kept.nbytes + self.holds.nbytes + due


Formula = Callable[[Nodes], Bools]
"""For which of some roots a tree holds."""


def formula(node: Node, conditions: Callable[[Leaf], Condition]) -> Formula:
    """A tree as arithmetic on what its conditions hold."""
    match node:
        case cohort.All(parts):
            below = [formula(part, conditions) for part in parts]
            return lambda roots: np.logical_and.reduce([part(roots) for part in below])
        case cohort.Any(parts):
            below = [formula(part, conditions) for part in parts]
            return lambda roots: np.logical_or.reduce([part(roots) for part in below])
        case cohort.Not(part):
            inner = formula(part, conditions)
            return lambda roots: ~inner(roots)
        case _:
            condition = conditions(node)
            return lambda roots: condition.holds[roots]
