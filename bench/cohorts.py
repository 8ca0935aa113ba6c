"""Cohorts over millions of events. `make bench-cohorts`, or

    python bench/cohorts.py [--events 10000000] [--dir build/cohorts] [--rivals] [--quick] [--write-docs]
    python bench/cohorts.py --from docs/cohorts-performance.json [--write-docs]     only tells again what was measured

Builds a history (kept in the directory, for the next run), and asks the same questions of headwater over HTTP and of
one SQLite table: cold (a fresh process, its files out of the page cache) and warm; then, warm and in turns, of
headwater, DuckDB and PostgreSQL. Then fifty cohorts live at once, and 10,000 events arrive each second.
docs/cohorts-performance.md says what each figure means.
"""

import argparse
import json
import os
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import cohort_plots
import cohort_report
import cohort_turns
import history
import load
import machine
import membership
import report
from cohort_kinds import fifty, kinds, named
from headwater.clock import DAY_MS, now_ms, parse_iso
from servers import HERE, Headwater, until

PAGE = HERE.parent / "docs" / "cohorts-performance.md"
KEPT, LAST = PAGE.with_suffix(".json"), HERE.parent / "build" / "bench-cohorts.json"
RATE = 10_000
"""Events/s of the promise about membership."""
START_SECONDS = 900.0
WARM = 5
"""Times that a warm question is asked."""

Figures = dict[str, Any]


class Kept(Headwater):
    """A headwater on a directory that is there from before, or a new one."""

    def _prepare(self) -> None:
        headers = {"authorization": self.authorization}
        self.client = httpx.Client(base_url=self.url, headers=headers, timeout=900, trust_env=False)
        began = time.monotonic()
        until(self._answers, START_SECONDS, "the engine answers")
        self.waited = time.monotonic() - began

    def _answers(self) -> bool | None:
        """A preview is refused until everything that was stored is looked at."""
        body = {"definition": {"subject": "deal", "where": {"performed": "ordered"}}}
        return self.client.post("/v1/cohorts/preview", json=body).status_code == 200 or None


class Run:
    """One directory with a history, and what was measured so far."""

    def __init__(self, options: argparse.Namespace, progress: Progress) -> None:
        self.options = options
        self.progress = progress
        self.directory = options.dir / str(options.events)
        self.table = self.directory / "naive.db"
        self.copy = self.directory / "live"
        self.results: Figures = json.loads(options.json.read_text()) if options.resume else {}

    def run(self) -> Figures:
        self._build()
        if self.options.build:
            return self.results
        built = json.loads(self._mark.read_text())
        self.end_ms = built["end_ms"]
        day = self.end_ms // DAY_MS * DAY_MS
        self.dates = day - 60 * DAY_MS, day - 30 * DAY_MS
        self.results = {"conditions": machine.conditions(self.directory), "built": built} | self.results
        parts = {"kinds": self._ask_kinds, "table": self._ask_table, "rivals": self._ask_rivals, "latency": self._live}
        if self.options.rivals:
            self.results, parts = _kept(), {"rivals": self._ask_rivals}
        for figure, take in parts.items():
            if figure not in self.results:
                take()
                report.write(self.results, self.options.json)
        return self.results

    def step(self, text: str, total: float | None = None) -> Callable[[int], None]:
        """A new line of progress; returns what moves it on."""
        for task in self.progress.task_ids:
            self.progress.remove_task(task)
        task = self.progress.add_task(text, total=total)
        return lambda done: self.progress.advance(task, done)

    # --- the history -----------------------------------------------------------------------------------------------

    @property
    def _mark(self) -> Path:
        """Is there when the history is whole."""
        return self.directory / "built.json"

    def _build(self) -> None:
        if self._mark.exists() and (self.table.exists() or self.options.no_table):
            return
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        count, end_ms = self.options.events, now_ms()
        with self._server() as server:
            history.define(server.client)
            tell, began = self.step("sending the history", count), time.monotonic()
            history.send(server.port, server.authorization, count, end_ms, tell)
            sent = time.monotonic() - began
            self.step("until all of it is stored")
            until(lambda: server.backlog() == 0 or None, 3600, "headwater has stored the history", pause=1)
            stored = time.monotonic() - began
            server.settle(self.options.merges, quiet=2)
        seconds = 0.0
        if not self.options.no_table:
            tell, began = self.step("writing the row store", count), time.monotonic()
            history.fill_table(self.table, count, end_ms, tell)
            seconds = time.monotonic() - began
        sizes = {"store_bytes": machine.disk_bytes(self.directory / "data"), "table_bytes": _size(self.table)}
        built = {"events": count, "end_ms": end_ms, "sent_seconds": sent, "stored_seconds": stored, **sizes}
        self._mark.write_text(json.dumps(built | {"table_seconds": seconds}))

    @contextmanager
    def _server(self, cold: bool = False, copy: bool = False) -> Iterator[Kept]:
        """A fresh process; cold: with none of its files in the page cache; copy: on the copy that is made to live."""
        directory = self.copy if copy else self.directory
        if cold:
            evict(directory)
        server = Kept("headwater", directory)
        try:
            if cold:
                evict(directory)
            yield server
        finally:
            server.client.close()
            server.stop()

    # --- each kind of question -------------------------------------------------------------------------------------

    def _ask_kinds(self) -> None:
        """As a preview: the definition goes in, the size and ten members come out."""
        self.results["kinds"] = []
        for kind in kinds(*self.dates):
            self.step(f"headwater: {kind.name}")
            with self._server(cold=True) as server:
                times = []
                for _ in range(1 + WARM):
                    answer, ms = timed(server.client, "POST", "/v1/cohorts/preview", {"definition": kind.definition})
                    times.append(ms)
                now = parse_iso(answer["as_of"])
                memory = server.memory()["engine"]["rss"]
            figures = {"kind": kind.name, "size": answer["size"], "now_ms": now, "engine_mib": memory}
            self.results["kinds"].append(figures | {"cold_ms": times[0], "warm_ms": median(times[1:])})

    def _ask_table(self) -> None:
        self.results["table"] = not self.options.no_table
        if self.options.no_table:
            return
        for kind, result in zip(kinds(*self.dates), self.results["kinds"], strict=True):
            self.step(f"SQLite: {kind.name}")
            sql = kind.told(named(result["now_ms"], *self.dates))
            evict(self.directory)
            with closing(sqlite3.connect(self.table)) as database:
                size, cold = self._asked(database, sql)
                warm = cold if size is None else self._asked(database, sql)[1]
            result |= {"table_size": size, "table_cold_ms": cold, "table_warm_ms": warm}

    def _asked(self, database: sqlite3.Connection, sql: str) -> tuple[int | None, float]:
        """The count and the milliseconds; no count when it took longer than it may."""
        began = time.perf_counter()
        deadline = began + self.options.patience
        database.set_progress_handler(lambda: time.perf_counter() > deadline, 1_000_000)
        try:
            size = database.execute(sql).fetchone()[0]
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            size = None
        return size, (time.perf_counter() - began) * 1e3

    def _ask_rivals(self) -> None:
        """DuckDB and PostgreSQL, filled from the row store; conditions of their own, for they may be asked alone."""
        self.results["rivals"] = {} if self.options.no_table else self._rivals()

    def _rivals(self) -> Figures:
        rivals, missing = cohort_turns.started(self.directory, self.options.patience)
        try:
            told = cohort_turns.filled(rivals, self.table, self.options.events, self.step)
            with self._server() as server:
                found = cohort_turns.asked(server.client, rivals, self.dates, self.step)
        finally:
            for rival in rivals:
                rival.close()
        conditions = machine.conditions(self.directory)
        built = {"events": self.options.events, "filled": told, "missing": missing}
        return {"conditions": conditions, **built, "kinds": found}

    # --- fifty of them, live ---------------------------------------------------------------------------------------

    def _live(self) -> None:
        definitions = fifty(*self.dates)
        self.step("a copy, so that the history stays what it is")
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(
            self.directory / "data", self.copy / "data", symlinks=True, ignore=shutil.ignore_patterns("*.sock")
        )
        with self._server(copy=True) as server:
            before, made, times = server.memory(), {}, []
            tell = self.step("defining fifty cohorts", len(definitions))
            for name, definition in definitions.items():
                answer, ms = timed(server.client, "POST", "/v1/cohorts", {"name": name, "definition": definition})
                made[name] = answer["id"]
                times.append(ms)
                tell(1)
            server.settle(20)
            self.results["fifty"] = {"define_ms": times, "before": before, "after": server.memory()}
        self.step("a restart with fifty cohorts")
        with self._server(cold=True, copy=True) as server:
            self.results["fifty"] |= {"restart_seconds": server.waited, "restarted": server.memory()}
            self.results["questions"] = self._questions(server, made)
            self.step(f"{self.options.rate:,} events/s")
            load.pin()
            bodies = membership.bodies(self.directory / "load.bodies", self.options.events, self.end_ms)
            latency = membership.Latency(server, made)
            latency.measure(bodies, self.options.rate, self.options.seconds / 6, 1)  # caches, code that was never run
            self.results["latency"] = latency.measure(
                bodies, self.options.rate, self.options.seconds, self.options.senders
            )
            self.results["latency"]["peaks"] = server.peaks()
        shutil.rmtree(self.copy)

    def _questions(self, server: Kept, made: dict[str, str]) -> list[Figures]:
        """What is asked of live cohorts and profiles."""
        self.step("questions")
        cohort = made["sum"]
        page = server.client.get(f"/v1/cohorts/{cohort}/members", params={"limit": 1000}).json()["data"]
        people = [f"{member['identities'][0]['type']}:{member['identities'][0]['id']}" for member in page]
        account = "account:001HW0000000007"
        asked: dict[str, Callable[[int], str]] = {
            "size of a cohort": lambda n: f"/v1/cohorts/{cohort}",
            "list of the fifty": lambda n: "/v1/cohorts?limit=100",
            "a page of 100 members": lambda n: f"/v1/cohorts/{cohort}/members?limit=100",
            "one member, explained": lambda n: f"/v1/cohorts/{cohort}/members/{people[n % len(people)]}",
            "100 changes": lambda n: f"/v1/cohorts/{cohort}/changes?limit=100",
            "all members as CSV": lambda n: f"/v1/cohorts/{made['absence']}/export?format=csv",
            "a profile": lambda n: f"/v1/profiles/{people[(n + 500) % len(people)]}",
            "a metric by day, one account": lambda n: f"/v1/signals/api-calls/metrics?identity={account}",
            "a metric by month, everybody": lambda n: "/v1/signals/order-value/metrics",
            "a state": lambda n: f"/v1/signals/health-score/state?identity={account}",
        }
        found = []
        for name, path in asked.items():
            evict(self.copy)
            times = [timed(server.client, "GET", path(n).replace("+", "%2B"))[1] for n in range(1 + 4 * WARM)]
            found.append(
                {"question": name, "cold_ms": times[0], "warm_ms": median(times[1:]), "most_ms": max(times[1:])}
            )
        return found


def _kept() -> Figures:
    """What the page tells of the last run, all but what is measured anew."""
    kept: Figures = json.loads(KEPT.read_text())
    kept.pop("rivals", None)
    return kept


def timed(client: httpx.Client, method: str, path: str, body: Any = None) -> tuple[Any, float]:
    """The answer (its JSON, if it is some), and milliseconds until its last byte."""
    began = time.perf_counter()
    answer = client.request(method, path, json=body)
    ms = (time.perf_counter() - began) * 1e3
    if answer.is_error:
        raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text[:1000]}")
    return answer.json() if "json" in answer.headers["content-type"].partition(";")[0] else None, ms


def evict(directory: Path) -> None:
    """Takes what is written down of all files below out of the page cache."""
    os.sync()
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                fd = os.open(os.path.join(folder, name), os.O_RDONLY)
            except OSError:  # a socket, or gone
                continue
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few events: whether it runs, not how fast")
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--dir", type=Path, default=HERE.parent / "build" / "cohorts", help="where the history is kept")
    parser.add_argument("--patience", type=float, default=30, help="seconds that SQLite may take for an answer")
    parser.add_argument("--rate", type=int, default=RATE, help="events/s while memberships are probed")
    parser.add_argument("--seconds", type=float, default=60, help="at that rate")
    parser.add_argument("--senders", type=int, default=3, help="that probe memberships meanwhile")
    parser.add_argument("--merges", type=float, default=120, help="seconds to wait for the store's merges, at most")
    parser.add_argument("--no-table", action="store_true", help="leave SQLite out")
    parser.add_argument("--rivals", action="store_true", help="only DuckDB and PostgreSQL; of the rest what is kept")
    parser.add_argument("--json", type=Path, default=LAST, help="where to write everything measured")
    parser.add_argument("--build", action="store_true", help="only make the history, for a later run")
    parser.add_argument("--resume", action="store_true", help="go on where the last run, which failed, had got to")
    parser.add_argument("--from", dest="source", type=Path, help="tell what this file holds instead of measuring")
    parser.add_argument("--write-docs", action="store_true", help=f"renew the tables of {PAGE.name}")
    if "--quick" in arguments:
        parser.set_defaults(events=100_000 if "--rivals" in arguments else 20_000, seconds=6.0, merges=2.0)
    return parser.parse_args(arguments)


def measured(options: argparse.Namespace, console: Console) -> Figures:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        return Run(options, progress).run()


def main() -> None:
    options = parsed(sys.argv[1:])
    if options.source:
        results = json.loads(options.source.read_text())
    else:
        began = time.monotonic()
        results = report.rounded(measured(options, Console(stderr=True)))
        if options.build:
            return
        part = results["rivals"] if options.rivals else results
        part["minutes"] = round((time.monotonic() - began) / 60, 1)
        report.write(results, options.json)
    report.tell(results, cohort_report.TABLES, PAGE, KEPT, options.write_docs)
    if options.write_docs:
        cohort_plots.draw(results, PAGE.with_suffix(""))


if __name__ == "__main__":
    main()
