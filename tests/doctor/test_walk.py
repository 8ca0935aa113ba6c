"""What a doctor finds wrong in a record whose checksums hold."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from batches import make_batch
from headwater.doctor.walk import Stored, Walk, faults_in, read_lines
from headwater.events import Lane
from headwater.log.base import Head, LaneHead, Record, Sound
from headwater.state.base import Account, Cursor

REALTIME = Lane.REALTIME


def record_of(lines: bytes | None = None, position: int = 0, **changes: Any) -> Record:
    batch = make_batch(3)
    (part,) = batch.parts
    about = (batch.id, batch.workspace, batch.dialect, REALTIME, part.count, part.first_ms, part.last_ms)
    record = Record(position, position + 10, *about, part.lines if lines is None else lines)
    return msgspec.structs.replace(record, **changes)


def rows(record: Record) -> list[list[Any]]:
    return [msgspec.json.decode(line) for line in record.lines.splitlines()]


def with_rows(change: Callable[[list[list[Any]]], object]) -> Record:
    record = record_of()
    found = rows(record)
    change(found)
    return msgspec.structs.replace(record, lines=b"".join(msgspec.json.encode(row) + b"\n" for row in found))


def said(record: Record) -> str:
    return "; ".join(faults_in(record, read_lines(record)))


def test_a_record_as_the_gateway_writes_it_has_no_fault() -> None:
    assert said(record_of()) == ""


def test_lines_of_an_older_headwater_have_no_fault() -> None:
    assert said(with_rows(lambda rows: [row.pop() for row in rows])) == "", "they end before the value"


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda rows: rows.pop(), "3 events by its header, 2"),
        (lambda rows: rows[1].__delitem__(slice(-2, None)), "3 events by its header, 0"),
        (lambda rows: rows[1].append(""), "3 events by its header, 0"),
        (lambda rows: rows[0].__setitem__(4, "now"), "3 events by its header, 0"),
        (lambda rows: rows[0].__setitem__(0, rows[0][0][:-2] + "65"), "ids that are not of its batch"),
        (lambda rows: rows[0].__setitem__(0, "x" + rows[0][0][1:]), "ids that are not of its batch"),
        (lambda rows: rows[0].__setitem__(0, rows[1][0]), "an id twice"),
        (lambda rows: rows[0].__setitem__(5, "because"), "a reason that there is not"),
        (lambda rows: rows[0].__setitem__(7, []), "about nobody"),
        (lambda rows: rows[0].__setitem__(9, [1]), "no object"),
        (lambda rows: rows[0].__setitem__(4, 5), "other dates"),
    ],
)
def test_lines_that_differ_from_what_they_must_be(change: Callable[[list[list[Any]]], object], wanted: str) -> None:
    assert wanted in said(with_rows(change))


def test_a_walk_tells_what_must_be_stored_from_what_waits() -> None:
    compared: list[Stored] = []
    ledger = {lane: Account(Cursor(20, 1), None, 0, {}) for lane in Lane}
    walk = Walk(ledger, compared.append)
    records = [record_of(position=position) for position in (0, 10, 20, 30)]
    for record in records:
        share = LaneHead(record.count, record.first_ms, record.last_ms)
        head = Head(record.position, record.end, record.batch, record.workspace, record.dialect, {REALTIME: share})
        walk.take(Sound(head, (record,)))
    walk.finish()
    (stored,) = compared
    ids = [[row[0] for row in rows(record)] for record in records]
    assert set(stored.facts) == {*ids[0], *ids[1]}
    assert walk.ahead[REALTIME, False] == dict.fromkeys(ids[2], 20) | dict.fromkeys(ids[3], 30)
    assert (walk.records, walk.events, walk.waiting[REALTIME], walk.waiting_bytes) == (4, 12, 6, 20)
    assert walk.between == {20} and not walk.wrongs
