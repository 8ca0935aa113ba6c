"""A backup while it is written: a folder `NAME.partial`, which gets its name when all in it is whole and durable."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from headwater.backup.manifest import DATA, NAME, File, Manifest, encode
from headwater.durable import sync
from headwater.errors import BackupError
from headwater.snapshots import Snapshot, check, version_of

PARTIAL = ".partial"
_PIECE = 1 << 20
_SCRATCH = ".scratch"

Tell = Callable[[int], None]
"""Hears how many bytes more are done; what it raises ends the backup."""


class Target:
    """Takes files into `folder/NAME`. All that is written raises BackupError when the disk does not take it."""

    def __init__(self, folder: Path, name: str, tell: Tell = lambda _: None) -> None:
        self.path = folder / name
        self.files: list[File] = []
        self._partial = folder / f"{name}{PARTIAL}"
        self._data = self._partial / DATA
        self._tell = tell
        self.scratch = self._partial / _SCRATCH
        """For copies that are only made to be read."""
        with told(f"write {self._partial}"):
            self._partial.mkdir(mode=0o700)
            self._data.mkdir(mode=0o700)
            self.scratch.mkdir(mode=0o700)

    def copy(self, source: Path, name: str, size: int | None = None) -> None:
        """A file as it is; its first `size` bytes, which must be there. Raises BackupError."""
        target = self._place(name)
        with told(f"copy {source} to {target}"), source.open("rb") as file, target.open("xb") as copy:
            digest, count = transfer(file, copy, size, self._tell)
        if size is not None and count != size:
            raise BackupError(f"{source} has {count} bytes, not {size}: is it damaged? headwater doctor tells")
        self.files.append(File(name, count, digest))

    def write(self, data: bytes, name: str) -> None:
        target = self._place(name)
        with told(f"write {target}"), target.open("xb") as copy:
            copy.write(data)
            copy.flush()
            os.fsync(copy.fileno())
        self.files.append(File(name, len(data), hashlib.sha256(data).hexdigest()))
        self._tell(len(data))

    def database(self, snapshot: Snapshot, name: str) -> int:
        """A SQLite file as a snapshot has it, looked through by SQLite; returns the version of its schema.

        Raises CorruptionError when it is damaged."""
        target = self._place(name)
        with told(f"write {target}"):
            snapshot.write(target, self._tell)
        check(target)
        with target.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            self.files.append(File(name, os.fstat(file.fileno()).st_size, digest))
        return version_of(target)

    def finish(self, manifest: Manifest) -> Path:
        """Gives the backup its name. From here on it is one."""
        with told(f"write {self._partial}"):
            shutil.rmtree(self.scratch)
            for root, _, _ in os.walk(self._data, topdown=False):
                sync(Path(root))
            with (self._partial / NAME).open("xb") as file:
                file.write(encode(manifest))
                file.flush()
                os.fsync(file.fileno())
            sync(self._partial)
            self._partial.rename(self.path)
            sync(self.path.parent)
        return self.path

    def discard(self) -> None:
        """Removes what was written of a backup that did not come about."""
        shutil.rmtree(self._partial, ignore_errors=True)

    def _place(self, name: str) -> Path:
        target = self._data / name
        with told(f"write {target}"):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return target


def transfer(source: BinaryIO, target: BinaryIO | None, size: int | None, tell: Tell) -> tuple[str, int]:
    """Copies `size` bytes or all there are, durably; without a target only reads. The hash and how many there were."""
    digest, count = hashlib.sha256(), 0
    while piece := source.read(_PIECE if size is None else min(_PIECE, size - count)):
        digest.update(piece)
        count += len(piece)
        if target is not None:
            target.write(piece)
        tell(len(piece))
    if target is not None:
        target.flush()
        os.fsync(target.fileno())
    return digest.hexdigest(), count


@contextmanager
def told(what: str) -> Iterator[None]:
    """OSErrors as a BackupError that says what could not be done."""
    try:
        yield
    except OSError as error:
        raise BackupError(f"cannot {what}: {error.strerror or error}") from error
