"""`headwater import`: a file of history into a backfill. How it goes on after a kill: docs/import.md."""

import functools
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NamedTuple
from urllib.parse import quote

import typer
from rich.progress import Progress, ProgressColumn, Task, TaskProgressColumn, TimeRemainingColumn
from rich.text import Text

from headwater.cli.api import DATA_DIR, Api, ApiError, ApiKey, Ca, DataDir, Url, connect, told
from headwater.cli.output import Json, print_json, progress_bar
from headwater.imports import base, files, journal, mapping, run, sending
from headwater.imports.base import Source, StoppedError
from headwater.imports.ndjson import Ndjson
from headwater.imports.table import Table

SOME_REFUSED = 3
"""The exit code of an import that is through, with rows that were refused."""
_INTERRUPTED = 130
_PATIENCE = 600.0
_BUSY_SECONDS = 30.0
_LOOK_SECONDS = 0.5

Dialect = StrEnum("Dialect", ["bik", "bigmind"])
Format = StrEnum("Format", ["ndjson", "csv", "parquet"])

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="NDJSON, CSV (both may be gzip) or Parquet.")]
Maps = Annotated[list[str] | None, typer.Option("--map", help="column=path[:type]; may be given again and again.")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="path[:type]=value, the same in every event.")]
Rest = Annotated[str | None, typer.Option(help="Path below which all other columns go, under their own names.")]
MappingFile = Annotated[
    Path | None, typer.Option("--mapping", dir_okay=False, help="The same as JSON: columns, set, rest.")
]
Hold = Annotated[bool, typer.Option("--hold", help="Nothing of it counts until the backfill is released.")]


class Reading(NamedTuple):
    """How a file is read."""

    format: str
    dialect: base.Dialect
    mapping: mapping.Mapping
    encoding: str | None
    delimiter: str | None

    def source(self, file: BinaryIO) -> Source:
        if self.format == "ndjson":
            return Ndjson(file)
        if self.format == "csv":
            return Table(file, self.dialect, self.mapping, self.encoding, self.delimiter)
        from headwater.imports.parquet import Parquet  # only here: it takes as long to load as all the rest

        return Parquet(file, self.dialect, self.mapping)

    def says(self) -> str:
        """The same text for the same way of reading."""
        return repr((self.format, self.mapping.says(), self.encoding, self.delimiter))


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    app.command("import")(import_)


def import_(
    file: File,
    dialect: Annotated[Dialect, typer.Option(help="Whose events they are.")],
    backfill: Annotated[
        str | None, typer.Option(help="Name of the backfill they join; made when there is none.")
    ] = None,
    maps: Maps = None,
    mapping_file: MappingFile = None,
    sets: Sets = None,
    rest: Rest = None,
    format_: Annotated[Format | None, typer.Option("--format", help="When the file's name does not tell.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Of CSV; found in the header when absent.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Of CSV; UTF-8 when absent.")] = None,
    hold: Hold = False,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Requests under way at once.")] = 4,
    dry_run: Annotated[int | None, typer.Option(min=1, help="Only show the first so many events.")] = None,
    state: Annotated[Path | None, typer.Option(dir_okay=False, help="Where it is kept how far it is.")] = None,
    refused: Annotated[Path | None, typer.Option(dir_okay=False, help="Where refused rows go.")] = None,
    patience: Annotated[float, typer.Option(min=0, help="Seconds without an answer until it gives up.")] = _PATIENCE,
    url: Url = None,
    key: ApiKey = None,
    ca: Ca = None,
    data_dir: DataDir = DATA_DIR,
    as_json: Json = False,
) -> None:
    """Import a file of events into a backfill, each row once.

    Killed or interrupted, the same command goes on where it was. Ends with 0 when every row was taken, with 3 when
    some were refused: they are in FILE.bf_….refused.ndjson (or .csv), to be mended and imported like any other file.
    """
    with told(), _stopped():
        spoken: base.Dialect = "bik" if dialect == "bik" else "bigmind"
        asked = mapping.parse(spoken, maps or (), sets or (), rest, mapping_file)
        reading = Reading(format_ or files.format_of(file), spoken, asked, encoding, delimiter)
        if reading.format == "ndjson" and asked != mapping.Mapping():
            raise StoppedError("NDJSON holds whole events: there is nothing to map")
        if dry_run is not None:
            raise typer.Exit(_show(file, reading, dry_run))
        if not backfill:
            raise StoppedError("--backfill NAME is needed: what is imported can be taken back by it")
        api = connect(url, key, ca, data_dir)
        joined = _backfill(api, backfill, hold)
        work = _Work(file, reading, joined, state, refused)
        mark = work.run(api, concurrency, patience)
        _print(mark, joined, work, as_json)
    if mark.counts.refused:
        raise typer.Exit(SOME_REFUSED)


class _Work:
    """One import: its files, and what is shown of it."""

    def __init__(
        self, file: Path, reading: Reading, backfill: dict[str, Any], state: Path | None, refused: Path | None
    ) -> None:
        self.file, self.reading, self.backfill = file, reading, backfill
        suffix = ".csv" if reading.format == "csv" else ".ndjson"
        self.state = state or file.with_name(f"{file.name}.{backfill['id']}.import")
        self.refused = refused or file.with_name(f"{file.name}.{backfill['id']}.refused{suffix}")

    def run(self, api: Api, concurrency: int, patience: float) -> journal.Mark:
        """Raises StoppedError, or KeyboardInterrupt; then how far it came is written down."""
        with ExitStack() as stack:
            kept = stack.enter_context(journal.Journal(self.state))
            progress = stack.enter_context(progress_bar(TaskProgressColumn(), _Rows(), TimeRemainingColumn()))
            begun = self._begun(progress)
            _check_same(kept.mark, begun, self)
            if kept.mark and _has_lost(api, kept.mark, patience):
                typer.echo(_LOST, err=True)
                journal.Refused(self.refused, kept.mark).close()  # nobody's work is written over
                kept.write(journal.Mark(begun))
            if kept.mark and kept.mark.done:
                return kept.mark
            source = self.reading.source(stack.enter_context(files.opened(self.file)))
            self._tell_unused(source)
            refused = journal.Refused(self.refused, kept.mark)
            stack.callback(refused.close)
            shown = _Shown(progress, source.total)
            sender = sending.Sender(
                _Served(api), self.reading.dialect, begun.file, self.backfill["id"], patience, shown.waiting
            )
            return run.run(source, sender, kept, refused, begun, concurrency, shown.told)

    def _begun(self, progress: Progress) -> journal.Begun:
        task = progress.add_task("looking at the file", total=self.file.stat().st_size, rows=0)
        found = files.identity(self.file, functools.partial(progress.advance, task))
        progress.remove_task(task)
        return journal.Begun(
            found.digest,
            found.size,
            self.backfill["id"],
            self.reading.dialect,
            self.reading.says(),
            str(self.refused.absolute()),
        )

    def _tell_unused(self, source: Source) -> None:
        left = mapping.unused(self.reading.mapping, getattr(source, "header", ()))
        if left:
            typer.echo(f"columns that are not imported: {', '.join(left)}", err=True)


def _check_same(mark: journal.Mark | None, begun: journal.Begun, work: _Work) -> None:
    """An import goes on only with what it was begun with."""
    if mark is None or mark.begun == begun:
        return
    was, done = mark.begun, f"{mark.counts.rows:,} rows are done"
    if was.backfill != begun.backfill:
        raise StoppedError(f"{work.state} is of an import into another backfill ({was.backfill})")
    if (was.file, was.size) != (begun.file, begun.size):
        raise StoppedError(
            f"{work.file} was changed since its import began ({done}): put it back as it was, or import it into a new "
            f"backfill and revert this one"
        )
    if was.refused != begun.refused:
        raise StoppedError(f"its import began with another file of refused rows: --refused {was.refused}")
    raise StoppedError(
        f"its import began with another dialect, mapping or format ({done}): give the same, or import into a new "
        f"backfill and revert this one"
    )


_LOST = (
    "the server has fewer events of this backfill than it took before (was it restored from a backup?): all is sent "
    "again, and what it has is not stored twice"
)


def _has_lost(api: Api, mark: journal.Mark, patience: float) -> bool:
    """Whether the server has less of the backfill than was acknowledged. Where it cannot be told, it has not."""
    taken, deadline = mark.counts.taken - mark.counts.duplicates, time.monotonic() + patience
    while taken > 0:
        lanes = _patient(api, "GET", "/v1/pipelines")["data"]  # first: what waits now is stored later
        if _patient(api, "GET", f"/v1/backfills/{mark.begun.backfill}")["events"] >= taken:
            return False
        if not any(lane["events"] for lane in lanes):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return False


# --- the server --------------------------------------------------------------------------------------------------


class _Served:
    """Implements `imports.sending.Server`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def post(self, path: str, content: bytes, headers: Mapping[str, str]) -> sending.Reply:
        try:
            answer = self._api.post(path, content, headers)
        except ApiError as error:
            raise sending.SilentError(str(error)) from None
        return sending.Reply(answer.status_code, answer.headers, answer.content)

    def signal_id(self, slug: str) -> str | None:
        found = self._asked(f"/v1/signals/{quote(slug, safe='')}")
        return None if found is None else str(found["id"])

    def refuses(self, backfill: str) -> str:
        found = self._asked(f"/v1/backfills/{backfill}")
        if found is None:
            return f"the server knows no backfill {backfill} any more"
        return "" if found["status"] == "open" else _not_open(found)

    def _asked(self, path: str) -> dict[str, Any] | None:
        """None when there is no such thing."""
        try:
            found: dict[str, Any] = _patient(self._api, "GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise sending.SilentError(str(error)) from None
        return found


def _backfill(api: Api, name: str, hold: bool) -> dict[str, Any]:
    """The open backfill of that name; made when there is none."""
    found = _named(api, name)
    if found is None:
        try:
            made: dict[str, Any] = _patient(api, "POST", "/v1/backfills", {"name": name, "hold": hold})
        except ApiError as error:
            if error.status != 409 or (found := _named(api, name)) is None:
                raise
        else:
            return made
    if found["status"] != "open":
        raise StoppedError(f"{_not_open(found)}: choose another name")
    if hold and not found["held"]:
        raise StoppedError(f"the backfill {name!r} is there already, and was not made with --hold")
    return found


def _named(api: Api, name: str) -> dict[str, Any] | None:
    _patient(api, "GET", "/v1/backfills", limit=1)
    return next((each for each in api.items("/v1/backfills", 1_000_000) if each["name"] == name), None)


def _not_open(found: dict[str, Any]) -> str:
    return f"the backfill {found['name']!r} is {found['status']} and takes no more events"


def _patient(api: Api, method: str, path: str, body: Any = None, **params: Any) -> Any:
    """A call, again and again for half a minute where the server says that it is busy."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            return api.call(method, path, body, **params)
        except ApiError as error:
            if error.retry_after is None or time.monotonic() > deadline:
                raise
            time.sleep(min(error.retry_after, 1))


@contextmanager
def _stopped() -> Iterator[None]:
    """An import that cannot go on ends with one line for people."""
    try:
        yield
    except StoppedError as error:
        raise ApiError(str(error)) from None
    except OSError as error:
        raise ApiError(f"{error.filename or 'a file'}: {error.strerror or error}") from None
    except KeyboardInterrupt:
        typer.echo("headwater: stopped; run the same command again to go on", err=True)
        raise typer.Exit(_INTERRUPTED) from None


# --- what is shown -----------------------------------------------------------------------------------------------


class _Shown:
    """The bar of an import."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("importing", total=total, rows=0)

    def told(self, step: run.Step) -> None:
        self._progress.update(self._task, completed=step.at, rows=step.counts.rows)

    def waiting(self, why: str) -> None:
        with suppress(KeyError):
            self._progress.update(self._task, description=why or "importing")


class _Rows(ProgressColumn):
    """Rows so far, and a second."""

    def render(self, task: Task) -> Text:
        rows = task.fields.get("rows", 0)
        rate = (task.speed or 0) * rows / task.completed if task.completed and rows else 0
        return Text(f"{rows:,} rows {rate:,.0f}/s" if rows else "", style="progress.data.speed")


def _show(file: Path, reading: Reading, count: int) -> int:
    """The first events as they would be sent, and what is wrong with them; nothing is sent. The exit code."""
    from headwater.imports import preview  # only here: the dialects take long to load

    wrong = 0
    with files.opened(file) as content:
        source = reading.source(content)
        for row in islice(source.rows(0), count):
            flaw = row.flaw or preview.flaw(reading.dialect, row.event)
            if row.event:
                typer.echo(row.event)
            if flaw is not None:
                wrong += 1
                path = f" {flaw.path}:" if flaw.path else ""
                typer.echo(f"line {row.line}:{path} {flaw.message}{f' ({flaw.hint})' if flaw.hint else ''}", err=True)
        left = mapping.unused(reading.mapping, getattr(source, "header", ()))
    if left:
        typer.echo(f"columns that are not imported: {', '.join(left)}", err=True)
    return SOME_REFUSED if wrong else 0


def _print(mark: journal.Mark, backfill: dict[str, Any], work: _Work, as_json: bool) -> None:
    counts, seconds = mark.counts, max(mark.seconds, 0.001)
    if as_json:
        told_of: dict[str, Any] = {"rows": counts.rows, "taken": counts.taken, "duplicates": counts.duplicates}
        told_of |= {"refused": counts.refused, "seconds": mark.seconds, "per_second": round(counts.rows / seconds)}
        place = str(work.refused) if counts.refused else None
        print_json(told_of | {"refused_file": place, "backfill": backfill["id"], "state": str(work.state)})
        return
    typer.echo(
        f"{counts.taken:,} of {counts.rows:,} rows taken into the backfill {backfill['name']!r} ({backfill['id']}) "
        f"in {seconds:,.1f} s, {counts.rows / seconds:,.0f} a second"
    )
    if counts.duplicates:
        typer.echo(f"{counts.duplicates:,} of them were known already by their reference, and not stored again")
    if counts.refused:
        typer.echo(f"{counts.refused:,} rows were refused: mend and import {work.refused}")
    typer.echo(f"what they change: headwater backfills preview {backfill['id']}")
