"""`headwater backup` and `headwater restore`: they work on files, and ask a running engine over its own socket."""

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from headwater.advice import readable
from headwater.backup.folder import Folder
from headwater.backup.manifest import Manifest, read
from headwater.backup.restoring import Restore, verify
from headwater.backup.taking import take
from headwater.backup.target import told
from headwater.cli.api import DATA_DIR
from headwater.cli.output import Json, print_json
from headwater.clock import now_ms
from headwater.config import Settings
from headwater.errors import BackupError, HeadwaterError

_FAILED = 1
_BLOCK = 4096
"""Bytes that a file takes at most beyond its own."""

_Into = Annotated[Path, typer.Argument(metavar="DIR", help="Where backups lie; on another disk than the data.")]
_Backup = Annotated[Path, typer.Argument(help="One backup: a folder headwater-… with a manifest.json in it.")]
_From = Annotated[Path, typer.Option("--data-dir", envvar="HEADWATER_DATA_DIR", help="What is backed up.")]
_Keep = Annotated[int | None, typer.Option(min=1, help="Remove older backups from DIR but for so many, this one too.")]
_Empty = Annotated[Path, typer.Option("--data-dir", help="A new data directory, or an empty one.")]
_Tombstones = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="The file `tombstones` of the newest data directory there is: who was erased since the backup.",
    ),
]
_Only = Annotated[bool, typer.Option("--check", help="Only read the backup and hold it against its hashes.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    app.command()(backup)
    app.command()(restore)


def backup(into: _Into, data_dir: _From = DATA_DIR, keep: _Keep = None, as_json: Json = False) -> None:
    """Take a backup of a data directory into DIR, beside a running server or without one.

    All that was acknowledged before it began is in it. Ends with 0 when the backup is whole and durable.
    """
    from headwater.wiring import backups  # late: imported at the top it would slow every command

    with _told(), _progress() as bar:
        settings = Settings(data_dir=data_dir.absolute())
        if not settings.catalog_path.exists():
            raise BackupError(f"there is no headwater in {data_dir}")
        if settings.unfinished_path.exists():
            raise BackupError(f"a restore to {data_dir} was cut short: run headwater restore again")
        began_ms, began = now_ms(), time.monotonic()
        folder = Folder(into, settings.data_dir)
        bar.say("waiting for the engine", None)
        with backups.source(settings) as source:
            sizes = source.sizes()
            _check_room(folder.path, sizes)
            bar.say("", sum(sizes))
            target = folder.target(began_ms, bar.add)
            try:
                path = take(source, target, began_ms, bar.say)
            except BaseException:
                target.discard()
                raise
        removed = folder.keep(keep) if keep else []
        folder.close()
    _print(path, read(path), time.monotonic() - began, [str(each) for each in removed], as_json)


def restore(
    backup: _Backup,
    data_dir: _Empty = DATA_DIR,
    tombstones: _Tombstones = None,
    check: _Only = False,
    as_json: Json = False,
) -> None:
    """Put a backup back into an empty data directory; every file is held against its hash.

    Whoever was erased after the backup was taken is erased from it again, by --tombstones and those in the backup.
    """
    from headwater.wiring import backups  # late: imported at the top it would slow every command

    with _told(), _progress() as bar:
        settings, began = Settings(data_dir=data_dir.absolute()), time.monotonic()
        if check:
            manifest = read(backup)
            bar.say("reading", manifest.size)
            verify(backup, manifest, bar.add)
            where = backup
        else:
            work = Restore(backup, settings, backups.versions())
            manifest, where = work.manifest, settings.data_dir
            _check_room(_existing(settings.data_dir), [file.size for file in manifest.files])
            bar.say("restoring", manifest.size)
            work.run(bar.add, lambda: backups.erase_again(settings, tombstones))
    _print(where, manifest, time.monotonic() - began, [], as_json)
    if not (check or as_json):
        typer.echo(
            f"\nheadwater doctor --data-dir {data_dir}   looks at all of it\nheadwater serve --data-dir {data_dir}"
        )


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


def _check_room(folder: Path, sizes: Sequence[int]) -> None:
    """Before anything is written; what fills the disk meanwhile is found as well, later."""
    size = sum(sizes) + _BLOCK * len(sizes)
    with told(f"look at {folder}"):
        free = shutil.disk_usage(folder).free
    if free < size:
        raise BackupError(f"{folder} has {readable(free)} free, and {readable(size)} are needed")


def _print(path: Path, manifest: Manifest, seconds: float, removed: list[str], as_json: bool) -> None:
    about: dict[str, Any] = {
        "path": str(path),
        "began_at": manifest.began_at,
        "files": len(manifest.files),
        "bytes": manifest.size,
        "seconds": round(seconds, 3),
        "removed": removed,
    }
    if as_json:
        print_json(about)
        return
    typer.echo(f"{path}\n{about['files']} files, {readable(manifest.size)}, of {manifest.began_at}, in {seconds:.1f} s")
    for each in removed:
        typer.echo(f"removed {each}")


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except HeadwaterError as error:
        typer.echo(f"headwater: {error}", err=True)
        raise typer.Exit(_FAILED) from None


class _Bar:
    """What is being done, and how far it is."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def say(self, what: str, total: float | None = -1) -> None:
        self._progress.update(self._task, description=what)
        if total != -1:
            self._progress.reset(self._task, total=total, description=what)

    def add(self, count: int) -> None:
        self._progress.advance(self._task, count)


@contextmanager
def _progress() -> Iterator[_Bar]:
    """A bar on a terminal, on standard error; nothing elsewhere."""
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        yield _Bar(progress)
