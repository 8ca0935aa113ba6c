"""From the log into the store: every event once, whatever happens in between."""

import threading
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from random import Random

import pytest

from batches import BOTH, make_batch
from blocks import WORKSPACE, as_record, batch_of_rows
from harness import until
from headwater import pipeline as module
from headwater.clock import MINUTE_MS, now_ms
from headwater.errors import CorruptionError, LogUnavailableError
from headwater.events import Batch, Lane
from headwater.rules.turns import TurnPolicy
from headwater.state.base import Cursor, Plan
from headwater.store.base import Block
from headwater.store.clickhouse import ChdbStore
from rig import Crash, Rig, crash_at

NOVEMBER, DECEMBER = 1_795_000_000_000, 1_797_000_000_000


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path, block_events=500)
    yield rig
    rig.close()


def two_months(count: int, events: int = 20) -> list[Batch]:
    """Batches for both lanes, received in two months in turn."""
    return [make_batch(events // 2, BOTH, ms) for ms in [NOVEMBER, DECEMBER] * (count // 2)]


def test_both_lanes_are_drained(rig: Rig) -> None:
    rig.append([make_batch(3), make_batch(2, [Lane.MIGRATION]), make_batch(4, BOTH)])
    rig.pipeline.recover()
    assert rig.drain() == 3 + 2 + 4 + 4
    rig.check()
    end = rig.reader.durable()
    assert rig.state.cursors()[Lane.MIGRATION] == Cursor(end, 1)
    status = rig.pipeline.status()
    assert (status.ready, status.why, status.failures) == (True, "", 0)
    assert {lane: (of.blocks, of.events) for lane, of in status.lanes.items()} == {
        Lane.REALTIME: (1, 7),
        Lane.MIGRATION: (1, 6),
    }


def test_an_idle_round_stores_nothing(rig: Rig) -> None:
    rig.pipeline.recover()
    assert rig.drain() == 0
    rig.append([make_batch(3)])
    assert (rig.drain(), rig.drain()) == (3, 0)


def test_blocks_are_bounded_and_numbered(rig: Rig) -> None:
    rig.append([make_batch(100) for _ in range(23)])
    rig.pipeline.recover()
    assert [rig.pipeline.step() for _ in range(6)] == [500, 500, 500, 500, 300, 0]
    assert [rig.store.counts(Lane.REALTIME, block) for block in (1, 4, 5, 6)] == [
        {_month(): 500},
        {_month(): 500},
        {_month(): 300},
        {},
    ]
    assert rig.state.cursors()[Lane.REALTIME].block == 5
    rig.check()


def test_a_block_of_big_events_is_closed_by_its_bytes(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", 100_000)
    monkeypatch.setattr(module, "_PIECE", 1)
    rig.append([batch_of_rows([["account:1"]], data={"x": "y" * 30_000}) for _ in range(10)])
    rig.pipeline.recover()
    assert [rig.pipeline.step() for _ in range(4)] == [4, 4, 2, 0]
    rig.check()


def test_what_events_name_together_is_linked(rig: Rig) -> None:
    rig.append([batch_of_rows([["email:a", "phone:1"], ["email:b", "phone:1"]]), batch_of_rows([["email:c"]])])
    rig.append([batch_of_rows([["email:b", "email:c"]], reason="schema_violation")])
    rig.pipeline.recover()
    rig.drain()
    assert [(link.a, link.b) for link in rig.state.links()] == [("email:a", "phone:1"), ("email:b", "phone:1")]


def test_links_taken_back_while_a_block_is_committed_are_linked_anew(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was familiar when the block was read is there no more when it is written down."""
    same = [["email:a", "phone:1"]]
    rig.append([batch_of_rows(same)])
    rig.pipeline.recover()
    rig.drain()
    changes = rig.state.changes

    def taken_back() -> int | None:
        seen = changes()
        with rig.state.watch() as watch:
            rig.state.relink(WORKSPACE, {("email:a", "phone:1"): None}, watch)
        return seen

    monkeypatch.setattr(rig.state, "changes", taken_back)
    rig.append([batch_of_rows(same)])
    rig.drain()
    assert [(link.a, link.b) for link in rig.state.links()] == [("email:a", "phone:1")]
    rig.check()


@pytest.mark.parametrize(("moment", "nth"), list(product(["planned", "inserted", "committed"], [1, 2, 3])))
def test_a_crash_at_any_moment_loses_and_doubles_nothing(rig: Rig, moment: str, nth: int) -> None:
    rig.reopen(crash_at(moment, nth), TurnPolicy(starve_ms=0))
    rig.append(two_months(100))
    rig.pipeline.recover()
    with pytest.raises(Crash):
        feed(rig)
    rig.reopen()
    rig.pipeline.recover()
    assert rig.state.plans() == {}
    rig.append(two_months(4))
    rig.drain()
    rig.check()


def feed(rig: Rig) -> None:
    for _ in range(9):
        rig.append([make_batch(10, BOTH, DECEMBER)])
        rig.drain()


@pytest.mark.parametrize("moment", ["inserted", "committed"])
def test_a_crash_while_recovering_loses_and_doubles_nothing(rig: Rig, moment: str) -> None:
    rig.reopen(crash_at("planned"))
    rig.append(two_months(20))
    rig.pipeline.recover()
    with pytest.raises(Crash):
        rig.drain()
    rig.reopen(crash_at(moment))
    with pytest.raises(Crash):
        rig.pipeline.recover()
    rig.reopen()
    rig.pipeline.recover()
    rig.drain()
    rig.check()


def planned(rig: Rig) -> Plan:
    """Crashes with a block of two months written down and nothing of it inserted."""
    rig.reopen(crash_at("planned"))
    rig.append(make_batch(5, ms=ms) for ms in [NOVEMBER, DECEMBER, NOVEMBER, DECEMBER, NOVEMBER])
    rig.pipeline.recover()
    with pytest.raises(Crash):
        rig.drain()
    rig.reopen()
    plan = rig.state.plans()[Lane.REALTIME]
    assert plan.months == {202611: 15, 202612: 10}
    return plan


@pytest.mark.parametrize("month", [0, 1])
def test_only_the_missing_month_is_inserted(rig: Rig, month: int) -> None:
    plan = planned(rig)
    rig.insert(plan, rig.records(plan)[month::2])
    rig.pipeline.recover()
    assert rig.store.counts(Lane.REALTIME, plan.block) == plan.months
    rig.drain()
    rig.check()


@pytest.mark.parametrize("broken", ["short", "long", "other month"])
def test_any_other_count_stops_the_engine_and_nothing_is_touched(rig: Rig, broken: str) -> None:
    plan = planned(rig)
    records = rig.records(plan)
    stranger = make_batch(1, ms=DECEMBER + 31 * 24 * 60 * MINUTE_MS)
    wrong = {"short": records[:1], "long": [*records, records[0]], "other month": [as_record(stranger)]}[broken]
    rig.insert(plan, wrong)
    before = rig.store.counts(Lane.REALTIME, plan.block)
    with pytest.raises(CorruptionError, match=r"realtime block 1 .* the store holds"):
        rig.pipeline.recover()
    rig.pipeline.run(threading.Event())  # comes back by itself
    status = rig.pipeline.status()
    assert not status.ready and "realtime block 1" in status.why
    assert rig.store.counts(Lane.REALTIME, plan.block) == before
    assert (rig.state.plans(), rig.state.cursors()[Lane.REALTIME]) == ({Lane.REALTIME: plan}, Cursor(0, 0))


def test_a_plan_that_the_log_does_not_bear_out_stops_the_engine(rig: Rig) -> None:
    plan = planned(rig)
    rig.state.plan(Plan(plan.lane, plan.block, plan.start, plan.end, {202611: 16, 202612: 10}))
    with pytest.raises(CorruptionError, match="the log holds"):
        rig.pipeline.recover()
    assert rig.store.counts(Lane.REALTIME, plan.block) == {}


def test_a_log_that_ends_too_early_is_waited_for(rig: Rig) -> None:
    """After a power cut the log's end is known again only when its writer has opened it."""
    rig.state.commit(Plan(Lane.REALTIME, 7, 0, 1 << 40, {}), ())
    rig.reopen()
    with pytest.raises(LogUnavailableError):
        rig.pipeline.recover()
    with running(rig):
        until(lambda: rig.pipeline.status().failures > 1)
        assert "the log ends at" in rig.pipeline.status().why


def test_a_busy_realtime_lane_goes_first(rig: Rig) -> None:
    lanes: list[Lane] = []
    rig.append([make_batch(50, BOTH) for _ in range(40)])
    rig.pipeline.recover()
    while rig.pipeline.step():
        done = rig.pipeline.status().lanes
        lanes += [lane for lane in Lane for _ in range(done[lane].blocks - lanes.count(lane))]
    assert lanes[:4] == [Lane.REALTIME] * 4
    assert lanes[4:] == [Lane.MIGRATION] * len(lanes[4:])
    rig.check()


def test_a_starved_migration_lane_gets_a_small_block(rig: Rig) -> None:
    rig.reopen(policy=TurnPolicy(starve_ms=0, share=5))
    rig.append([make_batch(50, BOTH) for _ in range(40)])
    rig.pipeline.recover()
    assert rig.pipeline.step() == 100
    assert rig.pipeline.status().lanes[Lane.MIGRATION].events == 100


@pytest.mark.parametrize("lane", Lane)
def test_the_log_is_trimmed_behind_both_lanes(tmp_path: Path, lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRIM_EVERY", 0)
    rig = Rig(tmp_path, segment_bytes=20_000)
    old = now_ms() - 1000 * rig.settings.log_keep_seconds - MINUTE_MS
    rig.append([make_batch(50, [lane], old) for _ in range(100)])
    full = rig.reader.size()
    rig.pipeline.recover()
    rig.drain()
    rig.pipeline.step()
    assert rig.reader.size() < full / 3
    rig.reopen()
    rig.pipeline.recover()
    rig.append([make_batch(5, BOTH)])
    assert rig.drain() == 10
    rig.check()
    rig.close()


def test_the_log_keeps_what_came_lately(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRIM_EVERY", 0)
    rig = Rig(tmp_path, segment_bytes=20_000)
    rig.append([make_batch(50) for _ in range(50)])
    full = rig.reader.size()
    rig.pipeline.recover()
    rig.drain()
    rig.pipeline.step()
    assert rig.reader.size() == full
    rig.close()


def test_an_event_is_queryable_well_within_a_second(rig: Rig) -> None:
    with running(rig):
        for number in range(1, 6):
            begun = time.monotonic()
            rig.append([make_batch(1)])
            until(lambda n=number: len(rig.stored(Lane.REALTIME)) == n or None)
            assert time.monotonic() - begun < 1
    rig.check()


def test_a_trickle_does_not_make_a_part_an_event(rig: Rig) -> None:
    rig.pipeline._linger = 0.1
    with running(rig):
        begun = time.monotonic()
        for _ in range(100):
            rig.append([make_batch(1)])
            time.sleep(0.01)
        spent = time.monotonic() - begun
        until(lambda: rig.pipeline.status().lanes[Lane.REALTIME].events == 100 or None)
    assert rig.pipeline.status().lanes[Lane.REALTIME].blocks <= spent / 0.1 + 2
    rig.check()


class Moody(ChdbStore):
    """A store whose disk fails now and then: before an insert, after it, or with some of its months done."""

    random = Random(3)

    def insert(self, block: Block) -> None:
        mood = self.random.randrange(4)
        if mood == 1:
            raise OSError(28, "no space left on purpose")
        if mood == 2:
            chunks = [chunk for chunk in block.chunks if b'"ms":"november"' in chunk]
            super().insert(Block(block.lane, block.number, chunks, sum(chunk.count(b"\n") for chunk in chunks)))
            raise OSError(5, "I/O error on purpose")
        super().insert(block)
        if mood == 3:
            raise OSError(5, "I/O error on purpose")


def test_failures_of_the_store_are_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACK_OFF", 0.001)
    rig = Rig(tmp_path, store=Moody, block_events=40)
    months = [(NOVEMBER, "november"), (DECEMBER, "december")]
    rig.append(batch_of_rows([["a:1"]] * 10, ms, data={"ms": name}) for ms, name in months * 40)
    with running(rig):
        until(lambda: rig.pipeline.status().lanes[Lane.REALTIME].events >= 800 or None)
    status = rig.pipeline.status()
    assert status.failures > 5 and "on purpose" in status.last_error
    rig.check()
    rig.close()


def test_what_fails_while_room_is_made_does_not_end_the_storing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise CorruptionError("on purpose")

    monkeypatch.setattr(module, "FIRST_BACK_OFF", 0.001)
    monkeypatch.setattr(module, "TRIM_EVERY", 0.0)
    rig = Rig(tmp_path, store=Moody, block_events=40)
    monkeypatch.setattr(rig.pipeline, "_relieve", fail)
    rig.append(batch_of_rows([["a:1"]] * 10, ms, data={"ms": "november"}) for ms in [NOVEMBER] * 40)
    with running(rig):
        until(lambda: rig.pipeline.status().lanes[Lane.REALTIME].events >= 400 or None)
    assert rig.pipeline.status().failures > 2
    rig.check()
    rig.close()


class running:  # noqa: N801 - reads as a verb
    """The pipeline's loop in a thread, stopped in the end."""

    def __init__(self, rig: Rig) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=rig.pipeline.run, args=(self._stop,))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _month() -> int:
    return module.month_of(now_ms())
