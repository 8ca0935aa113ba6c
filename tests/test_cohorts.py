"""Cohorts as they are asked for, over a real file of them; who performed what is in memory here."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headwater import cohorts as module
from headwater.cohorts import Cohorts
from headwater.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from headwater.rules.cursor import encoded
from headwater.rules.profile import profile_id
from headwater.state.cohorts import Change, Cohort
from headwater.state.cohorts_sqlite import SqliteMemberships
from remembered import ACME, ADA, BOB, ORDERED, PHONE, SIGNALS, WORKSPACE, Remembered, connected


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[SqliteMemberships]:
    kept = SqliteMemberships(tmp_path / "cohorts.db")
    yield kept
    kept.close()


@pytest.fixture
def live(kept: SqliteMemberships) -> Remembered:
    return Remembered(kept)


@pytest.fixture
def cohorts(kept: SqliteMemberships, live: Remembered) -> Cohorts:
    return Cohorts(kept, live, lambda workspace: SIGNALS, connected)


def test_a_cohorts_life(cohorts: Cohorts, kept: SqliteMemberships, live: Remembered) -> None:
    made = cohorts.create(WORKSPACE, " Regulars ", ORDERED)
    assert (made.name, made.size, made.definition) == ("Regulars", 1, ORDERED)
    assert made.id.startswith("coh_") and made.as_of == "1970-01-01T00:00:02.000Z"
    assert cohorts.list(WORKSPACE, 10, None).data == [made] and cohorts.show(WORKSPACE, made.id) == made
    assert cohorts.rename(WORKSPACE, made.id, "Others").name == "Others"
    cohorts.delete(WORKSPACE, made.id)
    assert not live.defined and not kept.cohorts()
    with pytest.raises(NotFoundError, match=made.id):
        cohorts.show(WORKSPACE, made.id)


def test_a_cohort_that_could_not_be_filled_is_not_there(
    cohorts: Cohorts, kept: SqliteMemberships, live: Remembered
) -> None:
    live.fails = UnavailableError("catching up")
    with pytest.raises(UnavailableError):
        cohorts.create(WORKSPACE, "a", ORDERED)
    assert not kept.cohorts() and not live.defined
    live.fails = None
    cohorts.create(WORKSPACE, "a", ORDERED)


def test_a_cohort_on_its_way_has_no_size(cohorts: Cohorts, kept: SqliteMemberships) -> None:
    kept.add(Cohort("coh_00000000", WORKSPACE, "a", ORDERED, 1))
    assert cohorts.show(WORKSPACE, "coh_00000000").size is None


def test_names_are_taken_once(cohorts: Cohorts, monkeypatch: pytest.MonkeyPatch) -> None:
    cohorts.create(WORKSPACE, "a", ORDERED)
    other = cohorts.create(WORKSPACE, "b", ORDERED)
    with pytest.raises(ConflictError, match="'a'"):
        cohorts.create(WORKSPACE, "a ", ORDERED)
    with pytest.raises(ConflictError, match="'a'"):
        cohorts.rename(WORKSPACE, other.id, "a")
    with pytest.raises(InvalidError, match="name"):
        cohorts.rename(WORKSPACE, other.id, " ")
    monkeypatch.setattr(module, "MOST", 2)
    with pytest.raises(ConflictError, match="2 cohorts"):
        cohorts.create(WORKSPACE, "c", ORDERED)
    assert {each.name for each in cohorts.list(WORKSPACE, 10, None).data} == {"a", "b"}


@pytest.mark.parametrize(
    "definition",
    [
        {"subject": "person", "where": {"attribute": "name", "is": "\ud800"}},
        {"subject": "person", "where": {"performed": "ordered", "count": {">=": float("nan")}}},
        {"subject": "person", "where": {"performed": "ordered", "filter": {"\udfff": 1}}},
        {"subject": "person", "where": {"performed": "ordered", "x": "y" * module.LARGEST}},
        {"subject": "person", "where": {"performed": "nothing"}},
        [],
        None,
    ],
)
def test_what_is_no_definition_is_refused_with_its_place(
    cohorts: Cohorts, kept: SqliteMemberships, definition: Any
) -> None:
    for ask in (lambda: cohorts.preview(WORKSPACE, definition), lambda: cohorts.create(WORKSPACE, "a", definition)):
        with pytest.raises(InvalidError) as told:
            ask()
        assert told.value.path.startswith("definition")
    assert not kept.cohorts()


def test_endless_nesting_is_refused(cohorts: Cohorts) -> None:
    where: Any = {"performed": "ordered"}
    for _ in range(100_000):
        where = {"not": where}
    with pytest.raises(InvalidError):
        cohorts.preview(WORKSPACE, {"subject": "person", "where": where})


def test_a_preview_keeps_nothing(cohorts: Cohorts, kept: SqliteMemberships, live: Remembered) -> None:
    live.orders |= {f"account:{n:03}": 2 for n in range(30)}
    found = cohorts.preview(WORKSPACE, ORDERED)
    assert found.size == 31 and len(found.sample) == module.SAMPLE and not kept.cohorts()
    assert found.sample[0].profile_id == profile_id(WORKSPACE, ["account:000"])


def test_members_are_profiles_with_all_their_identities(cohorts: Cohorts, live: Remembered) -> None:
    live.orders |= {f"account:{n:03}": 2 for n in range(25)}
    made = cohorts.create(WORKSPACE, "a", ORDERED)
    found, cursor = [], None
    while True:
        page = cohorts.members(WORKSPACE, made.id, 7, cursor)
        found += page.data
        if (cursor := page.next) is None:
            break
    assert len(found) == 26 and len({each.profile_id for each in found}) == 26
    assert msgspec.to_builtins(found[-1]) == {
        "profile_id": profile_id(WORKSPACE, [ADA, PHONE]),
        "identities": [{"type": "email", "id": "ada@x.example"}, {"type": "phone", "id": "+19494572000"}],
        "since": "1970-01-01T00:00:01.000Z",
    }


def test_an_explanation_is_of_the_profile_whatever_it_is_asked_by(cohorts: Cohorts) -> None:
    made = cohorts.create(WORKSPACE, "a", ORDERED)
    by_email = cohorts.explain(WORKSPACE, made.id, "email: ADA@x.example ")
    assert by_email == cohorts.explain(WORKSPACE, made.id, "phone: 19494572000")
    assert by_email.member and by_email.since == "1970-01-01T00:00:01.000Z" and by_email.is_subject
    (condition,) = by_email.explain
    assert (condition.condition, condition.holds, condition.observed) == (ORDERED["where"], True, 2)
    assert "ordered" in condition.text
    never = cohorts.explain(WORKSPACE, made.id, "email:none@x.example")
    assert (never.member, never.since, never.explain[0].observed) == (False, None, 0)
    account = cohorts.explain(WORKSPACE, made.id, ACME)
    assert (account.member, account.subject, account.is_subject) == (False, "person", False)
    for key in ("ada", "email:", ":x", "email:ada", "phone:1"):
        with pytest.raises(InvalidError, match="type:id"):
            cohorts.explain(WORKSPACE, made.id, key)


def test_the_steps_of_a_sequence_are_told_as_times(cohorts: Cohorts) -> None:
    where = {"sequence": [{"performed": "addToCart"}, {"performed": "ordered"}], "gap": "7d"}
    made = cohorts.create(WORKSPACE, "a", {"subject": "person", "where": where})
    (condition,) = cohorts.explain(WORKSPACE, made.id, ADA).explain
    assert condition.condition == where
    assert condition.observed == ["1970-01-01T00:00:05.000Z", "1970-01-01T00:00:06.000Z"]
    assert cohorts.explain(WORKSPACE, made.id, "email:none@x.example").explain[0].observed == []


def test_changes_are_told_newest_first_and_by_profile(cohorts: Cohorts, kept: SqliteMemberships) -> None:
    id_ = cohorts.create(WORKSPACE, "a", ORDERED).id
    event = "01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e01"
    kept.apply([Change(id_, PHONE, 10, True, "event", event), Change(id_, BOB, 11, True, "caught_up")])
    kept.apply([Change(id_, PHONE, 12, False, "clock"), Change(id_, BOB, 13, False, "profile")])
    first = cohorts.changes(WORKSPACE, id_, 3, None)
    rest = cohorts.changes(WORKSPACE, id_, 3, first.next)
    told = [(each.at[-5:-1], each.change, each.kind, each.event_id) for each in (*first.data, *rest.data)]
    assert told == [
        (".013", "left", "profile", None),
        (".012", "left", "clock", None),
        (".011", "entered", "caught_up", None),
        (".010", "entered", "event", event),
    ]
    assert first.data[1].profile_id == profile_id(WORKSPACE, [ADA, PHONE]) and rest.next is None
    of_ada = cohorts.changes(WORKSPACE, id_, 10, None, ADA).data
    assert [each.kind for each in of_ada] == ["clock", "event"]
    with pytest.raises(InvalidError, match="identity"):
        cohorts.changes(WORKSPACE, id_, 10, None, "x")
    with pytest.raises(InvalidError, match="cursor"):
        cohorts.changes(WORKSPACE, id_, 10, "x" * 5)


@pytest.mark.parametrize("place", ["x", "1" * 14, "1" * 14 + "x", "-" + "1" * 14 + "coh_a", "²" * 15])
def test_a_cursor_that_no_list_gave_is_refused(cohorts: Cohorts, place: str) -> None:
    with pytest.raises(InvalidError, match="cursor"):
        cohorts.list(WORKSPACE, 10, encoded(place))


def test_a_definition_has_so_many_bytes_at_most(cohorts: Cohorts, monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.LARGEST == 64 * 1024
    monkeypatch.setattr(module, "LARGEST", len(json.dumps(ORDERED)))
    cohorts.create(WORKSPACE, "a", ORDERED)
    monkeypatch.setattr(module, "LARGEST", len(json.dumps(ORDERED)) - 1)
    with pytest.raises(InvalidError, match="at most"):
        cohorts.preview(WORKSPACE, ORDERED)


def test_a_question_reads_no_other_definition(cohorts: Cohorts, kept: SqliteMemberships) -> None:
    made = cohorts.create(WORKSPACE, "a", ORDERED)
    cohorts.create(WORKSPACE, "b", ORDERED)
    kept._write.execute("UPDATE cohorts SET definition = 'no JSON' WHERE name = 'b'")
    assert cohorts.show(WORKSPACE, made.id) == made
    cohorts.create(WORKSPACE, "c", ORDERED)


@pytest.mark.parametrize("many", [0, 5, 9_000])
def test_exports_hold_every_member_once(cohorts: Cohorts, live: Remembered, many: int) -> None:
    live.orders = {f"account:{n:05}": 2 for n in range(many)}
    made = cohorts.create(WORKSPACE, "a", ORDERED)
    lines = b"".join(cohorts.export(WORKSPACE, made.id, "ndjson")).splitlines()
    assert [msgspec.json.decode(line)["identities"][0]["id"] for line in lines] == [f"{n:05}" for n in range(many)]
    rows = b"".join(cohorts.export(WORKSPACE, made.id, "csv")).decode().split("\r\n")
    assert rows[0] == "profile_id,email,phone,others,since" and rows[-1] == "" and len(rows) == many + 2
    if many == 9_000:
        assert len(list(cohorts.export(WORKSPACE, made.id, "csv"))) > 1


def test_nothing_crosses_into_another_workspace(cohorts: Cohorts) -> None:
    made = cohorts.create(WORKSPACE, "a", ORDERED)
    other = "ws_otherone"
    assert cohorts.list(other, 10, None).data == []
    asks = (
        lambda: cohorts.show(other, made.id),
        lambda: cohorts.rename(other, made.id, "x"),
        lambda: cohorts.delete(other, made.id),
        lambda: cohorts.members(other, made.id, 10, None),
        lambda: cohorts.explain(other, made.id, ADA),
        lambda: cohorts.changes(other, made.id, 10, None),
        lambda: cohorts.export(other, made.id, "csv"),
    )
    for ask in asks:
        with pytest.raises(NotFoundError):
            ask()
    assert cohorts.show(WORKSPACE, made.id) == made
    assert cohorts.create(other, "a", ORDERED).name == "a"


def test_the_list_is_walked_by_its_cursor(cohorts: Cohorts) -> None:
    made = [cohorts.create(WORKSPACE, f"{n}", ORDERED).id for n in range(11)]
    found, cursor = [], None
    while True:
        page = cohorts.list(WORKSPACE, 4, cursor)
        found += [each.id for each in page.data]
        if (cursor := page.next) is None:
            break
        cohorts.delete(WORKSPACE, found[-1])
    assert sorted(found) == sorted(made)
