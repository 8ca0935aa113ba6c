"""The log as one topic of Kafka: where it is, how it must be set up, and what its processes tell each other there.

    topic `PREFIX.events`           one message a record (`record`), both lanes in it, its key the batch's id
    group `PREFIX.events.stored`    offsets before which everything is in the store, by the engines
    group `PREFIX.events.claimed`   offsets before which all claims are kept elsewhere

Each partition is a log of its own: a position is an offset there, and there are no gaps between them, for nothing is
written in transactions. The two groups have no members: they are numbers that outlive everybody, and the tools that
show a group's lag show what is not stored yet.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from threading import Condition, Lock
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic  # type: ignore[attr-defined]

from headwater.errors import LogUnavailableError, SettingsError, StartError

MESSAGE_BYTES = 8 << 20
"""No record is longer: a body has 5 MiB at most."""
BEFORE_MS, AFTER_MS = 60_000, 10_000
"""How late a message may reach Kafka, and how far its clocks may be behind ours. See `doubts`."""
SEGMENT_MS = 600_000
"""How long what was trimmed may stay in a segment that is still being written."""
MOST_PARTITIONS = 1024

_PREFIX = re.compile(r"[A-Za-z0-9._-]{1,200}")
_ANSWER_SECONDS = 10.0
_LEADERS_SECONDS = 30.0
_GONE = (KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART)

_T = TypeVar("_T")

_logger = logging.getLogger(__name__)


class Address(NamedTuple):
    """Where the log is."""

    topic: str
    config: Mapping[str, Any]
    """What every client is made with."""


def address(url: str) -> Address:
    """`kafka://HOST:PORT,HOST:PORT/PREFIX`, or `kafkas://` over TLS; before the hosts perhaps `USER:PASSWORD@` (SASL),
    behind the prefix `?name=value&…`: settings of librdkafka. Raises SettingsError."""
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    prefix = parts.path.strip("/") or "headwater"
    if parts.scheme not in ("kafka", "kafkas") or not hosts or not _PREFIX.fullmatch(prefix):
        raise SettingsError(f"the log's URL must be like kafka://HOST:PORT,HOST:PORT/PREFIX, and is not: {_shown(url)}")
    config: dict[str, Any] = {
        "bootstrap.servers": hosts,
        "client.id": "headwater",
        "log_level": 4,  # to stderr: a logger of Python's would be called in the middle of other calls
        # The defaults wait for up to a minute where somebody waits for us.
        "socket.timeout.ms": 10_000,
        "socket.connection.setup.timeout.ms": 5_000,
        "reconnect.backoff.max.ms": 1_000,
        "allow.auto.create.topics": False,
    }
    encrypted = parts.scheme == "kafkas"
    if credentials:
        user, _, password = credentials.partition(":")
        config |= {
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": unquote(user),
            "sasl.password": unquote(password),
        }
    if encrypted or credentials:
        config["security.protocol"] = ("SASL_" if credentials else "") + ("SSL" if encrypted else "PLAINTEXT")
    return Address(f"{prefix}.events", config | dict(parse_qsl(parts.query, keep_blank_values=True)))


def _shown(url: str) -> str:
    """Without the password."""
    return re.sub(r"//[^/]*@", "//…@", url)


class Topic(NamedTuple):
    """What of a topic's settings the log's promises hang on."""

    name: str
    partitions: int
    min_insync: int
    before_ms: int
    after_ms: int
    segment_ms: int


def prepare(where: Address, *, partitions: int, replicas: int, min_insync: int, seconds: float) -> Topic:
    """Makes the topic when it is not there, and has a look at its settings.

    Raises StartError when Kafka does not answer for `seconds`, or the topic could lose or double events.
    """
    admin = AdminClient(dict(where.config))
    try:
        found = admin.list_topics(where.topic, timeout=seconds).topics[where.topic]
        if found.error is not None:
            if found.error.code() not in _GONE:
                raise KafkaException(found.error)
            _create(admin, where.topic, partitions, replicas, min_insync)
        counts = _led(admin, where.topic)
        settings = _settings(admin, where.topic)
    except KafkaException as error:
        raise StartError(f"Kafka at {where.config['bootstrap.servers']}: {_text(error)}") from error
    faults = [*_faults(settings, counts, replicas, min_insync)]
    if faults:
        raise StartError(f"the topic {where.topic} of Kafka is not fit to be the log: {'; '.join(faults)}")
    words = ("min.insync.replicas", "message.timestamp.before.max.ms", "message.timestamp.after.max.ms", "segment.ms")
    topic = Topic(where.topic, len(counts), *[int(settings[word]) for word in words])
    if min(counts) == topic.min_insync > 1:
        _logger.warning("the topic %s has as many replicas as must be in sync: no broker may be away", where.topic)
    return topic


def _create(admin: AdminClient, name: str, partitions: int, replicas: int, min_insync: int) -> None:
    if not 0 < partitions <= MOST_PARTITIONS:
        raise StartError(f"the log can have up to {MOST_PARTITIONS} partitions, not {partitions}")
    settings = {
        "cleanup.policy": "delete",
        "retention.ms": -1,
        "retention.bytes": -1,
        "message.timestamp.type": "CreateTime",
        "message.timestamp.before.max.ms": BEFORE_MS,
        "message.timestamp.after.max.ms": AFTER_MS,
        "max.message.bytes": MESSAGE_BYTES,
        "min.insync.replicas": min_insync,
        "unclean.leader.election.enable": "false",
        "segment.ms": SEGMENT_MS,
        "segment.bytes": 256 << 20,
    }
    new = NewTopic(name, partitions, replicas, config={key: str(value) for key, value in settings.items()})
    try:
        admin.create_topics([new])[name].result(_LEADERS_SECONDS)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another gateway was faster
            raise


def _led(admin: AdminClient, name: str) -> list[int]:
    """How many replicas each partition has, once all of them have a leader, or had time enough to get one."""
    deadline = time.monotonic() + _LEADERS_SECONDS
    while True:
        found = admin.list_topics(name, timeout=_ANSWER_SECONDS).topics[name]
        known = found.partitions.values()
        if known and (all(each.leader >= 0 for each in known) or time.monotonic() > deadline):
            return [len(each.replicas) for each in known]
        if time.monotonic() > deadline:
            raise KafkaException(found.error or KafkaError(KafkaError.LEADER_NOT_AVAILABLE))
        time.sleep(0.1)


def _settings(admin: AdminClient, name: str) -> dict[str, str]:
    """Asks again when a broker is asked that has not heard of a topic that was just made."""
    deadline = time.monotonic() + _LEADERS_SECONDS
    resource = ConfigResource(ConfigResource.Type.TOPIC, name)
    while True:
        try:
            found = admin.describe_configs([resource])[resource].result(_ANSWER_SECONDS)
            return {key: each.value for key, each in found.items()}
        except KafkaException as error:
            if not is_gone(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def _faults(settings: Mapping[str, str], counts: Iterable[int], replicas: int, min_insync: int) -> Iterable[str]:
    """Each with what it leads to, for people."""

    def at_least(name: str, least: int) -> bool:
        return int(settings.get(name, 0)) >= least

    if settings.get("cleanup.policy") != "delete":
        yield "cleanup.policy must be delete, or Kafka removes events by their key"
    for name in ("retention.ms", "retention.bytes"):
        if settings.get(name) != "-1":
            yield f"{name} is {settings.get(name)} and must be -1, or Kafka removes events that are not stored yet"
    if "message.timestamp.before.max.ms" not in settings:
        yield "message.timestamp.before.max.ms is not known to this Kafka: it must be of version 3.6 or later"
    elif settings.get("message.timestamp.type") != "CreateTime":
        yield "message.timestamp.type must be CreateTime, or events that were refused could come in late"
    else:
        for name in ("message.timestamp.before.max.ms", "message.timestamp.after.max.ms"):
            if not 1_000 <= int(settings[name]) <= 600_000:
                yield f"{name} is {settings[name]}, and must be 1000 to 600000, or what was refused could come in late"
    if not at_least("max.message.bytes", MESSAGE_BYTES):
        yield f"max.message.bytes must be {MESSAGE_BYTES} or more, or large batches are refused"
    if settings.get("unclean.leader.election.enable") != "false":
        yield "unclean.leader.election.enable must be false, or acknowledged events are lost"
    if not at_least("min.insync.replicas", min_insync):
        yield f"min.insync.replicas must be {min_insync} or more, or acknowledged events are on one disk alone"
    if min(counts) < replicas:
        yield f"a partition has {min(counts)} replicas and must have {replicas}"


def partitions(url: str) -> int:
    """How many the log has; 0 while there is none. Raises LogUnavailableError."""
    where = address(url)
    try:
        found = AdminClient(dict(where.config)).list_topics(where.topic, timeout=_ANSWER_SECONDS).topics[where.topic]
    except KafkaException as error:
        raise unavailable(error) from error
    return len(found.partitions)


class Open:
    """A consumer for several threads: `with … as consumer:` around every use. `close` waits until nobody is in one, for
    librdkafka would free what others are using."""

    def __init__(self, consumer: Any) -> None:
        self._consumer: Any = consumer
        self._users = 0
        self._change = Condition(Lock())

    def __enter__(self) -> Any:
        with self._change:
            if self._consumer is None:
                raise LogUnavailableError("the log is closed")
            self._users += 1
            return self._consumer

    def __exit__(self, *about: object) -> None:
        with self._change:
            self._users -= 1
            if not self._users:
                self._change.notify_all()

    def close(self) -> None:
        """More than once is as good as once."""
        with self._change:
            consumer, self._consumer = self._consumer, None
            self._change.wait_for(lambda: not self._users)
        if consumer is not None:
            consumer.close()


def patiently(ask: Callable[[], _T], seconds: float = 3.0) -> _T:
    """Asks again while a leader or coordinator moves. Raises LogUnavailableError after that."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except (KafkaException, TimeoutError) as error:
            if time.monotonic() > deadline:
                raise unavailable(error) from error
            time.sleep(0.05)


def is_gone(error: KafkaException) -> bool:
    """Whether there is no such topic or partition."""
    return error.args[0].code() in _GONE


def unavailable(error: Exception) -> LogUnavailableError:
    return LogUnavailableError(f"Kafka: {_text(error)}")


def _text(error: Exception) -> str:
    """For people."""
    known = error.args[0] if error.args else None
    return f"{known.str()} ({known.name()})" if isinstance(known, KafkaError) else str(error) or type(error).__name__
