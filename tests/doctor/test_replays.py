"""What a doctor makes of events that were replayed: of right ones nothing, of others a fault."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from blocks import WORKSPACE, as_record, block_of, make_row
from headwater.clock import now_ms
from headwater.doctor import store as of_store
from headwater.doctor.report import Check, Verdict
from headwater.doctor.walk import Stored, Walk, faults_in, read_lines
from headwater.events import Batch, Lane, Part, event_ids, new_batch_id
from headwater.log.base import Record
from headwater.state.base import Account, Cursor
from headwater.store.clickhouse import ChdbStore

REALTIME = Lane.REALTIME
FAR = {lane: Account(Cursor(1 << 40, 99), None, 0, {}) for lane in Lane}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChdbStore]:
    store = ChdbStore(tmp_path / "store")
    yield store
    store.close()


def batch(*reasons: str, of: Batch | None = None, only: Sequence[int] = ()) -> Batch:
    """One whose events have these reasons; `of`: a replay of some events (`only`) of that one."""
    id_ = new_batch_id(now_ms()) if of is None else of.id
    ids = [id_ for place, id_ in enumerate(event_ids(id_, 100)) if not only or place in only][: len(reasons)]
    replayed = {"replayed_ms": now_ms()} if of else {}
    rows = [make_row(id_, reason=why, **replayed) for id_, why in zip(ids, reasons, strict=True)]
    times = [row[4] for row in rows]
    lines = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    part = Part(REALTIME, len(rows), min(times), max(times), lines)
    return Batch(id_, WORKSPACE, "bik", (part,), replay=of is not None)


def record(given: Batch) -> Record:
    return msgspec.structs.replace(as_record(given), replay=given.replay)


def insert(store: ChdbStore, *batches: Batch) -> None:
    for number, each in enumerate(batches, 1):
        store.insert(block_of([each], number))


def silent(*_: Any) -> None:
    pass


def matched(store: ChdbStore, *batches: Batch) -> Check:
    """Log and store held against each other, when all of the log lies behind the cursors."""
    matching = of_store.Matching(store)
    walk = Walk(FAR, matching.compare)
    for each in batches:
        walk._take_lines(record(each))
    walk.finish()
    return matching.check([])


def test_each_event_replayed_once_is_as_it_should_be(store: ChdbStore) -> None:
    first = batch("schema_violation", "", "schema_violation")
    again, later = batch("", of=first, only=[0]), batch("", of=first, only=[2])
    insert(store, first, again, later)
    found = of_store.twins(store, silent)
    assert (found.verdict, found.figures["events"], found.figures["replayed"]) == (Verdict.OK, 3, 2)
    assert matched(store, first, again, later).verdict is Verdict.OK
    assert not [*faults_in(record(again), read_lines(record(again)))]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda first: [batch("", of=first, only=[0])] * 2,
        lambda first: [batch("", of=first, only=[1])],
        lambda first: [batch("schema_violation", of=first, only=[0])],
        lambda first: [batch("", of=batch(""), only=[0])],
        lambda first: [first],
    ],
    ids=["twice", "was processed", "rejected again", "of nothing", "not said to be one"],
)
def test_doubles_and_what_could_not_be_replayed(store: ChdbStore, wrong: Callable[[Batch], list[Batch]]) -> None:
    first = batch("schema_violation", "")
    insert(store, first, *wrong(first))
    found = of_store.twins(store, silent)
    assert found.verdict is Verdict.FAULT, found.said


def test_a_replay_that_is_missing_or_different(store: ChdbStore) -> None:
    first = batch("schema_violation", "schema_violation")
    insert(store, first)
    again = batch("", of=first, only=[0])
    missing = matched(store, first, again)
    assert (missing.verdict, missing.figures["missing"], missing.figures["different"]) == (Verdict.FAULT, 1, 0)
    store.insert(block_of([batch("", of=first, only=[0])], 7))  # at another moment
    different = matched(store, first, again)
    assert (different.verdict, different.figures["missing"], different.figures["different"]) == (Verdict.FAULT, 0, 1)


def test_a_replay_ahead_of_the_cursors_is_not_its_rejection(store: ChdbStore) -> None:
    first = batch("schema_violation")
    again = batch("", of=first, only=[0])
    insert(store, first)
    (id_,) = event_ids(first.id, 1)
    nowhere = {lane: Account(Cursor(0, 9), None, 0, {}) for lane in Lane}
    ahead = {(REALTIME, True): {id_: 5}}
    assert of_store.stored_early(store, ahead, lambda: nowhere) == []
    insert(store, again)
    assert of_store.stored_early(store, ahead, lambda: nowhere) == [id_]
    assert of_store.stored_early(store, {(REALTIME, False): {id_: 5}}, lambda: nowhere) == [id_]


def test_a_record_that_says_replay_and_lines_that_do_not() -> None:
    first = batch("schema_violation")
    again = batch("", of=first, only=[0])
    for given, flag, wanted in ((first, True, "does not say so"), (again, False, "the other way round")):
        found = msgspec.structs.replace(record(given), replay=flag)
        assert wanted in "; ".join(faults_in(found, read_lines(found)))
    bad = record(batch("schema_violation", of=first, only=[0]))
    assert "rejected again" in "; ".join(faults_in(bad, read_lines(bad)))


def test_the_walk_keeps_replays_apart() -> None:
    first = batch("schema_violation")
    again = batch("", of=first, only=[0])
    compared: list[Stored] = []
    walk = Walk(FAR, compared.append)
    for given in (first, again):
        walk._take_lines(record(given))
    walk.finish()
    (stored,) = compared
    (id_,) = event_ids(first.id, 1)
    assert stored.facts[id_].reason and stored.replays[id_].replayed_ms
