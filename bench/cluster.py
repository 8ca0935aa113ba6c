"""One machine's headwater beside gateways and engines past one machine. `make bench-cluster`, or

    python bench/cluster.py [--quick] [--turns 3] [--seconds 4] [--json PATH] [--write-docs]
    python bench/cluster.py --from docs/scale-performance.json [--write-docs]     only tells again what was measured

In one run, taking turns, by the same generator with the same batches: the embedded headwater; one gateway and one
engine; two of each. All services run on this machine, too, and what they take is told apart: with a few cores this
measures what an event costs, not what a cluster reaches. docs/scale-performance.md says what each figure means.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any, Protocol

import httpx
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

import bodies
import cluster_report
import load
import machine
import report
from bodies import BATCH, Kind
from options import racing
from servers import HERE, Headwater

sys.path.append(str(HERE.parent / "tests"))

import services
from clustered import Cluster, Role

PAGE = HERE.parent / "docs" / "scale-performance.md"
KEPT, LAST = PAGE.with_suffix(".json"), HERE.parent / "build" / "bench-cluster.json"

LIMITED_SLUG = "visited-limited-page"
LIMITED = Kind(
    "bigmind batch with a limit", "/v1/events/batch", BATCH, partial(bodies.bigmind_event, slug=LIMITED_SLUG)
)
"""Its quota is counted: in memory, or in Redis."""
KINDS = (bodies.BIK_BATCH, bodies.BIGMIND_BATCH, LIMITED)
NO_LIMIT = 1_000_000_000
"""Events a minute, which nobody sends here."""
DRAIN_SECONDS = 240.0
PARTITIONS = 4
WARM_SECONDS = 2

Figures = dict[str, Any]


class Racer(Protocol):
    name: str
    urls: list[str]
    authorization: str

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far of its own processes, by role."""

    def memory(self) -> dict[str, float]:
        """MiB, shared pages divided, by role."""

    def backlog(self) -> int:
        """Events acknowledged and not queryable yet."""


class Embedded(Headwater):
    """`headwater serve`: everything in one data directory."""

    def __init__(self, directory: Path) -> None:
        super().__init__("one machine", directory)
        self.urls = [self.url]
        create_limited(self.client)

    def memory(self) -> dict[str, float]:  # type: ignore[override]
        return {role: each["pss"] for role, each in super().memory().items()}


class Many:
    """So many gateways and engines, with a topic and databases of their own."""

    def __init__(self, count: int, cluster: Cluster) -> None:
        self.name = f"{count} gateway{'s'[: count > 1]}, {count} engine{'s'[: count > 1]}"
        self._cluster = cluster
        self.urls = [cluster.url(each) for each in range(count)]
        self.authorization = f"Bearer {cluster.key}"
        self._client = cluster.client()
        bodies.create_signals(self._client)
        create_limited(self._client)

    def cpu(self) -> dict[str, float]:
        return self._summed(machine.cpu_seconds)

    def memory(self) -> dict[str, float]:
        return self._summed(lambda pid: machine.memory_mib(pid)["pss"])

    def backlog(self) -> int:
        answer = self._client.get("/v1/pipelines")
        return sum(lane["events"] for lane in answer.raise_for_status().json()["data"])

    def _summed(self, figure: Callable[[int], float]) -> dict[str, float]:
        roles: tuple[list[Role], ...] = (self._cluster.gateways, self._cluster.engines)
        for role in (each for kind in roles for each in kind):
            if not role.alive:
                raise SystemExit(f"{role.name} ended:\n{role.log()[-5000:]}")
        return {
            kind[0].kind: sum(figure(pid) for role in kind for pid in machine.session(role.process.pid))
            for kind in roles
        }


def create_limited(client: httpx.Client) -> None:
    asked = {"name": LIMITED_SLUG, "slug": LIMITED_SLUG, "type": "event", "rate_limit": NO_LIMIT}
    client.post("/v1/signals", json=asked).raise_for_status()


class Bench:
    """The racers, the services below them, and what was measured so far."""

    def __init__(self, options: argparse.Namespace, directory: Path, stack: ExitStack, step: Callable[[str], None]):
        self.options, self.directory, self.stack, self.step = options, directory, stack, step
        self.results: Figures = {"conditions": machine.conditions(directory), "options": told(options)}
        self.services: dict[str, list[int]] = {}

    def run(self) -> Figures:
        began, racers = time.monotonic(), self.start()
        paths = {kind: kind.write(self.directory, self.options.events, self.options.seed) for kind in KINDS}
        self.results["conditions"]["generator_core"] = load.pin()
        if not self.options.quick:  # caches, connections, code that was never run
            for racer in racers:
                self.step(f"warming {racer.name}")
                for kind in KINDS[:2]:
                    self.measure(racer, kind, paths[kind], WARM_SECONDS)
        self.results["rest"] = self.at_rest(racers)
        cases = [(racer, kind) for kind in KINDS for racer in racers]
        self.results["cases"] = [{"server": racer.name, "kind": kind.name, "turns": []} for racer, kind in cases]
        for turn in range(self.options.turns):
            shift = turn * len(cases) // self.options.turns
            for at in [*range(shift, len(cases)), *range(shift)]:
                if time.monotonic() - began > self.options.minutes * 60:
                    break
                racer, kind = cases[at]
                self.step(f"turn {turn + 1} of {self.options.turns}: {racer.name}, {kind.name}")
                figures = self.measure(racer, kind, paths[kind], self.options.seconds)
                self.results["cases"][at]["turns"].append(figures)
        self.results["load_average_after"] = round(machine.os.getloadavg()[0], 2)
        return self.results

    def start(self) -> list[Racer]:
        self.step("starting Kafka, PostgreSQL, Redis and ClickHouse")
        kafka, postgres = services.Kafka(), services.Postgres()
        redis, clickhouse = services.Redis(), services.ClickHouse()
        for service in (kafka, postgres, redis, clickhouse):
            self.stack.enter_context(services.started(service))
        self.services = {
            "Kafka": [broker.pid for broker in kafka.brokers],
            "PostgreSQL": [postgres.pid],
            "Redis": [redis.pid],
            "ClickHouse": [clickhouse.pid],
        }
        racers: list[Racer] = []
        for count in (1, 2):
            self.step(f"starting {count} gateway and engine")
            folder, options = (
                self.directory / f"cluster-{count}",
                {"LOG_PARTITIONS": PARTITIONS, "LOG_LEVEL": "warning"},
            )
            cluster = Cluster(folder, kafka, postgres, redis, clickhouse, count, count, **options)
            self.stack.callback(cluster.stop)
            racers.append(Many(count, cluster.start()))
        self.step("starting headwater on one machine")
        embedded = Embedded(self.directory / "embedded")
        self.stack.callback(embedded.stop)
        return [embedded, *racers]

    def services_cpu(self) -> dict[str, float]:
        """Of each service's processes, with those of its that have ended."""
        return {name: sum(machine.tree_seconds(pid) for pid in pids) for name, pids in self.services.items()}

    def at_rest(self, racers: list[Racer]) -> Figures:
        """What everybody takes while nothing happens."""
        self.step("at rest")
        time.sleep(1)
        before, below, began = [racer.cpu() for racer in racers], self.services_cpu(), time.monotonic()
        time.sleep(self.options.rest)
        seconds = time.monotonic() - began
        return {
            racer.name: {"cpu_percent": shares(spent(cpu, racer.cpu()), seconds), "memory": racer.memory()}
            for racer, cpu in zip(racers, before, strict=True)
        } | {"services": {"cpu_percent": shares(spent(below, self.services_cpu()), seconds)}}

    def measure(self, racer: Racer, kind: Kind, path: Path, seconds: float) -> Figures:
        """Saturated for `seconds`, then until all is queryable."""
        cpu, below, began = racer.cpu(), self.services_cpu(), time.monotonic()
        share = self.options.connections // len(racer.urls)
        running = [
            load.wrk(SimpleNamespace(url=url, authorization=racer.authorization), kind.path, path, share, seconds)
            for url in racer.urls
        ]
        found = [each.result() for each in running]
        sent, acknowledged = time.monotonic(), racer.cpu()
        if any(each["refused"] or each["failed"] for each in found):
            raise SystemExit(f"{racer.name} did not answer 200 to all of {kind.name}: {found}")
        self.drain(racer)
        requests = sum(each["requests"] for each in found)
        return {
            "requests": requests,
            "events": requests * kind.events,
            "seconds": found[0]["seconds"],
            "events_per_s": sum(each["requests"] / each["seconds"] for each in found) * kind.events,
            "p50_ms": median(each["p50_ms"] for each in found),
            "p99_ms": max(each["p99_ms"] for each in found),
            "drain_seconds": time.monotonic() - sent,
            "queryable_per_s": requests * kind.events / (time.monotonic() - began),
            "cpu_acknowledged": spent(cpu, acknowledged),
            "cpu_queryable": spent(cpu, racer.cpu()),
            "cpu_services": {} if isinstance(racer, Embedded) else spent(below, self.services_cpu()),
        }

    def drain(self, racer: Racer) -> None:
        deadline = time.monotonic() + DRAIN_SECONDS
        while racer.backlog():
            if time.monotonic() > deadline:
                raise SystemExit(f"{racer.name} has not drained within {DRAIN_SECONDS:.0f} s")
            time.sleep(0.1)


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {role: after[role] - seconds for role, seconds in before.items()}


def shares(cpu: Mapping[str, float], seconds: float) -> dict[str, float]:
    return {role: used / seconds * 100 for role, used in cpu.items()}


# --- the command ---------------------------------------------------------------------------------------------------

QUICK = {"turns": 1, "seconds": 1.0, "events": 2000, "rest": 1.0}
"""What `--quick` sets: whether it runs, not how fast."""


def told(options: argparse.Namespace) -> Figures:
    return {name: getattr(options, name) for name in ("turns", "seconds", "connections", "events", "seed", "quick")}


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = racing(__doc__, PAGE, LAST, turns=3)
    parser.add_argument("--minutes", type=float, default=30, help="turns that would begin later are left out")
    if "--quick" in arguments:
        parser.set_defaults(**QUICK)
    return parser.parse_args(arguments)


@contextmanager
def steps(console: Console, total: int) -> Iterator[Callable[[str], None]]:
    columns = (*Progress.get_default_columns()[:3], TimeElapsedColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=total)
        yield lambda text: progress.update(task, description=text, advance=1)


def measured(options: argparse.Namespace) -> Figures:
    load.check_wrk()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began, racers = time.monotonic(), 3
    total = 5 + options.turns * racers * len(KINDS) + (0 if options.quick else racers)
    with (
        tempfile.TemporaryDirectory(dir=options.dir, prefix="hw-bench-") as directory,
        steps(Console(stderr=True), total) as step,
        ExitStack() as stack,
    ):
        results: Figures = report.rounded(Bench(options, Path(directory), stack, step).run())
    results["minutes"] = round((time.monotonic() - began) / 60, 1)
    report.write(results, options.json)
    return results


def main() -> None:
    options = parsed(sys.argv[1:])
    results = json.loads(options.source.read_text()) if options.source else measured(options)
    report.tell(results, cluster_report.TABLES, PAGE, KEPT, options.write_docs)


if __name__ == "__main__":
    main()
