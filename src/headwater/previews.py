"""What a backfill holds, and what is otherwise with it: profiles, metrics, states and cohorts with it and without.

Of one that counts it tells what it has changed, and of one that does not what it would change.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from headwater import clock
from headwater.catalog.base import Backfill, Definitions
from headwater.errors import UnavailableError
from headwater.live.imagined import Difference
from headwater.people import Connections, People
from headwater.rules.connect import Attribution, Pair
from headwater.rules.numbers import SCALE, parsed, text
from headwater.signals import Aggregation, SignalType
from headwater.state.base import State
from headwater.store.base import Store
from headwater.store.queries import sql
from headwater.worlds import World

DAYS = 1_000
"""Rows of the table by signal and day, the newest."""
SECONDS = 30.0
"""Spent on cohorts; what is not looked at by then is told without figures."""

Imagined = Callable[[str, Connections, float], Iterator[Difference]]
"""`live.live.Live.imagined`."""


class Previews:
    """Safe to use from threads, one at a time; takes seconds, with many cohorts half a minute."""

    def __init__(self, store: Store, state: State, people: People, catalog: Definitions, imagined: Imagined) -> None:
        self._store = store
        self._state = state
        self._people = people
        self._catalog = catalog
        self._imagined = imagined
        self._turn = threading.Lock()

    def of(self, backfill: Backfill) -> dict[str, Any]:
        """`{"counts", "days", "rejects", "changes": {"profiles", "metrics", "states", "cohorts"}}`.

        Raises UnavailableError while another one is made.
        """
        if not self._turn.acquire(blocking=False):
            raise UnavailableError("another preview is being made; it takes up to a minute", retry_after=10)
        try:
            return self._made(backfill)
        finally:
            self._turn.release()

    def _made(self, backfill: Backfill) -> dict[str, Any]:
        here = self._people.attribution(backfill.workspace)
        other = Attribution(here.never, here.severed, here.excluded ^ {backfill.id})
        with_it = here if backfill.counts else other
        about = _about(backfill) | {"excluded": sorted(with_it.excluded), "never": sorted(with_it.never)}
        world = self._world(backfill, other)
        changes = {
            "profiles": self._profiles(backfill, about, world),
            "metrics": self._metrics(backfill.workspace, about),
            "states": self._store.rows("backfill_states", about | self._signals(backfill.workspace, "state")),
            "cohorts": self._cohorts(backfill, world),
        }
        days = self._store.rows("backfill_days", _about(backfill) | {"limit": DAYS})
        rejects = self._store.rows("backfill_rejects", _about(backfill))
        found = {"counts": backfill.counts, "days": [*map(_day, days)], "rejects": [*map(_reject, rejects)]}
        return found | {"changes": changes}

    def _world(self, backfill: Backfill, attribution: Attribution) -> World:
        """As it would be if it counted otherwise."""
        whole = {"slices": 1, "slice": 0, "a0": "", "b0": "", "a1": "", "b1": ""}
        asked = _about(backfill) | whole | {"excluded": sorted(attribution.excluded)}
        found = self._store.columns(sql("pairs_of"), asked)
        pairs, firsts = zip(found["a"].tolist(), found["b"].tolist(), strict=True), found["first_ms"].tolist()
        ages: dict[Pair, int | None] = {
            pair: None if first_ms is None or first_ms != first_ms else int(first_ms)  # a NaN stands for null
            for pair, first_ms in zip(pairs, firsts, strict=True)
        }
        return World(self._state, self._catalog.workspace(backfill.workspace), attribution, ages)

    def _profiles(self, backfill: Backfill, about: dict[str, Any], world: World) -> dict[str, int]:
        """With it: how many it names, how many there are by it alone, and how many it puts together of several."""
        found = self._store.columns(sql("backfill_people"), about)
        known = dict(zip(found["identity"].tolist(), found["known"].tolist(), strict=True))
        worlds = (self._people, world) if backfill.counts else (world, self._people)
        with_it, without = (one.connected for one in worlds)
        named = {with_it(backfill.workspace, identity) for identity in known}
        fresh = sum(not any(known.get(each, True) for each in profile) for profile in named)
        joined = sum(
            len({without(backfill.workspace, each) for each in profile if known.get(each, True)}) > 1
            for profile in named
        )
        return {"named": len(named), "new": fresh, "joined": joined}

    def _metrics(self, workspace: str, about: dict[str, Any]) -> list[dict[str, Any]]:
        found = []
        signals = self._catalog.ever(workspace)
        for row in self._store.rows("backfill_metrics", about | self._signals(workspace, "metric")):
            aggregation = signals[row["signal"]].aggregation
            assert aggregation is not None
            values = {key: _value(aggregation, row, key) for key in ("with", "without")}
            if row["events_with"] != row["events_without"]:
                found.append({"signal": row["signal"], "aggregation": aggregation} | values)
        return found

    def _signals(self, workspace: str, type_: SignalType) -> dict[str, list[str]]:
        return {"signals": [slug for slug, signal in self._catalog.ever(workspace).items() if signal.type == type_]}

    def _cohorts(self, backfill: Backfill, world: World) -> list[dict[str, Any]]:
        end = time.monotonic() + SECONDS
        return [_cohort(each, backfill.counts) for each in self._imagined(backfill.workspace, world, end)]


def _about(backfill: Backfill) -> dict[str, Any]:
    return {"workspace": backfill.workspace, "backfill": backfill.id}


def _day(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"day": clock.to_iso(row["day"] * clock.DAY_MS)[:10]}


def _reject(row: dict[str, Any]) -> dict[str, Any]:
    sample = {"id": row["sample_id"], "detail": row["sample_detail"]}
    return {key: row[key] for key in ("signal", "reason", "events")} | {"sample": sample}


def _value(aggregation: Aggregation, row: dict[str, Any], which: str) -> msgspec.Raw | None:
    """A metric over all times, written as `measures` does; None where there is no number."""
    if aggregation == "count":
        return msgspec.Raw(str(row[f"events_{which}"]).encode())
    numbers = row[f"numbers_{which}"]
    if not numbers:
        return msgspec.Raw(b"0") if aggregation == "sum" else None
    if aggregation == "avg":
        return msgspec.Raw(repr(parsed(row[f"total_{which}"]) / (SCALE * numbers)).encode())
    column = {"sum": "total", "min": "least", "max": "greatest"}[aggregation]
    return msgspec.Raw(text(parsed(row[f"{column}_{which}"])).encode())


def _cohort(found: Difference, counts: bool) -> dict[str, Any]:
    """With its events and without; `enter` and `leave` because of them. Null where there was no time to look."""
    ins, outs = (found.leaving, found.entering) if counts else (found.entering, found.leaving)
    sizes = (found.size, found.other) if counts else (found.other, found.size)
    about = {"id": found.cohort.id, "name": found.cohort.name}
    return about | dict(zip(("with", "without", "enter", "leave"), (*sizes, ins, outs), strict=True))
