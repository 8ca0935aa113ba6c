"""What a bench measured, as tables: on the terminal, and between the markers of its page."""

import argparse
import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

Figures = dict[str, Any]

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


@dataclass
class Table:
    name: str
    """Its marker in the page."""
    title: str
    head: list[str]
    rows: list[list[str]]


def number(value: float) -> str:
    digits = 0 if abs(value) >= 100 or value == 0 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def spread(values: Iterable[float]) -> str:
    """The median, with the lowest and the highest."""
    taken = sorted(values)
    if not taken:
        return "–"
    if len(taken) == 1:
        return number(taken[0])
    return f"{number(median(taken))} ({number(taken[0])}–{number(taken[-1])})"


# --- where they go -------------------------------------------------------------------------------------------------


def tell(
    results: Figures, tables: Iterable[Callable[[Figures], Table]], page: Path, keep: Path | None, docs: bool
) -> None:
    """All tables on the terminal; with `docs`, in the page too, and the figures in the file `keep` beside it."""
    made = [make(results) for make in tables]
    for table in made:
        show(table)
    if docs:
        if keep:
            write(results, keep)
        for table in made:
            renew(page, table)


def kept_or_taken(options: argparse.Namespace, measure: Callable[[], Figures]) -> Figures:
    """What the file that `--from` names holds; else what is measured now, with its minutes: `--json` then holds it."""
    if options.source:
        kept: Figures = json.loads(options.source.read_text())
        return kept
    began = time.monotonic()
    results: Figures = rounded(measure())
    results["minutes"] = round((time.monotonic() - began) / 60, 1)
    write(results, options.json)
    return results


def rounded(value: Any) -> Any:
    """Six digits are more than any figure here has; rounded before it is told, so that page and JSON agree."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def write(results: Figures, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


def show(table: Table) -> None:
    """On the terminal; wide enough not to break a figure."""
    console = Console()
    console.width = max(console.width, 170)
    drawn = RichTable(title=table.title, title_justify="left", show_header=any(table.head))
    for name, column in zip(table.head, zip(*table.rows, strict=True), strict=True):
        drawn.add_column(name, justify="right" if column[-1][:1].isdigit() else "left")
    for row in table.rows:
        drawn.add_row(*row)
    console.print(drawn)


def markdown(table: Table) -> str:
    lines = ["| " + " | ".join(table.head) + " |", "|" + "---|" * len(table.head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in table.rows])


def renew(page: Path, table: Table) -> None:
    """Puts the table between `<!-- bench:NAME -->` and the next `<!-- /bench -->` of a page."""
    block = re.compile(rf"(<!-- bench:{table.name} -->\n).*?(<!-- /bench -->)", re.DOTALL)
    text, found = block.subn(lambda place: f"{place[1]}{markdown(table)}\n{place[2]}", page.read_text())
    if not found:
        raise SystemExit(f"{page} has no place for the table {table.name}")
    page.write_text(text)
