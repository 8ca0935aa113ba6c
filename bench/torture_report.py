"""The figures of the torture tests as tables: on the terminal and, with --write-docs, in docs/torture.md.

    make torture TORTURE_REPORT=--write-docs                 runs all of them, then this
    python bench/torture_report.py FILE... [--write-docs]    of several runs; the newest of each test counts

A test tells its figures through `tests/figures.py`, which appends them to the file that HEADWATER_TORTURE_REPORT names.
What docs/torture.json has is FILE, too: so the tests that were run again replace theirs, and the others stay.
"""

import argparse
import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import machine
import report
from report import Figures, Table

PAGE = Path(__file__).parent.parent / "docs" / "torture.md"
KEPT = PAGE.with_suffix(".json")

SECTIONS = {
    "kills": "kill -9",
    "power cuts": "Power cuts",
    "disk, limits, clock": "Disk, limits and clock",
    "clients": "Slow and hostile clients",
    "tenants": "Tenants",
    "soak": "Soak",
    "truth": "Random workspaces beside an evaluator of their own",
}
_SHOWN = ("cores", "processor", "memory_gib", "kernel", "filesystem", "python", "versions")
_VERSIONS = ("apsw", "chdb", "httptools", "uvicorn", "uvloop", "msgspec")


def loaded(files: Iterable[Path]) -> list[Figures]:
    """The newest record of each test and of each thing it did, in the order of the tests."""
    found: dict[tuple[str, str], Figures] = {}
    for file in files:
        for record in _records(file):
            found[record["test"], record["what"]] = record
    return sorted(found.values(), key=lambda record: (record["test"], record["what"]))


def _records(file: Path) -> list[Figures]:
    if file.suffix == ".json":
        kept: list[Figures] = json.loads(file.read_text())["records"] if file.exists() else []
        return kept
    return [json.loads(line) for line in file.read_text().splitlines()]


def conditions(results: Figures) -> Table:
    about, records = results["conditions"], results["records"]
    shares = sorted({record["percent"] for record in records})
    versions = ", ".join(f"{name} {about['versions'][name]}" for name in _VERSIONS)
    rows = [
        ["machine", f"{about['cores']} cores, {about['processor']}, {about['memory_gib']} GiB"],
        ["kernel, file system", f"{about['kernel']}, {about['filesystem']}"],
        ["versions", f"Python {about['python']}, {versions}"],
        ["when", _span(record["date"] for record in records)],
        ["commits", ", ".join(sorted({record["commit"] for record in records}))],
        ["size", ", ".join(f"{share} %" for share in shares) + " of the numbers that `make torture` takes"],
        ["tests, seconds in all", f"{len({r['test'] for r in records})}, {_seconds(records):,.0f}"],
    ]
    return Table("conditions", "Conditions", ["", ""], rows)


def _span(dates: Iterable[str]) -> str:
    known = sorted(dates)
    return known[0] if known[0] == known[-1] else f"{known[0]} to {known[-1]}"


def _seconds(records: list[Figures]) -> float:
    """A test that tells several things took as long as the last of them."""
    longest: dict[str, float] = {}
    for record in records:
        longest[record["test"]] = max(record["seconds"], longest.get(record["test"], 0))
    return sum(longest.values())


def section(results: Figures, name: str) -> Table:
    """A test that runs with several parameters is one row when it says of each that it did the same."""
    alike: dict[tuple[str, str], list[Figures]] = {}
    for record in results["records"]:
        if record["section"] == name:
            alike.setdefault((_test(record), record["what"]), []).append(record)
    rows = [
        [what, _figures(records), f"{_seconds(records):,.0f}", _seeds(records), f"`{test}`"]
        for (test, what), records in alike.items()
    ]
    head = ["what", "found", "seconds", "seed", "test"]
    return Table(name.replace(", ", "-").replace(" ", "-"), SECTIONS[name], head, rows or [["–"] * len(head)])


def _figures(records: list[Figures]) -> str:
    names = records[0]["figures"]
    told = [f"{name.replace('_', ' ')} {_together([each['figures'][name] for each in records])}" for name in names]
    share = max(each["percent"] for each in records)
    return ", ".join(told) + ("" if share == 100 else f" ({share} % of the size)")


def _together(figures: list[Any]) -> str:
    """Counts add up; of times and other measures the highest is told."""
    if isinstance(figures[0], str):
        return ", ".join(dict.fromkeys(map(_number, figures)))
    return _number(max(figures) if isinstance(figures[0], float) else sum(figures))


def _number(figure: Any) -> str:
    if isinstance(figure, float):
        return report.number(figure)
    return f"{figure:,}" if isinstance(figure, int) else str(figure).replace("|", "\\|")


def _seeds(records: list[Figures]) -> str:
    return ", ".join(str(each["seed"]) for each in records if each["seed"] is not None) or "–"


def _test(record: Figures) -> str:
    """Without its parameters: the words before it tell them."""
    return str(record["test"]).removeprefix("tests/").partition("[")[0]


TABLES: tuple[Callable[[Figures], Table], ...] = (conditions, *(partial(section, name=name) for name in SECTIONS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--write-docs", action="store_true", help=f"renew the tables of {PAGE.name} and {KEPT.name}")
    options = parser.parse_args()
    records = loaded(options.files)
    if not records:
        raise SystemExit("no test has told a figure")
    about = machine.conditions(Path.cwd())
    results = {"conditions": {name: about[name] for name in _SHOWN}, "records": records}
    report.tell(results, TABLES, PAGE, KEPT, options.write_docs)


if __name__ == "__main__":
    main()
