"""`headwater import` in figures: each format, and a million rows with the import killed on the way.

    python bench/imports.py [--rows 1000000] [--kills 3] [--each 200000] [--dir build/imports] [--quick] [--write-docs]

A real server on an empty directory, and the command as a process of its own beside it, on the same cores. Every run is
looked at afterwards: each row is in the store once, and nothing else is. docs/import.md says what each figure means.
"""

import argparse
import csv
import json
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

import machine
import report
from servers import HERE, Headwater, until

PAGE = HERE.parent / "docs" / "import.md"
KEPT, LAST = PAGE.with_name("import-performance.json"), HERE.parent / "build" / "bench-imports.json"
COLUMNS = ("email", "phone", "order", "product", "price", "currency", "at")
MAPPING = {
    "columns": {
        "email": "email",
        "phone": "phoneNumber",
        "order": "eventProperties.orderId",
        "product": "eventProperties.productId",
        "price": "eventProperties.itemPrice:number",
        "currency": "eventProperties.currency",
        "at": "createdAt",
    },
    "set": {"eventName": "purchasedAProduct"},
}
LONGEST = 1.0
"""Of the run that is to be expected: the moments of the kills are anywhere in it."""

Figures = dict[str, Any]


def rows(count: int) -> Iterator[tuple[str, str, str, str, str, str, str]]:
    """Orders of the years before, each with a number of its own."""
    chance = random.Random(1)
    for n in range(count):
        who, day = chance.randrange(max(count // 20, 1)), chance.randrange(365)
        at = f"2024-{1 + day // 31:02}-{1 + day % 28:02}T{day % 24:02}:{n % 60:02}:00Z"
        price = f"{chance.randrange(100, 90_000) / 100:.2f}"
        yield f"u{who}@bench.example", f"+91{9_000_000_000 + who}", f"o{n}", f"p{n % 997}", price, "INR", at


def written(directory: Path, format_: str, count: int) -> Path:
    """The same rows in each format."""
    file = directory / f"{count}.{format_}"
    if format_ == "parquet":
        columns = [list(column) for column in zip(*rows(count), strict=True)]
        columns[4] = [float(price) for price in columns[4]]
        pq.write_table(pa.table(dict(zip(COLUMNS, columns, strict=True))), file, row_group_size=100_000)
        return file
    with file.open("w", newline="") as out:
        if format_ == "csv":
            table = csv.writer(out)
            table.writerow(COLUMNS)
            table.writerows(rows(count))
            return file
        for email, phone, order, product, price, currency, at in rows(count):
            data = {"orderId": order, "productId": product, "itemPrice": float(price), "currency": currency}
            event = {"email": email, "phoneNumber": phone, "eventName": "purchasedAProduct", "createdAt": at}
            out.write(json.dumps(event | {"eventProperties": data}) + "\n")
    return file


class Import:
    """One file into one backfill of its own, in as many runs as it takes."""

    def __init__(self, server: Headwater, file: Path, backfill: str) -> None:
        self.server, self.backfill = server, backfill
        mapping = file.with_name("mapping.json")
        mapping.write_text(json.dumps(MAPPING))
        own = [] if file.suffix == ".ndjson" else ["--mapping", str(mapping)]
        self._command = [sys.executable, "-m", "headwater", "import", str(file), "--dialect", "bik", *own]
        self._command += ["--backfill", backfill, "--json", "--url", server.url]
        self._command += ["--key", server.authorization.removeprefix("Bearer ")]
        self.peak_mib = self.cpu_seconds = 0.0

    def run(self, kill_after: float | None = None) -> Figures | None:
        """What it says in the end; None when it was killed."""
        with subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            watching = threading.Thread(target=self._watch, args=(process,))
            watching.start()
            try:
                out, err = process.communicate(timeout=kill_after)
            except subprocess.TimeoutExpired:
                process.kill()
                out, err = process.communicate()
            watching.join()
        if process.returncode == -9:
            return None
        if process.returncode:
            raise SystemExit(f"the import ended with {process.returncode}: {err}")
        found: Figures = json.loads(out)
        return found | {"state": Path(found["state"]).name}  # where it lay is of no account

    def _watch(self, process: subprocess.Popen[str]) -> None:
        used = 0.0
        while process.poll() is None:
            try:
                self.peak_mib = max(self.peak_mib, machine.peak_mib(process.pid))
                used = machine.cpu_seconds(process.pid)
            except (OSError, StopIteration, IndexError, ValueError):
                break
            time.sleep(0.05)
        self.cpu_seconds += used


class Bench:
    """One server, and what was measured so far."""

    def __init__(self, options: argparse.Namespace, progress: Progress) -> None:
        self.options, self.progress = options, progress
        self.directory = options.dir
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self.results: Figures = {"conditions": machine.conditions(self.directory)}

    def run(self) -> Figures:
        self._say("starting")
        self.server = Headwater("import", self.directory / "server")
        try:
            until(self._answers, 60, "the engine answers")
            self.results["formats"] = [self._format(each) for each in ("ndjson", "csv", "parquet")]
            self.results["killed"] = self._killed()
        finally:
            self.server.stop()
        return self.results

    def _answers(self) -> bool | None:
        return self.server.client.get("/v1/backfills").status_code == 200 or None

    def _say(self, text: str) -> None:
        self.progress.update(self.progress.task_ids[0], description=text)

    def _format(self, format_: str) -> Figures:
        """A file of it, without a kill."""
        self._say(f"{self.options.each:,} rows of {format_}")
        file = written(self.directory, format_, self.options.each)
        work, cpu = Import(self.server, file, format_), self.server.cpu()
        told = work.run()
        assert told is not None
        used = {role: after - cpu[role] for role, after in self.server.cpu().items()}
        self.server.drain()
        once = self._once(told["backfill"], self.options.each)
        return told | {
            "format": format_,
            "bytes": file.stat().st_size,
            "once": once,
            **self._cost(work),
            "server": used,
        }

    def _killed(self) -> Figures:
        """The large file, with kills at random moments of the time that it should take."""
        count, kills = self.options.rows, self.options.kills
        self._say(f"{count:,} rows, killed {kills} times")
        file = written(self.directory, "ndjson", count)
        seed = time.time_ns()
        chance, expected = random.Random(seed), count / self.results["formats"][0]["per_second"]
        moments = sorted(chance.uniform(0, LONGEST * expected) for _ in range(kills))
        work, began, killed, told = Import(self.server, file, "killed"), time.monotonic(), [], None
        for before, moment in zip([0.0, *moments], moments, strict=False):
            # The time in which it works, without that in which Python starts, so that no kill comes too early.
            told = work.run(kill_after=self._loading() + moment - before)
            if told is not None:
                break
            killed.append(moment)
        told = told or work.run()
        assert told is not None
        seconds = time.monotonic() - began
        self.server.drain()
        figures = {"rows": count, "seed": seed, "kills": len(killed), "moments": killed, "seconds": seconds}
        return figures | {
            "per_second": count / seconds,
            "queryable_seconds": time.monotonic() - began,
            "bytes": file.stat().st_size,
            "once": self._once(told["backfill"], count),
            "taken": told["taken"],
            **self._cost(work),
        }

    def _loading(self) -> float:
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "headwater", "import", "--help"], capture_output=True, check=True)
        return time.monotonic() - began

    def _cost(self, work: Import) -> Figures:
        return {"peak_mib": work.peak_mib, "cpu_seconds": work.cpu_seconds}

    def _once(self, backfill: str, count: int) -> Figures:
        """How often each row is in the store, by its order's number; and what the backfill says of itself."""
        found: Counter[str] = Counter()
        with self.server.client.stream("GET", "/v1/events/export", params={"backfill": backfill}) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                found[json.loads(line)["data"]["orderId"]] += 1
        wanted = {f"o{n}" for n in range(count)}
        said = self.server.client.get(f"/v1/backfills/{backfill}").json()
        return {
            "rows": found.total(),
            "twice": sum(times > 1 for times in found.values()),
            "lost": len(wanted - found.keys()),
            "foreign": len(found.keys() - wanted),
            "said": said["events"],
        }


def told(figures: Figures) -> str:
    """Whether each row is there once, in words."""
    once = figures["once"]
    if once["rows"] == figures["rows"] and not (once["twice"] or once["lost"] or once["foreign"]):
        return f"{once['rows']:,}, once each"
    return f"**no**: {once['lost']:,} lost, {once['twice']:,} twice, {once['foreign']:,} others"


def imports(results: Figures) -> report.Table:
    made = []
    for each in results["formats"]:
        made.append([f"{each['rows']:,} rows of {each['format']}", each])
    killed = results["killed"]
    made.append([f"{killed['rows']:,} rows of ndjson, killed {killed['kills']} times", killed])
    lines = [
        [name, report.number(each["seconds"]), report.number(each["per_second"]),
         report.number(each["cpu_seconds"] / each["rows"] * 1e6), report.number(each["peak_mib"]), told(each)]
        for name, each in made
    ]  # fmt: skip
    head = ["", "seconds", "rows/s", "CPU of the command, µs a row", "its peak, MiB", "in the store"]
    return report.Table("imports", "Imports", head, lines)


def conditions(results: Figures) -> report.Table:
    found = results["conditions"]
    rows = [
        ["machine", f"{found['cores']} cores, {found['processor']}, {found['memory_gib']} GiB, {found['filesystem']}"],
        ["load before it began", f"{found['load_average_before']}{'' if found['quiet'] else ': not a quiet machine'}"],
    ]
    return report.Table("conditions", "Measured on", ["", ""], rows)


TABLES = (conditions, imports)


def main() -> None:
    options = parsed()
    if options.from_:
        results = json.loads(options.from_.read_text())
    else:
        with Progress(TextColumn("{task.description}"), TimeElapsedColumn(), console=Console(stderr=True)) as progress:
            progress.add_task("")
            results = report.rounded(Bench(options, progress).run())
        report.write(results, KEPT if options.write_docs else options.json)
    report.tell(results, TABLES, PAGE, None, options.write_docs)
    if any("**no**" in told(each) for each in (*results["formats"], results["killed"])):
        raise SystemExit("rows are lost or doubled")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--each", type=int, default=200_000, help="rows of each format")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--dir", type=Path, default=HERE.parent / "build" / "imports")
    parser.add_argument("--json", type=Path, default=LAST)
    parser.add_argument("--quick", action="store_true", help="only whether it runs")
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--from", dest="from_", type=Path, help="only tells again what was measured")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.each = 20_000, 5_000
    return options


if __name__ == "__main__":
    main()
