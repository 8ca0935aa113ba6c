"""How far an import has come: a file beside the one that is imported, a line each time it is written down.

What it says may be behind: rows that were sent and are not in it are sent again under the same keys, and the server
answers as it did. So it is written a few times a second at most; and a line that a crash tore is passed over.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec
from xxhash import xxh3_64

from headwater.imports.base import StoppedError

_PIECE = 1024 * 1024
_FIRST = b'{"begun":'


class Counts(msgspec.Struct, frozen=True, gc=False):
    """What became of the rows so far."""

    taken: int = 0
    """Acknowledged, duplicates among them."""
    duplicates: int = 0
    """Known to the server by their reference (`dedupe_by`): acknowledged and not stored again."""
    refused: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.taken + other.taken, self.duplicates + other.duplicates, self.refused + other.refused)

    @property
    def rows(self) -> int:
        return self.taken + self.refused


class Begun(msgspec.Struct, frozen=True, gc=False):
    """What is imported, and where to. The same in every run of an import, or it is another one."""

    file: str
    """The content's digest."""
    size: int
    backfill: str
    dialect: str
    reading: str
    """Format, mapping and all else that says how the file is read."""
    refused: str
    """The file of refused rows."""


class Mark(msgspec.Struct, frozen=True, gc=False):
    """Everything before this is done."""

    begun: Begun
    chunk: int = 0
    """The next one."""
    counts: Counts = Counts()
    refused_bytes: int = 0
    refused_digest: str = ""
    """Of so many bytes of the file of refused rows."""
    seconds: float = 0
    """Spent so far, over all runs."""
    done: bool = False


class Journal:
    """The file of marks; locked, so that one import of it runs at a time. StoppedError when that is taken."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise StoppedError(f"another import of this file runs ({path} is in use)") from None
        except OSError as error:
            raise StoppedError(f"cannot write {path}: {error.strerror} (--state names another place)") from None
        try:
            self.mark = self._last()
        except BaseException:
            self.close()
            raise

    def _last(self) -> Mark | None:
        """The newest mark that was written whole."""
        found, written = None, os.pread(self._fd, os.fstat(self._fd).st_size, 0)
        for line in written.splitlines():
            try:
                found = msgspec.json.decode(line, type=Mark)
            except msgspec.MsgspecError:
                continue
        if found is None and not written.startswith(_FIRST) and not _FIRST.startswith(written):
            raise StoppedError(f"{self.path} is no state of an import (--state names another place)")
        return found

    def write(self, mark: Mark) -> Mark:
        """Durably, on a line of its own, whatever a crash left before it."""
        line = msgspec.json.encode(mark)
        with _told(self.path):
            _write(self._fd, b"\n" + line if os.fstat(self._fd).st_size else line)
            os.fsync(self._fd)
        self.mark = mark
        return mark

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Refused:
    """The file of refused rows. It is begun with the first of them, and is theirs alone."""

    def __init__(self, path: Path, mark: Mark | None) -> None:
        """Cuts what a crash left behind the mark. StoppedError when the file is somebody else's (there is one and no
        mark), or was changed."""
        self.path = path
        self._digest, self._fd = xxh3_64(), -1
        self.size = mark.refused_bytes if mark else 0
        if mark and mark.refused_bytes:
            self._reopen(mark)
        elif mark is None and path.exists() and path.stat().st_size:
            raise StoppedError(f"{path} is there already: move it away, or name another with --refused")

    def _reopen(self, mark: Mark) -> None:
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise StoppedError(f"cannot open {self.path}, which this import began: {error.strerror}") from None
        read = 0
        while read < self.size and (piece := os.pread(self._fd, min(_PIECE, self.size - read), read)):
            self._digest.update(piece)
            read += len(piece)
        if self._digest.hexdigest() != mark.refused_digest:
            raise StoppedError(f"{self.path} was changed before this import was through: put it back, or begin anew")
        os.ftruncate(self._fd, self.size)
        os.lseek(self._fd, self.size, os.SEEK_SET)

    def add(self, head: bytes, lines: bytes) -> None:
        """Lines behind those that are there; the head before the first."""
        with _told(self.path):
            if self._fd < 0:
                self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            lines = lines if self.size else head + lines
            _write(self._fd, lines)
        self._digest.update(lines)
        self.size += len(lines)

    def digest(self) -> str:
        """Of all of it; empty when there is none."""
        return self._digest.hexdigest() if self.size else ""

    def sync(self) -> None:
        """Makes it durable."""
        if self._fd >= 0:
            with _told(self.path):
                os.fsync(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What stands in the way of writing stops the import."""
    try:
        yield
    except OSError as error:
        raise StoppedError(f"cannot write {path}: {error.strerror}") from None


def _write(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
