"""A record as rows, and what its events link."""

import msgspec
import pytest

from blocks import WORKSPACE, as_record, batch_of_rows, make_row
from headwater.events import Batch, Lane, Part, event_ids
from headwater.state.base import Link
from headwater.store import familiar
from headwater.store.familiar import Familiar
from headwater.store.rows import COLUMNS, links_of, rows_of


def test_every_line_gets_what_its_batch_shares() -> None:
    text = 'a "quoted" [\\n[ \n[ line'
    record = as_record(batch_of_rows([["email:" + text], [], ["a:b", "c:d"]], name=text, data={text: [[], [text]]}))
    lines = rows_of(record, 42).splitlines(keepends=True)
    originals = record.lines.splitlines()
    assert len(lines) == 3 and all(line.endswith(b"]\n") for line in lines)
    for line, original in zip(lines, originals, strict=True):
        row = msgspec.json.decode(line)
        assert len(row) == len(COLUMNS) - 1  # it was not replayed
        assert row == [42, "realtime", WORKSPACE, "bik", *msgspec.json.decode(original)]


def test_one_event_is_one_row() -> None:
    record = as_record(batch_of_rows([["a:b"]], lane=Lane.MIGRATION))
    assert rows_of(record, 1).startswith(b'[1,"migration","ws_abcdefgh","bik","')


def test_all_identities_of_an_event_are_linked_with_its_first() -> None:
    named = [["phone:1", "email:a", "account:7"], ["email:a", "phone:1"], ["email:solo"]]
    record = as_record(batch_of_rows(named, occurred_ms=5))
    assert links_of(record) == {Link(WORKSPACE, "email:a", "phone:1", 5), Link(WORKSPACE, "account:7", "phone:1", 5)}


def test_a_link_is_as_old_as_the_earliest_event() -> None:
    batch = batch_of_rows([["email:a", "phone:1"]] * 3)
    rows = [make_row(id_, ["email:a", "phone:1"], occurred_ms=ms) for id_, ms in zip("abc", (7, -5, 6), strict=True)]
    lines = b"".join([msgspec.json.encode(row) + b"\n" for row in rows])
    record = as_record(Batch(batch.id, WORKSPACE, "bik", (Part(Lane.REALTIME, 3, 0, 0, lines),)))
    assert links_of(record) == {Link(WORKSPACE, "email:a", "phone:1", -5)}


def test_an_identity_named_twice_links_nothing() -> None:
    assert links_of(as_record(batch_of_rows([["email:a", "email:a"]]))) == set()


def test_a_rejected_event_links_nothing() -> None:
    batch = batch_of_rows([["email:a", "phone:1"]])
    ids = event_ids(batch.id, 2)
    rows = [
        make_row(ids[0], ["email:a", "phone:1"], reason="schema_violation"),
        make_row(ids[1], ["email:b", "phone:2"], occurred_ms=5),
    ]
    lines = b"".join([msgspec.json.encode(row) + b"\n" for row in rows])
    record = as_record(Batch(batch.id, WORKSPACE, "bik", (Part(Lane.REALTIME, 2, 0, 0, lines),)))
    assert links_of(record) == {Link(WORKSPACE, "email:b", "phone:2", 5)}


def told(known: Familiar, identities: list[list[str]], occurred_ms: int = 5, changes: int | None = 1) -> set[Link]:
    """What a block of these links, committed; `excluded` as it is in most workspaces."""
    record = as_record(batch_of_rows(identities, occurred_ms=occurred_ms))
    links = known.links([record], lambda _: (), changes)
    known.committed()
    return links


def test_who_is_familiar_is_passed_over() -> None:
    known, named = Familiar(), [["email:a", "phone:1"], ["email:solo"], ['odd:"'], ["email:b", 'odd:",']]
    links = {Link(WORKSPACE, "email:a", "phone:1", 5), Link(WORKSPACE, "email:b", 'odd:",', 5)}
    assert told(known, named) == links
    assert told(known, named) == told(known, named, occurred_ms=6) == set()
    assert told(known, [["email:a", "phone:2"]]) == {Link(WORKSPACE, "email:a", "phone:2", 5)}
    older = told(known, named, occurred_ms=4)
    assert {(link.a, link.b) for link in older} == {(link.a, link.b) for link in links}
    assert {link.first_ms for link in older} == {4}


def test_nobody_is_familiar_by_what_was_not_committed() -> None:
    known, record = Familiar(), as_record(batch_of_rows([["email:a", "phone:1"]], occurred_ms=5))
    for _ in range(2):
        assert len(known.links([record], lambda _: (), 1)) == 1


@pytest.mark.parametrize("changes", [None, 2])
def test_nobody_is_familiar_once_links_were_taken_back(changes: int | None) -> None:
    known, named = Familiar(), [["email:a", "phone:1"]]
    assert len(told(known, named)) == len(told(known, named, changes=changes)) == 1


def test_the_familiar_are_forgotten_when_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(familiar, "REMEMBERED", 2)
    known = Familiar()
    for person in "abcdef":
        assert len(told(known, [[f"email:{person}", "phone:1"]])) == 1
    assert [len(told(known, [[f"email:{person}", "phone:1"]])) for person in "ef"] == [0, 0]
    assert len(told(known, [["email:a", "phone:1"]])) == 1


def test_long_names_are_told_each_time_they_fill_no_memory() -> None:
    known, named = Familiar(), [["email:" + "a" * familiar.LONGEST, "phone:1"]]
    assert told(known, named) == told(known, named) != set()
