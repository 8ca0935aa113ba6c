"""What every shelf of claims promises, and what an erasure leaves of them. What is about files is the embedded one's
alone."""

import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Protocol

import apsw
import psycopg
import pytest

from claims.shelf import PlainShelf
from databases import Databases
from headwater.claims import postgres as on_postgres
from headwater.claims import sqlite
from headwater.claims.base import Row, Shelf, claim_key, told_key
from headwater.claims.postgres import PostgresShelf
from headwater.claims.sqlite import SqliteClaims
from headwater.errors import StartError
from headwater.events import Claim

WORKSPACE = "ws_abcdefgh"
HOUR = 3_600_000


class Place(Protocol):
    """Where a shelf is kept."""

    def opened(self) -> Shelf: ...

    def erase(self, event_ids: Collection[bytes], batches: Collection[bytes] = ()) -> int: ...

    def scan(self) -> int:
        """How often the canary's bytes are there."""


class File:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / "claims.db"

    def opened(self) -> Shelf:
        return SqliteClaims(self._path)

    def erase(self, event_ids: Collection[bytes], batches: Collection[bytes] = ()) -> int:
        return sqlite.erase(self._path, event_ids, batches)

    def scan(self) -> int:
        return sum(path.read_bytes().count(CANARY) for path in self._directory.iterdir())


class Database:
    """A server's files cannot be looked at: what it answers is."""

    def __init__(self, url: str) -> None:
        self._url = url

    def opened(self) -> Shelf:
        return PostgresShelf(self._url)

    def erase(self, event_ids: Collection[bytes], batches: Collection[bytes] = ()) -> int:
        return on_postgres.erase(self._url, event_ids, batches)

    def scan(self) -> int:
        with psycopg.connect(self._url) as connection:
            rows = connection.execute("SELECT value FROM headwater.claim_claims", binary=True).fetchall()
        return sum(value.count(CANARY) for (value,) in rows)


CLUSTER = pytest.param("postgres", marks=pytest.mark.cluster)


@pytest.fixture(scope="module")
def databases(request: pytest.FixtureRequest) -> Databases:
    return Databases(request.getfixturevalue("postgres"))


@pytest.fixture(params=["sqlite", CLUSTER])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return File(tmp_path)
    databases: Databases = request.getfixturevalue("databases")
    return Database(databases.url(tmp_path))


def batch_id(number: int) -> bytes:
    return number.to_bytes(15, "big") + b"\0"


def event_id(number: int, place: int) -> bytes:
    return number.to_bytes(15, "big") + bytes([place])


def row(text: str, value: bytes = b"value", batch: int = 1, backfill: str = "", workspace: str = WORKSPACE) -> Row:
    return Row(Claim(claim_key(WORKSPACE, "reference", text), value, backfill), batch_id(batch), workspace)


def keys(*rows: Row) -> list[bytes]:
    return [each.claim.key for each in rows]


@pytest.fixture(params=["sqlite", "plain", CLUSTER])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    made: Shelf
    if request.param == "postgres":
        databases: Databases = request.getfixturevalue("databases")
        made = PostgresShelf(databases.url(tmp_path))
    else:
        made = SqliteClaims(tmp_path / "claims.db") if request.param == "sqlite" else PlainShelf()
    yield made
    made.close()


def test_what_was_taken_is_found(shelf: Shelf) -> None:
    rows = [row(str(n), b"%d" % n) for n in range(500)]
    shelf.take(rows, 10, 77)
    found = shelf.find([*keys(*rows), *keys(row("unknown"))])
    assert found == {each.claim.key: each.claim.value for each in rows}
    assert (shelf.count(), shelf.position()) == (500, 77)
    shelf.take([], 11, 99)
    assert (shelf.count(), shelf.position()) == (500, 99)


def test_a_newer_claim_takes_the_place_of_the_older(shelf: Shelf) -> None:
    shelf.take([row("a", b"old", 1, "bf_old")], 10, 1)
    shelf.take([row("a", b"new", 2)], 20, 2)
    assert shelf.find(keys(row("a"))) == {row("a").claim.key: b"new"}
    assert (shelf.count(), shelf.backfills()) == (1, [])
    assert shelf.prune(20, (), 100) == 0, "its age is that of the newer one"


def test_claims_end_after_their_time_and_those_of_a_backfill_with_it(shelf: Shelf) -> None:
    old, young = row("old"), row("young")
    of_open, of_closed = row("open", backfill="bf_open"), row("closed", backfill="bf_closed")
    of_other = row("other", backfill="bf_open", workspace="ws_zzzzzzzz")
    shelf.take([old, of_open, of_closed, of_other], 10 * HOUR, 1)
    shelf.take([young, row("closed, young", backfill="bf_closed")], 11 * HOUR, 2)
    assert shelf.backfills() == [(WORKSPACE, "bf_closed"), (WORKSPACE, "bf_open"), ("ws_zzzzzzzz", "bf_open")]
    assert shelf.prune(10 * HOUR, (), 100) == 0
    assert shelf.prune(10 * HOUR + 1, {(WORKSPACE, "bf_open")}, 100) == 3
    assert shelf.find(keys(old, of_closed, of_other)) == {}
    assert len(shelf.find(keys(young, of_open, row("closed, young")))) == 3


def test_no_more_are_removed_at_once_than_was_said(shelf: Shelf) -> None:
    shelf.take([row(str(n)) for n in range(2500)], 1, 1)
    assert shelf.prune(2, (), 1200) == 1200
    assert shelf.count() == 1300
    assert shelf.prune(2, (), 5000) == 1300


def test_it_is_all_there_after_it_was_closed(place: Place) -> None:
    first = place.opened()
    first.take([row("a", b"kept")], 1, 42)
    first.close()
    first.close()
    second = place.opened()
    assert second.find(keys(row("a"))) == {row("a").claim.key: b"kept"} and second.position() == 42
    second.close()


def test_a_file_of_a_newer_headwater_is_refused(tmp_path: Path) -> None:
    SqliteClaims(tmp_path / "claims.db").close()
    connection = apsw.Connection(str(tmp_path / "claims.db"))
    connection.execute(f"PRAGMA user_version = {sqlite.VERSION + 1}")
    connection.close()
    with pytest.raises(StartError, match="newer"):
        SqliteClaims(tmp_path / "claims.db")


def test_claims_do_not_meet_across_workspaces_and_kinds() -> None:
    made = {claim_key(*about) for about in (("a", "key", "b"), ("a", "reference", "b"), ("c", "key", "b"))}
    assert len(made) == 3 and all(len(key) == 16 for key in made)
    assert claim_key("a", "key", "\ud800") != claim_key("a", "key", "\ud801"), "whatever a client calls it"


CANARY = b"canary@person.example"


def test_an_erasure_leaves_no_byte_while_others_read_and_write(place: Place) -> None:
    """Of two batches: the answer of one is about the canary, and so is the reference of one of its events."""
    shelf = place.opened()
    answer = Row(Claim(b"a" * 16, batch_id(1) + CANARY * 50), batch_id(1), WORKSPACE)
    other_answer = Row(Claim(b"b" * 16, batch_id(2) + b"nobody"), batch_id(2), WORKSPACE)
    mine = row("mine", event_id(1, 7) + CANARY)
    same_batch = row("same batch", event_id(1, 8) + b"somebody else")
    shelf.take([answer, other_answer, mine, same_batch], 1, 1)
    assert place.scan() > 0
    stop = threading.Event()

    def busy() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            shelf.take([row(f"busy {number}", batch=9)], 1, number)
            shelf.find([mine.claim.key])

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        assert place.erase({event_id(1, 7)}) == 2
    finally:
        stop.set()
        thread.join()
    assert place.scan() == 0
    found = shelf.find(keys(answer, other_answer, mine, same_batch))
    assert found == {
        answer.claim.key: batch_id(1),  # it is known that it was taken, and no more
        other_answer.claim.key: other_answer.claim.value,
        same_batch.claim.key: same_batch.claim.value,
    }
    assert place.erase({event_id(1, 7)}) == 0, "it can be said again"
    assert place.erase((), {batch_id(2), batch_id(1)}) == 2, "a whole batch: what it answered, and its other event"
    assert shelf.find(keys(other_answer, same_batch)) == {other_answer.claim.key: batch_id(2)}
    shelf.close()


@pytest.mark.parametrize("whole", [False, True])
def test_an_erasure_finds_the_answers_that_tell_of_a_duplicate(place: Place, whole: bool) -> None:
    """Event 7 of batch 1 was sent again in batches 2 and 3, which are about others beside; batch 4 tells of event 8."""
    shelf = place.opened()
    answers = [Row(Claim(bytes([n]) * 16, batch_id(n) + CANARY * 50), batch_id(n), WORKSPACE) for n in (2, 3)]
    unconcerned = Row(Claim(b"4" * 16, batch_id(4) + b"nobody"), batch_id(4), WORKSPACE)
    others = [row(f"of batch {n}", event_id(n, 1) + b"somebody else", n) for n in (2, 3, 4)]
    first = row("r", event_id(1, 7) + CANARY)
    marks = [
        Row(Claim(told_key(event_id(1, place), batch_id(n)), event_id(1, place)), batch_id(n), WORKSPACE)
        for n, place in ((2, 7), (3, 7), (4, 8))
    ]
    shelf.take([first, *answers, unconcerned, *others, *marks], 1, 1)
    assert place.erase(() if whole else {event_id(1, 7)}, {batch_id(1)} if whole else ()) > 0
    assert place.scan() == 0
    found = shelf.find(keys(first, *answers, unconcerned, *others, *marks))
    assert found.pop(unconcerned.claim.key) == (batch_id(4) if whole else unconcerned.claim.value)
    if not whole:
        assert found.pop(marks[2].claim.key) == event_id(1, 8)
    assert found == {each.claim.key: each.batch for each in answers} | {
        each.claim.key: each.claim.value for each in others
    }
    shelf.close()


def test_what_ended_leaves_no_byte_either(place: Place) -> None:
    shelf = place.opened()
    shelf.take([row(str(n), CANARY) for n in range(300)], 1, 1)
    assert shelf.prune(2, (), 1000) == 300
    shelf.close()
    assert place.scan() == 0


def test_without_a_file_there_is_nothing_to_erase(tmp_path: Path) -> None:
    assert sqlite.erase(tmp_path / "claims.db", {event_id(1, 1)}) == 0
    assert not (tmp_path / "claims.db").exists()
