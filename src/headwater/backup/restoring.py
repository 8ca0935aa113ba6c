"""Puts a backup back into an empty directory, every file held against its hash; nothing starts before all is there.

While it works, `DATA_DIR/.restoring` is there; every role refuses to start beside it, and a restore that was cut short
begins anew in the same directory.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from headwater.backup.manifest import DATA, File, Manifest, read
from headwater.backup.target import Tell, told, transfer
from headwater.config import Settings
from headwater.durable import make_directory, sync
from headwater.errors import BackupError
from headwater.log.copying import fit

_IGNORED = frozenset(("lost+found",))
"""What may lie in an empty directory."""


class Restore:
    """A backup and where it is to go. Nothing is written before `run`. Raises BackupError for what cannot be restored.

    `versions`: what this headwater reads of each part.
    """

    def __init__(self, backup: Path, settings: Settings, versions: Mapping[str, int]) -> None:
        self.manifest = read(backup)
        self._files = backup / DATA
        self._settings = settings
        _check_versions(self.manifest, versions)
        _check_files(self.manifest, self._files)
        _check_place(settings)

    def run(self, tell: Tell, finish: Callable[[], None]) -> None:
        """`finish` is called when all files are there, before anything may start. Raises BackupError."""
        settings, manifest = self._settings, self.manifest
        with told(f"write {settings.data_dir}"):
            _begin(settings)
        for file in manifest.files:
            self._restore(file, tell)
        with told(f"write {settings.data_dir}"):
            self._make_rest()
            fit(settings.log_dir)
        finish()
        with told(f"write {settings.data_dir}"):
            settings.unfinished_path.unlink()
            sync(settings.data_dir)

    def _restore(self, file: File, tell: Tell) -> None:
        source, target = self._files / file.path, self._settings.data_dir / file.path
        with told(f"copy {source} to {target}"):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with source.open("rb") as data, open(_created(target), "wb") as copy:
                digest, count = transfer(data, copy, None, tell)
        if (digest, count) != (file.sha256, file.size):
            raise BackupError(f"{source} is damaged: it does not have the hash that the manifest names")

    def _make_rest(self) -> None:
        root = self._settings.data_dir
        for folder in self.manifest.folders:
            (root / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, target in self.manifest.links.items():
            (root / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            (root / path).symlink_to(target)
        for each, _, _ in os.walk(root, topdown=False):
            sync(Path(each))


def verify(backup: Path, manifest: Manifest, tell: Tell) -> None:
    """Reads every file of a backup and holds it against its hash. Raises BackupError at the first that differs."""
    for file in manifest.files:
        source = backup / DATA / file.path
        with told(f"read {source}"), source.open("rb") as data:
            found = transfer(data, None, None, tell)
        if found != (file.sha256, file.size):
            raise BackupError(f"{source} is damaged: it does not have the hash that the manifest names")


def _created(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _begin(settings: Settings) -> None:
    """An empty directory but for the mark; what an earlier try left is removed."""
    make_directory(settings.data_dir)
    settings.unfinished_path.touch(mode=0o600)
    sync(settings.data_dir)
    for path in settings.data_dir.iterdir():
        if path == settings.unfinished_path or path.name in _IGNORED:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _check_versions(manifest: Manifest, versions: Mapping[str, int]) -> None:
    for part, version in manifest.versions.items():
        if version > versions.get(part, 0):
            raise BackupError(
                f"the backup was made by a newer headwater ({manifest.headwater}): its {part} has version {version}, "
                f"this one reads {versions.get(part, 0)}"
            )


def _check_files(manifest: Manifest, files: Path) -> None:
    """All there, by their sizes: so that a backup that was cut short is refused before anything is written."""
    for file in manifest.files:
        path = files / file.path
        try:
            size = path.stat().st_size
        except OSError as error:
            raise BackupError(f"the backup is not whole: {path}: {error.strerror}") from None
        if size != file.size:
            raise BackupError(f"the backup is not whole: {path} has {size} bytes, not {file.size}")


def _check_place(settings: Settings) -> None:
    there, wanted = settings.data_dir, settings.unfinished_path
    if not there.exists() or wanted.exists():
        return
    if not there.is_dir():
        raise BackupError(f"{there} is no directory")
    found = sorted(path.name for path in there.iterdir() if path.name not in _IGNORED)
    if found:
        raise BackupError(f"{there} is not empty ({', '.join(found[:3])}…): restore to a new directory")
