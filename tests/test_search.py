"""Profiles found by the beginning of an identity, and their events: real parts."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from harness import until
from headwater import search as asked
from headwater.errors import InvalidError, NotFoundError, UnavailableError
from headwater.events import Lane
from headwater.outcomes import Status
from headwater.rules.filters import TOP, Filters, place_of
from headwater.rules.profile import profile_id
from headwater.search import Search
from parts import Parts, Sent, new_workspace, running_parts

ADA, PHONE, BOB = "email:ada@x.example", "phone:+919876543210", "email:bob@x.example"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    with running_parts(tmp_path_factory.mktemp("parts")) as parts:
        yield parts


@pytest.fixture
def search(parts: Parts) -> Iterator[Search]:
    catalog: Any = SimpleNamespace(workspace=lambda _: SimpleNamespace(default_region="IN"))
    search = Search(parts.store, parts.state, parts.people, catalog)
    yield search
    search.close()


@pytest.fixture
def workspace() -> str:
    return new_workspace()


def stored(parts: Parts, workspace: str, *events: Sent) -> list[str]:
    ids = [id_ for at in range(0, len(events), 100) for id_ in parts.send(workspace, *events[at : at + 100])[1]]
    parts.drain()
    return [str(each) for each in ids]


def found(search: Search, workspace: str, text: str, limit: int = 20) -> list[str]:
    """The first identity of each."""
    return [f"{p.identities[0].type}:{p.identities[0].id}" for p in search.find(workspace, text, limit).data]


# --- search --------------------------------------------------------------------------------------------------------


def test_by_any_identity_exactly_or_by_its_beginning(parts: Parts, search: Search, workspace: str) -> None:
    stored(parts, workspace, Sent(1, (ADA, PHONE), name="Ada"), Sent(2, (BOB,)), Sent(3, ("account:ada",)))
    assert found(search, workspace, "ada") == ["account:ada", ADA], "exact ones first"
    assert found(search, workspace, " ADA@x.Example ") == [ADA]
    for text in ("+91 98765-43210", "9876543210", "09876", "+9198", "phone:+9198", "0091 98"):
        assert found(search, workspace, text) == [ADA], text
    assert sorted(found(search, workspace, "account:")) == ["account:ada"]
    assert found(search, workspace, "Ada") == [ADA], "ids of other types are as they are"
    for text in ("da@x", "email:x", "%", "_", "*", "deal:", "deal:1", "x" * 320):
        assert found(search, workspace, text) == [], text
    (ada,) = search.find(workspace, "ada@", 20).data
    assert (ada.id, ada.name, len(ada.identities)) == (profile_id(workspace, (ADA, PHONE)), "Ada", 2)
    assert search.find(workspace, "bob", 20).data[0].name is None
    assert found(search, new_workspace(), "ada") == []


def test_what_comes_later_is_found(parts: Parts, search: Search, workspace: str) -> None:
    for number in range(5):
        stored(parts, workspace, Sent(number, (f"account:{number}",)))
        parts.send(workspace, Sent(number, ("account:pending",)))
        assert found(search, workspace, "account:") == [f"account:{each}" for each in range(number + 1)]
        parts.drain()
        stored(parts, workspace, Sent(0, ("account:rejected",), reason="schema_violation", lane=Lane.MIGRATION))
        assert found(search, workspace, "p") == ["account:pending"]
        assert found(search, workspace, "r") == []
        if number == 0:
            break
    stored(parts, workspace, Sent(9, ("account:1",)), Sent(9, ("account:0", "account:1")))
    assert found(search, workspace, "1") == ["account:0"], "one profile by now"


def test_a_profile_is_shown_once_and_types_take_turns(parts: Parts, search: Search, workspace: str) -> None:
    both = [Sent(1, (f"email:1{n:02}@x.example", f"account:1{n:02}")) for n in range(30)]
    stored(parts, workspace, *both, *[Sent(1, (f"deal:1{n:02}",)) for n in range(30)])
    shown = search.find(workspace, "1", 20).data
    assert len({each.id for each in shown}) == 20
    assert {each.identities[0].type for each in shown} == {"account", "deal"}
    assert len(search.find(workspace, "1", 100).data) == 60


def test_nobody_is_shown_of_whom_no_event_counts(parts: Parts, search: Search, workspace: str) -> None:
    stored(parts, workspace, *[Sent(1, (f"account:{n:03}",), backfill="bf_gone") for n in range(50)])
    stored(parts, workspace, Sent(1, ("account:999",), name="Zed"))
    assert len(found(search, workspace, "account:", 100)) == 51
    parts.people._excluded = lambda _: frozenset(("bf_gone",))
    try:
        assert found(search, workspace, "account:", 20) == ["account:999"], "passed over until one is there"
    finally:
        parts.people._excluded = lambda _: frozenset()


def test_the_newest_name_of_ones_own_events(parts: Parts, search: Search, workspace: str) -> None:
    stored(
        parts,
        workspace,
        Sent(5, (ADA,), name="Old"),
        Sent(9, (ADA, PHONE), name="Eve"),
        Sent(9, (PHONE,), name="Zoe"),
        Sent(20, (BOB, ADA), name="Bob's"),
        Sent(30, (BOB,), reason="schema_violation", name="no"),
    )
    assert search.find(workspace, "ada", 1).data[0].name == parts.profiles.profile(workspace, ADA).name == "Bob's"
    parts.profiles.unmerge(workspace, BOB, BOB)
    assert search.find(workspace, "ada", 1).data[0].name == parts.profiles.profile(workspace, ADA).name == "Zoe"
    assert search.find(workspace, "bob", 1).data[0].name is None


def test_an_answer_is_as_if_everybody_were_looked_at(parts: Parts, search: Search, workspace: str) -> None:
    chance, people = Random(3), set[str]()
    for _ in range(4):
        some = [
            f"{chance.choice(('account', 'page', 'deal'))}:{''.join(chance.choices('ab@', k=chance.randrange(1, 5)))}"
            for _ in range(20)
        ]
        stored(parts, workspace, *[Sent(1, (each,)) for each in some])
        people |= {*some}
        for text in ("a", "b", "ab", "ba", "@", "aaa"):
            wanted = {each for each in people if each.partition(":")[2].startswith(text)}
            assert {*found(search, workspace, text, 100)} == wanted
            (exact := [each for each in found(search, workspace, text, 100) if each.endswith(f":{text}")]).sort()
            assert sorted(found(search, workspace, text, 100)[: len(exact)]) == exact


def test_whoever_has_very_many_identities_is_found(parts: Parts, search: Search, workspace: str) -> None:
    parts.people.configure(workspace, [], 1000)
    many = [f"deal:x{n:03}" for n in range(600)]
    stored(parts, workspace, *[Sent(1, pair) for pair in pairwise(many)], Sent(1, ("account:xx",)))
    assert len(parts.people.connected(workspace, many[0])) == 600
    assert found(search, workspace, "x0") == [many[0]], "nobody is called account:x0"
    assert found(search, workspace, "deal:x") == [many[0]]
    assert found(search, workspace, "xx") == ["account:xx"]
    assert found(search, workspace, "x") == ["account:xx"], "with those of the other that were too many"


def test_those_who_are_not_shown_hide_nobody(parts: Parts, search: Search, workspace: str) -> None:
    parts.people._excluded = lambda _: frozenset(("bf_held",))
    try:
        stored(parts, workspace, *[Sent(1, (f"account:{n:04}",), backfill="bf_held") for n in range(4000)])
        stored(parts, workspace, Sent(1, ("account:9999",)))
        assert found(search, workspace, "account:") == ["account:9999"]
        parts.people._excluded = lambda _: frozenset()
        assert found(search, workspace, "account:", 1) == ["account:0000"], "released"
        parts.people._excluded = lambda _: frozenset(("bf_held",))
        assert found(search, workspace, "account:") == ["account:9999"], "reverted"
        index = search._indexes[workspace]
        index.texts = index.texts.with_all([f"account:{n:04}" for n in range(1000)])  # of nobody any more
        assert found(search, workspace, "account:") == ["account:9999"]
    finally:
        parts.people._excluded = lambda _: frozenset()


def test_no_type_hides_contacts_or_the_type_that_is_given(parts: Parts, search: Search, workspace: str) -> None:
    types = [f"a{n:03}:19" for n in range(120)]
    stored(parts, workspace, *[Sent(1, (each,)) for each in (*types, "email:1@x.example", "phone:+1949", "zebra:19")])
    assert {"email:1@x.example", "phone:+1949"} < {*found(search, workspace, "1", 100)}
    assert found(search, workspace, "zebra:") == found(search, workspace, "zebra:1") == ["zebra:19"]


@pytest.mark.parametrize("text", ["\U0001faea", "a\u200db", "a\u200cb", "a\xa0b", "a\u3000b"])
def test_what_is_no_control_character_is_looked_for(parts: Parts, search: Search, workspace: str, text: str) -> None:
    stored(parts, workspace, Sent(1, (f"account:{text}",)))
    assert found(search, workspace, text) == [f"account:{text}"]


@pytest.mark.parametrize("text", ["", " ", "\t", "a\x00", "a\nb", "\x7f", "\u0085", "x" * 321, "\ud800"])
def test_what_names_nobody_is_refused(search: Search, workspace: str, text: str) -> None:
    with pytest.raises(InvalidError) as error:
        search.find(workspace, text, 20)
    assert error.value.path == "q"


# --- the index -----------------------------------------------------------------------------------------------------


class Held:
    """What is read of the store for an index, held up before every piece of one line until `go`."""

    def __init__(self, parts: Parts) -> None:
        self._stream: Callable[..., Iterator[bytes]] = parts.store.stream
        self.asked: list[Mapping[str, Any]] = []
        self.go = threading.Event()
        self.reading = 0

    def stream(self, query: str, about: Mapping[str, Any]) -> Iterator[bytes]:
        self.asked.append(about)
        self.reading += 1
        try:
            self.go.wait(20)
            for piece in self._stream(query, about):
                for line in piece.splitlines(keepends=True):
                    yield line
                    self.go.wait(20)
        finally:
            self.reading -= 1


@contextmanager
def held_up(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Held, ThreadPoolExecutor]]:
    """And threads to search in."""
    with monkeypatch.context() as patched, ThreadPoolExecutor() as threads:
        held = Held(parts)
        patched.setattr(parts.store, "stream", held.stream)
        try:
            yield held, threads
        finally:
            held.go.set()


def test_a_search_does_not_wait_for_ever(
    parts: Parts, search: Search, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(parts, workspace, Sent(1, (ADA,)))
    monkeypatch.setattr(asked, "WAIT_SECONDS", 0.05)
    with held_up(parts, monkeypatch), pytest.raises(UnavailableError):
        search.find(workspace, "ada", 20)
    monkeypatch.undo()
    assert found(search, workspace, "ada") == [ADA]


def test_few_searches_wait_for_an_index(
    parts: Parts, search: Search, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(parts, workspace, Sent(1, (ADA,)))
    other = new_workspace()
    stored(parts, other, Sent(1, (ADA,)))
    assert found(search, other, "ada") == [ADA]
    with held_up(parts, monkeypatch) as (held, threads):
        waiting = [threads.submit(found, search, workspace, "ada") for _ in range(asked.WAITING)]
        until(lambda: search._waiting._value == 0)
        began = time.monotonic()
        with pytest.raises(UnavailableError) as error:
            search.find(workspace, "ada", 20)
        assert time.monotonic() - began < 5 and error.value.retry_after > 1
        assert found(search, other, "ada") == [ADA], "others are found meanwhile"
        stored(parts, other, Sent(1, (BOB,)))
        threads.submit(found, search, other, "bob")
        until(lambda: len(held.asked) == 2)  # what is new there does not wait for a first time elsewhere
        held.go.set()
        assert [each.result(20) for each in waiting] == [[ADA]] * asked.WAITING
    assert found(search, other, "bob") == [BOB]


def test_a_search_waits_for_all_that_was_stored_before_it(
    parts: Parts, search: Search, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(parts, workspace, Sent(1, (ADA,)))
    with held_up(parts, monkeypatch) as (held, threads):
        first = threads.submit(found, search, workspace, "ada")
        until(lambda: held.reading == 1)
        stored(parts, workspace, Sent(1, (BOB,)))
        second = threads.submit(found, search, workspace, "bob")
        time.sleep(0.1)
        held.go.set()
        assert (first.result(20), second.result(20)) == ([ADA], [BOB])


def test_closing_waits_for_the_store_to_be_let_go(
    parts: Parts, search: Search, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(parts, workspace, *[Sent(1, (f"account:{n}",)) for n in range(20)])
    with held_up(parts, monkeypatch) as (held, threads):
        waiting = threads.submit(found, search, workspace, "1")
        until(lambda: held.reading == 1)
        closing = threads.submit(search.close)
        time.sleep(0.1)
        assert not closing.done()
        held.go.set()
        closing.result(20)
        assert held.reading == 0
        with pytest.raises(UnavailableError):
            waiting.result(20)
    with pytest.raises(UnavailableError):
        search.find(workspace, "1", 20)
    search.forget(workspace, ["account:1"])
    search.close()


def test_whoever_is_erased_is_taken_out_and_nobody_else(
    parts: Parts, search: Search, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(parts, workspace, Sent(1, (ADA,)), Sent(1, (BOB,)))
    assert found(search, workspace, "ada") == [ADA]
    index = search._indexes[workspace]
    index.texts = index.texts.with_all(["account:erased"])  # its events are gone
    with held_up(parts, monkeypatch) as (held, _):
        search.forget(workspace, ["account:erased", ADA, "account:never"])
        until(lambda: [*index.texts.beginning("")] == [ADA, BOB])  # she came again meanwhile
        assert not held.asked, "nothing is made anew"
    assert search._indexes[workspace] is index and found(search, workspace, "ada") == [ADA]
    search.forget(new_workspace(), [ADA])


def test_what_is_erased_while_an_index_is_made_does_not_stay(
    parts: Parts, search: Search, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(parts, workspace, Sent(1, (ADA,)))
    read = search._named

    def before_it_was_erased(*about: Any) -> Iterator[str]:
        yield from sorted([*read(*about), "account:erased"])

    monkeypatch.setattr(search, "_named", before_it_was_erased)
    with held_up(parts, monkeypatch) as (held, threads):
        waiting = threads.submit(found, search, workspace, "ada")
        until(lambda: held.reading == 1)
        search.forget(workspace, ["account:erased"])
        held.go.set()
        assert waiting.result(20) == [ADA]
        until(lambda: [*search._indexes[workspace].texts.beginning("")] == [ADA])


def test_an_index_that_is_forgotten_is_made_no_further(
    parts: Parts, search: Search, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(parts, workspace, *[Sent(1, (f"account:{n}",)) for n in range(20)])
    with held_up(parts, monkeypatch) as (held, threads):
        waiting = threads.submit(found, search, workspace, "19")
        until(lambda: held.reading == 1)
        index = search._indexes[workspace]
        search.forget(workspace)
        held.go.set()
        assert waiting.result(20) == ["account:19"], "by another one"
        assert not len(index.texts) and search._indexes[workspace] is not index


def test_an_index_nobody_searches_is_dropped(
    parts: Parts, search: Search, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "LOOK_SECONDS", 0.05)
    other = Search(parts.store, parts.state, parts.people, search._catalog)
    try:
        stored(parts, workspace, Sent(1, (ADA,)))
        assert found(other, workspace, "ada") == [ADA]
        time.sleep(0.2)
        assert [*other._indexes] == [workspace]
        monkeypatch.setattr(asked, "IDLE_SECONDS", 0.1)
        until(lambda: not other._indexes)
        assert found(other, workspace, "ada") == [ADA]
    finally:
        other.close()


def test_an_index_is_dropped_when_all_take_too_much(
    parts: Parts, search: Search, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = new_workspace()
    for each in (workspace, other):
        stored(parts, each, Sent(1, (ADA,)))
        assert found(search, each, "ada") == [ADA]
    assert [*search._indexes] == [workspace, other]
    monkeypatch.setattr(asked, "MOST_BYTES", 1)
    assert found(search, other, "ada") == [ADA]
    assert [*search._indexes] == [other]
    search.forget(other)
    assert not search._indexes and found(search, other, "ada") == [ADA]


# --- a profile's events --------------------------------------------------------------------------------------------


def events(parts: Parts, workspace: str, key: str, limit: int = 100, **filters: Any) -> list[str]:
    """All pages."""
    ids, after = list[str](), TOP
    while True:
        page = parts.insight.events_of(workspace, key, Filters(**filters), limit, after)
        ids += [event.id for event in page.data]
        if page.next is None:
            return ids
        assert len(page.data) == limit
        after = place_of(page.next)


def test_events_of_all_identities_newest_first(parts: Parts, workspace: str) -> None:
    sent = [
        Sent(1, (ADA,)),
        Sent(2, (ADA, PHONE), signal="addToCart"),
        Sent(3, (PHONE,), reason="schema_violation"),
        Sent(4, (BOB,)),
        Sent(4, (PHONE,)),
    ]
    _, ids = parts.send(workspace, *sent)
    theirs = [str(ids[place]) for place in (4, 2, 1, 0)]
    # Pending ones, as far as each by itself tells whose it will be.
    assert events(parts, workspace, ADA) == events(parts, workspace, ADA, status=Status.PENDING) == theirs[2:]
    assert events(parts, workspace, PHONE) == theirs[:3]
    parts.drain()
    for key in (ADA, PHONE, "email: ADA@x.example"):
        for limit in (1, 2, 100):
            assert events(parts, workspace, key, limit) == theirs
    assert events(parts, workspace, ADA, signal="addToCart") == [theirs[2]]
    assert events(parts, workspace, ADA, status=Status.REJECTED) == [theirs[1]]
    assert events(parts, workspace, ADA, status=Status.PENDING) == []
    assert events(parts, workspace, ADA, from_ms=2, to_ms=4) == theirs[1:3]
    assert events(parts, workspace, "account:none") == events(parts, new_workspace(), ADA) == []
    for key in ("nobody", "", "email:x", ":1"):
        with pytest.raises(NotFoundError):
            events(parts, workspace, key)


def test_an_event_is_one_profiles_before_and_after_an_unmerge(parts: Parts, workspace: str) -> None:
    a, b, both = stored(parts, workspace, Sent(1, (ADA,)), Sent(2, (PHONE,)), Sent(3, (ADA, PHONE)))
    parts.people.configure(workspace, [BOB], 100)
    (shared,) = stored(parts, workspace, Sent(4, (BOB, PHONE)))
    assert events(parts, workspace, ADA) == events(parts, workspace, PHONE) == [shared, both, b, a]
    assert events(parts, workspace, BOB) == []
    parts.profiles.unmerge(workspace, ADA, PHONE)
    assert (events(parts, workspace, ADA), events(parts, workspace, PHONE)) == ([a], [shared, b])
    _, (later,) = parts.send(workspace, Sent(5, (ADA, PHONE)))
    for _ in range(2):  # pending, and stored
        assert (events(parts, workspace, ADA), events(parts, workspace, PHONE)) == ([str(later), a], [shared, b])
        parts.drain()
    for key in (ADA, PHONE):
        assert len(events(parts, workspace, key)) == parts.profiles.profile(workspace, key).events


def test_every_event_is_in_one_profiles_list(parts: Parts, workspace: str) -> None:
    chance, people = Random(5), [f"account:{n}" for n in range(8)]
    for number in range(12):
        parts.send(workspace, *[Sent(number, tuple(chance.sample(people, chance.randrange(1, 3)))) for _ in range(4)])
        if number % 3:
            parts.drain()
        if number == 6:
            joined = next(each for each in people if len(parts.people.connected(workspace, each)) > 1)
            parts.profiles.unmerge(workspace, joined, joined)
    parts.drain()
    by_profile: dict[str, list[str]] = {}
    for event in parts.insight.events(workspace, Filters(), 1000).data:
        if event.profile_id is not None:
            by_profile.setdefault(event.profile_id, []).append(event.id)
    for each in people:
        id_ = profile_id(workspace, parts.people.connected(workspace, each))
        assert events(parts, workspace, each, 7) == by_profile.get(id_, [])
