"""Questions about metrics and states, answered from the processed events: nothing is counted ahead, so nothing that
came late, twice or in another order can make an answer wrong.

What an event measures was found by the gateway at its receipt, by the definition of then (`rules.values`). How a
metric's numbers are put together, and by what period, is its definition of now.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from headwater import clock
from headwater.catalog.base import Definitions
from headwater.errors import InvalidError, NotFoundError
from headwater.people import Connections
from headwater.rules.cursor import decoded, encoded, refused
from headwater.rules.filters import TOP, Filters, Place
from headwater.rules.numbers import SCALE, parsed, text
from headwater.rules.rollup import start_of
from headwater.signals import Aggregation, Period, Signal, SignalType
from headwater.store.base import Store
from headwater.store.queries import whose

_NUMBER = re.compile(r"-?[0-9]{1,9}", re.ASCII)
"""A period's, in a cursor."""


class PeriodAnswer(msgspec.Struct, frozen=True, gc=False):
    """A metric over one period that had events."""

    period_start: str
    value: msgspec.Raw
    """A JSON number: sum, min and max written out exactly, a count whole, an avg the nearest float."""


class StateAnswer(msgspec.Struct, frozen=True, gc=False):
    """A value that a profile's state had."""

    value: msgspec.Raw
    """Canonical JSON."""
    since: str
    """When the event occurred that set it."""
    event_id: str


class Page(msgspec.Struct, frozen=True):
    data: Sequence[PeriodAnswer | StateAnswer]
    next: str | None = None


class Measures:
    """The questions. Every one is about one workspace and sees nothing of another. Safe to use from threads."""

    def __init__(self, store: Store, people: Connections, catalog: Definitions) -> None:
        self._store = store
        self._people = people
        self._catalog = catalog

    def metrics(self, workspace: str, slug: str, filters: Filters, limit: int, cursor: str | None = None) -> Page:
        """Up to `limit` periods with events, oldest first, of everybody or of the profile of `filters.identity`.

        Events count that occurred in [from_ms, to_ms): a period that these cut holds only what lies inside.
        """
        signal = self._signal(workspace, slug, "metric")
        aggregation, period = signal.aggregation, signal.period
        assert aggregation is not None and period is not None
        parameters = self._about(workspace, slug, filters) | {
            "period": period,
            "everybody": filters.identity is None,
            "counts": aggregation == "count",
            "from_ms": max(filters.from_ms, _from(period, cursor)),
            "limit": limit + 1,
        }
        rows = self._store.rows("metric", parameters)
        more = encoded(str(rows[limit - 1]["number"])) if len(rows) > limit else None
        return Page([_period(aggregation, period, row) for row in rows[:limit]], more)

    def state(self, workspace: str, slug: str, identity: str | None) -> StateAnswer:
        """The newest value by the time its event occurred. Raises NotFoundError when there is none."""
        found = self._states(workspace, slug, Filters(identity=identity), TOP, 1)
        if not found:
            raise NotFoundError(f"{identity} has no state '{slug}'")
        return _state(found[0])

    def history(self, workspace: str, slug: str, filters: Filters, limit: int, after: Place = TOP) -> Page:
        """Up to `limit` values behind `after`, the newest first; the first of all is the state."""
        found = self._states(workspace, slug, filters, after, limit + 1)
        more = Place(found[limit - 1]["occurred_ms"], found[limit - 1]["event_id"]) if len(found) > limit else None
        return Page([_state(row) for row in found[:limit]], more.encode() if more else None)

    def _states(self, workspace: str, slug: str, filters: Filters, after: Place, limit: int) -> list[dict[str, Any]]:
        self._signal(workspace, slug, "state")
        if filters.identity is None:
            raise InvalidError("'identity' is required, as type:id: a state is one profile's", "identity")
        place = {"after_ms": after.occurred_ms, "after_id": after.id, "limit": limit}
        return self._store.rows("states", self._about(workspace, slug, filters) | place)

    def _signal(self, workspace: str, slug: str, type_: SignalType) -> Signal:
        signal = self._catalog.signal(workspace, slug)
        if signal is None:
            raise NotFoundError(f"there is no signal '{slug}'")
        if signal.type != type_:
            raise NotFoundError(f"'{slug}' is no {type_}: its type is {signal.type}")
        return signal

    def _about(self, workspace: str, slug: str, filters: Filters) -> dict[str, Any]:
        """The parameters that both queries share: whose events, and which of them belong to a profile."""
        identities = self._people.connected(workspace, filters.identity) if filters.identity else ()
        about = {"workspace": workspace, "signal": slug, "from_ms": filters.from_ms, "to_ms": filters.to_ms}
        return about | whose(self._people.attribution(workspace), identities)


def _from(period: Period, cursor: str | None) -> int:
    """When the first period of a page begins; before all when there is no cursor."""
    place = decoded(cursor)
    if not place:
        return Filters().from_ms
    if not _NUMBER.fullmatch(place):
        raise refused()
    return start_of(period, int(place) + 1)


def _period(aggregation: Aggregation, period: Period, row: dict[str, Any]) -> PeriodAnswer:
    return PeriodAnswer(clock.to_iso(start_of(period, row["number"])), msgspec.Raw(_number(aggregation, row).encode()))


def _number(aggregation: Aggregation, row: dict[str, Any]) -> str:
    """A JSON number."""
    match aggregation:
        case "count":
            return str(row["events"])
        case "avg":
            return repr(parsed(row["total"]) / (SCALE * row["numbers"]))
        case _:
            column = {"sum": "total", "min": "least", "max": "greatest"}[aggregation]
            return text(parsed(row[column]))


def _state(row: dict[str, Any]) -> StateAnswer:
    return StateAnswer(msgspec.Raw(row["value"].encode()), clock.to_iso(row["occurred_ms"]), row["event_id"])
