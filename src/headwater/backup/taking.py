"""Takes a backup: part after part, in an order in which what is taken later knows all that was taken before.

The engine's state, cohorts and store are of one moment, and so is how far destinations were. Then the claims, of which
the log must have all batches; then the log up to its durable end; then the keys, and the catalog last, which knows
every signal that the log names. So what is restored is what a server would find that lost its power somewhat after that
moment.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from headwater import __version__, clock
from headwater.backup.manifest import FORMAT, Manifest
from headwater.backup.target import Target, told
from headwater.config import Settings
from headwater.errors import BackupError, CorruptionError
from headwater.log.base import Reader
from headwater.log.copying import begun_segment, claimed_word, durable_word
from headwater.snapshots import Snapshot
from headwater.store.copies import is_wanted


class Source(msgspec.Struct, frozen=True):
    """A data directory to be taken."""

    settings: Settings
    reader: Reader
    frozen: Path
    """Where state, cohorts and store of one moment lie: the folder a running engine keeps, or the data directory."""
    running: bool
    """Whether the engine runs; `serving`: the gateway."""
    serving: bool
    store_version: int | None
    """None where nobody could be asked."""
    attend: Callable[[], None]
    """Raises BackupError when the engine has ended, and with it what it kept."""

    def sizes(self) -> list[int]:
        """Of the files to be taken, in bytes, about."""
        here = self.settings
        whole = (here.catalog_path, here.claims_path, here.log_dir)
        databases = (here.state_path, here.cohorts_path, here.webhooks_path, here.positions_path)
        frozen = (*(path.name for path in databases), here.store_dir.name)
        return [size for path in (*whole, *(self.frozen / name for name in frozen)) for size in _sizes(path)]


def take(source: Source, target: Target, began_ms: int, done: Callable[[str], None]) -> Path:
    """Writes the backup and gives its path. `done` is told what is taken now. Raises BackupError, CorruptionError.

    `began_ms`: a moment before the engine was asked to keep anything.
    """
    taking = _Taking(source, target)
    for what, step in taking.steps():
        done(what)
        step()
        source.attend()
    manifest = taking.manifest(began_ms)
    # What was kept goes as a whole: it is there still, so all that was found in it was all there is.
    if not source.frozen.exists():
        raise BackupError("the backup is given up: the engine keeps the moment no more")
    source.attend()
    return target.finish(manifest)


class _Taking:
    def __init__(self, source: Source, target: Target) -> None:
        self._source = source
        self._settings = source.settings
        self._target = target
        self._versions: dict[str, int] = {}
        self._log_end = 0
        self._links: dict[str, str] = {}
        self._folders: list[str] = []

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """What is taken, in order."""
        yield "claims", self._claims
        yield "log", self._log
        yield "keys", self._keys
        yield "catalog", self._catalog
        yield "state", self._state
        yield "store", self._store

    def manifest(self, began_ms: int) -> Manifest:
        return Manifest(
            format=FORMAT,
            headwater=__version__,
            began_at=clock.to_iso(began_ms),
            ended_at=clock.to_iso(clock.now_ms()),
            running=self._source.running,
            log_end=self._log_end,
            versions=self._versions,
            files=tuple(self._target.files),
            links=self._links,
            folders=tuple(self._folders),
        )

    def _claims(self) -> None:
        """The mark first: behind it, claims are read from the log."""
        position = self._source.reader.claimed()
        if position is not None:
            self._word(*claimed_word(position))
        self._database("claims", self._settings.claims_path, beside=self._source.serving)

    def _log(self) -> None:
        directory = self._settings.log_dir
        found = self._source.reader.survey()
        self._log_end = found.durable
        for each in found.segments:
            self._target.copy(directory / each.name, f"{directory.name}/{each.name}", each.end - each.base)
            self._source.attend()
        if found.durable:
            self._word(*durable_word(found.durable))
            if not found.segments:  # a start would look for the records before
                self._word(begun_segment(directory, found.durable), b"")

    def _word(self, name: str, words: bytes) -> None:
        self._target.write(words, f"{self._settings.log_dir.name}/{name}")

    def _keys(self) -> None:
        settings = self._settings
        if not settings.secret_path.exists():
            raise CorruptionError(f"{settings.secret_path} is gone: with a backup no key would work")
        for path in (settings.secret_path, settings.credentials_path):
            if path.exists():
                self._target.copy(path, path.name)
        if settings.tombstones_path.exists():
            self._target.write(_lines(settings.tombstones_path), settings.tombstones_path.name)

    def _catalog(self) -> None:
        if not self._settings.catalog_path.exists():
            raise CorruptionError(f"{self._settings.catalog_path} is gone")
        self._database("catalog", self._settings.catalog_path, beside=self._source.serving)

    def _state(self) -> None:
        folder, settings = self._source.frozen, self._settings
        state = folder / settings.state_path.name
        if not state.exists() and (folder / settings.store_dir.name).exists():
            raise CorruptionError(f"{settings.state_path} is gone: without it nobody knows what of the log is stored")
        self._database("state", state, beside=False)
        self._database("cohorts", folder / settings.cohorts_path.name, beside=False)
        self._database("webhooks", folder / settings.webhooks_path.name, beside=False)
        self._database("destinations", folder / settings.positions_path.name, beside=False)

    def _database(self, name: str, path: Path, beside: bool) -> None:
        """`beside`: another process has it open."""
        if not path.exists():
            return
        snapshot = Snapshot(path, None if beside else self._target.scratch)
        try:
            version = self._target.database(snapshot, path.name)
        finally:
            snapshot.close()
        self._versions[name] = version

    def _store(self) -> None:
        store = self._source.frozen / self._settings.store_dir.name
        if self._source.store_version is not None:
            self._versions["store"] = self._source.store_version
        if not store.exists():  # nothing was ever stored
            return
        with told(f"read {store}"):
            for root, folders, names in os.walk(store, onerror=_unread):
                self._folder(Path(root), folders, names)

    def _folder(self, here: Path, folders: list[str], names: list[str]) -> None:
        """One of the store's; leaves in `folders` those that are to be taken as well."""
        folders.sort()
        self._links |= {self._named(here / each): str((here / each).readlink()) for each in _links(here, folders)}
        folders[:] = [each for each in folders if not (here / each).is_symlink() and is_wanted(here / each)]
        if not (folders or names):
            self._folders.append(self._named(here))
        for name in sorted(names):
            self._target.copy(here / name, self._named(here / name))
            self._source.attend()

    def _named(self, path: Path) -> str:
        """As the manifest has it."""
        return path.relative_to(self._source.frozen).as_posix()


def _unread(error: OSError) -> None:
    """A folder that cannot be read is not passed over."""
    raise error


def _links(here: Path, names: list[str]) -> list[str]:
    return [name for name in names if (here / name).is_symlink()]


def _lines(path: Path) -> bytes:
    """The whole ones of a file that lines are added to."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BackupError(f"cannot read {path}: {error.strerror}") from error
    return data[: data.rfind(b"\n") + 1]


def _sizes(path: Path) -> Iterator[int]:
    """Of a file, or of all below a folder; none when it is not there."""
    for each in path.rglob("*") if path.is_dir() else (path,):
        with suppress(FileNotFoundError):
            yield each.lstat().st_size
