"""Everything that headwater's own files and SQLite's go through on their way to a disk, told to a `power.disk.Disk`.

Calls of `os`, maps, and SQLite's layer over its files (an apsw VFS). Nothing is really synced: that is the model's.
"""

import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest

from power.disk import Disk, File

_THROUGH = getattr(os, "RWF_DSYNC", 0) | getattr(os, "RWF_SYNC", 0)
_JOURNALS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL


@contextmanager
def watched(disk: Disk) -> Iterator[None]:
    """All that this process does below the disk's root counts there."""
    name = f"power-{id(disk)}"
    with pytest.MonkeyPatch.context() as patch:
        for each in _calls(disk):
            patch.setattr(os, *each)
        patch.setattr(mmap, "mmap", _map_class(disk))
        vfs = _Vfs(disk, name)
        try:
            yield
        finally:
            apsw.set_default_vfs("unix")
            vfs.unregister()


# --- os ------------------------------------------------------------------------------------------------------------


def _calls(disk: Disk) -> Iterator[tuple[str, Callable[..., Any]]]:
    yield "open", partial(_open, disk, os.open)
    for name in ("write", "pwrite", "writev", "pwritev"):
        yield name, partial(_write, disk, getattr(os, name), name.endswith("v"), name.startswith("p"))
    for name in ("fsync", "fdatasync"):
        yield name, partial(_sync, disk)
    yield "ftruncate", partial(_truncate, disk, os.ftruncate)
    yield "posix_fallocate", partial(_allocate, disk, os.posix_fallocate)
    for name in ("rename", "replace"):
        yield name, partial(_move, disk, getattr(os, name))
    for name in ("unlink", "remove"):
        yield name, partial(_remove, disk, getattr(os, name))


def _open(disk: Disk, real: Callable[..., int], path: Any, flags: int, *rest: Any, **more: Any) -> int:
    fd = real(path, flags, *rest, **more)
    if flags & os.O_ACCMODE != os.O_RDONLY:
        with disk.counted() as counts:
            if counts and (file := disk.file(fd)) and flags & os.O_TRUNC:
                disk.sized(file, 0)
    return fd


def _write(disk: Disk, real: Any, gathers: bool, placed: bool, fd: int, data: Any, *rest: Any) -> int:
    with disk.counted() as counts:
        written: int = real(fd, data, *rest)
        if counts and (file := disk.file(fd)):
            whole = b"".join(data) if gathers else bytes(data)
            offset = rest[0] if placed else os.lseek(fd, 0, os.SEEK_CUR) - written
            through = placed and gathers and len(rest) > 1 and rest[1] & _THROUGH
            disk.wrote(file, offset, whole[:written], bool(through))
        return written


def _sync(disk: Disk, fd: int) -> None:
    with disk.counted() as counts:
        if not counts:
            return
        path = Path(os.readlink(f"/proc/self/fd/{fd}"))
        if file := disk.file(fd):
            disk.synced(file, os.pread(fd, os.fstat(fd).st_size, 0) if _readable(fd) else path.read_bytes())
        elif path.is_dir():
            disk.folder_synced(path)


def _readable(fd: int) -> bool:
    try:
        os.pread(fd, 0, 0)
    except OSError:
        return False
    return True


def _truncate(disk: Disk, real: Callable[[int, int], None], fd: int, size: int) -> None:
    with disk.counted() as counts:
        real(fd, size)
        if counts and (file := disk.file(fd)):
            disk.sized(file, size)


def _allocate(disk: Disk, real: Callable[[int, int, int], None], fd: int, offset: int, count: int) -> None:
    with disk.counted() as counts:
        real(fd, offset, count)
        if counts and (file := disk.file(fd)):
            disk.sized(file, max(len(file.now()), offset + count))


def _move(disk: Disk, real: Callable[..., None], old: Any, new: Any, **more: Any) -> None:
    with disk.counted() as counts:
        if counts:
            disk.moved(Path(old), Path(new))
        real(old, new, **more)


def _remove(disk: Disk, real: Callable[..., None], path: Any, **more: Any) -> None:
    with disk.counted() as counts:
        if counts and os.path.lexists(path):
            disk.removed(Path(path))
        real(path, **more)


def _map_class(disk: Disk) -> type[mmap.mmap]:
    """Maps whose content is looked at before each call that counts, and whose syncs count."""

    class Map(mmap.mmap):
        _file: File | None

        def __new__(cls, fd: int, *rest: Any, **more: Any) -> "Map":
            made = super().__new__(cls, fd, *rest, **more)
            with disk.lock:
                made._file = disk.file(fd)
                if made._file:
                    disk.map(made._file, made)
            return made

        def flush(self, *span: int) -> None:
            with disk.counted() as counts:
                if counts and self._file:
                    disk.synced(self._file, self[:])

        def close(self) -> None:
            with disk.lock:
                disk.look_at_maps()
            super().close()

    return Map


# --- SQLite --------------------------------------------------------------------------------------------------------


class _Vfs(apsw.VFS):
    """SQLite's own layer over files, with the model told of everything."""

    def __init__(self, disk: Disk, name: str) -> None:
        self._disk = disk
        super().__init__(name, "unix", makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return _VfsFile(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        with self._disk.counted() as counts:
            path = Path(filename)
            if counts and path.exists():
                self._disk.removed(path)
            super().xDelete(filename, False)
            if counts and syncdir:
                self._disk.folder_synced(path.parent)


class _VfsFile(apsw.VFSFile):
    """Not for SQLite's shared memory beside it: it is made anew after a crash."""

    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        text = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._disk, self._path = disk, Path(text) if text else None
        is_new = self._path is not None and not self._path.exists()
        super().__init__("unix", name, flags)
        with disk.lock:
            file = self._file()
            if file and is_new and flags[0] & _JOURNALS:
                file.sync_name = True

    def _file(self) -> File | None:
        return self._disk.file_at(self._path) if self._path else None

    def xWrite(self, data: bytes, offset: int) -> None:
        with self._disk.counted() as counts:
            file = self._file() if counts else None
            super().xWrite(data, offset)
            if file:
                self._disk.wrote(file, offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:
        with self._disk.counted() as counts:
            file = self._file() if counts else None
            super().xTruncate(newsize)
            if file:
                self._disk.sized(file, newsize)

    def xSync(self, flags: int) -> None:
        with self._disk.counted() as counts:
            file = self._file() if counts else None
            if file and self._path:
                self._disk.synced(file, self._path.read_bytes())
                if file.sync_name:
                    self._disk.folder_synced(self._path.parent)
                    file.sync_name = False
