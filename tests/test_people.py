"""The sets in memory are those that the rules make of the links in the state, whatever happened in between."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from headwater import circles
from headwater.errors import ConflictError
from headwater.events import Lane
from headwater.people import Changes, People
from headwater.rules import connect
from headwater.rules.connect import Pair, Reason, Severed, pair_of, settle
from headwater.state.base import Link, Plan
from headwater.state.sqlite import SqliteState

W = "ws_abcdefgh"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteState]:
    state = SqliteState(tmp_path / "state.db")
    yield state
    state.close()


def link(one: str, other: str, first_ms: int = 0, workspace: str = W) -> Link:
    return Link(workspace, *pair_of(one, other), first_ms)


def put(state: SqliteState, people: People, *links: Link) -> None:
    """As the pipeline does it."""
    state.commit(Plan(Lane.REALTIME, 1, 0, 1, {}), links)
    people.note(links)


def sets_of(people: People, identities: Iterator[str] | list[str]) -> set[tuple[str, ...]]:
    return {joined for each in identities if len(joined := people.connected(W, each)) > 1}


def test_who_was_never_linked_is_alone(state: SqliteState) -> None:
    people = People(state)
    assert people.connected(W, "email:a") == ("email:a",)
    assert people.attribution(W).never == frozenset()
    assert people.drain(W) == Changes([], False, frozenset())


def test_what_failed_is_made_good_by_the_next_block_whoever_it_names(
    state: SqliteState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those who are known to be linked are not named again."""
    people = People(state)
    with monkeypatch.context() as failing:
        failing.setattr(circles.Circles, "add", _no_memory)
        with pytest.raises(MemoryError):
            put(state, people, link("email:a", "phone:1"))
    people.note([])
    assert people.connected(W, "phone:1") == ("email:a", "phone:1")


def _no_memory(self: object, links: object) -> None:
    raise MemoryError


def test_links_connect_in_their_workspace_alone_and_outlive_a_restart(state: SqliteState) -> None:
    people = People(state)
    put(state, people, link("email:a", "phone:1"), link("email:b", "phone:1"), link("email:z", "phone:9"))
    put(state, people, link("email:a", "phone:9", workspace="ws_otherone"))
    for each in (people, People(state)):
        assert each.connected(W, "phone:1") == ("email:a", "email:b", "phone:1")
        assert each.connected(W, "phone:9") == ("email:z", "phone:9")
        assert each.connected("ws_otherone", "email:a") == ("email:a", "phone:9")


def test_what_changed_is_told_once(state: SqliteState) -> None:
    people = People(state)
    put(state, people, link("email:a", "phone:1"), link("email:b", "phone:2"))
    assert sorted(map(sorted, people.drain(W).sets)) == [["email:a", "phone:1"], ["email:b", "phone:2"]]
    put(state, people, link("email:a", "phone:1"))
    assert people.drain(W).sets == []
    put(state, people, link("email:a", "phone:2"), link("email:c", "phone:3"))
    changed = [["email:a", "email:b", "phone:1", "phone:2"], ["email:c", "phone:3"]]
    assert sorted(map(sorted, people.drain(W).sets)) == changed
    assert People(state).drain(W).sets == []


def test_a_value_that_never_connects(state: SqliteState) -> None:
    people = People(state)
    put(state, people, link("email:a", "phone:0", 5), link("email:b", "phone:0", 6), link("email:a", "phone:1", 7))
    people.drain(W)
    people.configure(W, ["phone:0"], 100)
    assert sets_of(people, ["email:a", "email:b", "phone:0"]) == {("email:a", "phone:1")}
    changes = people.drain(W)
    assert changes.attribution_changed and [len(each) for each in changes.sets] == [4]
    assert people.attribution(W).of(["phone:0", "email:a"], 0) == "email:a"
    assert people.attribution(W).of(["phone:0"], 0) == "phone:0"
    why = [(each.a, each.b, each.first_ms, each.reason) for each in people.not_connected(W, ["email:a", "phone:1"])]
    assert why == [("email:a", "phone:0", 5, Reason.NEVER_CONNECT)]
    put(state, people, link("email:c", "phone:0"))
    assert people.connected(W, "email:c") == ("email:c",)
    people.configure(W, [], 100)
    assert people.connected(W, "phone:1") == ("email:a", "email:b", "email:c", "phone:0", "phone:1")


def test_a_full_profile_takes_the_oldest_links(state: SqliteState) -> None:
    people = People(state)
    people.configure(W, [], 3)
    put(state, people, *(link("phone:0", f"email:{n}", 10 - n) for n in range(6)))
    assert people.connected(W, "phone:0") == ("email:4", "email:5", "phone:0")
    full = people.not_connected(W, people.connected(W, "phone:0"))
    assert [(each.a, each.reason) for each in full] == [(f"email:{n}", Reason.PROFILE_FULL) for n in (3, 2, 1, 0)]
    put(state, people, link("phone:0", "email:0", 1))  # an older event of the same pair comes late
    assert people.connected(W, "phone:0") == ("email:0", "email:5", "phone:0")
    people.configure(W, [], 5)
    assert people.connected(W, "phone:0") == ("email:0", "email:3", "email:4", "email:5", "phone:0")
    people.configure(W, [], 2)
    assert people.connected(W, "phone:0") == ("email:0", "phone:0")


def test_unmerge_cuts_the_newest_links_until_the_profile_comes_apart(state: SqliteState) -> None:
    people = People(state)
    put(state, people, link("email:a", "phone:1", 1), link("email:b", "phone:2", 2))
    before = [people.connected(W, each) for each in ("email:a", "email:b")]
    put(state, people, link("email:a", "phone:2", 3))
    people.drain(W)
    unmerged = people.unmerge(W, "phone:2", 1_000)
    assert unmerged.severed == (Severed("email:a", "phone:2", 1_000),)
    assert list(unmerged.sets) == before[::-1]
    changes = people.drain(W)
    assert changes.cut == {"email:a", "phone:2"} and [len(each) for each in changes.sets] == [4]
    put(state, people, link("email:a", "phone:2", 0))  # named again, even earlier
    for each in (people, People(state)):
        assert [each.connected(W, one) for one in ("email:a", "email:b")] == before
        attribution = each.attribution(W)
        assert attribution.of(("phone:2", "email:a"), 1_000) is None
        assert attribution.of(("phone:2", "email:a"), 1_001) == "phone:2"
        assert [why.reason for why in each.not_connected(W, ["phone:1", "email:a"])] == [Reason.SEVERED]
    with pytest.raises(ConflictError, match="connected with nothing"):
        people.unmerge(W, "email:z", 1)


def test_cutting_in_a_ring_takes_as_many_links_as_it_needs(state: SqliteState) -> None:
    people = People(state)
    ring = ["email:a", "phone:1", "email:b", "phone:2"]
    put(state, people, *(link(ring[n], ring[n - 1], n) for n in range(4)))
    unmerged = people.unmerge(W, "email:b", 9)
    assert [each.pair for each in unmerged.severed] == [("email:b", "phone:2"), ("email:b", "phone:1")]
    assert unmerged.sets == (("email:b",), ("email:a", "phone:1", "phone:2"))


def test_one_number_named_by_very_many_is_a_shared_value(state: SqliteState) -> None:
    """The people behind it stay apart, and it costs next to nothing however many there are."""
    people = People(state)
    everybody = [link("phone:+10000000000", f"email:{n}", n) for n in range(20_000)]
    own = [link(f"email:{n}", f"phone:{n}", n) for n in range(0, 2_000, 100)]
    for start in range(0, 20_000, 500):
        put(state, people, *everybody[start : start + 500])
        if start == 0:
            assert len(people.connected(W, "email:0")) == 100
    put(state, people, *own)
    for each in (people, People(state)):
        assert each.connected(W, "phone:+10000000000") == ("phone:+10000000000",)
        assert each.connected(W, "email:100") == ("email:100", "phone:100")
        assert [why.reason for why in each.not_connected(W, ["phone:100", "email:100"])] == [Reason.SHARED_VALUE]
        assert len(each.not_connected(W, ["phone:+10000000000"])) == 100
        with pytest.raises(ConflictError):
            each.unmerge(W, "phone:+10000000000", 1)


def test_a_device_of_two_people_is_mended_by_a_cut_or_a_value_that_never_connects(state: SqliteState) -> None:
    people = People(state)
    put(state, people, link("anonymous:d", "email:a", 1))
    people.unmerge(W, "anonymous:d", 1_000)
    put(state, people, link("anonymous:d", "email:b", 2), link("anonymous:d", "user:b", 3))
    for each in (people, People(state)):
        assert each.connected(W, "anonymous:d") == ("anonymous:d", "email:b", "user:b")
    put(state, people, link("anonymous:d", "user:guest", 4))
    assert people.connected(W, "anonymous:d") == ("anonymous:d",) and people.shared(W, ["anonymous:d"])
    people.configure(W, ["user:guest"], 100)
    assert people.connected(W, "anonymous:d") == ("anonymous:d", "email:b", "user:b")
    people.configure(W, [], 100)
    assert people.connected(W, "anonymous:d") == ("anonymous:d",)
    people.unsever(W, ["email:a"], 1_000)
    people.configure(W, ["user:guest"], 100)
    assert people.connected(W, "anonymous:d") == ("anonymous:d",), "the cut is forgotten"


def test_a_number_that_turns_out_to_be_of_many_is_no_second_person(state: SqliteState) -> None:
    people = People(state)
    till = "phone:+10000000000"
    put(state, people, *(link("anonymous:d", other) for other in ("phone:1", till)))
    assert people.connected(W, "anonymous:d") == ("anonymous:d",)
    put(state, people, *(link(till, f"email:{n}", n) for n in range(connect.MOST_LINKS)))
    for each in (people, People(state)):
        assert each.connected(W, "anonymous:d") == ("anonymous:d", "phone:1")


def test_questions_do_not_wait_for_changes(state: SqliteState) -> None:
    people = People(state)
    put(state, people, link("email:a", "phone:1"))
    with people._changing:
        asked: list[tuple[str, ...]] = []
        asking = threading.Thread(target=lambda: asked.append(people.connected(W, "email:a")))
        asking.start()
        asking.join(5)
    assert asked == [("email:a", "phone:1")]


IDENTITIES = [f"{kind}:{n}" for kind in ("email", "phone", "user", "anonymous") for n in range(5)]
identities = st.sampled_from(IDENTITIES)
pairs = st.tuples(identities, identities).filter(lambda pair: pair[0] != pair[1])
small = pytest.MonkeyPatch()


class Machine(RuleBasedStateMachine):
    """Links, settings, cuts and restarts in any order; after each the sets are those of `settle` over everything.

    The bounds are small, so that shared values and crowds that are nobody come up.
    """

    directory: Callable[[], Path]

    @initialize(cap=st.integers(2, 8), most=st.integers(3, 6), crowd=st.integers(6, 14), ties=st.integers(8, 40))
    def begin(self, cap: int, most: int, crowd: int, ties: int) -> None:
        small.setattr(connect, "MOST_LINKS", most)
        small.setattr(circles, "MOST_LINKS", most)
        small.setattr(connect, "MOST_IDENTITIES", crowd)
        small.setattr(connect, "MOST_TIES", ties)
        self.state = SqliteState(self.directory() / "state.db")
        self.people = People(self.state)
        self.links: dict[Pair, int] = {}
        self.severed: dict[Pair, int] = {}
        self.never: frozenset[str] = frozenset()
        self.cap, self.now = cap, 0
        self.people.configure(W, self.never, cap)
        self.shown: dict[str, tuple[str, ...]] = {each: (each,) for each in IDENTITIES}

    @rule(named=st.lists(st.tuples(pairs, st.integers(0, 9)), max_size=12))
    def note(self, named: list[tuple[Pair, int]]) -> None:
        for (a, b), ms in named:
            pair = pair_of(a, b)
            self.links[pair] = min(ms, self.links.get(pair, ms))
        put(self.state, self.people, *(link(a, b, ms) for (a, b), ms in named))

    @rule(never=st.sets(identities, max_size=3), cap=st.integers(2, 8))
    def configure(self, never: set[str], cap: int) -> None:
        self.never, self.cap = frozenset(never), cap
        self.people.configure(W, never, cap)

    @rule(identity=identities)
    def unmerge(self, identity: str) -> None:
        before = self.people.connected(W, identity)
        self.now += 1
        if len(before) == 1:
            with pytest.raises(ConflictError):
                self.people.unmerge(W, identity, self.now)
            return
        unmerged = self.people.unmerge(W, identity, self.now)
        self.severed |= {each.pair: each.until_ms for each in unmerged.severed}
        assert all(identity in each.pair for each in unmerged.severed)
        assert not set(before) <= set(self.people.connected(W, identity))
        assert set(before) <= {each for joined in unmerged.sets for each in joined}

    @rule(concerned=st.sets(identities, max_size=3), ago=st.integers(0, 1))
    def unsever(self, concerned: set[str], ago: int) -> None:
        """As when somebody is erased."""
        until = self.now - ago
        self.people.unsever(W, concerned, until)
        self.severed = {pair: ms for pair, ms in self.severed.items() if ms > until or not concerned.intersection(pair)}

    @rule(others=st.dictionaries(pairs, st.one_of(st.none(), st.none(), st.integers(0, 9)), max_size=8))
    def relink(self, others: dict[Pair, int | None]) -> None:
        """As when a backfill counts no more, or counts again: links are gone, older, younger, and new."""
        made = {pair_of(*pair): first_ms for pair, first_ms in others.items()}
        for pair, first_ms in made.items():
            self.links.pop(pair, None)
            if first_ms is not None:
                self.links[pair] = first_ms
        with self.state.watch() as watch:
            self.state.relink(W, made, watch)
        self.people.refresh(W, {identity for pair in made for identity in pair})

    @rule()
    def restart(self) -> None:
        self.people = People(self.state)
        self.people.configure(W, self.never, self.cap)
        self.people.drain(W)
        self.shown = {each: self.people.connected(W, each) for each in IDENTITIES}

    @rule()
    def drain(self) -> None:
        """Every set that changed is told, as a whole, and told sets do not overlap."""
        told = self.people.drain(W).sets
        now = {each: self.people.connected(W, each) for each in IDENTITIES}
        for each in IDENTITIES:
            if now[each] != self.shown[each]:
                assert any({*now[each], *self.shown[each]} <= one for one in told)
        assert sum(map(len, told)) == len(frozenset().union(*told))
        self.shown = now

    @invariant()
    def as_the_rules_say(self) -> None:
        wanted = settle(self.links, self.never, self.severed, self.cap)
        assert sets_of(self.people, IDENTITIES) == set(wanted.sets)
        told = {(each.a, each.b): each.reason for each in self.people.not_connected(W, IDENTITIES)}
        assert told == wanted.apart
        assert self.people.attribution(W).until == self.severed

    def teardown(self) -> None:
        small.undo()
        if hasattr(self, "state"):
            self.state.close()


def test_any_order_of_events_settings_cuts_and_restarts(tmp_path_factory: pytest.TempPathFactory) -> None:
    Machine.directory = staticmethod(lambda: tmp_path_factory.mktemp("machine"))
    case = Machine.TestCase
    case.settings = settings(
        max_examples=60, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
    )
    case().runTest()


def test_what_could_not_be_taken_over_is_made_good(state: SqliteState, monkeypatch: pytest.MonkeyPatch) -> None:
    """The links are durable before they are taken over: nobody would name them again."""
    people = People(state)
    put(state, people, link("email:b", "phone:2"))
    with monkeypatch.context() as broken:
        broken.setattr(circles.Circles, "_settle", lambda _: (_ for _ in ()).throw(OSError("the disk")))
        with pytest.raises(OSError, match="disk"):
            put(state, people, link("email:a", "phone:1"))
    put(state, people, link("email:c", "phone:3"))
    assert people.connected(W, "email:a") == ("email:a", "phone:1")
    assert people.connected(W, "email:b") == ("email:b", "phone:2")
    assert people.connected(W, "email:c") == ("email:c", "phone:3")
    assert people.drain(W).attribution_changed


def test_a_setting_that_could_not_be_made_good_is_made_so_later(
    state: SqliteState, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = People(state)
    put(state, people, link("email:a", "phone:1"))
    with monkeypatch.context() as broken:
        broken.setattr(circles.Circles, "_settle", lambda _: (_ for _ in ()).throw(OSError("the disk")))
        with pytest.raises(OSError, match="disk"):
            people.configure(W, ["phone:1"], 100)
    people.drain(W)
    assert people.connected(W, "email:a") == ("email:a",)
