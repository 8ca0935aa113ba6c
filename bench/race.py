"""The race: no-op servers, a naive peer and headwater, in one run, taking turns. `make bench`, or

    python bench/race.py [--quick] [--turns 5] [--seconds 4] [--json PATH] [--write-docs]
    python bench/race.py --from docs/performance.json [--write-docs]     only tells again what was measured

Each turn runs every racer once, in an order that rotates, for the speed of a machine drifts. Load comes from the last
core alone; servers may use all. A racer begins when the one before has come to rest: headwater has drained and stored.
Then headwater alone: how much it takes from the 200 to queryable without a backlog that grows, and how soon one event
can be queried. docs/performance.md says what each figure means.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

import bodies
import load
import machine
import plots
import queryable
import report
from bodies import Kind
from options import racing
from servers import HERE, Headwater, Naive, Server

PAGE = report.PAGE
KEPT, LAST = PAGE.with_suffix(".json"), HERE.parent / "build" / "bench.json"
"""Where everything measured is written: beside the page when that is renewed, and each time."""
FIXED = 1000
"""Requests/s of the open loop."""
SUSTAINED, FRESH = 60_000, 30_000
"""Events/s of the two promises about what is queryable."""


@dataclass(frozen=True)
class Case:
    """One racer: a server and a form of request."""

    server: str
    kind: Kind
    fixed: bool = False
    """Whether it also runs at FIXED requests/s."""


CASES = (
    Case("no-op uvicorn", bodies.BIK_BATCH, fixed=True),
    Case("no-op httptools", bodies.BIK_BATCH),
    Case("naive", bodies.BIK_BATCH, fixed=True),
    Case("headwater bik", bodies.BIK_BATCH, fixed=True),
    Case("no-op uvicorn", bodies.BIGMIND_BATCH, fixed=True),
    Case("no-op httptools", bodies.BIGMIND_BATCH, fixed=True),
    Case("naive", bodies.BIGMIND_BATCH, fixed=True),
    Case("headwater bigmind", bodies.BIGMIND_BATCH, fixed=True),
    Case("headwater bigmind", bodies.CHECKED_BATCH),
    Case("headwater bik", bodies.BIK_SINGLE),
    Case("no-op uvicorn", bodies.BIGMIND_SINGLE),
    Case("no-op httptools", bodies.BIGMIND_SINGLE),
    Case("naive", bodies.BIGMIND_SINGLE),
    Case("headwater bigmind", bodies.BIGMIND_SINGLE),
)

STARTS: dict[str, Callable[[Path], Server]] = {
    "no-op uvicorn": lambda directory: Server("no-op uvicorn", [str(HERE / "noop_asgi.py")], directory),
    "no-op httptools": lambda directory: Server("no-op httptools", [str(HERE / "noop_protocol.py")], directory),
    "naive": Naive,
    "headwater bik": lambda directory: Headwater("headwater bik", directory),
    "headwater bigmind": lambda directory: Headwater("headwater bigmind", directory),
}

Figures = dict[str, Any]


class Race:
    """The servers, their bodies, and what was measured so far."""

    def __init__(self, options: argparse.Namespace, directory: Path, progress: Progress) -> None:
        self.options = options
        self.directory = directory
        self.progress = progress
        self.servers: dict[str, Server] = {}
        self.bodies: dict[Kind, Path] = {}
        self.results: Figures = {"conditions": machine.conditions(directory), "options": told(options)}

    def run(self) -> Figures:
        conditions = self.results["conditions"]
        conditions["generator_core"] = load.pin()
        if not conditions["quiet"]:
            print(f"load average {conditions['load_average_before']}: not a quiet machine", file=sys.stderr)
        if conditions["filesystem"] == "tmpfs":
            print(f"{self.directory} is in memory: an fsync costs nothing there (--dir)", file=sys.stderr)
        try:
            self.start()
            self.rest()
            self.take_turns()
            self.to_queryable()
            self.end()
        finally:
            for server in self.servers.values():
                server.stop()
        return self.results

    def step(self, text: str) -> None:
        self.progress.update(self.progress.task_ids[0], description=text, advance=1)

    def start(self) -> None:
        for kind in bodies.KINDS:
            self.bodies[kind] = kind.write(self.directory, self.options.events, self.options.seed)
        for name, start in STARTS.items():
            self.step(f"starting {name}")
            self.servers[name] = start(self.directory / name.replace(" ", "-"))
        for case in () if self.options.quick else CASES:  # caches, connections, code that was never run
            server = self.servers[case.server]
            load.wrk(server, case.kind.path, self.bodies[case.kind], self.options.connections, 1).result()
            server.drain()

    def rest(self) -> None:
        """What the servers take while nothing happens."""
        self.step("at rest")
        for server in self.servers.values():
            server.settle()
        before, began = {name: server.cpu() for name, server in self.servers.items()}, time.monotonic()
        time.sleep(self.options.rest)
        seconds = time.monotonic() - began
        self.results["rest"] = {
            name: {
                "memory": server.memory(),
                "cpu_percent": {role: s / seconds * 100 for role, s in spent(before[name], server.cpu()).items()},
            }
            for name, server in self.servers.items()
        }

    def take_turns(self) -> None:
        cases = [{"server": case.server, "kind": case.kind.name, "events": case.kind.events} for case in CASES]
        self.results["cases"] = [{**each, "saturation": [], "fixed": []} for each in cases]
        self.results["disk"] = {"4 KiB": [], "150 KiB": []}
        for turn in range(self.options.turns):
            for size, taken in zip((4 * machine.KIB, 150 * machine.KIB), self.results["disk"].values(), strict=True):
                taken.append(machine.bare_disk(self.directory, size, min(self.options.seconds, 1)))
            shift = turn * len(CASES) // self.options.turns
            for number in [*range(shift, len(CASES)), *range(shift)]:
                case, result = CASES[number], self.results["cases"][number]
                self.step(f"turn {turn + 1} of {self.options.turns}: {case.server}, {case.kind.name}")
                result["saturation"].append(self.measure(case, None))
                if case.fixed:
                    result["fixed"].append(self.measure(case, FIXED))

    def measure(self, case: Case, rate: float | None) -> Figures:
        """One racer's turn: at saturation, or at `rate` requests/s."""
        server, seconds = self.servers[case.server], self.options.seconds
        where = (server, case.kind.path, self.bodies[case.kind])
        commits, log, cpu, began = server.commits(), server.log_bytes(), server.cpu(), time.monotonic()
        if rate is None:
            running = load.wrk(*where, self.options.connections, seconds)
        else:
            running = load.open_loop(*where, rate, seconds)
        time.sleep(seconds / 2)
        memory = server.memory()
        figures: Figures = running.result()
        acknowledged, wall = server.cpu(), time.monotonic() - began
        synced = None if commits is None else (server.commits() or 0) - commits
        server.drain()
        drained = time.monotonic() - began
        server.settle()
        requests = figures["requests"] if rate is None else figures["taken"]
        events = requests * case.kind.events
        if figures["refused"] or (figures["failed"] and case.server != "naive"):
            raise SystemExit(f"{case.server} did not answer 200 to all of {case.kind.name}: {figures}")
        return {
            **figures,
            "requests_per_s": requests / figures["seconds"],
            "events_per_s": events / figures["seconds"],
            "events": events,
            "cpu_acknowledged": spent(cpu, acknowledged),
            "cpu_queryable": spent(cpu, server.cpu()),
            "drain_seconds": drained - wall,
            "commits_per_s": (requests if synced is None else synced) / figures["seconds"],
            "log_bytes_per_event": (server.log_bytes() - log) / max(events, 1),
            "memory": memory,
        }

    def to_queryable(self) -> None:
        options = self.options
        self.results["sustained"], self.results["freshness"] = [], []
        for name, kind, single in (
            ("headwater bik", bodies.BIK_BATCH, bodies.BIK_SINGLE),
            ("headwater bigmind", bodies.BIGMIND_BATCH, bodies.BIGMIND_SINGLE),
        ):
            server = self.servers[name]
            assert isinstance(server, Headwater)
            most = report.middle(self.results, name, kind.name, "events_per_s")
            bench = queryable.Bench(server, kind, self.bodies[kind])
            search = queryable.search(bench, SUSTAINED, most, options.sustain, options.search, options.steps)
            for run in search:
                self.step(f"{name}: {run['rate']:,.0f} events/s to queryable: {run['verdict']}")
                self.results["sustained"].append(run)
            self.step(f"{name}: one event, from its 200 to queryable")
            self.results["freshness"].append(bench.freshness(FRESH, options.freshness, single))

    def end(self) -> None:
        """Memory and disk after all of it; ends headwater, for its store opens for one process only."""
        self.step("what it left on disk")
        self.results["peak"] = {name: server.peaks() for name, server in self.servers.items()}
        self.results["stored"] = {}
        for name, server in self.servers.items():
            if isinstance(server, Headwater):
                server.drain()
                server.settle(self.options.merges, quiet=2)
                server.stop()
                self.results["stored"][name] = server.stored()
            elif isinstance(server, Naive):
                server.stop()
                self.results["stored"][name] = server.stored()


def spent(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {role: round(after[role] - before[role], 3) for role in before}


def told(options: argparse.Namespace) -> Figures:
    names = ("turns", "seconds", "connections", "events", "seed", "sustain", "search", "steps", "freshness", "quick")
    return {name: getattr(options, name) for name in names}


QUICK = {
    "turns": 1, "seconds": 1.0, "events": 2000, "sustain": 5.0, "search": 3.0, "steps": 1,
    "freshness": 4.0, "rest": 1.0, "merges": 2.0,
}  # fmt: skip
"""What `--quick` sets: whether it runs, not how fast."""


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = racing(__doc__, PAGE, LAST, turns=5)
    parser.add_argument("--sustain", type=float, default=30, help=f"seconds at {SUSTAINED:,} events/s")
    parser.add_argument("--search", type=float, default=20, help="seconds of each further rate")
    parser.add_argument("--steps", type=int, default=3, help="of the search for the highest rate")
    parser.add_argument("--freshness", type=float, default=20, help=f"seconds at {FRESH:,} events/s")
    parser.add_argument("--merges", type=float, default=60, help="seconds to wait for the store's merges, at most")
    if "--quick" in arguments:
        parser.set_defaults(**QUICK)
    return parser.parse_args(arguments)


def measured(options: argparse.Namespace, console: Console) -> Figures:
    load.check_wrk()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    total = len(STARTS) + 1 + options.turns * len(CASES) + 2 * (options.steps + 2) + 1
    columns = (*Progress.get_default_columns()[:3], TimeElapsedColumn(), TextColumn("{task.completed}/{task.total}"))
    made = tempfile.TemporaryDirectory(dir=options.dir, prefix="hw-bench-")
    with made as directory, Progress(*columns, console=console) as progress:
        progress.add_task("", total=total)
        return Race(options, Path(directory), progress).run()


def main() -> None:
    options = parsed(sys.argv[1:])
    console = Console(stderr=True)
    if options.source:
        results = json.loads(options.source.read_text())
    else:
        began = time.monotonic()
        results = report.rounded(measured(options, console))
        results["minutes"] = round((time.monotonic() - began) / 60, 1)
        report.write(results, options.json)
    report.tell(results, report.TABLES, PAGE, KEPT, options.write_docs)
    if options.write_docs:
        plots.draw(results, PAGE.with_suffix(""))


if __name__ == "__main__":
    main()
