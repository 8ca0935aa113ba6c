"""The oracle against cases worked out by hand, and against a still more naive way to say the same."""

from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truth.cohorts import furthest, inside, members
from truth.measures import attribute, buckets, ms_of, period_start, recent, state
from truth.plans import Plan, happening, plans, resolved
from truth.values import canonical, compares, number, passes
from truth.world import Happening, Kind, World, joined

NOW = ms_of(datetime(2026, 11, 22, 4, 5, 6, tzinfo=UTC))  # a Sunday
DAY = 86_400_000
A, B, C = "email:a@x.y", "email:b@x.y", "email:c@x.y"
P, Q = "phone:+19494572000", "phone:+19494572001"
SIGNALS = {
    "bought": Kind(),
    "viewed": Kind(),
    "customerCreated": Kind(),
    "calls": Kind("metric", "sum", "week", "n"),
    "health": Kind("state", value="level"),
}


def world(*rows: tuple[Any, ...], **about: Any) -> World:
    """Rows are (signal, identities, milliseconds from now, data?, name?)."""
    made = []
    for n, (signal, identities, delta, *more) in enumerate(rows):
        data, name = (*more, {}, None)[:2] if more else ({}, None)
        made.append(
            Happening(f"{n:04}", signal, NOW + delta, NOW + n, tuple(identities.split()), data, name, migration=True)
        )
    return World(SIGNALS, made, **about)


def chosen(world: World, where: dict[str, Any], subject: str = "person", now: int = NOW) -> list[list[str]]:
    return sorted(sorted(profile) for profile in members(world, {"subject": subject, "where": where}, now))


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "exact"),
    [
        (1, Fraction(1)),
        (0.1, Fraction(1, 10)),
        (-1.9999999999, Fraction(-1_999_999_999, 10**9)),
        (1.9e-9, Fraction(1, 10**9)),
        (1e-10, Fraction(0)),
        (10**15 - 1, Fraction(10**15 - 1)),
        (10**15, None),
        (-1e15, None),
        (True, None),
        ("1", None),
        (None, None),
        ([1], None),
    ],
)
def test_numbers(value: Any, exact: Fraction | None) -> None:
    assert number(value) == exact


@pytest.mark.parametrize(
    ("value", "tests", "holds"),
    [
        (5, {"=": 5.0}, True),
        (2**53 + 1, {"=": 2**53}, True),
        (True, {"=": 1}, False),
        (1, {"=": True}, False),
        (None, {"=": None}, True),
        (None, {"!=": None}, False),
        (None, {"!=": 5}, True),
        (None, {"<": 5}, False),
        (None, {"exists": False}, True),
        ({}, {"exists": True}, True),
        ("10", {"<": 5}, False),
        ("\U0001f600", {">": "\uffee"}, True),
        (10**30, {"=": str(10**30)}, True),
        (10**30, {">": 5}, False),
        ([1, "Pune"], {"contains": 1.0}, True),
        ([1, "Pune"], {"contains": "Pu"}, False),
        ("Pune", {"contains": "Pu"}, True),
        (["x"], {"=": "x"}, False),
        ([None], {"!=": 1}, True),
        (2, {"in": [1, 2.0]}, True),
        (2, {">": 1, "<": 2}, False),
    ],
)
def test_values(value: Any, tests: dict[str, Any], holds: bool) -> None:
    assert passes(value, tests) is holds


def test_bounds_take_exact_numbers() -> None:
    assert compares(Fraction(3, 10), {"=": 0.3})
    assert not compares(None, {"!=": 3})
    assert not compares(Fraction(1, 3), {"=": 0.333333333})


# --- people -----------------------------------------------------------------------------------------------------------


def test_email_and_phone_connect() -> None:
    sent = world(("bought", f"{A} {P}", 0), ("bought", f"{B} {P}", 1), ("bought", C, 2))
    assert sent.sets[A] == {A, B, P} and sent.sets[C] == {C}


def test_who_never_connects_is_named_but_owns_nothing() -> None:
    sent = world(("bought", f"{A} {P}", 0), ("bought", f"{A} {Q}", 1), never=frozenset((A,)))
    assert sent.profiles == {frozenset((one,)) for one in (A, P, Q)}
    assert [len(sent.histories[frozenset((one,))]) for one in (A, P, Q)] == [0, 1, 1]
    assert set(sent.refused().values()) == {"never_connect"}
    assert chosen(sent, {"not": {"performed": "bought"}}) == [[A]]


def test_a_full_profile_takes_the_earliest() -> None:
    sent = world(("bought", f"{A} {P}", 5), ("bought", f"{B} {P}", 3), ("bought", f"{C} {P}", 4), cap=3)
    assert sent.sets[P] == {B, C, P} and sent.sets[A] == {A}
    assert sent.refused() == {(A, P): "profile_full"}


def test_links_are_as_old_as_their_first_event() -> None:
    sent = world(("bought", f"{A} {P}", 5), ("bought", f"{B} {P}", 3), ("bought", f"{A} {P}", 1), cap=2)
    assert sent.sets[P] == {A, P}


def test_unmerge_brings_back_what_was() -> None:
    before = world(("bought", f"{A} {P}", 0), ("viewed", f"{B} {Q}", 1), ("bought", B, 2))
    merged = World(SIGNALS, [*before.happenings, Happening("m", "bought", NOW + 9, NOW + 9, (B, P), {})])
    assert merged.sets[A] == {A, B, P, Q}
    after = merged.unmerged(P, NOW + 10)
    assert set(after.severed) == {frozenset((B, P))} and after.profiles == before.profiles
    assert after.histories == before.histories
    later = World(
        SIGNALS, [*merged.happenings, Happening("n", "bought", NOW, NOW + 11, (B, P), {})], severed=after.severed
    )
    assert later.profiles == before.profiles and len(later.histories[frozenset((B, Q))]) == 3


def test_unmerge_cuts_every_way_around() -> None:
    ring = world(*(("bought", f"{email} {phone}", n) for n, (email, phone) in enumerate(product((A, B), (P, Q)))))
    after = ring.unmerged(P, NOW + 10)
    assert set(after.severed) == {frozenset((B, P)), frozenset((A, P))} and after.sets[P] == {P}


@given(st.permutations(range(6)), st.integers(2, 6))
def test_profiles_do_not_depend_on_order(order: list[int], cap: int) -> None:
    pairs = [(A, P), (B, P), (B, Q), (C, Q), (A, Q), (C, P)]
    rows = [("bought", " ".join(pairs[n]), n % 3) for n in range(6)]
    assert world(*rows, cap=cap).profiles == world(*(rows[n] for n in order), cap=cap).profiles


def test_joined_keeps_to_the_cap() -> None:
    assert sorted(map(sorted, joined(set("abcd"), [("a", "b"), ("c", "d"), ("b", "c")], 3))) == [["a", "b"], ["c", "d"]]


# --- measures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("period", "steps", "start"),
    [
        ("hour", 0, (2026, 11, 22, 4)),
        ("day", 1, (2026, 11, 23)),
        ("week", 0, (2026, 11, 16)),
        ("week", -1, (2026, 11, 9)),
        ("month", 0, (2026, 11, 1)),
        ("month", -11, (2025, 12, 1)),
        ("month", 2, (2027, 1, 1)),
    ],
)
def test_periods(period: str, steps: int, start: tuple[int, int, int]) -> None:
    assert period_start(NOW, period, steps) == ms_of(datetime(*start, tzinfo=UTC))


def test_a_metric() -> None:
    sent = world(
        ("calls", A, 0, {"n": 0.1}),
        ("calls", B, 0, {"n": 0.2}),
        ("calls", A, -7 * DAY, {"n": 5}),
        ("calls", A, 0, {"n": "5"}),
    )
    week = period_start(NOW, "week")
    assert buckets(sent, "calls") == {week: Fraction(3, 10), week - 7 * DAY: 5}
    assert buckets(sent, "calls", sent.sets[A]) == {week: Fraction(1, 10), week - 7 * DAY: 5}
    mine = sent.histories[sent.sets[A]]
    assert [recent(sent, "calls", mine, periods, NOW) for periods in (1, 2)] == [Fraction(1, 10), Fraction(51, 10)]
    assert recent(sent, "calls", mine, 1, NOW + DAY) == 0
    assert len(sent.processed) == 3


def test_a_state_goes_to_the_newest_then_to_the_greatest() -> None:
    sent = world(
        *(("health", A, delta, {"level": level}) for delta, level in ((0, "a"), (5, "b"), (5, "c"), (5, "c"), (1, "z")))
    )
    assert state(sent, "health", sent.processed) == ("c", NOW + 5, "0002")
    assert canonical({"b": 1, "a": "é"}) == '{"a":"é","b":1}'


def test_attributes() -> None:
    sent = world(
        ("customerCreated", A, 0, {"city": "Pune", "x": 1}, "Ada"),
        ("customerCreated", A, 5, {"city": None, "x": 2}),
        ("viewed", A, 9, {"city": "Oslo"}, "Bob"),
    )
    assert [attribute(name, sent.processed) for name in ("city", "x", "name", "y")] == ["Pune", 2, "Bob", None]


# --- cohorts ----------------------------------------------------------------------------------------------------------


def test_windows() -> None:
    assert [inside({"within": "1s"}, NOW + delta, NOW) for delta in (-1000, -999, 0, 1)] == [False, True, True, False]
    edges = [NOW - NOW % DAY + delta for delta in (-1, 0, DAY - 1, DAY)]
    assert [inside({"between": ["2026-11-22", "2026-11-23"]}, at, NOW) for at in edges] == [False, True, True, False]
    assert inside({}, NOW + DAY, NOW)


def test_counts_sums_and_averages() -> None:
    sent = world(
        ("bought", A, -1, {"p": 0.1}), ("bought", A, -2, {"p": 0.2}), ("bought", A, -3, {"p": "9"}), ("viewed", B, 0)
    )
    for leaf, who in (
        ({"count": {"=": 3}}, [[A]]),
        ({"count": {"<": 3}}, [[B]]),
        ({"sum": {"of": "p", "=": 0.3}}, [[A]]),
        ({"sum": {"of": "p", "=": 0}}, [[B]]),
        ({"avg": {"of": "p", "=": 0.15}}, [[A]]),
        ({"avg": {"of": "p", "<": 9}}, [[A]]),
        ({"avg": {"of": "p", "!=": 0.15}}, []),
        ({"filter": {"p": {"=": "9"}}}, [[A]]),
        ({"within": "1s", "count": {">=": 3}}, [[A]]),
    ):
        assert chosen(sent, {"performed": "bought", **leaf}) == who, leaf


def test_subjects_and_nesting() -> None:
    sent = world(("bought", "account:1", 0), ("viewed", f"{A} {P}", 0))
    both = {"any": [{"performed": "bought"}, {"performed": "viewed"}]}
    assert chosen(sent, both) == chosen(sent, both, "phone") == [[A, P]] and chosen(sent, both, "account") == [
        ["account:1"]
    ]
    assert chosen(sent, {"all": [both, {"not": {"performed": "viewed"}}]}) == []


def _naive(leaf: dict[str, Any], events: list[Happening]) -> bool:
    steps = [[one.at for one in events if one.signal == step["performed"]] for step in leaf["sequence"]]
    gap = int(leaf["gap"][:-1]) * 1000
    return any(all(0 < b - a <= gap for a, b in pairwise(times)) for times in product(*steps))


@given(st.lists(st.tuples(st.sampled_from(["bought", "viewed"]), st.integers(0, 12)), max_size=8), st.integers(1, 4))
def test_sequences_against_every_choice_of_events(rows: list[tuple[str, int]], gap: int) -> None:
    sent = world(*((signal, A, at * 500) for signal, at in rows))
    leaf = {"sequence": [{"performed": "bought"}, {"performed": "viewed"}, {"performed": "bought"}], "gap": f"{gap}s"}
    assert (furthest(leaf, sent.processed, NOW) == 3) is _naive(leaf, sent.processed)


@settings(max_examples=50, deadline=None)
@given(plans(most=40, cohorts=3), st.randoms(use_true_random=False))
def test_order_changes_nothing(plan: Plan, random: Any) -> None:
    made = [happening(one, f"{n:04}", NOW, NOW) for n, one in enumerate(plan.sendings)]
    shuffled = random.sample(made, len(made))
    about = {"never": frozenset(plan.never), "cap": plan.cap}
    first, second = World(plan.signals, made, **about), World(plan.signals, shuffled, **about)
    for definition in resolved(list(plan.definitions), NOW):
        assert members(first, definition, NOW) == members(second, definition, NOW)
    for slug, kind in plan.signals.items():
        if kind.type == "metric":
            assert buckets(first, slug) == buckets(second, slug)
