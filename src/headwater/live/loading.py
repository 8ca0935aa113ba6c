"""Conditions made from what is stored: by SQL that selects, for arrays that judge."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from headwater.events import Lane, Line
from headwater.live.crowd import Population
from headwater.live.kept import Columns
from headwater.rules import cohort
from headwater.rules.cohort import Attribute, Leaf, Metric, Performed, State, Window
from headwater.rules.connect import Attribution
from headwater.rules.rollup import period_start, periods_back
from headwater.store.base import Store
from headwater.store.compile import (
    Query,
    Scope,
    attributes,
    census,
    events_of,
    facts,
    metric_facts,
    newest_attribute,
    newest_state,
    tallies,
)

Selected = tuple[int, dict[str, npt.NDArray[Any]]]
"""The number of a step, and the facts for it by column."""


class Stored:
    """The store up to a block of each lane, as one workspace's conditions see it."""

    def __init__(self, store: Store, workspace: str, upto: Mapping[Lane, int], attribution: Attribution) -> None:
        self._store = store
        self._scope = Scope(
            workspace=workspace,
            upto=dict(upto),
            never=tuple(sorted(attribution.never)),
            severed=tuple((each.a, each.b, each.until_ms) for each in attribution.severed),
            excluded=tuple(sorted(attribution.excluded)),
        )

    def identities(self) -> list[str]:
        """Everybody whom a processed event named."""
        found: list[str] = self._ask(census(self._scope))["identity"].tolist()
        return found

    def events(self, identities: list[str]) -> Iterator[Line]:
        """The processed events that name one of these identities."""
        query = events_of(identities, self._scope)
        columns = self._ask(query)
        names = ("id", "signal", "occurred_ms", "identities", "name", "data", "value")
        for id_, signal, ms, named, name, data, value in zip(*(columns[each].tolist() for each in names), strict=True):
            yield Line(id_, signal, "", None, ms, "", "", list(named), name, msgspec.Raw(data), None, "", value)

    def selected(self, leaf: Leaf, now: int) -> Iterator[Selected]:
        """A condition's facts, by the step that they are for."""
        for step, query in self._queries(leaf, now):
            columns = self._ask(query)
            yield step, _read(leaf.name, columns) if isinstance(leaf, Attribute) else columns

    def _queries(self, leaf: Leaf, now: int) -> Iterator[tuple[int, Query]]:
        match leaf:
            case Performed():
                select = tallies if leaf.window.within_ms is None else facts
                yield 0, select(leaf.signal, leaf.tests, leaf.of, self._within(leaf.window, now))
            case cohort.Sequence():
                for number, step in enumerate(leaf.steps):
                    yield number, facts(step.signal, step.tests, None, self._within(leaf.window, now))
            case Metric():
                yield 0, metric_facts(leaf.signal, leaf.aggregation, self._over(leaf, now))
            case State():
                yield 0, newest_state(leaf.signal, self._scope)
            case Attribute():
                yield 0, newest_attribute(leaf.name, self._scope)

    def _within(self, window: Window, now: int) -> Scope:
        from_ms, to_ms = window.from_ms, window.to_ms
        if window.within_ms is not None:
            # What is dated ahead counts once the clock gets there.
            from_ms, to_ms = now - window.within_ms + 1, None
        return msgspec.structs.replace(self._scope, from_ms=from_ms, to_ms=to_ms)

    def _over(self, leaf: Metric, now: int) -> Scope:
        first = periods_back(leaf.period, period_start(leaf.period, now), leaf.periods - 1)
        return msgspec.structs.replace(self._scope, from_ms=first, to_ms=None)

    def _ask(self, query: Query) -> dict[str, npt.NDArray[Any]]:
        return self._store.columns(query.sql, query.parameters)


def _read(name: str, columns: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """An attribute's values out of the events that gave it."""
    found = list(attributes(name, columns))
    return {
        "subject": columns["subject"],
        "ms": columns["ms"],
        "value": np.array([value for _, _, value in found], object),
    }


def placed(columns: Mapping[str, npt.NDArray[Any]], population: Population) -> Columns:
    nodes = population.nodes(columns["subject"].tolist())
    known = nodes >= 0
    if not known.all():
        columns = {name: column[known] for name, column in columns.items()}
        nodes = nodes[known]
    return Columns(
        nodes,
        _ints(columns.get("ms"), len(nodes)),
        None if "hi" not in columns else _ints(columns["hi"], 0),
        None if "lo" not in columns else _ints(columns["lo"], 0),
        None if "value" not in columns else columns["value"].tolist(),
        None if "count" not in columns else _ints(columns["count"], 0),
    )


def _ints(column: npt.NDArray[Any] | None, count: int) -> npt.NDArray[np.int64]:
    return np.zeros(count, np.int64) if column is None else column.astype(np.int64)
