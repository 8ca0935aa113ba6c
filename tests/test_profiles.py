"""Profiles over real parts: who they are, what they come to, and that an unmerge gives back what was."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import profiles as module
from headwater.catalog.base import NewSignal
from headwater.catalog.reading import CatalogReader
from headwater.catalog.sqlite import SqliteCatalog
from headwater.clock import DAY_MS, now_ms, to_iso
from headwater.errors import ConflictError, InvalidError, NotFoundError
from headwater.profiles import Profiles, newest_properties
from headwater.rules.profile import profile_id, representative
from headwater.state.cohorts import Change, Cohort
from parts import ADA, Parts, Sent, new_workspace, running_parts

EMAIL, PHONE, OTHER = "email:a@x.y", "phone:+15550000001", "email:b@x.y"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    directory = tmp_path_factory.mktemp("parts")
    with running_parts(directory) as parts:
        yield parts


@pytest.fixture
def profiles(parts: Parts) -> Profiles:
    return parts.profiles


@pytest.fixture
def workspace() -> str:
    return new_workspace()


def plain(answer: msgspec.Struct) -> Any:
    """What a client reads."""
    return msgspec.json.decode(msgspec.json.encode(answer))


def seen(parts: Parts, workspace: str, *events: Sent) -> None:
    parts.send(workspace, *events)
    parts.drain()


def test_a_profile_is_one_for_all_its_identities(parts: Parts, profiles: Profiles, workspace: str) -> None:
    seen(
        parts,
        workspace,
        Sent(10, (EMAIL, PHONE), name="Old"),
        Sent(30, (OTHER, PHONE), name="New"),
        Sent(20, (OTHER,), name="Between"),
        Sent(99, (EMAIL,), name="Rejected", reason="schema_violation"),
        Sent(40, (OTHER,)),
    )
    every = [EMAIL, OTHER, PHONE]
    expected = {
        "id": profile_id(workspace, every),
        "name": "New",
        "identities": [{"type": type_, "id": id_} for type_, _, id_ in (one.partition(":") for one in every)],
        "attributes": {},
        "events": 4,
        "first_seen": "1970-01-01T00:00:00.010Z",
        "last_seen": "1970-01-01T00:00:00.040Z",
        "states": {},
        "metrics": {},
        "cohorts": [],
    }
    for key in (*every, "email:  A@X.Y ", "phone: 15550000001"):
        assert plain(profiles.profile(workspace, key)) == expected


def test_a_pending_event_does_not_count(parts: Parts, profiles: Profiles, workspace: str) -> None:
    seen(parts, workspace, Sent(1, (EMAIL, "account:1")))
    parts.send(workspace, Sent(2, (PHONE, EMAIL)))
    assert profiles.profile(workspace, "account:1").events == 1
    with pytest.raises(NotFoundError):
        profiles.profile(workspace, PHONE)
    parts.drain()
    assert profiles.profile(workspace, PHONE).events == 2


def test_of_names_given_at_once_the_greatest_in_canonical_json_is_shown(
    parts: Parts, profiles: Profiles, workspace: str
) -> None:
    seen(parts, workspace, *(Sent(5, name=name) for name in ("ab", "ab!", "ab c", "Zoë")), Sent(4, name="zzz"))
    # "ab" closes with a quote (0x22), which is greater than the blank and the exclamation mark.
    assert profiles.profile(workspace, ADA[0]).name == "ab"


@pytest.mark.parametrize("key", ["email:never@x.y", "email:", ":x", "phone:12", "a\0b:\t'\\", "nonsense", ""])
def test_an_identity_never_seen_has_no_profile(profiles: Profiles, workspace: str, key: str) -> None:
    with pytest.raises(NotFoundError):
        profiles.profile(workspace, key)


def test_an_identity_of_rejected_events_only_has_no_profile(parts: Parts, profiles: Profiles, workspace: str) -> None:
    seen(parts, workspace, Sent(5, reason="schema_violation"))
    with pytest.raises(NotFoundError):
        profiles.profile(workspace, ADA[0])


def test_attributes_are_the_newest_of_each_property(parts: Parts, profiles: Profiles, workspace: str) -> None:
    def created(ms: int, **data: Any) -> Sent:
        return Sent(ms, signal="customerCreated", data=data)

    seen(
        parts,
        workspace,
        created(30, plan="gold", city=None, size=1),
        created(10, plan="silver", city="Pune", **{"a b.c": [1, {"z": 1, "a": 2}]}),
        created(30, size=1.0, tie="b"),
        created(30, tie="a", name="not this one"),
        Sent(50, data={"plan": "of another signal"}),
        Sent(60, signal="customerCreated", data={"plan": "rejected"}, reason="schema_violation"),
    )
    attributes = profiles.profile(workspace, ADA[0]).attributes
    assert {name: bytes(value) for name, value in attributes.items()} == {
        "a b.c": b'[1,{"a":2,"z":1}]',
        "city": b'"Pune"',
        "plan": b'"gold"',
        "size": b"1.0",
        "tie": b'"b"',
    }


def test_traits_are_attributes_and_what_lies_beside_them_is_not(
    parts: Parts, profiles: Profiles, workspace: str
) -> None:
    beside = {"context": {"ip": "203.0.113.7"}, "integrations": {"All": True}}
    seen(
        parts,
        workspace,
        Sent(10, signal="identify", data={"plan": "gold", "city": "Pune", **beside}),
        Sent(20, signal="customerCreated", data={"plan": "free", "city": None, "integrations": "own"}),
        Sent(30, signal="page", data={"plan": "of a page"}),
        Sent(40, signal="identify", data={"seats": 5, **beside}),
    )
    attributes = profiles.profile(workspace, ADA[0]).attributes
    assert {name: bytes(value) for name, value in attributes.items()} == {
        "city": b'"Pune"',
        "integrations": b'"own"',
        "plan": b'"free"',
        "seats": b"5",
    }


def test_the_first_thousand_attributes_by_name_are_shown(parts: Parts, profiles: Profiles, workspace: str) -> None:
    """What is behind them is not shown at all, rather than with an old value."""
    names = [f"é{n:04}" for n in range(1_200)]
    sent = [Sent(1, signal="customerCreated", data=dict.fromkeys([*names, "\U0001f600", "name"], "old"))]
    sent += [Sent(2 + n, signal="customerCreated", data={name: n}) for n, name in enumerate(names)]
    for start in range(0, len(sent), 100):
        seen(parts, workspace, *sent[start : start + 100])
    attributes = plain(profiles.profile(workspace, ADA[0]))["attributes"]
    assert attributes == {name: n for n, name in enumerate(names[:1_000])}


def test_attributes_are_read_from_so_many_bytes_and_events(
    parts: Parts, profiles: Profiles, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest of them; a value that is not the newest is never shown."""
    sent = [Sent(n, signal="customerCreated", data={f"p{n}": "x" * 1_000, "all": n}) for n in range(10)]
    sent += [Sent(20, signal="customerCreated", data={"tie": n, "p0": n}) for n in range(10)]
    seen(parts, workspace, *sent, *sent)  # texts told twice count once
    whole = plain(profiles.profile(workspace, ADA[0]))["attributes"]
    assert whole == {"all": 9, "tie": 9, "p0": 9} | {f"p{n}": "x" * 1_000 for n in range(1, 10)}
    monkeypatch.setattr(module, "MOST_BYTES", 3_500)
    assert plain(profiles.profile(workspace, ADA[0]))["attributes"] == {
        name: whole[name] for name in ("all", "tie", "p0", "p7", "p8", "p9")
    }
    monkeypatch.setattr(module, "MOST_EVENTS", 4)
    assert plain(profiles.profile(workspace, ADA[0]))["attributes"].keys() == {"tie", "p0"}


values = st.none() | st.integers(-3, 3) | st.sampled_from([1.0, True, "x", "é", [1], {"b": 1, "a": 2}])
events = st.lists(st.tuples(st.integers(0, 3), st.dictionaries(st.sampled_from("abc"), values, max_size=3)), max_size=8)


@given(events, st.randoms(use_true_random=False))
def test_order_of_events_does_not_matter(events: list[tuple[int, dict[str, Any]]], random: Any) -> None:
    texts = [(ms, msgspec.json.encode(data).decode()) for ms, data in events]
    wanted = newest_properties(texts)
    random.shuffle(texts)
    assert newest_properties(texts) == wanted
    assert wanted.keys() == {name for _, data in events for name, value in data.items() if value is not None}
    for name, raw in wanted.items():
        last = max(ms for ms, data in events if data.get(name) is not None)
        rivals = [msgspec.json.encode(data[name], order="sorted") for ms, data in events if ms == last and name in data]
        assert bytes(raw) == max(each for each in rivals if each != b"null")


@given(events)
@settings(max_examples=25)
def test_the_store_and_the_rule_agree(parts: Parts, events: list[tuple[int, dict[str, Any]]]) -> None:
    workspace = new_workspace()
    seen(parts, workspace, Sent(9), *(Sent(ms, signal="customerCreated", data=data) for ms, data in events))
    wanted = newest_properties((ms, msgspec.json.encode(data).decode()) for ms, data in events)
    assert parts.profiles.profile(workspace, ADA[0]).attributes == wanted


def test_states_metrics_and_cohorts(parts: Parts, tmp_path: Path) -> None:
    catalog = SqliteCatalog(tmp_path / "catalog.db", b"s" * 32)
    workspace, _ = catalog.create_workspace("test", "measured", None)
    w, now = workspace.id, now_ms()
    catalog.create_signal("test", w, NewSignal(name="health", type="state", value="v"))
    for aggregation in ("sum", "count", "avg", "min", "max"):
        catalog.create_signal(
            "test", w, NewSignal(name=aggregation, type="metric", aggregation=aggregation, period="day", value="v")
        )
    catalog.close()
    definitions = CatalogReader(tmp_path / "catalog.db")
    profiles = Profiles(parts.store, parts.people, definitions, parts.memberships)
    old = now - 3 * DAY_MS
    sent = [Sent(old, ADA, "health", value='"good"'), Sent(now, ADA, "health", value='"a"')]
    sent += [Sent(now, (*ADA, PHONE), "health", value='"b"')]
    for aggregation in ("sum", "count", "avg"):
        sent += [Sent(ms, ADA, aggregation, value=value) for ms, value in ((old, "0.1"), (now, "0.2"), (now, "5"))]
    sent += [Sent(old, ADA, "min", value="-0.000000001"), Sent(old, ADA, "max", value="7"), Sent(old, ADA, "max")]
    seen(parts, w, *sent)
    parts.memberships.add(Cohort("coh_00000001", w, "In it", {}, 1))
    parts.memberships.add(Cohort("coh_00000002", w, "Not in it", {}, 2))
    parts.memberships.fill("coh_00000001", [representative(w, [ADA[0], PHONE])], 1_000)
    parts.memberships.fill("coh_00000002", ["email:else@x.y"], 1_000)
    parts.memberships.add(Cohort("coh_00000003", w, "Not filled yet", {}, 3))
    parts.memberships.apply([Change("coh_00000003", representative(w, [ADA[0], PHONE]), 1, True, "clock")])
    answer = plain(profiles.profile(w, PHONE))
    assert answer["states"]["health"] | {"event_id": ""} == {"value": "b", "since": to_iso(now), "event_id": ""}
    assert {slug: (metric["value"], metric["total"]) for slug, metric in answer["metrics"].items()} == {
        "sum": (5.2, 5.3),
        "count": (2, 3),
        "avg": (2.6, 5.3 / 3),
        "min": (None, -0.000000001),
        "max": (None, 7),
    }
    assert answer["metrics"]["sum"]["period_start"] == to_iso(now - now % DAY_MS)
    assert answer["cohorts"] == [{"id": "coh_00000001", "name": "In it"}]
    definitions.close()


def test_what_is_not_connected_is_shown_with_its_reason(parts: Parts, profiles: Profiles, workspace: str) -> None:
    parts.people.configure(workspace, [PHONE], 2)
    seen(parts, workspace, Sent(1, (EMAIL, PHONE)), Sent(2, (EMAIL, "account:1")), Sent(3, (EMAIL, "account:2")))
    answer = plain(profiles.connections(workspace, EMAIL))
    assert profiles.profile(workspace, EMAIL).events == 3
    assert (answer["id"], answer["set_aside"]) == (profile_id(workspace, [EMAIL, "account:1"]), 0)
    assert answer["identities"] == [{"type": "account", "id": "1"}, {"type": "email", "id": "a@x.y"}]
    phone, account = {"type": "phone", "id": PHONE[6:]}, {"type": "account", "id": "2"}
    email = {"type": "email", "id": "a@x.y"}
    assert answer["not_connected"] == [
        {"identities": [email, phone], "reason": "never_connect"},
        {"identities": [account, email], "reason": "profile_full"},
    ]
    shared = profiles.profile(workspace, PHONE)
    assert (shared.events, shared.first_seen, shared.name) == (0, None, None)


def test_an_unmerge_gives_back_exactly_what_was(parts: Parts, profiles: Profiles, workspace: str) -> None:
    about = {"plan": "gold"}
    seen(parts, workspace, Sent(1, (EMAIL, PHONE), "customerCreated", name="A", data=about), Sent(2, (PHONE,)))
    seen(parts, workspace, Sent(3, (OTHER,), name="B"), Sent(9, (OTHER,), "customerCreated", data={"plan": "free"}))
    before = [plain(profiles.profile(workspace, key)) for key in (EMAIL, OTHER)]
    seen(parts, workspace, Sent(20, (OTHER, PHONE), "customerCreated", name="Merged", data={"plan": "both"}))
    merged = plain(profiles.profile(workspace, EMAIL))
    assert (merged["name"], merged["events"], merged["attributes"]) == ("Merged", 5, {"plan": "both"})

    unmerged = plain(profiles.unmerge(workspace, PHONE, OTHER))
    assert unmerged["profiles"] == before[::-1]
    for key in (EMAIL, OTHER):
        connections = plain(profiles.connections(workspace, key))
        assert connections["set_aside"] == 1
        assert connections["not_connected"] == [{"reason": "severed", "identities": unmerged["severed"][0]}]
    assert [plain(profiles.profile(workspace, key)) for key in (PHONE, OTHER)] == unmerged["profiles"][::-1]

    parts.send(workspace, Sent(30, (OTHER, PHONE)))
    parts.drain()
    assert [profiles.profile(workspace, key).events for key in (EMAIL, OTHER)] == [2, 3]
    with pytest.raises(ConflictError):
        profiles.unmerge(workspace, OTHER, OTHER)


@pytest.mark.parametrize("cut", ["nonsense", "phone:12", "email:c@x.y", OTHER])
def test_only_an_identity_of_the_profile_can_be_cut(parts: Parts, profiles: Profiles, workspace: str, cut: str) -> None:
    seen(parts, workspace, Sent(1, (EMAIL, PHONE)), Sent(1, (OTHER,)))
    with pytest.raises(InvalidError) as caught:
        profiles.unmerge(workspace, EMAIL, cut)
    assert caught.value.path == "identity"
    with pytest.raises(NotFoundError):
        profiles.unmerge(workspace, "email:never@x.y", EMAIL)
    assert profiles.connections(workspace, EMAIL).set_aside == 0


def test_a_profile_can_be_named_by_its_id_where_it_is_cut(parts: Parts, profiles: Profiles, workspace: str) -> None:
    seen(parts, workspace, Sent(1, (EMAIL, PHONE)), Sent(1, (OTHER,)))
    whole = profiles.profile(workspace, EMAIL).id
    for cut in (OTHER, "email:never@x.y"):
        with pytest.raises(NotFoundError, match="no profile prf_"):
            profiles.unmerge(workspace, whole, cut)
    with pytest.raises(ConflictError):
        profiles.unmerge(workspace, profiles.profile(workspace, OTHER).id, OTHER)
    never = profile_id(workspace, ["email:never@x.y"])
    with pytest.raises(NotFoundError, match="No event"):
        profiles.unmerge(workspace, never, "email:never@x.y")
    assert len(profiles.unmerge(workspace, whole, PHONE).profiles) == 2


def test_whoever_counts_is_told_of_an_unmerge(parts: Parts, workspace: str, tmp_path: Path) -> None:
    told: list[bool] = []
    profiles = Profiles(parts.store, parts.people, parts.catalog, parts.memberships, lambda: told.append(True))
    seen(parts, workspace, Sent(1, (EMAIL, PHONE)))
    profiles.unmerge(workspace, EMAIL, PHONE)
    assert told == [True]
