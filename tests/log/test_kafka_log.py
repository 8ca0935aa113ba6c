"""What the log on Kafka does when brokers die or hang, when a message is in doubt, and with several gateways."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from functools import reduce
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

import services
from batches import everything, make_batch
from harness import until
from headwater.clock import now_ms
from headwater.errors import LogUnavailableError, LogUndecidedError, SettingsError, StartError
from headwater.events import Batch
from headwater.log.base import Appender
from headwater.log.kafka import MESSAGE_BYTES, address, partitions
from headwater.log.kafka_appender import KafkaAppender
from headwater.log.kafka_reader import KafkaReader
from headwater.log.kafka_streams import Streams

pytestmark = pytest.mark.cluster
FAR_FUTURE = 1 << 47
SOUND = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "message.timestamp.before.max.ms": "60000",
    "message.timestamp.after.max.ms": "10000",
    "max.message.bytes": str(MESSAGE_BYTES),
    "min.insync.replicas": "2",
}


@pytest.fixture
def url(kafka: services.Kafka) -> str:
    """Where there is no topic yet."""
    return f"kafka://{kafka.bootstrap}/test-{uuid4().hex}"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def make_topic(kafka: services.Kafka, url: str, count: int = 1, **settings: str) -> None:
    config = SOUND | {name.replace("_", "."): value for name, value in settings.items()}
    new = NewTopic(address(url).topic, count, 3, config=config)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_topics([new])[address(url).topic].result(30)


def coordinator_of(kafka: services.Kafka, group: str) -> services.Broker:
    """The leader of the partition that Kafka keeps the group's offsets in: by Java's hash of its name."""
    topics = AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics("__consumer_offsets", timeout=10).topics
    kept = topics["__consumer_offsets"].partitions
    code = reduce(lambda code, letter: (31 * code + ord(letter)) & 0xFFFFFFFF, group, 0)
    leader = kept[abs(code - (1 << 32) if code >> 31 else code) % len(kept)].leader
    return next(each for each in kafka.brokers if each.number == leader)


async def outcome_of(appender: Appender, batch: Batch) -> Exception | None:
    try:
        await appender.append(batch)
    except (LogUnavailableError, LogUndecidedError) as error:
        return error
    return None


def logged(url: str) -> list[bytes]:
    """The ids of all batches in the log, partition by partition."""
    found: list[bytes] = []
    for partition in range(partitions(url)):
        with closing(KafkaReader(url, partition)) as reader:
            found += [record.batch for record in everything(reader)]
    return found


def agree(url: str, outcomes: dict[bytes, Exception | None]) -> tuple[int, int]:
    """What was acknowledged is there once, what was refused is not: how many of each."""
    found = logged(url)
    assert len(found) == len(set(found)), "a batch is there twice"
    taken = {batch for batch, outcome in outcomes.items() if outcome is None}
    refused = {batch for batch, outcome in outcomes.items() if isinstance(outcome, LogUnavailableError)}
    assert taken <= set(found), "acknowledged, and lost"
    assert not refused & set(found), "refused, and stored"
    assert set(found) <= outcomes.keys()
    return len(taken), len(refused)


class Load:
    """Callers that append one batch after the other until they are stopped."""

    def __init__(self, *appenders: Appender, callers: int = 8) -> None:
        self.outcomes: dict[bytes, Exception | None] = {}
        self._going = True
        self._tasks = [asyncio.create_task(self._call(each)) for each in appenders for _ in range(callers)]

    async def _call(self, appender: Appender) -> None:
        while self._going:
            outcome = await self.one(appender)
            await asyncio.sleep(0.002 if outcome is None else 0.05)

    async def one(self, appender: Appender) -> Exception | None:
        batch = make_batch()
        outcome = self.outcomes[batch.id] = await outcome_of(appender, batch)
        return outcome

    def taken(self) -> int:
        return sum(outcome is None for outcome in self.outcomes.values())

    async def more(self, count: int) -> None:
        """Returns when so many more were taken."""
        async with asyncio.timeout(60):
            upto = self.taken() + count
            while self.taken() < upto:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def end(self) -> dict[bytes, Exception | None]:
        self._going = False
        await asyncio.gather(*self._tasks)
        return self.outcomes


def test_several_gateways_append_to_all_partitions_at_once(url: str, stack: ExitStack) -> None:
    appenders = [stack.enter_context(closing(KafkaAppender(url, partitions=3))) for _ in range(3)]

    async def run() -> dict[bytes, Exception | None]:
        load = Load(*appenders)
        await load.more(300)
        return await load.end()

    outcomes = asyncio.run(run())
    taken, refused = agree(url, outcomes)
    assert taken > 100 and not refused
    readers = [stack.enter_context(closing(KafkaReader(url, each))) for each in range(3)]
    assert all(reader.durable() > taken / 10 for reader in readers)
    assert sum(reader.durable() for reader in readers) == sum(appender.status().batches for appender in appenders)


def test_a_leader_that_is_killed_loses_and_doubles_nothing(kafka: services.Kafka, url: str, stack: ExitStack) -> None:
    appender = stack.enter_context(closing(KafkaAppender(url, partitions=3)))

    async def run() -> dict[bytes, Exception | None]:
        load = Load(appender)
        await load.more(200)
        kafka.brokers[0].kill()
        await load.more(500)
        kafka.brokers[0].start()
        await load.more(200)
        return await load.end()

    agree(url, asyncio.run(run()))
    assert appender.status().ready


def test_what_the_engines_stored_is_known_though_its_coordinator_is_killed(
    kafka: services.Kafka, url: str, stack: ExitStack
) -> None:
    """What an AdminClient has for that ended the process here, now and then."""
    appender = stack.enter_context(closing(KafkaAppender(url, partitions=1)))
    reader = stack.enter_context(closing(KafkaReader(url)))
    streams = stack.enter_context(closing(Streams(address(url))))
    asyncio.run(_append(appender, [make_batch() for _ in range(5)]))
    words = streams.words("stored")
    reader.mark(3)
    until(lambda: words.read([0]) == {0: 3}, 30, "the mark is there")
    coordinator = coordinator_of(kafka, f"{address(url).topic}.stored")
    coordinator.kill()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:  # it moves, and is asked all the time
        with suppress(LogUnavailableError):
            assert words.read([0]) == {0: 3}
    coordinator.start()
    reader.mark(4)

    def told() -> bool:
        with suppress(LogUnavailableError):
            reader.mark(5)
            return words.read([0]) == {0: 5}
        return False

    until(told, 60, "the next mark is there")


def test_with_too_few_replicas_everything_is_refused_and_then_settled(
    kafka: services.Kafka, url: str, stack: ExitStack
) -> None:
    appender = stack.enter_context(closing(KafkaAppender(url, partitions=3)))

    async def run() -> dict[bytes, Exception | None]:
        load = Load(appender)
        await load.more(100)
        for broker in kafka.brokers[:2]:
            broker.pause()
        tasks = []
        async with asyncio.timeout(60):
            while appender.status().ready:  # until every partition has something that it does not confirm
                tasks.append(asyncio.create_task(load.one(appender)))
                await asyncio.sleep(0.3)
        assert "Kafka" in appender.status().why
        begun = time.monotonic()
        assert isinstance(await outcome_of(appender, make_batch()), LogUnavailableError)
        assert time.monotonic() - begun < 0.5, "it is refused at once"
        for broker in kafka.brokers[:2]:
            broker.resume()
        await load.more(100)
        await asyncio.gather(*tasks)
        return await load.end()

    agree(url, asyncio.run(run()))


def test_what_came_too_late_is_refused_for_certain(kafka: services.Kafka, url: str, stack: ExitStack) -> None:
    make_topic(kafka, url, 2, message_timestamp_before_max_ms="3000", message_timestamp_after_max_ms="1000")
    appender = stack.enter_context(closing(KafkaAppender(url)))

    async def run() -> dict[bytes, Exception | None]:
        load = Load(appender)
        await load.more(100)
        for broker in kafka.brokers:
            broker.pause()
        await asyncio.sleep(6)
        for broker in kafka.brokers:
            broker.resume()
        await asyncio.sleep(1)
        return await load.end()

    outcomes = asyncio.run(run())
    assert not [outcome for outcome in outcomes.values() if isinstance(outcome, LogUndecidedError)]
    agree(url, outcomes)


def test_a_client_that_gives_up_leaves_no_doubt(kafka: services.Kafka, url: str, stack: ExitStack) -> None:
    """As after an error that librdkafka calls fatal, with batches on their way again and again."""
    make_topic(kafka, url, 1, message_timestamp_before_max_ms="2000", message_timestamp_after_max_ms="1000")
    appender = stack.enter_context(closing(KafkaAppender(url)))

    async def run() -> dict[bytes, Exception | None]:
        load = Load(appender, callers=30)
        for _ in range(4):
            await load.more(50)
            appender._broken = True
        await asyncio.sleep(0.5)
        return await load.end()

    outcomes = asyncio.run(run())
    assert not [outcome for outcome in outcomes.values() if isinstance(outcome, LogUndecidedError)]
    agree(url, outcomes)


def test_a_close_without_kafka_says_that_it_does_not_know(
    kafka: services.Kafka, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headwater.log.kafka_appender._CLOSE_SECONDS", 1.0)
    appender = KafkaAppender(url, partitions=1)

    async def run() -> Exception | None:
        await appender.append(make_batch())
        for broker in kafka.brokers:
            broker.pause()
        waiting = asyncio.create_task(outcome_of(appender, make_batch()))
        await asyncio.sleep(0.1)
        await asyncio.to_thread(appender.close)
        return await waiting

    assert isinstance(asyncio.run(run()), LogUndecidedError)


def test_a_batch_of_a_frozen_gateway_is_refused_by_kafka_itself(
    kafka: services.Kafka, url: str, stack: ExitStack
) -> None:
    make_topic(kafka, url, 1, message_timestamp_before_max_ms="2000", message_timestamp_after_max_ms="1000")
    appender = stack.enter_context(closing(KafkaAppender(url)))
    asyncio.run(_append(appender, [make_batch()]))
    assert "too long ago" in str(asyncio.run(outcome_of(appender, make_batch(ms=now_ms() - 5000))))
    appender._topic = appender._topic._replace(before_ms=60_000)  # it wakes behind its own look at the clock
    appender._doubts._topic = appender._topic._replace(before_ms=2_000)
    refused = asyncio.run(outcome_of(appender, make_batch(ms=now_ms() - 5000)))
    assert isinstance(refused, LogUnavailableError) and "INVALID_TIMESTAMP" in str(refused)
    assert len(logged(url)) == 1


def test_a_clock_that_is_wrong_is_told(kafka: services.Kafka, url: str, stack: ExitStack) -> None:
    make_topic(kafka, url, 1, message_timestamp_before_max_ms="2000", message_timestamp_after_max_ms="1000")
    appender = stack.enter_context(closing(KafkaAppender(url)))
    asyncio.run(_append(appender, [make_batch()]))
    assert isinstance(asyncio.run(outcome_of(appender, make_batch(ms=now_ms() + 4000))), LogUnavailableError)
    assert len(logged(url)) == 1


def test_a_trim_is_exact_and_an_empty_log_is_told_as_such(url: str, stack: ExitStack) -> None:
    appender = stack.enter_context(closing(KafkaAppender(url, partitions=2)))
    batches = [make_batch() for _ in range(30)]
    asyncio.run(_append(appender, batches))
    for partition in range(2):
        reader = stack.enter_context(closing(KafkaReader(url, partition)))
        end = reader.durable()
        assert reader.trim(3, FAR_FUTURE) == 3 and next(reader.heads(0)).position == 3
        assert [(each.base, each.end) for each in reader.survey().segments] == [(3, end)] and reader.size() > 0
        assert reader.trim(end, FAR_FUTURE) == end and list(reader.heads(0)) == []
        assert reader.survey().begun and not reader.survey().segments and reader.size() == 0


def test_a_quiet_partition_gets_an_empty_record_once(
    url: str, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    appender = stack.enter_context(closing(KafkaAppender(url, partitions=1)))
    reader = stack.enter_context(closing(KafkaReader(url)))
    asyncio.run(_append(appender, [make_batch()]))
    appender.roll(0)
    time.sleep(0.3)
    assert reader.durable() == 1, "the segment may be written for some time yet"
    appender._topic = appender._topic._replace(segment_ms=100)
    for _ in range(3):
        appender.roll(0)
        time.sleep(0.3)
    assert reader.durable() == 2
    empty = next(iter(reader.heads(1)))
    assert not empty.lanes and not empty.claims and len(everything(reader)) == 1


async def _append(appender: Appender, batches: list[Batch]) -> None:
    for batch in batches:
        await appender.append(batch)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"retention_ms": "604800000"}, "retention.ms is 604800000 and must be -1"),
        ({"cleanup_policy": "compact"}, "cleanup.policy must be delete"),
        ({"message_timestamp_type": "LogAppendTime"}, "message.timestamp.type must be CreateTime"),
        ({"message_timestamp_before_max_ms": str(1 << 60)}, "message.timestamp.before.max.ms is"),
        ({"min_insync_replicas": "1"}, "min.insync.replicas must be 2 or more"),
        ({"max_message_bytes": "1000000"}, "max.message.bytes must be"),
        ({"unclean_leader_election_enable": "true"}, "unclean.leader.election.enable must be false"),
    ],
)
def test_a_topic_that_could_lose_events_is_refused(
    kafka: services.Kafka, url: str, settings: dict[str, str], told: str
) -> None:
    make_topic(kafka, url, **settings)
    with pytest.raises(StartError, match=told):
        KafkaAppender(url)


def test_a_kafka_that_is_not_there_and_a_url_that_is_none_are_told() -> None:
    with pytest.raises(StartError, match=r"127\.0\.0\.1:1"):
        KafkaAppender("kafka://127.0.0.1:1/x", wait_seconds=1)
    for wrong in ("redis://h:1/x", "kafka:///x", "kafka://h:1/a b", "kafka://u:secret@h:1/a/b"):
        with pytest.raises(SettingsError) as refused:
            address(wrong)
        assert "secret" not in str(refused.value)
    config = address("kafkas://u:p%40ss@h1:1,h2:2/pre?socket.timeout.ms=5").config
    assert (config["bootstrap.servers"], config["sasl.password"], config["socket.timeout.ms"]) == (
        "h1:1,h2:2",
        "p@ss",
        "5",
    )
    assert config["security.protocol"] == "SASL_SSL"
