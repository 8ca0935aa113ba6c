"""A limit is the installation's, not a gateway's: what two of them grant in a minute is the limit, to the event."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

import services
from clustered import Cluster
from harness import until
from wire.client import Answer, Client
from wire.languages import BIGMIND, BIK
from wire.scene import leave_room_in_minute

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

SENDERS = 12
"""At once; every other one at the other gateway."""


@pytest.fixture(scope="module")
def cluster(make_cluster: Callable[..., Cluster]) -> Cluster:
    return make_cluster("limits", engines=1)


@pytest.fixture(scope="module")
def lax(make_cluster: Callable[..., Cluster]) -> Cluster:
    """One whose gateways take events uncounted while Redis is away."""
    return make_cluster("lax", engines=1, QUOTAS_WHEN_AWAY="allow")


class Signal(NamedTuple):
    slug: str
    id: str
    limit: int


def made(cluster: Cluster, limit: int) -> Signal:
    slug = f"limited-{uuid4().hex[:8]}"
    with cluster.client() as client:
        body = {"name": slug, "slug": slug, "type": "event", "rate_limit": limit}
        answer = client.post("/v1/signals", json=body)
        assert answer.status_code == 201, answer.text
    return Signal(slug, answer.json()["id"], limit)


def client_of(cluster: Cluster, number: int) -> Client:
    return Client(cluster.url(number % 2), cluster.key)


def partial(client: Client, signals: list[Signal]) -> Answer:
    """Events of these signals, in Bigmind's batch: what fits is taken, and the answer names the rest."""
    return client.post(BIGMIND.batch, BIGMIND.batch_of(*[BIGMIND.event(signal=signal.slug) for signal in signals]))


def taken(answer: Answer) -> Counter[str]:
    """Events taken, by signal id."""
    return Counter(event["signal_id"] for event in answer.json["data"]) if answer.status == 200 else Counter()


def used(cluster: Cluster, signal: Signal, number: int) -> int:
    """What that gateway says was taken in this minute."""
    answer = client_of(cluster, number).call("GET", "/v1/limits")
    assert answer.status == 200, answer
    return int(next(each["used"] for each in answer.json["data"] if each["signal"] == signal.slug))


def stored(cluster: Cluster, signal: Signal) -> int:
    cluster.wait_drained()
    with cluster.client() as client:
        return len(client.get(f"/v1/events/export?signal={signal.slug}", timeout=60).text.splitlines())


def at_once(senders: int, one: Callable[[int], Any]) -> list[Any]:
    start = threading.Barrier(senders)

    def run(number: int) -> Any:
        start.wait(30)
        return one(number)

    with ThreadPoolExecutor(senders) as pool:
        return list(pool.map(run, range(senders)))


@pytest.mark.parametrize("limits", [(1, 37, 250), (100, 100, 2), (1000, 1000, 7)])
def test_both_grant_the_limit_together(cluster: Cluster, limits: tuple[int, ...]) -> None:
    """Batches of any size and mixture, until nothing is left: of each signal exactly its limit is taken and stored."""
    signals = [made(cluster, limit) for limit in limits]
    leave_room_in_minute(25)
    granted: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    parts = 0

    def one(number: int) -> list[tuple[Answer, list[Signal]]]:
        mine, client, answers = random.Random(f"{limits} {number}"), client_of(cluster, number), []
        empty = 0
        while empty < 4:
            asked = [mine.choice(signals) for _ in range(mine.choice((1, 3, 17, 100)))]
            answers.append((partial(client, asked), asked))
            empty = empty + 1 if answers[-1][0].status == 429 else 0
        client.close()
        return answers

    for answers in at_once(SENDERS, one):
        for answer, asked in answers:
            assert answer.status in {200, 429}, answer
            got, wanted = taken(answer), Counter(signal.id for signal in asked)
            left = Counter(each["signal_id"] for each in answer.json.get("rate_limited", ()))
            assert answer.status == 429 or got + left == wanted, answer
            granted += got
            statuses[answer.status] += 1
            parts += bool(got and left)
    print(f"limits {limits}: {dict(statuses)}, {parts} granted in part")
    assert granted == {signal.id: signal.limit for signal in signals}
    for signal in signals:
        assert [used(cluster, signal, number) for number in (0, 1)] == [signal.limit] * 2
        assert stored(cluster, signal) == signal.limit


def test_all_or_nothing_at_both(cluster: Cluster) -> None:
    """BIK's batches of seven are granted whole or not at all: 35 of them fit into 250, and five events more."""
    signal = made(cluster, 250)
    leave_room_in_minute(25)
    event = BIK.event(eventName=signal.slug)

    def one(number: int) -> int:
        client, granted, refused = client_of(cluster, number), 0, 0
        while refused < 3:
            answer = client.post(BIK.batch, BIK.batch_of(*[event] * 7))
            assert answer.status in {200, 429}, answer
            granted, refused = granted + 7 * (answer.status == 200), refused + (answer.status == 429)
        client.close()
        return granted

    assert sum(at_once(SENDERS, one)) == 245
    for number, count, status in ((0, 4, 200), (1, 2, 429), (1, 1, 200), (0, 1, 429)):
        assert client_of(cluster, number).post(BIK.batch, BIK.batch_of(*[event] * count)).status == status
    assert stored(cluster, signal) == 250


def test_every_minute_has_its_own(cluster: Cluster) -> None:
    """Senders that go on across the turn of a minute: each gets its limit, neither less nor more."""
    signal = made(cluster, 120)
    leave_room_in_minute(10)
    time.sleep(60 - time.time() % 60 - 4)
    end = time.time() + 8

    def one(number: int) -> Counter[str]:
        client, granted = client_of(cluster, number), Counter[str]()
        while time.time() < end:
            answer = partial(client, [signal] * random.choice((1, 4, 9)))
            assert answer.status in {200, 429}, answer
            granted[answer.headers["x-ratelimit-reset"]] += taken(answer)[signal.id]
            time.sleep(0.05)
        client.close()
        return granted

    windows = sum(at_once(SENDERS, one), Counter[str]())
    print(f"a limit of 120: {dict(windows)}")
    assert list(windows.values()) == [120, 120], windows
    assert stored(cluster, signal) == 240


class Tally:
    """What senders were told who go on whatever happens to Redis."""

    def __init__(self, cluster: Cluster, signal: Signal) -> None:
        self.granted, self.statuses = 0, Counter[int]()
        self._cluster, self._signal = cluster, signal
        self._lock, self._end = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,), daemon=True) for number in range(6)]

    def __enter__(self) -> "Tally":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(30)

    def _send(self, number: int) -> None:
        client = client_of(self._cluster, number)
        while not self._end.is_set():
            answer = partial(client, [self._signal] * 5)
            with self._lock:
                self.statuses[answer.status] += 1
                self.granted += taken(answer)[self._signal.id]
            time.sleep(0.02)
        client.close()

    def has(self, granted: int) -> bool:
        with self._lock:
            return self.granted >= granted


LIMIT = 2000
"""More than is taken before and while Redis is away."""


@pytest.mark.parametrize("how", ["killed", "stopped", "paused"])
def test_redis_that_comes_back_has_forgotten_nothing(cluster: Cluster, redis: services.Redis, how: str) -> None:
    """Meanwhile nothing of a limited signal is taken; what is taken in all is the limit, or less by what was granted
    in the very moment in which Redis went, so that its answer was lost."""
    signal = made(cluster, LIMIT)
    leave_room_in_minute(40)
    with Tally(cluster, signal) as tally:
        until(lambda: tally.has(200), 20, "200 were granted")
        {"killed": redis.kill, "stopped": redis.stop, "paused": redis.pause}[how]()
        time.sleep(1.5)
        assert client_of(cluster, 0).post(BIK.batch, BIK.batch_of(BIK.event())).status in {200, 503}
        refused = partial(client_of(cluster, 1), [signal])
        assert refused.status == 503 and int(refused.headers["retry-after"]) >= 1, refused
        redis.resume() if how == "paused" else redis.start()
        began = time.monotonic()
        before = tally.granted
        until(lambda: tally.has(before + 1), 20, "it grants again")
        back = time.monotonic() - began
        until(lambda: tally.statuses[429] > 20, 30, "nothing is left")
    counted = used(cluster, signal, 0)
    print(f"{how}: {dict(tally.statuses)}; {tally.granted} of {LIMIT} granted; granted again after {back:.2f} s")
    assert set(tally.statuses) == {200, 429, 503}
    assert counted == used(cluster, signal, 1) == LIMIT
    lost = 5 * 6 * (3 if how == "paused" else 1)  # a paused one does later what each sender asked for meanwhile
    assert LIMIT - lost <= tally.granted <= LIMIT, "each sender may have lost its answer"
    assert stored(cluster, signal) == tally.granted


def test_redis_that_comes_back_empty_is_told(cluster: Cluster, redis: services.Redis) -> None:
    """Each gateway counts anew what it was granted. Until both have, one may be granted what the other was before:
    what was granted when Redis forgot is the most by which a limit is exceeded; with senders at both it is nothing."""
    signal = made(cluster, LIMIT)
    leave_room_in_minute(40)
    with Tally(cluster, signal) as tally:
        until(lambda: tally.has(200), 20, "200 were granted")
        redis.forget()
        until(lambda: tally.statuses[429] > 20, 30, "nothing is left")
    print(f"forgotten: {dict(tally.statuses)}; {tally.granted} of {LIMIT} granted")
    assert figure(cluster, "headwater_quotas_restored_total") >= 2, "each gateway has counted anew"
    assert used(cluster, signal, 0) == used(cluster, signal, 1) >= LIMIT
    assert LIMIT - 5 * 6 <= tally.granted <= LIMIT
    assert stored(cluster, signal) == tally.granted


def test_without_redis_what_has_no_limit_is_taken(cluster: Cluster, redis: services.Redis) -> None:
    limited = made(cluster, 5)
    redis.kill()
    with cluster.client(1) as client:
        slug = f"free-{uuid4().hex[:8]}"
        body = {"name": slug, "slug": slug, "type": "event", "rate_limit": None}
        assert client.post("/v1/signals", json=body).status_code == 201
    for number in (0, 1):
        answer = client_of(cluster, number).post(BIGMIND.batch, BIGMIND.batch_of(BIGMIND.event(signal=slug)))
        assert answer.status == 200, answer
        assert partial(client_of(cluster, number), [limited]).status == 503
        assert client_of(cluster, number).call("GET", "/v1/limits").status == 503


def test_allowed_while_redis_is_away(lax: Cluster, redis: services.Redis) -> None:
    """Taken uncounted, and told; the limit holds again once Redis is back."""
    signal = made(lax, 100)
    leave_room_in_minute(30)
    first, second = client_of(lax, 0), client_of(lax, 1)
    assert len(taken(partial(first, [signal] * 60))) == 1
    assert figure(lax, "headwater_quotas_ready") == 2
    redis.kill()
    for client in (first, second):
        for _ in range(2):
            answer = partial(client, [signal] * 80)
            assert answer.status == 200 and taken(answer)[signal.id] == 80, answer
    assert figure(lax, "headwater_quotas_ready") == 0
    assert figure(lax, "headwater_quotas_unchecked_events_total") == 320
    redis.start()
    until(lambda: used(lax, signal, 0) == 60, 10, "Redis is asked again")
    time.sleep(0.5)  # the other gateway rests as long after a failure
    assert taken(partial(second, [signal] * 60))[signal.id] == 40
    assert partial(first, [signal]).status == 429
    assert figure(lax, "headwater_quotas_ready") == 2
    assert stored(lax, signal) == 420


def figure(cluster: Cluster, name: str) -> float:
    """A metric's sum over both gateways."""
    texts = [client_of(cluster, number).call("GET", "/metrics").body.decode() for number in (0, 1)]
    lines = [line for text in texts for line in text.splitlines() if line.startswith(f"{name} ")]
    assert len(lines) == 2, lines
    return sum(float(line.split()[1]) for line in lines)
