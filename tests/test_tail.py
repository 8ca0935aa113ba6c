"""The tail follows log and cursors: what is pending, of whom, since when."""

import asyncio
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.clock import now_ms
from headwater.events import Batch, Lane
from headwater.log.files import FilesAppender, FilesReader
from headwater.state.base import Cursor
from headwater.tail import Backlog, Tail
from parts import Sent, batch_of

REALTIME, MIGRATION = Lane.REALTIME, Lane.MIGRATION
WORKSPACE, OTHER = "ws_AAAAAAAA", "ws_BBBBBBBB"


class Log:
    """A real log, and cursors set by hand."""

    def __init__(self, directory: Path) -> None:
        self.appender = FilesAppender(directory, segment_bytes=1 << 16)
        self.reader = FilesReader(directory)
        self.cursors = {lane: Cursor(0, 0) for lane in Lane}
        self.tail = Tail(self.reader, lambda: self.cursors)
        self.batches: list[tuple[int, int, Batch]] = []
        """(position, end, batch) of everything appended."""

    def append(self, *events: Sent, workspace: str = WORKSPACE, received_ms: int | None = None) -> Batch:
        batch, start = batch_of(workspace, events, received_ms), self.reader.durable()

        async def durable() -> None:
            await self.appender.append(batch)

        asyncio.run(durable())
        self.batches.append((start, self.reader.durable(), batch))
        return batch

    def commit(self, lane: Lane, position: int | None = None) -> None:
        self.cursors[lane] = Cursor(self.reader.durable() if position is None else position, 1)

    def close(self) -> None:
        self.reader.close()
        self.appender.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    log = Log(tmp_path / "log")
    yield log
    log.close()


def test_nothing_is_pending_in_an_empty_log(tmp_path: Path) -> None:
    reader = FilesReader(tmp_path / "not-there")
    tail = Tail(reader, lambda: {lane: Cursor(0, 0) for lane in Lane})
    assert tail.backlogs() == [Backlog(REALTIME, 0, 0, None), Backlog(MIGRATION, 0, 0, None)]
    assert tail.find(bytes(16)) == []


def test_a_batch_is_found_until_its_last_lane_is_committed(log: Log) -> None:
    batch = log.append(Sent(1), Sent(2, lane=MIGRATION), Sent(3))
    assert {(entry.lane, entry.count, entry.first_ms, entry.last_ms) for entry in log.tail.find(batch.id)} == {
        (REALTIME, 2, 1, 3),
        (MIGRATION, 1, 2, 2),
    }
    log.commit(REALTIME)
    assert [entry.lane for entry in log.tail.find(batch.id)] == [MIGRATION]
    log.commit(MIGRATION)
    assert log.tail.find(batch.id) == []


def test_a_lane_that_lags_keeps_its_own_entries_only(log: Log) -> None:
    for n in range(5):
        log.append(Sent(n))
    log.commit(REALTIME)
    late = log.append(Sent(9, lane=MIGRATION))
    log.commit(REALTIME)
    assert log.tail.oldest(REALTIME, WORKSPACE) == []
    assert [entry.batch for entry in log.tail.oldest(MIGRATION, WORKSPACE)] == [late.id]


def test_backlogs_count_events_bytes_and_age(log: Log) -> None:
    log.append(Sent(1), Sent(2), received_ms=5_000)
    log.append(Sent(3), Sent(4, lane=MIGRATION), received_ms=3_000)  # overtaken on its way to the log
    log.append(Sent(5), received_ms=4_000)
    sizes = [end - start for start, end, _ in log.batches]
    realtime, migration = log.tail.backlogs()
    assert realtime == Backlog(REALTIME, 4, sum(sizes), 3_000)
    assert migration == Backlog(MIGRATION, 1, sizes[1], 3_000)
    assert realtime.age_seconds(4_500) == 1.5
    log.commit(REALTIME, log.batches[1][1])
    assert log.tail.backlogs()[0] == Backlog(REALTIME, 1, sizes[2], 4_000)
    log.commit(REALTIME)
    assert log.tail.backlogs()[0] == Backlog(REALTIME, 0, 0, None)
    assert log.tail.backlogs()[0].age_seconds(9_999) == 0


def test_newest_is_by_newest_event_and_of_one_workspace(log: Log) -> None:
    for last in (50, 10, 99, 30):
        log.append(Sent(0), Sent(last))
    log.append(Sent(1_000), workspace=OTHER)
    assert [entry.last_ms for entry in log.tail.newest(REALTIME, WORKSPACE)] == [99, 50, 30, 10]
    assert [entry.last_ms for entry in log.tail.newest(REALTIME, OTHER)] == [1_000]
    log.commit(REALTIME, log.batches[2][0])
    assert [entry.last_ms for entry in log.tail.newest(REALTIME, WORKSPACE)] == [99, 30]


STEPS = st.lists(
    st.one_of(st.just("ask"), st.tuples(st.sampled_from(Lane), st.floats(0, 1)), st.integers(0, 5)), max_size=60
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_it_equals_a_look_at_the_whole_log(tmp_path_factory: pytest.TempPathFactory, steps: list[object]) -> None:
    log = Log(tmp_path_factory.mktemp("log"))
    try:
        for step in steps:
            _take(log, step)
        _check(log)
    finally:
        log.close()


def _take(log: Log, step: object) -> None:
    match step:
        case int(last):
            lanes = tuple(Lane)[: 1 + last % 2]
            log.append(*[Sent(last, lane=lane) for lane in lanes], received_ms=last)
        case (Lane() as lane, float(share)) if log.batches:
            position = log.batches[int(share * (len(log.batches) - 1))][1]
            log.commit(lane, max(position, log.cursors[lane].position))
        case "ask":
            _check(log)


def _check(log: Log) -> None:
    for lane, backlog in zip(Lane, log.tail.backlogs(), strict=True):
        pending = [
            (end - start, batch, part)
            for start, end, batch in log.batches
            for part in batch.parts
            if part.lane is lane and start >= log.cursors[lane].position
        ]
        assert backlog.events == sum(part.count for _, _, part in pending)
        assert backlog.bytes == sum(size for size, _, _ in pending)
        assert backlog.oldest_ms == min([int.from_bytes(batch.id[:6], "big") for _, batch, _ in pending], default=None)
        assert [entry.batch for entry in log.tail.oldest(lane, WORKSPACE)] == [batch.id for _, batch, _ in pending]
        newest = log.tail.newest(lane, WORKSPACE)
        assert [entry.last_ms for entry in newest] == sorted([part.last_ms for _, _, part in pending], reverse=True)
        assert {entry.batch for entry in newest} == {batch.id for _, batch, _ in pending}


def test_100_000_pending_records_cost_little_time(log: Log) -> None:
    _fill(log, 100_000)
    began = time.perf_counter()
    assert log.tail.backlogs()[0].events == 100_000
    assert time.perf_counter() - began < 10  # 1 s on an idle machine
    began = time.perf_counter()
    for n in range(100):
        batch = log.append(Sent(n))
        assert log.tail.find(batch.id)
    assert log.tail.newest(REALTIME, WORKSPACE)[0].last_ms == 99_999
    assert time.perf_counter() - began < 5


def test_a_pending_record_takes_little_memory(log: Log) -> None:
    _fill(log, 10_000)
    tracemalloc.start()
    log.tail.backlogs()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / 10_000 < 800


def _fill(log: Log, count: int) -> None:
    async def fill() -> None:
        batches = [batch_of(WORKSPACE, [Sent(n)], received_ms=n) for n in range(count)]
        for start in range(0, count, 5_000):
            await asyncio.gather(*[log.appender.append(batch) for batch in batches[start : start + 5_000]])

    asyncio.run(fill())


# --- replays ---------------------------------------------------------------------------------------------------------


def replayed(log: Log, batch: Batch) -> Batch:
    """Some of a batch's events once more, under its id."""
    again = msgspec.structs.replace(batch, replay=True)

    async def durable() -> None:
        await log.appender.append(again)

    asyncio.run(durable())
    return again


def test_replays_of_a_batch_are_found_apart_from_it(log: Log) -> None:
    batch = log.append(Sent(1), Sent(2, lane=MIGRATION))
    first = log.tail.find(batch.id)
    replayed(log, batch)
    replayed(log, batch)
    assert log.tail.find(batch.id) == first
    assert len(log.tail.replays([batch.id, bytes(16)])) == 4
    assert [len(log.tail.newest(lane, WORKSPACE)) for lane in Lane] == [1, 1]
    assert [len(log.tail.oldest(lane, WORKSPACE)) for lane in Lane] == [1, 1]
    assert [lag.events for lag in log.tail.backlogs()] == [3, 3] == [x.events for x in log.tail.backlogs_of(WORKSPACE)]
    log.commit(REALTIME)
    assert {entry.lane for entry in log.tail.replays([batch.id])} == {MIGRATION}
    assert [entry.lane for entry in log.tail.find(batch.id)] == [MIGRATION]
    log.commit(MIGRATION)
    assert log.tail.replays([batch.id]) == [] == log.tail.find(batch.id)
    assert [lag.events for lag in log.tail.backlogs()] == [0, 0]


def test_a_replay_outlives_one_that_is_committed(log: Log) -> None:
    batch = log.append(Sent(1))
    log.commit(REALTIME)
    replayed(log, batch)
    between = log.reader.durable()
    replayed(log, batch)
    assert log.tail.find(batch.id) == [] and len(log.tail.replays([batch.id])) == 2
    log.commit(REALTIME, between)
    (left,) = log.tail.replays([batch.id])
    assert left.position == between and left.replay


def test_a_replay_of_an_old_batch_waits_since_now(log: Log) -> None:
    batch = log.append(Sent(1), received_ms=1_700_000_000_000)
    log.commit(REALTIME)
    log.commit(MIGRATION)
    before = now_ms()
    replayed(log, batch)
    (lag,) = [each for each in log.tail.backlogs() if each.events]
    assert lag.oldest_ms is not None and lag.oldest_ms >= before
