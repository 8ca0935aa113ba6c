"""What every log promises, whichever adapter keeps it."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import NamedTuple
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec import structs

from batches import BOTH, everything, make_batch, same
from headwater.clock import now_ms
from headwater.errors import CorruptionError, LogUnavailableError, StartError
from headwater.events import Batch, Claim, Lane, received_ms
from headwater.log.base import Appender, Claimed, Damage, Head, Reader, Sound, Survey
from headwater.log.files import FilesAppender, FilesReader
from headwater.log.kafka_appender import KafkaAppender
from headwater.log.kafka_reader import KafkaReader
from headwater.log.sqlite import SqliteAppender, SqliteReader

REALTIME, MIGRATION = Lane.REALTIME, Lane.MIGRATION
FAR_FUTURE = 1 << 47


class Adapter(NamedTuple):
    appender: type[FilesAppender | SqliteAppender]
    reader: type[FilesReader | SqliteReader]


SEGMENTED = {"files": Adapter(FilesAppender, FilesReader), "sqlite": Adapter(SqliteAppender, SqliteReader)}
ADAPTERS = [*SEGMENTED, pytest.param("kafka", marks=pytest.mark.cluster)]


class Log:
    """A log in a directory: its one appender, opened again at will, and readers."""

    def __init__(self, adapter: Adapter, directory: Path) -> None:
        self.directory = directory
        self.adapter = adapter
        self.appenders: list[Appender] = []
        self.readers: list[Reader] = []
        self.reader = self.another_reader()

    def open(self, segment_bytes: int = 1 << 20, wait_seconds: float = 0.1) -> Appender:
        appender = self.adapter.appender(self.directory, segment_bytes=segment_bytes, wait_seconds=wait_seconds)
        self.appenders.append(appender)
        return appender

    def another_reader(self) -> Reader:
        self.readers.append(self.adapter.reader(self.directory))
        return self.readers[-1]

    def close(self) -> None:
        for each in (*self.readers, *self.appenders):
            each.close()


class KafkaLog(Log):
    """A log in a topic of one partition: there positions follow each other, as in a directory."""

    def __init__(self, bootstrap: str) -> None:
        self.url = f"kafka://{bootstrap}/test-{uuid4().hex}"
        super().__init__(SEGMENTED["files"], Path())

    def open(self, segment_bytes: int = 1 << 20, wait_seconds: float = 0.1) -> Appender:
        # Kafka's clock is as real as ours, and most of these batches are of 1970.
        self.appenders.append(KafkaAppender(self.url, partitions=1, stamp=lambda batch: now_ms()))
        return self.appenders[-1]

    def another_reader(self) -> Reader:
        self.readers.append(KafkaReader(self.url))
        return self.readers[-1]


Logs = Callable[[], Log]
"""Makes an empty one at each call."""


def logs_of(adapter: str, directory: Path, request: pytest.FixtureRequest) -> Logs:
    if adapter == "kafka":
        return lambda: KafkaLog(request.getfixturevalue("kafka").bootstrap)
    return lambda: Log(SEGMENTED[adapter], directory / uuid4().hex)


@pytest.fixture(params=ADAPTERS)
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    log = logs_of(request.param, tmp_path, request)()
    yield log
    log.close()


@pytest.fixture(params=SEGMENTED)
def segmented(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """A log whose segments are files of its own, trimmed as a whole, with one appender: what is promised of those.

    Kafka trims to the record, keeps its files to itself, and any number of gateways append: see test_kafka_log.
    """
    log = Log(SEGMENTED[request.param], tmp_path / "log")
    yield log
    log.close()


def soon(holds: Callable[[], bool]) -> bool:
    """Whether it comes to be: what a log's two sides tell each other may take a second or two."""
    deadline = time.monotonic() + 10
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def append(appender: Appender, *batches: Batch) -> None:
    """One after the other."""

    async def run() -> None:
        for batch in batches:
            await appender.append(batch)

    asyncio.run(run())


def test_records_come_back_in_order_and_whole(log: Log) -> None:
    batches = [make_batch(count) for count in (1, 100, 7)]
    append(log.open(), *batches)
    records = everything(log.reader)
    assert all(same(record, batch) for record, batch in zip(records, batches, strict=True))
    assert [record.position for record in records[1:]] == [record.end for record in records[:-1]]
    assert records[0].position == 0 and records[-1].end == log.reader.durable()


def test_a_batch_of_two_lanes_is_one_record_read_lane_by_lane(log: Log) -> None:
    batches = [make_batch(2), make_batch(2, BOTH), make_batch(2, [MIGRATION])]
    append(log.open(), *batches)
    realtime, migration = everything(log.reader), everything(log.reader, MIGRATION)
    assert [record.batch for record in realtime] == [batches[0].id, batches[1].id]
    assert [record.batch for record in migration] == [batches[1].id, batches[2].id]
    assert realtime[1].position == migration[0].position
    assert same(realtime[1], batches[1]) and same(migration[0], batches[1])


def test_a_log_that_is_held_refuses_and_says_why(log: Log) -> None:
    appender = log.open()
    append(appender, make_batch())
    appender.hold("too much waits")
    assert (appender.status().ready, appender.status().why) == (False, "too much waits")
    with pytest.raises(LogUnavailableError, match="too much waits") as refused:
        append(appender, make_batch())
    assert refused.value.retry_after > 1
    appender.hold("")
    append(appender, make_batch())
    assert appender.status().ready and len(everything(log.reader)) == 2


def test_the_backlog_is_what_was_not_told_to_be_stored(log: Log) -> None:
    """To a database or a record, as the adapter counts."""
    appender = log.open(segment_bytes=4000)
    assert appender.status().backlog >= 0
    append(appender, *[make_batch(20) for _ in range(30)])
    assert soon(lambda: appender.status().backlog > 30 * 20 * 30)
    whole = appender.status().backlog
    half = everything(log.reader)[15].position
    log.reader.mark(half)
    assert soon(lambda: 0 < appender.status().backlog < whole)
    log.reader.mark(log.reader.durable() + 1)
    assert soon(lambda: appender.status().backlog == 0)
    appender.close()
    assert log.open().status().backlog == 0, "it is known after a restart, too"


def test_the_end_of_a_chunk_passes_over_the_other_lane(log: Log) -> None:
    append(log.open(), make_batch(), make_batch(lanes=[MIGRATION]), make_batch(lanes=[MIGRATION]))
    chunk = log.reader.read(REALTIME, 0, 100)
    assert (len(chunk.records), chunk.count, chunk.end) == (1, 3, log.reader.durable())


def test_a_read_takes_whole_records_up_to_the_one_that_reaches_the_most(log: Log) -> None:
    append(log.open(), *[make_batch(10) for _ in range(5)])
    assert log.reader.read(REALTIME, 0, 1).count == 10
    assert log.reader.read(REALTIME, 0, 20).count == 20
    assert log.reader.read(REALTIME, 0, 21).count == 30
    assert log.reader.read(REALTIME, 0, 1000).count == 50


def test_a_bounded_read_is_the_same_however_the_log_has_grown(log: Log) -> None:
    appender = log.open(segment_bytes=2000)
    append(appender, *[make_batch() for _ in range(10)])
    bound = log.reader.durable()
    first = log.reader.read(REALTIME, 0, 1000, bound)
    append(appender, *[make_batch() for _ in range(10)])
    assert log.reader.read(REALTIME, 0, 1000, bound) == first
    assert first.end == bound and first.count == 30
    sixth = first.records[5]
    assert log.reader.read(REALTIME, 0, 1000, sixth.position).records == first.records[:5]
    assert log.reader.read(REALTIME, 0, 1000, sixth.position + 1).records == first.records[:6]


def test_a_reader_may_come_before_any_appender(log: Log) -> None:
    reader = log.reader
    assert (reader.durable(), reader.size(), reader.since(0), reader.trim(0, 0)) == (0, 0, 0, 0)
    assert list(reader.heads(0)) == [] and reader.record(0, REALTIME) is None
    assert reader.read(REALTIME, 0, 10).records == ()
    batch = make_batch()
    append(log.open(), batch)
    assert same(everything(reader)[0], batch)


def test_what_was_appended_is_readable_at_once(log: Log) -> None:
    appender = log.open()

    async def run() -> None:
        for count in range(1, 20):
            await appender.append(make_batch())
            assert len(everything(log.reader)) == count

    asyncio.run(run())
    status = appender.status()
    assert (status.ready, status.why, status.durable, status.batches) == (True, "", log.reader.durable(), 19)


def test_many_callers_share_commits_and_every_batch_is_there_once(log: Log) -> None:
    appender = log.open(segment_bytes=20_000)
    batches = [make_batch() for _ in range(640)]

    async def run() -> None:
        async def caller(mine: list[Batch]) -> None:
            for batch in mine:
                await appender.append(batch)

        await asyncio.gather(*[caller(batches[n::64]) for n in range(64)])

    asyncio.run(run())
    assert sorted(record.batch for record in everything(log.reader)) == sorted(batch.id for batch in batches)
    status = appender.status()
    assert status.batches == 640 and status.commits < 400


def test_what_is_handed_in_together_is_one_commit(segmented: Log) -> None:
    appender = segmented.open()

    async def run() -> None:
        await asyncio.gather(*[appender.append(make_batch()) for _ in range(60)])

    asyncio.run(run())
    assert (appender.status().batches, appender.status().commits) == (60, 1)


def test_what_is_handed_in_outlives_its_event_loop(segmented: Log) -> None:
    appender, batches = segmented.open(), [make_batch() for _ in range(3)]
    for batch in batches[:2]:
        ended = asyncio.new_event_loop()  # closed before it ran a single turn: nobody could hand anything over
        ended.run_until_complete(_handed_in(appender, batch, ended))
        ended.close()
    append(appender, batches[2])
    appender.close()
    assert sorted(record.batch for record in everything(segmented.reader)) == sorted(batch.id for batch in batches)


async def _handed_in(appender: Appender, batch: Batch, loop: asyncio.AbstractEventLoop) -> None:
    appender.append(batch)
    loop.stop()


def test_a_log_goes_on_where_it_ended(log: Log) -> None:
    batches = [make_batch() for _ in range(12)]
    for n in range(0, 12, 3):
        appender = log.open(segment_bytes=1500)
        append(appender, *batches[n : n + 3])
        appender.close()
    assert [record.batch for record in everything(log.reader)] == [batch.id for batch in batches]


def test_a_record_is_found_by_its_position(log: Log) -> None:
    batches = [make_batch(lanes=BOTH), make_batch(), make_batch()]
    append(log.open(segment_bytes=700), *batches)
    for head, batch in zip(log.reader.heads(0), batches, strict=True):
        record = log.reader.record(head.position, REALTIME)
        assert record is not None and same(record, batch)
    assert log.reader.record(log.reader.durable(), REALTIME) is None
    last = everything(log.reader)[-1].position
    assert log.reader.record(last, MIGRATION) is None


def test_heads_tell_a_record_without_its_events(log: Log) -> None:
    append(log.open(segment_bytes=1000), *[make_batch(2, BOTH, workspace="ws_12345678") for _ in range(5)])
    heads = list(log.reader.heads(0))
    for head, record, other in zip(heads, everything(log.reader), everything(log.reader, MIGRATION), strict=True):
        assert (head.position, head.end, head.batch) == (record.position, record.end, record.batch)
        assert (head.workspace, head.dialect, set(head.lanes)) == ("ws_12345678", "bik", set(BOTH))
        for lane, of in ((REALTIME, record), (MIGRATION, other)):
            share = head.lanes[lane]
            assert (share.count, share.first_ms, share.last_ms) == (of.count, of.first_ms, of.last_ms)
    assert list(log.reader.heads(heads[3].position)) == heads[3:]


def test_trim_removes_whole_segments_behind_and_keeps_the_newest(segmented: Log) -> None:
    append(segmented.open(segment_bytes=2000), *[make_batch(ms=1_000_000) for _ in range(40)])
    reader, before = segmented.reader, everything(segmented.reader)
    assert reader.trim(0, FAR_FUTURE) == 0
    size, middle = reader.size(), before[20].position
    oldest = reader.trim(middle, FAR_FUTURE)
    assert 0 < oldest <= middle
    assert everything(reader, start=oldest) == [record for record in before if record.position >= oldest]
    assert next(reader.heads(0)).position == oldest
    assert reader.record(0, REALTIME) is None
    with pytest.raises(CorruptionError):
        reader.read(REALTIME, 0, 10)
    newest = reader.trim(reader.durable(), FAR_FUTURE)
    assert oldest < newest <= before[-1].position
    assert reader.size() < size or isinstance(reader, SqliteReader)
    assert everything(reader, start=newest)[-1] == before[-1]


def test_trim_keeps_what_was_received_lately(log: Log) -> None:
    times = [1_000_000 + n * 1000 for n in range(40)]
    append(log.open(segment_bytes=2000), *[make_batch(ms=ms) for ms in times])
    oldest = log.reader.trim(log.reader.durable(), times[20])
    left = [received_ms(record.batch) for record in everything(log.reader, start=oldest)]
    assert left[0] <= times[20] and times[20:] == left[-20:] and len(left) < 40


def test_every_record_is_examined_with_and_without_its_events(log: Log) -> None:
    batches = [make_batch(2, BOTH) for _ in range(12)]
    append(log.open(segment_bytes=1500), *batches)
    assert list(log.reader.examine(0, payloads=False)) == [Sound(head, ()) for head in log.reader.heads(0)]
    whole = list(log.reader.examine(0, payloads=True))
    assert [each.head for each in whole if isinstance(each, Sound)] == list(log.reader.heads(0))
    shares = [share for each in whole if isinstance(each, Sound) for share in each.shares]
    assert [share for share in shares if share.lane is REALTIME] == everything(log.reader)
    assert [share for share in shares if share.lane is MIGRATION] == everything(log.reader, MIGRATION)
    third = list(log.reader.heads(0))[3].position
    assert list(log.reader.examine(third, payloads=True)) == whole[3:]


def test_a_survey_tells_the_segments_and_what_is_of_no_account(segmented: Log) -> None:
    assert segmented.reader.survey() == Survey(0, (), ())
    append(segmented.open(segment_bytes=1500), *[make_batch() for _ in range(12)])
    found = segmented.reader.survey()
    assert found.durable == segmented.reader.durable() and len(found.segments) > 2 and found.leftovers == ()
    assert found.segments[0].base == 0 and found.segments[-1].end == found.durable
    assert all(one.end == other.base for one, other in pairwise(found.segments))
    assert all(each.size == (segmented.directory / each.name).stat().st_size for each in found.segments)
    spare = segmented.directory / f"{found.durable + 1000:020}{segmented.reader.suffix}"
    for name in ("durable.new", spare.name):
        (segmented.directory / name).touch()
    assert segmented.reader.survey().leftovers == tuple(sorted(("durable.new", spare.name)))


def test_what_is_trimmed_while_it_is_examined_is_no_damage_but_what_is_taken_away_is(segmented: Log) -> None:
    append(segmented.open(segment_bytes=1500), *[make_batch(ms=1_000_000) for _ in range(40)])
    other = segmented.another_reader()
    walk = other.examine(0, payloads=True)
    next(walk)
    bases = [each.base for each in segmented.reader.survey().segments]
    assert segmented.reader.trim(bases[3], FAR_FUTURE) == bases[3]
    left = list(walk)
    assert all(isinstance(each, Sound) for each in left) and left[-1].head.end == segmented.reader.durable()
    (segmented.directory / segmented.reader.survey().segments[2].name).unlink()
    assert [each for each in segmented.another_reader().examine(0, payloads=True) if isinstance(each, Damage)]
    other.close()


def test_a_trim_by_one_reader_is_seen_by_another(log: Log) -> None:
    append(log.open(segment_bytes=2000), *[make_batch(ms=1_000_000) for _ in range(40)])
    other = log.another_reader()
    walk = other.heads(0)
    assert next(walk).position == 0
    oldest = log.reader.trim(everything(log.reader)[30].position, FAR_FUTURE)
    assert oldest > 0 and list(walk)[-1].end == log.reader.durable()
    assert next(iter(other.heads(oldest))).position == oldest


def test_since_finds_the_first_record_of_a_moment(log: Log) -> None:
    hour = 3_600_000
    times = [10 * hour + n * hour for n in range(30)]
    append(log.open(segment_bytes=2000), *[make_batch(ms=ms) for ms in times])
    heads = list(log.reader.heads(0))
    for n, head in enumerate(heads):
        assert log.reader.since(times[n]) == head.position
    assert log.reader.since(0) == 0
    assert log.reader.since(times[-1] + 1) == log.reader.durable()


def test_since_is_not_misled_by_replays(log: Log) -> None:
    """Their batches' ids tell of old times, though they are written now; a segment may have no others."""
    hour = 3_600_000
    batches = [make_batch(ms=100 * hour + n * hour) for n in range(10)]
    replays = [structs.replace(make_batch(ms=n * hour), replay=True) for n in range(40)]
    append(
        log.open(segment_bytes=2000), *[each for n, one in enumerate(batches) for each in (one, *replays[n * 4 :][:4])]
    )
    positions = {head.batch: head.position for head in log.reader.heads(0)}
    assert [head.replay for head in log.reader.heads(0)] == [False, True, True, True, True] * 10
    for n, batch in enumerate(batches):
        assert log.reader.since(100 * hour + n * hour) <= positions[batch.id]


def with_claims(batch: Batch, *keys: bytes) -> Batch:
    return structs.replace(batch, claims=tuple([Claim(key * 16, batch.id + key, "bf_abcdefgh") for key in keys]))


def test_claims_come_back_from_wherever_one_begins(log: Log) -> None:
    first, second = with_claims(make_batch(), b"a", b"b"), with_claims(make_batch(2, BOTH), b"c")
    alone = structs.replace(with_claims(make_batch(), b"d"), parts=())
    append(log.open(), make_batch(), first, make_batch(), second, alone)
    ends = [head.end for head in log.reader.heads(0)]
    everything_claimed = [
        Claimed(ends[at], batch.id, batch.workspace, batch.claims)
        for at, batch in ((1, first), (3, second), (4, alone))
    ]
    assert list(log.reader.claims(0)) == everything_claimed
    assert list(log.reader.claims(ends[1])) == everything_claimed[1:]
    assert list(log.reader.claims(ends[4])) == []
    records = everything(log.reader)
    assert [record.batch for record in records[1:]] == [first.id, records[2].batch, second.id], "the last has no events"


def test_what_holds_claims_is_not_trimmed_before_they_are_kept(log: Log) -> None:
    appender = log.open(segment_bytes=2000)
    append(appender, *[with_claims(make_batch(), b"a") for _ in range(30)])
    heads = list(log.reader.heads(0))
    assert log.reader.claimed() is None, "nobody keeps any"
    appender.claimed(0)
    assert log.reader.claimed() == 0
    assert log.reader.trim(heads[-1].end, FAR_FUTURE) == 0
    appender.claimed(heads[15].end)
    oldest = log.reader.trim(heads[-1].end, FAR_FUTURE)
    assert 0 < oldest <= heads[15].end
    appender.close()
    other = log.another_reader()
    assert other.claimed() == heads[15].end, "it outlives the appender"
    assert next(iter(other.claims(0))).end > oldest, "and what was trimmed is passed over"
    log.open(segment_bytes=2000).claimed(heads[-1].end)
    assert log.reader.trim(heads[-1].end, FAR_FUTURE) > oldest


def test_a_position_behind_the_end_is_a_contradiction(log: Log) -> None:
    append(log.open(), make_batch())
    with pytest.raises(CorruptionError):
        log.reader.read(REALTIME, log.reader.durable() + 1, 10)


def test_only_one_appender_at_a_time(segmented: Log) -> None:
    first = segmented.open()
    with pytest.raises(StartError):
        segmented.open()
    Thread(target=first.close).start()
    segmented.open(wait_seconds=5)


def test_another_process_keeps_the_lock_too(segmented: Log) -> None:
    segmented.open()
    kind = segmented.adapter.appender
    code = (
        f"from pathlib import Path; from {kind.__module__} import {kind.__name__} as Appender\n"
        f"Appender(Path({str(segmented.directory)!r}), wait_seconds=0)"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert other.returncode != 0 and "LockedError" in other.stderr


def test_close_makes_durable_what_was_handed_in_and_refuses_the_rest(log: Log) -> None:
    appender = log.open()

    async def run() -> tuple[list[BaseException | None], list[BaseException | None]]:
        early = [asyncio.ensure_future(appender.append(make_batch())) for _ in range(50)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(asyncio.to_thread(appender.close))
        await asyncio.sleep(0.05)
        late = [asyncio.ensure_future(appender.append(make_batch())) for _ in range(5)]
        outcomes = await asyncio.gather(*early, return_exceptions=True)
        refused = await asyncio.gather(*late, return_exceptions=True)
        await closing
        return outcomes, refused

    outcomes, refused = asyncio.run(run())
    assert outcomes == [None] * 50 and len(everything(log.reader)) == 50
    assert all(isinstance(error, LogUnavailableError) for error in refused)
    appender.close()
    assert not appender.status().ready


def test_a_caller_that_goes_away_harms_nobody(log: Log) -> None:
    appender = log.open()

    async def run() -> None:
        tasks = [asyncio.ensure_future(appender.append(make_batch())) for _ in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert outcomes[1::2] == [None] * 10
        await appender.append(make_batch())

    asyncio.run(run())
    assert len(everything(log.reader)) == 21


class LogMachine(RuleBasedStateMachine):
    """Append, read, trim and reopen in any order, beside a plain list."""

    def __init__(self, make: Logs) -> None:
        super().__init__()
        self.log = make()
        self.runner = asyncio.Runner()
        self.model: list[Batch] = []
        self.heads: list[Head] = []
        self.oldest = 0
        self.ms = 1_000_000_000

    @initialize()
    def start(self) -> None:
        self.appender = self.log.open(segment_bytes=1500)

    @rule(counts=st.lists(st.integers(1, 5), min_size=1, max_size=6), lanes=st.sampled_from([BOTH, BOTH[:1], BOTH[1:]]))
    def append(self, counts: list[int], lanes: tuple[Lane, ...]) -> None:
        self.ms += 40_000
        batches = [make_batch(count, lanes, self.ms) for count in counts]

        async def run() -> None:
            await asyncio.gather(*[self.appender.append(batch) for batch in batches])

        self.runner.run(run())
        self.model += batches
        self.heads = [*self.heads, *self.log.reader.heads(self.heads[-1].end if self.heads else 0)]
        assert [head.batch for head in self.heads] == [batch.id for batch in self.model]

    @precondition(lambda self: self.heads)
    @rule(data=st.data(), lane=st.sampled_from(BOTH), most=st.integers(1, 30))
    def read(self, data: st.DataObject, lane: Lane, most: int) -> None:
        first = data.draw(st.integers(0, len(self.heads) - 1))
        last = data.draw(st.integers(first, len(self.heads) - 1))
        start, bound = self.heads[first].position, self.heads[last].end
        if start < self.oldest:
            with pytest.raises(CorruptionError):
                self.log.reader.read(lane, start, most, bound)
            return
        chunk = self.log.reader.read(lane, start, most, bound)
        expected, count, end = [], 0, start
        for head, batch in list(zip(self.heads, self.model, strict=True))[first : last + 1]:
            end = head.end
            if lane in head.lanes:
                expected.append(batch)
                count += head.lanes[lane].count
            if count >= most:
                break
        assert all(same(record, batch) for record, batch in zip(chunk.records, expected, strict=True))
        assert (chunk.count, chunk.end) == (count, end)

    @precondition(lambda self: self.heads)
    @rule(data=st.data(), lane=st.sampled_from(BOTH))
    def record(self, data: st.DataObject, lane: Lane) -> None:
        index = data.draw(st.integers(0, len(self.heads) - 1))
        head = self.heads[index]
        record = self.log.reader.record(head.position, lane)
        assert (record is not None) == (head.position >= self.oldest and lane in head.lanes)
        assert record is None or same(record, self.model[index])

    @rule(back=st.integers(0, 400_000))
    def since(self, back: int) -> None:
        ms = self.ms - back
        position = self.log.reader.since(ms)
        assert not [
            head for head in self.heads if self.oldest <= head.position < position and received_ms(head.batch) >= ms
        ]

    @rule(data=st.data(), back=st.integers(-40_000, 400_000))
    def trim(self, data: st.DataObject, back: int) -> None:
        before = data.draw(st.sampled_from([0, *[head.end for head in self.heads]]))
        oldest = self.log.reader.trim(before, self.ms - back)
        assert self.oldest <= oldest <= max(before, self.oldest)
        removed = [head for head in self.heads if head.position < oldest]
        assert all(received_ms(head.batch) < self.ms - back or head.position < self.oldest for head in removed)
        self.oldest = oldest

    @rule()
    def reopen(self) -> None:
        self.appender.close()
        self.appender = self.log.open(segment_bytes=1500)

    @invariant()
    def heads_are_those_of_the_model(self) -> None:
        left = [head for head in self.heads if head.position >= self.oldest]
        assert list(self.log.reader.heads(0)) == left

    def teardown(self) -> None:
        self.runner.close()
        self.log.close()


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_any_order_of_verbs_agrees_with_a_plain_list(
    adapter: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run_state_machine_as_test(
        partial(LogMachine, logs_of(adapter, tmp_path, request)),
        settings=settings(
            max_examples=10 if adapter == "kafka" else 40,
            phases=[Phase.generate] if adapter == "kafka" else list(Phase),  # to make it smaller takes minutes there
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


def test_positions_only_grow(log: Log) -> None:
    append(log.open(segment_bytes=1500), *[make_batch() for _ in range(30)])
    assert all(one.end == two.position for one, two in pairwise(log.reader.heads(0)))


def rolled(log: Log, appender: Appender, older_seconds: float) -> None:
    """The writer has looked whether a new segment is due: what is appended after it finds out."""
    appender.roll(older_seconds)
    time.sleep(0.1)


def test_a_segment_that_is_old_enough_is_followed_by_the_next(segmented: Log) -> None:
    appender = segmented.open()
    append(appender, make_batch(ms=1_000_000))
    rolled(segmented, appender, 3600)
    assert segmented.reader.trim(segmented.reader.durable(), FAR_FUTURE) == 0
    rolled(segmented, appender, 0)
    end = segmented.reader.durable()
    assert segmented.reader.trim(end, FAR_FUTURE) == end and not list(segmented.reader.heads(0))
    assert segmented.reader.survey().begun and not segmented.reader.survey().segments
    rolled(segmented, appender, 0)  # nothing lies in the new one
    appender.close()
    segmented.open(wait_seconds=5).close()  # a start finds its end in an empty segment
    append(segmented.open(wait_seconds=5), make_batch())
    assert [head.position for head in segmented.reader.heads(0)] == [end]


def test_what_a_reader_wants_gone_is_written_on_no_more(segmented: Log) -> None:
    appender = segmented.open()
    append(appender, make_batch(ms=1_000_000))
    segmented.reader.want(segmented.reader.durable())
    rolled(segmented, appender, 3600)
    end = segmented.reader.durable()
    assert segmented.reader.trim(end, FAR_FUTURE) == end
    append(appender, make_batch(ms=1_000_000))
    rolled(segmented, appender, 3600)
    assert segmented.reader.trim(segmented.reader.durable(), FAR_FUTURE) == end


def test_a_roll_among_batches_loses_none(log: Log) -> None:
    appender, batches = log.open(), [make_batch() for _ in range(60)]

    async def run() -> None:
        waiting = []
        for batch in batches:
            waiting.append(appender.append(batch))
            appender.roll(0)
        await asyncio.gather(*waiting)

    asyncio.run(run())
    appender.roll(0)
    appender.close()
    assert [record.batch for record in everything(log.reader)] == [batch.id for batch in batches]
