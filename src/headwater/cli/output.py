"""What commands print: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
from rich.table import Table

Json = Annotated[bool, typer.Option("--json", envvar="HEADWATER_JSON", help="Print JSON.")]


def console() -> Console:
    """Standard output; wide when it is no terminal, so that nothing is cut on its way to a file or a pipe."""
    return Console() if sys.stdout.isatty() else Console(width=240)


def progress_bar(*columns: ProgressColumn) -> Progress:
    """What is being done, a bar, and these columns; on standard error, and gone at the end."""
    said = TextColumn("{task.description}")
    return Progress(said, BarColumn(), *columns, console=Console(stderr=True), transient=True)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_rows(rows: Iterable[dict[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    """A table of these columns; as JSON whole."""
    if as_json:
        print_json(list(rows))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_shown(row.get(column)) for column in columns))
    console().print(table)


def print_record(record: dict[str, Any], as_json: bool) -> None:
    """One thing, a line a field."""
    if as_json:
        print_json(record)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in record.items():
        table.add_row(name.replace("_", " "), _shown(value))
    console().print(table)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return escape(", ".join(value))
    return escape(json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value))
