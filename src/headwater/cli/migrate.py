"""`headwater migrate-to`: from one machine to a cluster."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import structs
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from headwater.cli.options import takes_settings
from headwater.cli.output import Json, print_json
from headwater.config import Settings
from headwater.errors import HeadwaterError

_FAILED, _STOPPED = 1, 3

_Finish = Annotated[
    bool, typer.Option("--finish", help="End the old headwater once all but the newest is moved, then the rest.")
]
_Work = Annotated[
    Path | None,
    typer.Option(help="Where a copy of one moment lies meanwhile; default: beside the data directory, .migrating."),
]


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    app.command("migrate-to")(takes_settings(migrate))


def migrate(settings: Settings, finish: _Finish = False, work: _Work = None, as_json: Json = False) -> None:
    """Move a data directory to a cluster, beside a running server; nothing is lost, nothing is there twice.

    The target is told as to its gateways: --log-url, --store-url, --database-url, --quotas-url. It must be empty, and
    its gateways and engines must not run. Until the old headwater ends, or --finish ends it, what it acknowledges is
    followed. Whatever stops the command (Ctrl-C, a kill): run it again, and it goes on.
    """
    from headwater.wiring.migrating import Migration  # late: imported at the top it would slow every command

    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        with _progress(as_json) as bar:
            where = work or settings.data_dir.with_name(f"{settings.data_dir.name}.migrating")
            moved = Migration(settings, where.absolute(), bar).run(finish, stopped.is_set)
    except HeadwaterError as error:
        typer.echo(f"headwater: {error}", err=True)
        raise typer.Exit(_FAILED) from None
    if moved is None:
        typer.echo("headwater: stopped; the same command goes on", err=True)
        raise typer.Exit(_STOPPED)
    about: dict[str, Any] = structs.asdict(moved) | {"work": str(where)}
    if as_json:
        print_json(about)
        return
    typer.echo(
        f"{moved.events} events copied, {moved.log_events} more in {moved.log_records} records of the log; "
        f"{moved.links} links, an audit of {moved.audit} rows with its chain"
    )
    for each in moved.left:
        typer.echo(f"not moved: {each}")
    typer.echo(
        f"\nDo not start the old one again.\n"
        f"Copy {settings.secret_path} to the data directory of every gateway and engine,\n"
        f"and {settings.tombstones_path}, if there is one, to every engine's; then start them.\n"
        f"{where} can be removed then."
    )


class _Lines:
    """What is being done, and how far it is."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)
        self._said = ""

    def say(self, what: str, total: float | None = -1) -> None:
        if not self._progress.disable:
            self._progress.update(self._task, description=what)
            if total != -1:
                self._progress.reset(self._task, total=total, description=what)
        elif what.partition(",")[0] != self._said:  # no terminal: a line for each step
            self._said = what.partition(",")[0]
            typer.echo(what, err=True)

    def add(self, count: int) -> None:
        self._progress.advance(self._task, count)


@contextmanager
def _progress(quiet: bool) -> Iterator[_Lines]:
    """A bar on a terminal, on standard error; lines elsewhere."""
    columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    off = quiet or not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=off) as progress:
        yield _Lines(progress)
