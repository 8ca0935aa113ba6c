"""What conditions ask the store, held against the same found by hand from a list of events."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.clock import now_ms
from headwater.events import Lane
from headwater.rules.cohort import Path
from headwater.rules.cohort import Test as Comparison
from headwater.rules.connect import attributed
from headwater.rules.match import matcher
from headwater.rules.numbers import LIMB, billionths, text
from headwater.rules.profile import attribute_of
from headwater.rules.values import at, canonical
from headwater.signals import Aggregation
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
from stocked import Event, Stocked, stocked

WINDOW = (1_000, 2_000)
OLD = now_ms() - 1_000_000
"""When an event was received that a later cut set aside."""
CUT = OLD + 500_000

_numbers = count()


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stocked]:
    with stocked(tmp_path_factory.mktemp("compile")) as stock:
        yield stock


whole = st.integers(-(10**15), 10**15) | st.integers(-5, 5)
measured = st.none() | st.booleans() | st.just("1") | whole | st.floats(allow_nan=False, allow_infinity=False)
given_data = st.fixed_dictionaries(
    {},
    optional={
        "n": measured,
        "city": st.sampled_from([None, "Pune", "Oslo", "", "O'Hare", 1, 1.0, 1e16, 2**70, {"b": 1, "a": [1.0]}, [1]]),
        "in": st.fixed_dictionaries({}, optional={"n": measured}),
        "name": st.just("ignored"),
    },
)
events = st.fixed_dictionaries(
    {
        "identities": st.lists(st.sampled_from(["email:a@x", "email:b@x", "phone:+1", "account:1"]), min_size=1).map(
            lambda several: list(dict.fromkeys(several))
        ),
        "signal": st.sampled_from(["ordered", "customerCreated", "quote'd"]),
        "occurred_ms": st.sampled_from([999, 1_000, 1_001, 1_500, 1_999, 2_000, -5]),
        "reason": st.sampled_from(["", "", "", "schema_violation"]),
        "name": st.sampled_from([None, None, "Ada", "Åsa", 'A "quoted" \\ name', "😀"]),
        "data": given_data,
    }
)
blocks = st.lists(
    st.tuples(st.sampled_from(Lane), st.sampled_from([OLD, CUT, CUT + 1]), st.lists(events, max_size=12)),
    min_size=1,
    max_size=4,
)
nevers = st.sets(st.sampled_from(["email:a@x", "phone:+1", "account:1", "email:no@x"])).map(lambda s: tuple(sorted(s)))
severed = st.sets(st.sampled_from([("email:a@x", "phone:+1", CUT), ("account:1", "email:b@x", CUT + 1)])).map(tuple)
windows = st.sampled_from([(None, None), WINDOW, (1_001, None), (None, 1_001)])


class World:
    """Blocks in the store, and what of them a scope holds, found by hand."""

    def __init__(self, stock: Stocked, blocks: list[Any], left_out: int, **scope: Any) -> None:
        workspace = f"ws_{next(_numbers):06}'x"
        upto: dict[Lane, int] = {}
        self.seen: list[Event] = []
        for place, (lane, received, several) in enumerate(blocks):
            put = [{**event, "received_ms": received} for event in several]
            put = [{**event, "value": self._value(event)} for event in put]
            done = stock.put(put, workspace, lane) if put else None
            if done and place < len(blocks) - left_out:
                upto[lane] = done.upto[lane]
                self.seen += put
        stock.put([{"signal": "ordered", "data": {"n": 1}}])  # another workspace's
        self.scope = Scope(workspace, upto, **scope)

    @staticmethod
    def _value(event: Event) -> str | None:
        number = billionths(event["data"].get("n"))
        return None if number is None else text(number)

    def processed(self, signal: str | None = None, set_aside: bool = False) -> list[Event]:
        low, high = self.scope.from_ms, self.scope.to_ms
        return [
            event
            for event in self.seen
            if event["reason"] == ""
            and (signal is None or event["signal"] == signal)
            and (low is None or event["occurred_ms"] >= low)
            and (high is None or event["occurred_ms"] < high)
            and (set_aside or not self._is_set_aside(event))
        ]

    def subject(self, event: Event) -> str:
        return attributed(event["identities"], frozenset(self.scope.never))

    def _is_set_aside(self, event: Event) -> bool:
        named = event["identities"]
        return any(a in named and b in named and event["received_ms"] <= u for a, b, u in self.scope.severed)


scopes = st.tuples(nevers, severed, windows).map(
    lambda drawn: {"never": drawn[0], "severed": drawn[1], "from_ms": drawn[2][0], "to_ms": drawn[2][1]}
)


@settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None)
@given(blocks, st.integers(0, 1), scopes)
def test_what_is_asked_of_any_events(stock: Stocked, blocks: Any, left_out: int, scope: Any) -> None:
    world = World(stock, blocks, left_out, **scope)
    for of in (None, ("n",), ("in", "n")):
        check_facts_and_tallies(stock, world, of)
    check_the_newest_of_each(stock, world)
    for aggregation in ("sum", "count"):
        check_metric_facts(stock, world, aggregation)
    check_census(stock, world)
    check_events(stock, world)


def number_of(row: dict[str, Any]) -> int:
    assert 0 <= row["lo"] < 1 << LIMB
    return int(row["hi"] << LIMB) + int(row["lo"])


def sorted_by_text(rows: Any) -> list[Any]:
    return sorted(rows, key=repr)


def check_facts_and_tallies(stock: Stocked, world: World, of: Path | None) -> None:
    tests = (Comparison(("city",), "!=", "O'Hare"),)
    passes = matcher(tests)
    passing = [event for event in world.processed("ordered") if passes(event["data"])]
    meant = [
        (world.subject(event), event["occurred_ms"], number)
        for event in passing
        if (number := billionths(at(event["data"], of)) if of else 0) is not None
    ]
    found = stock.ask(facts("ordered", tests, of, world.scope))
    got = [(row["subject"], row["ms"], number_of(row) if of else 0) for row in found]
    assert sorted_by_text(got) == sorted_by_text(meant)
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for subject, _, number in meant:
        totals[subject][0] += 1
        totals[subject][1] += number
    rows = stock.ask(tallies("ordered", tests, of, world.scope))
    assert {row["subject"]: [row["count"], number_of(row) if of else 0] for row in rows} == totals


def check_the_newest_of_each(stock: Stocked, world: World) -> None:
    def newest(values: Iterator[tuple[Event, str | None]]) -> dict[str, tuple[int, str]]:
        found: dict[str, tuple[int, str]] = {}
        for event, value in values:
            if value is not None:
                subject = world.subject(event)
                found[subject] = max(found.get(subject, (-(1 << 62), "")), (event["occurred_ms"], value))
        return found

    states = stock.ask(newest_state("ordered", world.scope))
    meant = newest((event, event["value"]) for event in world.processed("ordered"))
    assert {row["subject"]: (row["ms"], row["value"]) for row in states} == meant
    for name in ("name", "city", "n"):
        query = newest_attribute(name, world.scope)
        columns = stock.store.columns(query.sql, query.parameters)
        got = {subject: (ms, value) for subject, ms, value in attributes(name, columns)}
        assert got == newest(
            (event, attribute_of(name, event["signal"], event["name"], lambda event=event: event["data"]))
            for event in world.processed()
        )


def check_metric_facts(stock: Stocked, world: World, aggregation: Aggregation) -> None:
    found = stock.ask(metric_facts("quote'd", aggregation, world.scope))
    meant = [
        (world.subject(event), event["occurred_ms"], billionths(event["data"].get("n")) or 0)
        for event in world.processed("quote'd")
        if aggregation == "count" or event["value"] is not None
    ]
    assert sorted_by_text((row["subject"], row["ms"], number_of(row)) for row in found) == sorted_by_text(meant)


def check_census(stock: Stocked, world: World) -> None:
    seen = world.processed(set_aside=True)
    assert [row["identity"] for row in stock.ask(census(world.scope))] == sorted(
        {identity for event in seen for identity in event["identities"]}
    )


def check_events(stock: Stocked, world: World) -> None:
    seen = world.processed(set_aside=True)
    wanted = ["phone:+1", "account:1", "account:9'"]
    kept = ("signal", "occurred_ms", "identities", "name", "value", "data")
    rows = stock.ask(events_of(wanted, world.scope))
    got = [[*(row[key] for key in kept[:-1]), msgspec.json.decode(row["data"])] for row in rows]
    meant = [[event[key] for key in kept] for event in seen if set(wanted) & set(event["identities"])]
    assert sorted_by_text(map(canonical, got)) == sorted_by_text(map(canonical, meant))
    assert len({row["id"] for row in rows}) == len(rows)


def test_of_two_values_of_one_moment_the_greatest_text_is_newest(stock: Stocked) -> None:
    """1.0 is less than 10 is less than 9 is less than [: as text, and as it was written."""
    about = {"identities": ["n:1"], "signal": "customerCreated", "occurred_ms": 5}
    for values in (
        [1.0, 1],
        [1, 1.0],
        [10, 9],
        [9, 10],
        ["b", 9],
        [[1.0], [1], "z"],
        ["é", "z"],
        [{"b": 1, "a": 2}, {}],
    ):
        texts = [canonical(value) for value in values]
        put = [{**about, "data": {"p": value}, "value": canonical(value), "name": canonical(value)} for value in values]
        put += [{**about, "occurred_ms": 4, "data": {"p": "~"}, "value": "~", "name": "~"}]
        scope = stock.put(put)
        [state] = stock.ask(newest_state("customerCreated", scope))
        assert (state["ms"], state["value"]) == (5, max(texts))
        for name, meant in (("p", max(texts)), ("name", max(map(canonical, texts)))):
            query = newest_attribute(name, scope)
            [found] = attributes(name, stock.store.columns(query.sql, query.parameters))
            assert found == ("n:1", 5, meant)


def test_a_lane_that_is_not_named_is_left_out(stock: Stocked) -> None:
    scope = stock.put([{"identities": ["n:1"]}], "ws_lanes")
    stock.put([{"identities": ["n:2"]}], "ws_lanes", Lane.MIGRATION)
    [row] = stock.ask(census(Scope("ws_lanes", {Lane.REALTIME: 1 << 40})))
    assert row["identity"] == "n:1"
    assert stock.ask(census(Scope("ws_lanes", {}))) == stock.ask(facts("ordered", (), None, Scope("ws_x", {}))) == []
    assert len(stock.ask(census(Scope("ws_lanes", dict.fromkeys(Lane, scope.upto[Lane.REALTIME]))))) == 1


def test_sums_of_the_greatest_numbers_are_exact(stock: Stocked) -> None:
    values = [10**15 - 1, 1 - 10**15, 999999999999999.9, 0.000000001] * 30 + [10**15 - 1] * 5
    scope = stock.put([{"identities": ["n:1"], "data": {"v": value}} for value in values])
    [row] = stock.ask(tallies("ordered", (), ("v",), scope))
    assert number_of(row) == sum(billionths(value) or 0 for value in values)


def test_many_values_that_never_connect_and_many_cuts(stock: Stocked) -> None:
    scope = stock.put([{"identities": [f"n:{n}", f"n:{n + 1}"]} for n in range(100)])
    never = tuple(f"n:{n}" for n in range(0, 4_000, 4))
    cut = tuple((f"n:{n}", f"n:{n + 1}", 1 << 50) for n in range(1, 4_000, 4))
    query = tallies("ordered", (), None, Scope(scope.workspace, scope.upto, never, cut))
    rows = stock.ask(query)
    meant = {f"n:{n + (n % 4 == 0)}" for n in range(100) if n % 4 != 1}
    assert {row["subject"] for row in rows} == meant


def test_what_a_user_wrote_is_no_part_of_the_sql(stock: Stocked) -> None:
    evil = "x') OR 1 = 1 -- ${where} {p0:String}"
    scope = Scope(evil, {Lane.REALTIME: 1}, (evil,), ((evil, evil, 1),), 1, 2)
    tests = tuple(Comparison((evil, evil), op, evil) for op in ("=", "!=", "<", "contains"))  # type: ignore[arg-type]
    tests += (Comparison((evil,), "in", (evil,)), Comparison((evil,), "exists", True))
    asked: list[Query] = [
        facts(evil, tests, (evil,), scope),
        tallies(evil, tests, None, scope),
        newest_state(evil, scope),
        newest_attribute(evil, scope),
        metric_facts(evil, "sum", scope),
        events_of([evil], scope),
        census(scope),
    ]
    for query in asked:
        assert evil not in query.sql and "OR 1" not in query.sql
        assert stock.ask(query) == []


def test_columns_are_numpy_and_share_their_strings(stock: Stocked) -> None:
    scope = stock.put([{"identities": ["n:1"], "occurred_ms": n} for n in range(5)])
    query = facts("ordered", (), ("n",), scope)
    found = stock.store.columns(query.sql, query.parameters)
    assert {name: array.dtype for name, array in found.items()} == {
        "subject": np.dtype(object),
        "ms": np.dtype(np.int64),
        "hi": np.dtype(np.int64),
        "lo": np.dtype(np.int64),
    }
    assert len({id(one) for one in found["subject"]}) == 1
