"""Real Kafka, PostgreSQL and Redis for tests, on loopback, each with its faults on demand: killed, paused, restarted.

`pytest -m cluster` gets them by the fixtures `kafka`, `postgres` and `redis` (conftest.py); `.ci/services` installs
them. They end with the tests, even if those are killed.
"""

import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote
from uuid import uuid4

from harness import until
from serving import START_SECONDS, Service, free_port, mend, run, unprivileged, workplace
from tools import lack, need

__all__ = ["ClickHouse", "Kafka", "Postgres", "Redis", "Service", "free_port", "mend", "started"]

JARS = Path(__file__).parents[1] / "build" / "kafka"


class Postgres(Service):
    """PostgreSQL with fsync on and as Debian ships it but for its user, `headwater`, who needs no password."""

    stop_signal = signal.SIGINT  # "fast": sessions are ended

    def __init__(self) -> None:
        user = unprivileged("postgres")  # it refuses to run as root
        super().__init__("postgres", workplace("postgres", user), user)
        self.port = free_port()
        self._bin = Path(need("postgres", *_newest("/usr/lib/postgresql/*/bin/postgres"))).resolve().parent

    def command(self) -> list[str]:
        data = self.folder / "data"
        if not data.exists():
            options = ["-U", "headwater", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
            run([str(self._bin / "initdb"), "-D", str(data), *options], self.folder, self._user)
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": 300}
        return [str(self._bin / "postgres"), "-D", str(data), "-p", str(self.port)] + [
            part for name, value in settings.items() for part in ("-c", f"{name}={value}")
        ]

    def ready(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str = "postgres") -> str:
        """Where one of its databases is; without a name the one that is always there."""
        return f"postgresql://headwater@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """The URL of a new, empty database."""
        import psycopg

        name = f"test_{uuid4().hex[:12]}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')  # ~ 0.1 s; others may use template1
        return self.url(name)


class Redis(Service):
    """Redis, or Valkey, that writes every command to its append-only file, so that a restart forgets nothing."""

    def __init__(self) -> None:
        super().__init__("redis", workplace("redis"))
        self.port = free_port()
        self._server = need("redis-server", "valkey-server")

    def command(self) -> list[str]:
        options = {"bind": "127.0.0.1", "port": self.port, "dir": self.folder, "appendonly": "yes", "save": ""}
        options |= {"appendfsync": "always", "daemonize": "no", "protected-mode": "no"}
        return [self._server] + [part for name, value in options.items() for part in (f"--{name}", str(value))]

    def ready(self) -> bool:
        """Loading its file it answers with an error; then with PONG."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def flush(self) -> None:
        """Forgets all keys."""
        self._say("FLUSHALL")

    def forget(self) -> None:
        """Forgets all keys as one without a disk does: killed, and back empty."""
        self.kill()
        for path in self.folder.glob("appendonly*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.start()

    def _say(self, command: str) -> None:
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            connection.sendall(command.encode() + b"\r\n")
            assert connection.recv(16).startswith(b"+OK")


class ClickHouse(Service):
    """What speaks like a ClickHouse server (clickhouse_front.py), for one cannot be had here: chDB, with fsync."""

    def __init__(self, pair: Sequence[Path] = ()) -> None:
        """`pair`: a certificate and its key, to speak TLS with."""
        super().__init__("clickhouse", workplace("clickhouse"))
        self.port, self._pair = free_port(), [str(path) for path in pair]

    password = "s3cret/@"

    def command(self) -> list[str]:
        front = Path(__file__).with_name("clickhouse_front.py")
        return [sys.executable, str(front), str(self.port), str(self.folder), self.password, *self._pair]

    def ready(self) -> bool:
        """It listens once chDB is open."""
        try:
            socket.create_connection(("127.0.0.1", self.port), 2).close()
        except OSError:
            return False
        return True

    def url(self, database: str | None = None) -> str:
        """The URL of a database; without a name that of a new one."""
        scheme, password = "clickhouses" if self._pair else "clickhouse", quote(self.password, safe="")
        return f"{scheme}://default:{password}@127.0.0.1:{self.port}/{database or 'test_' + uuid4().hex[:12]}"

    def slow(self, seconds: float) -> None:
        """From now on each insert is held up so long before it runs."""
        (self.folder / "slow").write_text(str(seconds))

    def hang_up(self) -> None:
        """The next insert is done, and its connection cut instead of an answer."""
        (self.folder / "hang-up").touch()


class Broker(Service):
    """One of the machines of a `Kafka`: a broker and a controller in one process."""

    def __init__(self, number: int, kafka: "Kafka") -> None:
        self.number, self._kafka = number, kafka
        super().__init__(f"kafka {number}", workplace(f"kafka-{number}"))
        self.port, self.controller_port = free_port(), free_port()

    def command(self) -> list[str]:
        return [*self._java(), "kafka.Kafka", str(self.folder / "server.properties")]

    def prepare(self, cluster: str) -> None:
        """Lays its directory out as a member of that cluster."""
        path = self.folder / "server.properties"
        path.write_text("".join(f"{name}={value}\n" for name, value in self._properties().items()))
        run([*self._java(), "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(path)], self.folder)

    def _properties(self) -> Mapping[str, object]:
        voters = ",".join(f"{each.number}@127.0.0.1:{each.controller_port}" for each in self._kafka.brokers)
        return {
            "process.roles": "broker,controller",
            "node.id": self.number,
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": self.folder / "data",
            "log.flush.interval.messages": 1,  # fsync before the answer
            "default.replication.factor": 3,
            "min.insync.replicas": 2,
            "unclean.leader.election.enable": "false",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 3,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 3,
            "transaction.state.log.num.partitions": 1,
            "group.initial.rebalance.delay.ms": 0,
            # A dead broker is noticed after six seconds, not nine; fewer, and a busy machine's pauses count as deaths.
            "broker.session.timeout.ms": 6000,
            "broker.heartbeat.interval.ms": 500,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "log.cleaner.dedupe.buffer.size": 8 << 20,
            "log.retention.hours": -1,
        }

    def _java(self) -> list[str]:
        heap = ["-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        logs = "-Dorg.apache.logging.log4j.level=" + os.environ.get("HEADWATER_TEST_KAFKA_LOG", "WARN")
        return [need("java"), *heap, logs, "-cp", f"{JARS}/*"]

    def ready(self) -> bool:
        """Whether it answers and knows itself as a member that the controller counts on."""
        try:  # first: librdkafka prints each connection that is refused
            socket.create_connection(("127.0.0.1", self.port), 2).close()
        except OSError:
            return False
        return self.number in _brokers(f"127.0.0.1:{self.port}")


def _brokers(bootstrap: str) -> set[int]:
    """The members that a broker knows; none while it does not answer."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    with suppress(KafkaException):
        return set(AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=5).brokers)
    return set()


class Kafka:
    """Three brokers: every topic on all of them, two must have a message on disk before it is acknowledged."""

    def __init__(self) -> None:
        if not (JARS / "pom.xml").exists():
            lack("the jars of Kafka are not there: see .ci/services")
        self.brokers: list[Broker] = []
        self.brokers.extend(Broker(number, self) for number in (1, 2, 3))
        self._prepared = False

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{each.port}" for each in self.brokers)

    def start(self) -> None:
        """Starts what does not run; returns when all three take part."""
        if not self._prepared:
            for broker in self.brokers:
                broker.prepare("aGVhZHdhdGVyLXRlc3RzLQ")
            self._prepared = True
        for broker in self.brokers:
            broker.start(wait=False)
        for broker in self.brokers:
            broker.wait_ready()

    def wait_in_sync(self, seconds: float = START_SECONDS) -> None:
        """Returns when every partition is on every broker, so that one more of them may fail."""
        from confluent_kafka.admin import AdminClient

        admin = AdminClient({"bootstrap.servers": self.bootstrap})

        def complete() -> bool:
            topics = admin.list_topics(timeout=5).topics.values()
            return all(len(part.isrs) == len(part.replicas) for topic in topics for part in topic.partitions.values())

        until(complete, seconds, "every broker has caught up")

    def stop(self) -> None:
        for broker in self.brokers:  # in order they would wait for each other's leaderships
            broker.kill()
            broker.stop()

    def topic(self, partitions: int = 1, **settings: object) -> str:
        """The name of a new topic, on three brokers; returns when all of them lead or follow."""
        from confluent_kafka.admin import AdminClient, NewTopic

        name = f"test-{uuid4().hex[:12]}"
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        config = {key.replace("_", "."): str(value) for key, value in settings.items()}
        admin.create_topics([NewTopic(name, partitions, len(self.brokers), config=config)])[name].result(30)

        def led() -> bool:
            found = admin.list_topics(name, timeout=5).topics[name].partitions.values()
            return len(found) == partitions and all(each.leader > 0 for each in found)

        until(led, 30, f"{name} has leaders")
        return name

    def log(self) -> str:
        """The end of what each broker printed."""
        return "\n".join(f"--- {each.name}\n{each.log(3000)}" for each in self.brokers)


def _newest(pattern: str) -> list[str]:
    return [str(path) for path in sorted(Path("/").glob(pattern[1:]), key=lambda path: path.parts, reverse=True)]


T = TypeVar("T", "Kafka", ClickHouse, Postgres, Redis)


@contextmanager
def started(service: T) -> Iterator[T]:
    """Running inside, gone afterwards; a start that fails leaves nothing running either."""
    try:
        service.start()
        yield service
    finally:
        service.stop()
