"""Flat cost: what a batch, an insert, a cohort and a question cost where much is stored. `make bench-flat`, or

    python bench/flat.py [--sizes 1000000,10000000,50000000] [--dir build/flat] [--quick] [--write-docs]
    python bench/flat.py --from docs/flat-performance.json [--write-docs]     only tells again what was measured

One store is filled through log and pipeline (`flat_store.py`). At each size a process without a server takes some more
events in, with cohorts that live; then a real headwater is started on the same directory and asked. CPU is what counts:
a busy machine stretches seconds. docs/performance.md says what each figure means.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import flat_report
import load
import machine
import plots
import report
from bodies import BIK_BATCH
from cohorts import Kept, timed
from servers import HERE

PAGE = report.PAGE
KEPT, LAST = PAGE.with_name("flat-performance.json"), HERE.parent / "build" / "bench-flat.json"
COHORTS = {
    "count": {"performed": "ordered", "count": {">=": 8}},
    "count in a window": {"performed": "productViewed", "count": {">=": 10}, "within": "30d"},
    "sum": {"performed": "addToCart", "sum": {"of": "itemPrice", ">=": 20_000}},
    "sequence": {"sequence": [{"performed": "addToCart"}, {"performed": "ordered"}], "gap": "1d", "within": "30d"},
    "absence": {"not": {"performed": "ordered", "within": "30d"}},
}
SCAN = {"performed": "ordered", "count": {">=": 9}, "within": "60d"}
"""Of nobody's cohort, so the store is asked."""
DISK_FREE = 6 << 30

Figures = dict[str, Any]


@contextmanager
def served(directory: Path) -> Iterator[Kept]:
    server = Kept("headwater", directory)
    try:
        yield server
    finally:
        server.client.close()
        server.stop()


def measured(options: argparse.Namespace) -> Figures:
    directory = options.dir / "flat"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    if shutil.disk_usage(directory).free < DISK_FREE and not options.quick:
        raise SystemExit(f"less than {DISK_FREE >> 30} GiB are free below {directory}")
    bodies = BIK_BATCH.write(directory, options.bodies, 7)
    results: Figures = {"conditions": machine.conditions(directory), "options": told(options), "sizes": []}
    with served(directory) as server:
        for name, where in COHORTS.items():
            made = {"name": name, "definition": {"subject": "person", "where": where}}
            server.client.post("/v1/cohorts", json=made).raise_for_status()
    for size in options.sizes:
        print(f"{size:,} events", file=sys.stderr)
        results["sizes"].append(at(directory, bodies, size, options))
        report.write(results, options.json)
    shutil.rmtree(directory)
    return results


def at(directory: Path, bodies: Path, size: int, options: argparse.Namespace) -> Figures:
    """Everything, with so many events stored."""
    command = [sys.executable, str(HERE / "flat_store.py"), str(directory / "data"), str(size), str(options.turns)]
    said = subprocess.run([*command, str(options.more)], stdout=subprocess.PIPE, text=True, check=True).stdout
    figures: Figures = json.loads(said.splitlines()[-1])
    asked = figures.pop("asked")
    figures["store_bytes"] = machine.disk_bytes(directory / "data" / "store")
    with served(directory) as server:
        load.pin()
        server.settle()
        taken: list[Figures] = [_acknowledged(server, bodies, options.seconds) for _ in range(options.turns + 1)]
        figures["acknowledged"] = taken[1:]  # the first warms caches
        figures["asked"] = {name: list(_asked(server, paths)) for name, paths in _questions(asked).items()}
        figures["scan"] = [_scan(server) for _ in range(options.turns)]
        figures["memory"] = server.memory()
    return figures


def _acknowledged(server: Kept, bodies: Path, seconds: float) -> Figures:
    """200 batches/s; the gateway's CPU for one."""
    before = server.cpu()
    figures = load.open_loop(server, BIK_BATCH.path, bodies, 200, seconds).result()
    used = server.cpu()["gateway"] - before["gateway"]
    server.drain()
    server.settle()
    return {"cpu_us_per_batch": used / max(figures["taken"], 1) * 1e6, "p50_ms": figures["p50_ms"]}


def _questions(asked: Figures) -> dict[str, list[str]]:
    """Each in four parts, of which each is a turn."""
    return {
        "event": [f"/v1/events/{each}" for each in asked["events"]],
        "profile": [f"/v1/profiles/{each}" for each in asked["people"]],
    }


def _asked(server: Kept, paths: list[str]) -> Iterator[Figures]:
    for each in paths[:5]:
        timed(server.client, "GET", each)
    for turn in range(4):
        share, used = paths[turn::4], server.cpu()
        times = [timed(server.client, "GET", each)[1] for each in share]
        cpu = sum(server.cpu().values()) - sum(used.values())
        yield {"cpu_ms": cpu / len(share) * 1e3, "p50_ms": median(times)}


def _scan(server: Kept) -> Figures:
    used = server.cpu()
    _, ms = timed(server.client, "POST", "/v1/cohorts/preview", {"definition": {"subject": "person", "where": SCAN}})
    return {"cpu_ms": (sum(server.cpu().values()) - sum(used.values())) * 1e3, "ms": ms}


def told(options: argparse.Namespace) -> Figures:
    return {"turns": options.turns, "more": options.more, "seconds": options.seconds, "quick": options.quick}


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers: Callable[[str], list[int]] = lambda text: [int(each) for each in text.split(",")]  # noqa: E731
    add = parser.add_argument
    add("--quick", action="store_true", help="few events: whether it runs, not what it costs")
    add("--sizes", type=numbers, default=[1_000_000, 10_000_000, 50_000_000], help="events stored, ascending")
    add("--more", type=int, default=500_000, help="events that a turn adds")
    add("--turns", type=int, default=3)
    add("--seconds", type=float, default=4, help="of load on the gateway in each turn")
    add("--bodies", type=int, default=100_000, help="different events of that load")
    add("--dir", type=Path, default=HERE.parent / "build", help="where the store is made, some 2 GB")
    add("--json", type=Path, default=LAST, help="where to write everything measured")
    add("--from", dest="source", type=Path, help="tell what this file holds instead of measuring")
    add("--write-docs", action="store_true", help=f"renew the table and the plot of {PAGE.name}")
    if "--quick" in arguments:
        parser.set_defaults(sizes=[2_000, 10_000], more=2_000, turns=1, seconds=1.0, bodies=2_000)
    return parser.parse_args(arguments)


def main() -> None:
    options = parsed(sys.argv[1:])
    results = report.kept_or_taken(options, lambda: measured(options))
    report.tell(results, flat_report.TABLES, PAGE, KEPT, options.write_docs)
    if options.write_docs:
        plots.draw_flat(results, PAGE.with_suffix(""))


if __name__ == "__main__":
    main()
