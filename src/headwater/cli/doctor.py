"""`headwater doctor`: holds log, catalog, state and store against each other, and changes nothing."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from headwater.cli.options import takes_settings
from headwater.cli.output import Json, console, print_json
from headwater.config import Settings
from headwater.doctor.report import Check, Tell, Verdict, exit_code
from headwater.errors import HeadwaterError

_Quick = Annotated[
    bool, typer.Option("--quick", help="Seconds instead of minutes: not every payload, no search for doubles.")
]
_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.UNCHECKED: "magenta", Verdict.FAULT: "bold red"}
_NOT_CHECKED = 2


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    app.command()(takes_settings(doctor))


def doctor(settings: Settings, quick: _Quick = False, as_json: Json = False) -> None:
    """Check log, catalog, state and store against each other. Changes nothing.

    Give it the options (or the environment) that the server was started with: it judges room and limits by them.
    Beside a running server, or without one. Ends with 0 when there is no fault (there may be warnings), with 1 when
    there is one, with 2 when something could not be looked at. docs/doctor.md says what each check means.
    """
    from headwater.doctor.round import Round  # late: imported at the top they would slow every command
    from headwater.wiring.examined import examined

    if not _is_headwaters(settings):
        raise _refusal(f"there is no headwater in {settings.data_dir}")
    try:
        with _quiet(), examined(settings) as patient, _progress() as tell:
            checks = Round(patient, quick, tell).checks()
    except HeadwaterError as error:
        raise _refusal(str(error)) from None
    code = exit_code(checks)
    if as_json:
        print_json({"exit_code": code, "checks": [_plain(check) for check in checks]})
    else:
        _print(checks)
    raise typer.Exit(code)


def _is_headwaters(settings: Settings) -> bool:
    return any(path.exists() for path in (settings.catalog_path, settings.state_path, settings.log_dir))


def _refusal(text: str) -> typer.Exit:
    typer.echo(f"headwater: {text}", err=True)
    return typer.Exit(_NOT_CHECKED)


def _plain(check: Check) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(check)
    return found


def _print(checks: Sequence[Check]) -> None:
    out = console()
    width = max(len(check.name) for check in checks)
    for check in checks:
        word = f"[{_STYLES[check.verdict]}]{check.verdict:<9}[/]"
        out.print(f"{word} {check.name:<{width}}  {escape(check.said)}", highlight=False, soft_wrap=True)
        if check.advice:
            out.print(f"{'':<{width + 12}}→ {escape(check.advice)}", highlight=False, soft_wrap=True)
    counts = {verdict: sum(check.verdict is verdict for check in checks) for verdict in Verdict}
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    out.print(f"\n{len(checks)} checks: {said}", highlight=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """What the parts would say of themselves while they are looked at is in the checks."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def _progress() -> Iterator[Tell]:
    """A bar on a terminal, on standard error; nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("looking", total=None)

        def tell(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total or None)

        yield tell
