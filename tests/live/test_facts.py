"""What conditions keep, held against dictionaries and whole numbers of Python."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headwater.live.chain import furthest
from headwater.live.facts import Facts
from headwater.live.limbs import Sums, averages_hold, counts_hold, joined, split, sums_hold
from headwater.rules.cohort import Bound

OPS = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
NUMBERS = st.integers(-(10**24) + 1, 10**24 - 1) | st.integers(-3, 3)
BATCHES = st.lists(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 50), NUMBERS), max_size=30), max_size=12)


def ints(values: list[int]) -> np.ndarray:
    return np.array(values, np.int64)


@given(BATCHES, st.lists(st.integers(0, 14), unique=True), st.sets(st.integers(0, 14)))
def test_facts_are_found_by_node(
    batches: list[list[tuple[int, int, int]]], asked: list[int], forgotten: set[int]
) -> None:
    facts = Facts(numbers=True)
    known: dict[int, list[tuple[int, int]]] = {}
    for number, batch in enumerate(batches):
        limbs = [split(value) for _, _, value in batch]
        columns = [ints([ms for _, ms, _ in batch]), ints([hi for hi, _ in limbs]), ints([lo for _, lo in limbs])]
        facts.add(np.array([node for node, _, _ in batch], np.int32), *columns)
        for node, ms, value in batch:
            known.setdefault(node, []).append((ms, value))
        if number == 3:
            facts.forget(np.array(sorted(forgotten), np.int32))
            known = {node: found for node, found in known.items() if node not in forgotten}
    places, (times, his, los) = facts.of(np.array(asked, np.int32))
    found: dict[int, list[tuple[int, int]]] = {}
    for place, ms, hi, lo in zip(places, times, his, los, strict=True):
        found.setdefault(asked[place], []).append((int(ms), joined(hi, lo)))
    assert {node: sorted(each) for node, each in found.items()} == {
        node: sorted(known[node]) for node in asked if node in known
    }
    assert facts.nodes().tolist() == sorted(known)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 100)), max_size=60), st.integers(0, 100))
def test_what_is_too_old_may_go_and_nothing_else(batch: list[tuple[int, int]], floor: int) -> None:
    facts = Facts()
    for node, ms in batch:
        facts.add(np.array([node], np.int32), ints([ms]), floor=floor)
    places, (times,) = facts.of(np.arange(4, dtype=np.int32))
    young = sorted((place, ms) for place, ms in zip(places.tolist(), times.tolist(), strict=True) if ms > floor)
    assert young == sorted(pair for pair in batch if pair[1] > floor)


@given(st.lists(st.lists(NUMBERS, min_size=1, max_size=8), min_size=1, max_size=8), NUMBERS, st.sampled_from(list(OPS)))
def test_sums_and_averages_compare_as_whole_numbers_do(groups: list[list[int]], number: int, op: str) -> None:
    limbs = [[split(value) for value in group] for group in groups]
    sums = Sums(
        ints([sum(hi for hi, _ in group) for group in limbs]), ints([sum(lo for _, lo in group) for group in limbs])
    )
    counts = ints([len(group) for group in groups])
    bounds = (Bound(op, number),)
    assert sums_hold(sums, bounds).tolist() == [OPS[op](sum(group), number) for group in groups]
    assert averages_hold(sums, counts, bounds).tolist() == [OPS[op](sum(each), number * len(each)) for each in groups]
    equal = (Bound(op, sum(groups[0])),)
    assert sums_hold(sums, equal)[0] == OPS[op](0, 0)


@given(st.lists(st.integers(0, 10**6), min_size=1), NUMBERS, st.sampled_from(list(OPS)))
def test_counts_compare_with_any_number(counts: list[int], number: int, op: str) -> None:
    assert counts_hold(ints(counts), (Bound(op, number),)).tolist() == [OPS[op](n * 10**9, number) for n in counts]


@given(st.lists(st.lists(st.integers(0, 30), max_size=8).map(sorted), min_size=1, max_size=4), st.integers(1, 20))
def test_the_furthest_way_is_one(times: list[list[int]], gap: int) -> None:
    way = furthest(times, gap)
    assert all(later - earlier <= gap and later > earlier for earlier, later in pairwise(way))
    assert all(ms in times[step] for step, ms in enumerate(way))

    def reach(step: int, last: int | None) -> int:
        own = times[step] if step < len(times) else []
        return max((reach(step + 1, ms) for ms in own if last is None or 0 < ms - last <= gap), default=step)

    assert len(way) == reach(0, None)


def test_the_furthest_way_of_very_many_events_is_found() -> None:
    steps = [list(range(n, 300_000 + n, 3)) for n in range(3)]
    assert furthest(steps, 1) == [299_997, 299_998, 299_999]
