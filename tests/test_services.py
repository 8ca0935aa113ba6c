"""The servers that the tests of a cluster use: there, empty where promised, and back after their faults."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

import services
from harness import until

pytestmark = pytest.mark.cluster


def test_databases_are_new_and_outlive_a_kill(postgres: services.Postgres) -> None:
    first, second = postgres.database(), postgres.database()
    assert first != second
    with psycopg.connect(first) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
    postgres.restart()
    with psycopg.connect(first) as connection:
        assert connection.execute("SELECT a FROM kept").fetchall() == [(1,)]
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
    with psycopg.connect(second) as connection:
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == (None,)


def test_a_paused_one_goes_on(postgres: services.Postgres) -> None:
    with psycopg.connect(postgres.url()) as connection:
        postgres.pause()
        assert not postgres.ready()
        postgres.resume()
        assert connection.execute("SELECT 2").fetchone() == (2,)


def test_redis_keeps_or_forgets(redis: services.Redis) -> None:
    import redis as client

    with client.Redis.from_url(redis.url) as connection:
        connection.set("a", "1")
        redis.restart()
        assert connection.get("a") == b"1"
        redis.flush()
        assert connection.get("a") is None
        connection.set("a", "2")
        redis.forget()
        assert connection.get("a") is None


def test_what_a_test_broke_is_mended(redis: services.Redis) -> None:
    redis.kill()
    services.mend()
    assert redis.ready()
    redis.pause()
    services.mend()
    assert redis.ready()


def test_kafka_goes_on_with_two_of_three(kafka: services.Kafka) -> None:
    topic = kafka.topic(partitions=3)
    # A leader that hangs is waited for as long as a request may take: a minute, unless told otherwise.
    settings = {"acks": "all", "enable.idempotence": True, "request.timeout.ms": 5000, "socket.timeout.ms": 6000}
    producer = Producer({"bootstrap.servers": kafka.bootstrap, **settings})
    failed: list[object] = []

    def send(number: int) -> None:
        for partition in range(3):
            producer.produce(
                topic, str(number).encode(), partition=partition, on_delivery=lambda e, _: e and failed.append(e)
            )
        assert producer.flush(60) == 0

    send(1)
    kafka.brokers[0].kill()
    send(2)
    kafka.brokers[0].start()
    kafka.wait_in_sync()
    kafka.brokers[1].pause()
    send(3)
    kafka.brokers[1].resume()
    assert not failed

    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "g", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(3)])
    found: list[bytes] = []
    until(lambda: found.extend(m.value() for m in consumer.consume(100, 1)) or len(found) >= 9, 60, "nine messages")
    consumer.close()
    assert sorted(found) == [b"1"] * 3 + [b"2"] * 3 + [b"3"] * 3


def test_nothing_outlives_tests_that_are_killed() -> None:
    """A paused one neither."""
    script = """if True:
        import services, time
        started = [services.Redis(), services.Postgres()]
        for each in started:
            each.start()
        started[0].pause()
        print(*[part for each in started for part in (each.pid, each.folder)], flush=True)
        time.sleep(600)
    """
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    made = process.stdout.readline().split()
    assert len(made) == 4
    process.kill()
    process.wait()
    process.stdout.close()
    until(lambda: not any(Path(path).exists() for path in (f"/proc/{made[0]}", made[1], f"/proc/{made[2]}", made[3])))
