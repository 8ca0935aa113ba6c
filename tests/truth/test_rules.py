"""The pure rules beside the oracle: thousands of cases, without a server."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headwater.rules import connect, rollup
from headwater.rules.cohort import Test as Comparison
from headwater.rules.match import matcher, value_matcher
from headwater.rules.numbers import SCALE, billionths, text
from headwater.rules.values import canonical as headwaters_canonical
from headwater.signals import Period
from truth import strategies as ours
from truth.measures import period_start
from truth.values import at_path, canonical, filtered, number, passes
from truth.world import Happening, Kind, World

PERIODS: tuple[Period, ...] = ("hour", "day", "week", "month")


def comparisons(path: tuple[str, ...], tests: dict[str, Any]) -> tuple[Comparison, ...]:
    return tuple(
        Comparison(path, op, tuple(operand) if op == "in" else operand)  # type: ignore[arg-type]
        for op, operand in tests.items()
    )


@settings(max_examples=400)
@given(st.one_of(ours.JSON, ours.VALUES), ours.TESTS)
@example(2**53 + 1, {"=": 2**53})
@example(2**64, {"<": 5})
def test_values_are_compared_alike(value: Any, tests: dict[str, Any]) -> None:
    assert value_matcher(comparisons((), tests))(value) is passes(value, tests)


@settings(max_examples=200)
@given(ours.payloads(), ours.FILTERS)
def test_filters_are_alike(data: dict[str, Any], tests: dict[str, Any]) -> None:
    mine = tuple(one for path, each in tests.items() for one in comparisons(tuple(path.split(".")), each))
    assert matcher(mine)(data) is filtered(data, tests), {path: at_path(data, path) for path in tests}


@given(ours.JSON)
def test_numbers_and_texts_are_alike(value: Any) -> None:
    exact, found = number(value), billionths(value)
    assert found == (None if exact is None else exact * SCALE)
    if found is not None:
        assert number(float(text(found))) is not None
    if not isinstance(value, float):
        assert headwaters_canonical(value) == canonical(value) or "e" in canonical(value)


@given(st.integers(-62_135_596_800_000, 253_000_000_000_000), st.sampled_from(PERIODS), st.integers(0, 40))
def test_periods_are_alike(ms: int, period: Period, back: int) -> None:
    start = rollup.period_start(period, ms)
    assert start == period_start(ms, period)
    if ms > 0:
        assert rollup.periods_back(period, start, back) == period_start(ms, period, -back)
        assert rollup.next_start(period, start) == period_start(ms, period, 1)


# --- people -----------------------------------------------------------------------------------------------------------

EMAILS = [f"email:{n}@x.y" for n in range(6)]
PHONES = [f"phone:+1949457200{n}" for n in range(6)]
LINKS = st.dictionaries(st.tuples(st.sampled_from(EMAILS), st.sampled_from(PHONES)), st.integers(0, 5), max_size=20)


def world(links: dict[tuple[str, str], int], **about: Any) -> World:
    events = [Happening(str(n), "s", at, 0, pair, {}, migration=True) for n, (pair, at) in enumerate(links.items())]
    return World({"s": Kind()}, events, **about)


def settled(links: dict[tuple[str, str], int], of: World) -> tuple[set[frozenset[str]], dict[Any, Any]]:
    found = connect.settle(links, of.never, [tuple(sorted(pair)) for pair in of.severed], of.cap)  # type: ignore[misc]
    return {frozenset(one) for one in found.sets if len(one) > 1}, found.apart


@settings(max_examples=200)
@given(LINKS, st.frozensets(st.sampled_from(EMAILS + PHONES), max_size=2), st.integers(2, 8), st.data())
def test_people_are_connected_alike(
    links: dict[tuple[str, str], int], never: frozenset[str], cap: int, data: st.DataObject
) -> None:
    cut = data.draw(st.lists(st.sampled_from(sorted(links)), max_size=3)) if links else []
    mine = world(links, never=never, cap=cap, severed={frozenset(pair): 0 for pair in cut})
    sets, apart = settled(links, mine)
    assert sets == {profile for profile in mine.profiles if len(profile) > 1}
    assert {pair: str(reason) for pair, reason in apart.items()} == mine.refused()


@settings(max_examples=200)
@given(LINKS, st.integers(2, 8), st.data())
def test_people_are_cut_alike(links: dict[tuple[str, str], int], cap: int, data: st.DataObject) -> None:
    mine = world(links, cap=cap)
    who = data.draw(st.sampled_from(EMAILS + PHONES))
    raw = connect.parts(links)
    component = next((part for part in raw if any(who in pair for pair in part)), {})
    expected = set(mine.unmerged(who, 9).severed) if who in mine.sets else set()
    assert {frozenset(pair) for pair in connect.cut(component, who, cap)} == expected


@pytest.mark.parametrize(("people", "connected"), [(999, True), (1000, True), (1001, False)])
def test_a_value_shared_by_a_thousand(people: int, connected: bool) -> None:
    links = {(f"email:{n}@x.y", PHONES[0]): n for n in range(people)} | {(f"email:{people - 1}@x.y", PHONES[1]): 0}
    mine = world(links, cap=5)
    sets, apart = settled(links, mine)
    assert sets == {profile for profile in mine.profiles if len(profile) > 1}
    assert (PHONES[0] in {one for each in sets for one in each}) is connected
    assert {pair: str(reason) for pair, reason in apart.items()} == mine.refused()
