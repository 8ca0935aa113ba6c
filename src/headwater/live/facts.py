"""What a condition that looks at times keeps: (node, time, number) by the million, found by node.

Sorted runs of growing size, as a log-structured merge tree has them: adding is cheap, and a look-up searches a handful
of runs. Nothing here knows what a node is.
"""

import numpy as np

from headwater.live.arrays import Ints, Nodes, Places

FACTOR = 6
"""A run is merged into the one before it unless that is so many times longer."""

Columns = tuple[Ints, ...]
"""Time (ms), and where there is a number its two limbs."""


class Facts:
    """`numbers`: whether each fact has two limbs beside its time."""

    def __init__(self, numbers: bool = False) -> None:
        self._width = 3 if numbers else 1
        self._runs: list[tuple[Nodes, Columns]] = []

    @property
    def nbytes(self) -> int:
        return sum(nodes.nbytes + sum(column.nbytes for column in columns) for nodes, columns in self._runs)

    def add(self, nodes: Nodes, *columns: Ints, floor: int | None = None) -> None:
        """Takes facts in. What is older than or at `floor` may be dropped when runs are merged."""
        if not len(nodes):
            return
        assert len(columns) == self._width
        run = _sorted(nodes, columns)
        while self._runs and len(self._runs[-1][0]) < FACTOR * len(run[0]):
            run = _merged(self._runs.pop(), run, floor)
        self._runs.append(run)

    def of(self, nodes: Nodes) -> tuple[Places, Columns]:
        """The facts of these nodes, in no order: for each the place of its node in `nodes`, and its columns."""
        places: list[Places] = []
        found: list[Columns] = []
        for run_nodes, columns in self._runs:
            first = np.searchsorted(run_nodes, nodes, "left")
            lengths = np.searchsorted(run_nodes, nodes, "right") - first
            total = int(lengths.sum())
            if not total:
                continue
            place = np.repeat(np.arange(len(nodes)), lengths)
            at = np.arange(total) + np.repeat(first - (np.cumsum(lengths) - lengths), lengths)
            places.append(place)
            found.append(tuple(column[at] for column in columns))
        if not places:
            return np.empty(0, np.intp), tuple(np.empty(0, np.int64) for _ in range(self._width))
        if len(places) == 1:
            return places[0], found[0]
        return np.concatenate(places), tuple(np.concatenate(each) for each in zip(*found, strict=True))

    def nodes(self) -> Nodes:
        """Every node that has a fact, each once."""
        if not self._runs:
            return np.empty(0, np.int32)
        return np.unique(np.concatenate([nodes for nodes, _ in self._runs]))

    def forget(self, nodes: Nodes) -> None:
        """Drops all facts of these nodes."""
        gone = np.sort(nodes)
        for place, (own, columns) in enumerate(self._runs):
            at = np.minimum(np.searchsorted(gone, own), len(gone) - 1) if len(gone) else np.zeros(len(own), np.intp)
            kept = gone[at] != own if len(gone) else np.ones(len(own), np.bool_)
            if not kept.all():
                self._runs[place] = own[kept], tuple(column[kept] for column in columns)
        self._runs = [run for run in self._runs if len(run[0])]


def _sorted(nodes: Nodes, columns: Columns) -> tuple[Nodes, Columns]:
    order = np.argsort(nodes, kind="stable")
    return nodes[order], tuple(column[order] for column in columns)


def _merged(old: tuple[Nodes, Columns], new: tuple[Nodes, Columns], floor: int | None) -> tuple[Nodes, Columns]:
    nodes = np.concatenate((old[0], new[0]))
    columns = tuple(np.concatenate(pair) for pair in zip(old[1], new[1], strict=True))
    if floor is not None:
        kept = columns[0] > floor
        nodes, columns = nodes[kept], tuple(column[kept] for column in columns)
    return _sorted(nodes, columns)
