"""What fails in a cluster, under load: every acknowledged event is stored once, and how soon all is well again.

`-rP` shows what each fault did: the requests that were refused and why, and how long anything took.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from itertools import pairwise
from random import Random
from re import sub
from statistics import median

import httpx
import pytest

from background import Background
from clustered import Role
from harness import until
from networked import FAR, Networked, networked
from sending import Load, Sent, compare
from tools import lack, often

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

BEFORE, AFTER = 6.0, 5.0
"""Seconds of load before a fault, and once all is well again."""
WELL_SECONDS = 120.0


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Scene"]:
    with networked(tmp_path_factory.mktemp("faults"), LOG_PARTITIONS=6) as cluster:
        with cluster.client() as client:
            body = {"name": "counted", "type": "event", "rate_limit": 1_000_000}
            assert client.post("/v1/signals", json=body).status_code == 201
        with Keeper(cluster) as keeper, Watch(cluster) as watch:
            yield Scene(cluster, keeper, watch)


class Keeper(Background):
    """Starts what ended again, as systemd or Kubernetes does."""

    def __init__(self, cluster: Networked) -> None:
        self.restarts: list[tuple[str, int]] = []
        """Names, and the code that it ended with."""
        self._roles = [*cluster.gateways, *cluster.engines]
        self._resting: set[str] = set()
        super().__init__()

    @contextmanager
    def resting(self, *roles: Role) -> Iterator[None]:
        """Meanwhile these stay as they are."""
        self._resting |= {role.name for role in roles}
        try:
            yield
        finally:
            self._resting -= {role.name for role in roles}

    def _run(self) -> None:
        while not self._stop.wait(1):
            for role in self._roles:
                if not role.alive and role.name not in self._resting:
                    self.restarts.append((role.name, role.process.returncode))
                    role.start()


class Watch(Background):
    """Asks all the time whether questions are answered, and how much waits to be stored."""

    def __init__(self, cluster: Networked) -> None:
        self.seen: list[tuple[float, int | None]] = []
        """When, and the events that waited; None when nobody answered."""
        self._cluster = cluster
        super().__init__()

    def unanswered(self, since: float) -> float:
        """The longest time without an answer, in seconds."""
        times = [since, *(when for when, waits in list(self.seen) if waits is not None and when >= since)]
        return _longest([*times, time.monotonic()])

    def most(self, since: float) -> int:
        return max((waits or 0 for when, waits in list(self.seen) if when >= since), default=0)

    def _run(self) -> None:
        with self._cluster.client() as client:
            while not self._stop.wait(0.3):
                waits = None
                with suppress(httpx.TransportError):
                    answer = client.get("/v1/pipelines", timeout=10)
                    if answer.status_code == 200:
                        waits = sum(lane["events"] for lane in answer.json()["data"])
                self.seen.append((time.monotonic(), waits))


class Scene:
    """The cluster, what keeps it, and all that was sent to it by any test."""

    def __init__(self, cluster: Networked, keeper: Keeper, watch: Watch) -> None:
        self.cluster, self.keeper, self.watch = cluster, keeper, watch
        self.load = Load([cluster.url(0), cluster.url(1)], cluster.key)

    def suffer(self, what: str, fault: Callable[[], None]) -> None:
        """`fault` breaks something under load and mends it. Then all is counted."""
        load, known = self.load, len(self.keeper.restarts)
        load.start()
        try:
            time.sleep(BEFORE)
            begun = time.monotonic()
            fault()
            mended = time.monotonic()
            until(lambda: load.all_are_well(mended), WELL_SECONDS, f"all senders are served again after: {what}")
            time.sleep(AFTER)
        finally:
            load.stop()
        stopped = time.monotonic()
        self.cluster.wait_drained(180)
        drained = time.monotonic()
        books = compare(load, self.numbers())
        lines = [
            f"{what}: broken for {mended - begun:.1f} s",
            *_refusals(load.since(begun)),
            *_recoveries(load, begun, mended),
            f"  questions: unanswered for {self.watch.unanswered(begun):.1f} s at most",
            f"  waiting at most {self.watch.most(begun)} events; "
            f"nothing {drained - stopped:.1f} s after the load, which went on for {stopped - mended:.1f} s",
            f"  started again: {self.keeper.restarts[known:] or 'nothing'}",
            f"  so far: {books.acknowledged} events acknowledged, {books.stored} stored, {len(books.lost)} lost, "
            f"{len(books.doubled)} doubled, {len(books.uninvited)} stored though refused, {books.unknown} of requests "
            "without an answer",
        ]
        print("\n".join(lines))
        assert books.balanced, books
        assert all(sent.why for sent in load.since(begun) if sent.status != 200)

    def numbers(self) -> list[int]:
        """Of every row that the store holds."""
        found = []
        with self.cluster.client() as client, client.stream("GET", "/v1/events/export", timeout=120) as answer:
            assert answer.status_code == 200
            for line in answer.iter_lines():
                row = json.loads(line)
                assert row["status"] == "processed", row
                found.append(int(row["data"].get("keyword") or row["data"]["number"]))
        return found


def _refusals(sent: list[Sent]) -> Iterator[str]:
    """How many requests were answered how, and why."""
    yield f"  {len(sent)} requests by status: {dict(sorted(Counter(each.status for each in sent).items()))}"
    whys = Counter((each.status, sub(r"\d[\d.:TZ-]*", "#", each.why)) for each in sent if each.status != 200)
    for (status, why), count in whys.most_common(8):
        yield f"    {count} × {status}: {why}"


def _recoveries(load: Load, begun: float, mended: float) -> Iterator[str]:
    names = sorted({each.sender for each in load.answers if each.sender != "insisting"})
    for name in names:
        mine = [each for each in load.since(begun) if each.sender == name]
        good = [each for each in mine if each.status == 200]
        gap = _longest([begun, *sorted(each.ended for each in good)])
        after = min((each.ended for each in good if each.begun >= mended), default=float("inf")) - mended
        times = sorted(each.seconds for each in good) or [0.0]
        usual = median([each.seconds for each in load.answers if each.sender == name and each.ended < begun])
        yield (
            f"  {name}: no 200 for {gap:.1f} s at most; first one {after:.1f} s after it was mended; "
            f"slowest {times[-1]:.1f} s, "
            f"{sum(each > 1 for each in times)} took more than 1 s, the median {1000 * median(times):.0f} ms "
            f"(before: {1000 * usual:.0f} ms)"
        )
    waited = max((each.seconds for each in load.insisted if each.ended >= begun), default=0)
    yield f"  insisting: acknowledged after {waited:.1f} s at most"


def _longest(times: list[float]) -> float:
    return max((later - earlier for earlier, later in pairwise(times)), default=0)


# --- faults -----------------------------------------------------------------------------------------------------------


def broker_killed(scene: Scene) -> None:
    broker = scene.cluster.kafka.brokers[0]
    broker.kill()
    time.sleep(15)
    broker.start()
    scene.cluster.kafka.wait_in_sync()


def network_cut(scene: Scene) -> None:
    """Between one gateway and one broker; both go on seeing everybody else."""
    assert scene.cluster.space
    cable = scene.cluster.space.cables[1]
    cable.cut()
    try:
        time.sleep(20)
    finally:
        cable.mend()


def engine_killed_in_rebalance(scene: Scene) -> None:
    """One is stopped in order; while the other takes its partitions over, that is killed."""
    first, second = scene.cluster.engines
    with scene.keeper.resting(first, second):
        known = second.log(1 << 30).count(" is stored here")
        first.process.terminate()
        until(lambda: second.log(1 << 30).count("is stored here\n") > known, 60, "a partition was taken over")
        second.kill()
        first.process.wait(60)
        time.sleep(2)
    until(lambda: first.alive and second.alive, 10, "both run again")
    with scene.cluster.client() as client:
        until(lambda: client.get("/v1/pipelines").status_code == 200, 90, "an engine leads again")


def postgres_restarted(scene: Scene) -> None:
    scene.cluster.postgres.stop()
    time.sleep(5)
    scene.cluster.postgres.start()


def postgres_killed(scene: Scene) -> None:
    scene.cluster.postgres.kill()
    time.sleep(5)
    scene.cluster.postgres.start()


def redis_restarted(scene: Scene) -> None:
    scene.cluster.redis.kill()
    time.sleep(5)
    scene.cluster.redis.start()


def gateway_killed(scene: Scene) -> None:
    scene.cluster.gateways[FAR].kill()
    until(lambda: scene.cluster.gateways[FAR].alive, 10)


def engines_killed(scene: Scene) -> None:
    for engine in scene.cluster.engines:
        engine.kill()
    with scene.cluster.client() as client:
        time.sleep(2)
        until(lambda: client.get("/v1/pipelines").status_code == 200, 90, "an engine leads again")


def store_killed(scene: Scene) -> None:
    scene.cluster.clickhouse.kill()
    time.sleep(5)
    scene.cluster.clickhouse.start()


FAULTS = [
    broker_killed,
    network_cut,
    engine_killed_in_rebalance,
    postgres_restarted,
    postgres_killed,
    redis_restarted,
    gateway_killed,
    engines_killed,
    store_killed,
]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.__name__.replace("_", "-") for fault in FAULTS])
def test_what_was_acknowledged_is_stored_once(scene: Scene, fault: Callable[[Scene], None]) -> None:
    if fault is network_cut and not scene.cluster.space:
        lack("no network can be made for a gateway here: see tests/netns.py")
    scene.suffer(_name(fault), lambda: fault(scene))


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_faults_by_chance(scene: Scene) -> None:
    """One after the other, and two at a time."""
    random = Random(7)
    possible = [fault for fault in FAULTS if scene.cluster.space or fault is not network_cut]
    for _ in range(often(12)):
        chosen = random.sample(possible, 1)
        others = [fault for fault in possible if _victim(fault) != _victim(chosen[0])]
        chosen += random.sample(others, random.choice((0, 1)))
        scene.suffer(" and ".join(map(_name, chosen)), partial(_together, scene, chosen, random.uniform(0, 6)))


def _together(scene: Scene, faults: list[Callable[[Scene], None]], apart: float) -> None:
    """`apart`: seconds between their beginnings."""
    with ThreadPoolExecutor() as pool:
        for fault in [pool.submit(_later, number * apart, fault, scene) for number, fault in enumerate(faults)]:
            fault.result()


def _later(seconds: float, fault: Callable[[Scene], None], scene: Scene) -> None:
    time.sleep(seconds)
    fault(scene)


def _name(fault: Callable[[Scene], None]) -> str:
    return fault.__name__.replace("_", " ")


def _victim(fault: Callable[[Scene], None]) -> str:
    return _name(fault).split()[0].rstrip("s")
