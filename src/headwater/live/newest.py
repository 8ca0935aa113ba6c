"""States and attributes: the newest value of each node, a tie going to the greatest canonical JSON."""

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from headwater.events import Line
from headwater.live.arrays import Nodes
from headwater.live.crowd import Crowd
from headwater.live.kept import Columns, Kept, Verdict
from headwater.rules.cohort import Attribute, State
from headwater.rules.match import value_matcher
from headwater.rules.profile import attribute_of

_REMEMBERED = 10_000
"""Judgements of values kept: most states have a handful."""

Found = tuple[int, str]
"""Time (ms) and canonical JSON, so that the greatest is the newest."""


class Newest(Kept):
    """By node, the newest (time, value) seen."""

    def __init__(self, leaf: State | Attribute) -> None:
        super().__init__()
        self._attribute = leaf.name if isinstance(leaf, Attribute) else None
        matches = value_matcher(leaf.tests)
        self._missing = matches(None)
        self._fits = lru_cache(_REMEMBERED)(lambda text: matches(msgspec.json.decode(text)))
        self._newest: dict[int, Found] = {}

    def see(self, step: int, node: int, line: Line, data: Callable[[], dict[str, Any]]) -> bool:
        text = line.value if self._attribute is None else attribute_of(self._attribute, line.signal, line.name, data)
        if text is None or not self._take(node, line.occurred_ms, text):
            return False
        self._nodes.append(node)
        return True

    def flush(self) -> Nodes:
        return self._seen()[0]

    def load(self, step: int, columns: Columns) -> None:
        assert columns.texts is not None
        for node, ms, text in zip(columns.nodes.tolist(), columns.ms.tolist(), columns.texts, strict=True):
            self._take(node, ms, text)

    def _take(self, node: int, ms: int, text: str) -> bool:
        known = self._newest.get(node)
        if known is not None and known >= (ms, text):
            return False
        # Values repeat from person to person: one copy of each is enough.
        self._newest[node] = (ms, sys.intern(text))
        return True

    def touched(self) -> Nodes:
        return np.fromiter(self._newest, np.int32, len(self._newest))

    def judge(self, crowd: Crowd, now: int) -> Verdict:
        holds = np.full(len(crowd), self._missing)
        newest: dict[int, Found] = {}
        known = self._newest
        for place, node in zip(crowd.groups.tolist(), crowd.nodes.tolist(), strict=True):
            found = known.get(node)
            if found is not None and found > newest.get(place, found[:0]):
                newest[place] = found
        for place, (_, text) in newest.items():
            holds[place] = self._fits(text)
        return Verdict(holds, None)

    def observe(self, crowd: Crowd, now: int) -> Any:
        found = [self._newest[node] for node in crowd.nodes.tolist() if node in self._newest]
        return msgspec.json.decode(max(found)[1]) if found else None

    def forget(self, nodes: Nodes) -> None:
        for node in nodes.tolist():
            self._newest.pop(node, None)

    @property
    def nbytes(self) -> int:
        return sys.getsizeof(self._newest) + len(self._newest) * (56 + 32)
