"""Links to sets: against a slow reading of the rules, in any order, and what a cut takes."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.rules import connect
from headwater.rules.connect import Attribution, Pair, Reason, Severed, attributed, cut, is_set_aside, pair_of, settle

IDENTITIES = [f"{kind}:{n}" for kind in ("email", "phone") for n in range(7)]
identities = st.sampled_from(IDENTITIES)
pairs = st.tuples(identities, identities).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: pair_of(*pair))
links = st.dictionaries(pairs, st.integers(0, 5), max_size=25)
caps = st.integers(2, 15)


def star(count: int, hub: str = "phone:0") -> dict[Pair, int]:
    return {pair_of(hub, f"email:{n}"): n for n in range(count)}


def slowly(links: Mapping[Pair, int], never: Any, severed: Any, cap: int) -> set[frozenset[str]]:
    """The sets by the words of the rules: link by link, oldest first."""
    group = {each: frozenset([each]) for pair in links for each in pair}
    for _, a, b in sorted((first_ms, *pair) for pair, first_ms in links.items()):
        barred = a in never or b in never or (a, b) in severed
        if not barred and len(group[a] | group[b]) <= cap:
            group |= dict.fromkeys(group[a] | group[b], group[a] | group[b])
    return {each for each in group.values() if len(each) > 1}


@given(links, st.sets(identities, max_size=3), st.sets(pairs, max_size=4), caps)
def test_sets_are_as_the_words_say(links: dict[Pair, int], never: set[str], severed: set[Pair], cap: int) -> None:
    found = settle(links, never, severed, cap)
    assert {frozenset(each) for each in found.sets} == slowly(links, never, severed, cap)
    joined = {each: one for one in found.sets for each in one}
    for a, b in links:
        connects = b in joined.get(a, ())
        if (a, b) not in found.apart:
            assert connects
        elif found.apart[a, b] is Reason.PROFILE_FULL:
            assert not connects


@given(links, st.sets(identities, max_size=2), caps, st.randoms(use_true_random=False))
def test_order_does_not_matter(links: dict[Pair, int], never: set[str], cap: int, random: Any) -> None:
    shuffled = list(links.items())
    random.shuffle(shuffled)
    assert settle(dict(shuffled), never, (), cap) == settle(links, never, (), cap)


def test_a_value_with_a_thousand_links_connects_and_with_one_more_nothing() -> None:
    own = {("email:5", "phone:5"): 0}
    few, many = star(1_000) | own, star(1_001) | own
    assert [len(each) for each in settle(few, (), (), 2_000).sets] == [1_002]
    found = settle(many, (), (), 2_000)
    assert found.sets == (("email:5", "phone:5"),)
    assert set(found.apart.values()) == {Reason.SHARED_VALUE} and len(found.apart) == 1_001


def test_a_device_of_two_people_connects_neither_of_them() -> None:
    device, own = "anonymous:d", "anonymous:own"
    one = {pair_of("user:1", device): 0, pair_of("user:1", own): 1, pair_of("email:a", own): 2}
    assert [set(each) for each in settle(one, (), (), 100).sets] == [{"user:1", device, own, "email:a"}]
    found = settle(one | {pair_of("user:2", device): 9, pair_of("user:2", "email:b"): 9}, (), (), 100)
    assert {frozenset(each) for each in found.sets} == {
        frozenset({"user:1", own, "email:a"}),
        frozenset({"user:2", "email:b"}),
    }
    assert found.apart == {pair_of(user, device): Reason.SHARED_VALUE for user in ("user:1", "user:2")}
    joined = settle({pair_of("user:1", "user:2"): 0, pair_of("user:1", device): 1}, (), (), 100)
    assert joined.sets == ((device, "user:1", "user:2"),), "as an alias does it"
    assert settle({pair_of("email:a", device): 0, pair_of("phone:1", device): 0}, (), (), 100).sets


def test_what_connects_nobody_makes_no_device_one_of_two_people() -> None:
    """So what an operator cut, or said to be nobody's, mends it; and a till's number is no second person."""
    device, till = "anonymous:d", "phone:0"
    links = {pair_of("user:1", device): 0, pair_of("user:2", device): 9}
    joined = ((device, "user:1"),)
    assert settle(links, (), (), 100).sets == ()
    assert settle(links, (), {pair_of("user:2", device)}, 100).sets == joined
    found = settle(links, {"user:2"}, (), 100)
    assert found.sets == joined and found.apart == {pair_of("user:2", device): Reason.NEVER_CONNECT}
    many = star(1_001) | {pair_of(device, till): 0, pair_of(device, "phone:5"): 1}
    assert settle(many, (), (), 100).sets == ((device, "phone:5"),)


def test_what_is_too_large_to_be_a_person_is_nobody() -> None:
    chain = {pair_of(f"i:{n:05}", f"i:{n + 1:05}"): n for n in range(connect.MOST_IDENTITIES)}
    found = settle(chain, (), (), 100)
    assert found.sets == () and set(found.apart.values()) == {Reason.PROFILE_FULL}
    del chain[pair_of("i:00000", "i:00001")]
    assert {len(each) for each in settle(chain, (), (), 100).sets} == {100}
    ring = {pair_of(f"i:{n:03}", f"i:{(n + step) % 900:03}"): n for n in range(900) for step in range(1, 113)}
    assert len(ring) > connect.MOST_TIES and settle(ring, (), (), 100).sets == ()


def test_the_first_reason_that_fits_is_told() -> None:
    found = settle(star(1_001), {"email:1"}, {pair_of("email:1", "phone:0"), pair_of("email:2", "phone:0")}, 100)
    assert [found.apart[pair_of(f"email:{n}", "phone:0")] for n in (1, 2, 3)] == [
        Reason.NEVER_CONNECT,
        Reason.SEVERED,
        Reason.SHARED_VALUE,
    ]


@given(links, identities, caps)
def test_a_cut_takes_the_newest_links_until_the_profile_comes_apart(
    links: dict[Pair, int], identity: str, cap: int
) -> None:
    def set_of(left: Mapping[Pair, int]) -> set[str]:
        return next((set(each) for each in settle(left, (), (), cap).sets if identity in each), {identity})

    def without(count: int) -> dict[Pair, int]:
        return {pair: first_ms for pair, first_ms in links.items() if pair not in severed[:count]}

    before, severed = set_of(links), cut(links, identity, cap)
    assert bool(severed) == (len(before) > 1)
    assert all(identity in pair for pair in severed)
    inside = sorted(((ms, pair) for pair, ms in links.items() if identity in pair and before >= {*pair}), reverse=True)
    assert severed[: len(inside)] == [pair for _, pair in inside][: len(severed)]
    assert all(before <= set_of(without(count)) for count in range(len(severed)))
    assert not severed or not before <= set_of(without(len(severed)))


def test_a_link_to_a_profile_that_was_too_full_is_not_cut() -> None:
    links = {("a:1", "x:1"): 1, ("b:1", "b:2"): 1, ("b:1", "x:1"): 5}
    assert settle(links, (), (), 2).apart == {("b:1", "x:1"): Reason.PROFILE_FULL}
    assert cut(links, "x:1", 2) == [("a:1", "x:1")]


@pytest.mark.parametrize(
    ("never", "whose"), [((), "email:a"), (("email:a",), "phone:1"), (("email:a", "phone:1"), "email:a")]
)
def test_an_event_belongs_to_its_first_identity_that_may_connect(never: tuple[str, ...], whose: str) -> None:
    assert attributed(["email:a", "phone:1"], frozenset(never)) == whose
    assert Attribution(frozenset(never)).of(["email:a", "phone:1"], 5) == whose


def test_events_until_a_cut_that_name_both_sides_are_set_aside() -> None:
    found = Attribution(frozenset(["email:a"]), [Severed("email:a", "phone:1", 10), Severed("email:b", "phone:1", 20)])
    assert found.of(["phone:1", "account:1", "email:a"], 10) is None
    assert found.of(["phone:1", "email:a"], 11) == "phone:1"
    assert found.of(["email:a", "email:b"], 1) == "email:b"
    assert found.of(["email:a", "phone:1", "email:b"], 15) is None
    assert not is_set_aside(["phone:1"], 1, found.until)
