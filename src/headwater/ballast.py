"""A file that takes up room, to be given back when the disk is full.

What was acknowledged must still be stored, and the log be trimmed, on a disk that takes no byte more: SQLite and
ClickHouse need a little room for that. Whoever finds the disk full drops the ballast (an unlink needs no room); the
gateway alone makes it anew, and takes no event as long as it is away, so that the room goes to those who make more.
docs/decisions/0007-full-disks.md
"""

import logging
import os
from contextlib import suppress
from pathlib import Path

_PIECE = 1 << 20

_logger = logging.getLogger(__name__)


class Ballast:
    """The file `path`, `size` bytes big; with a size of 0 there is none, and none is wanted."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size

    @property
    def is_there(self) -> bool:
        """Whether it holds its room."""
        if not self.size:
            return True
        try:
            return self.path.stat().st_size == self.size
        except FileNotFoundError:
            return False

    def make(self) -> None:
        """Takes the room, all of it or none. Raises OSError."""
        aside = self.path.with_suffix(".new")
        self.path.unlink(missing_ok=True)  # of another size
        try:
            fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                _allocate(fd, self.size)
            finally:
                os.close(fd)
            aside.rename(self.path)
        except OSError:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            raise

    def drop(self) -> None:
        """Gives the room back. Any process may; it needs no room itself."""
        if self.size:
            with suppress(OSError):
                self.path.unlink()
                _logger.error("the disk is full: the ballast %s is given up to store what was taken", self.path)

    def drop_if_needed(self) -> None:
        """Drops it when there is less room than it holds: for a start, which has to write, and after a failure."""
        if not self.size:
            self.path.unlink(missing_ok=True)  # of a time when one was wanted
            return
        about = os.statvfs(self.path.parent)
        if about.f_bavail * about.f_frsize < self.size:
            self.drop()


def _allocate(fd: int, size: int) -> None:
    """Real blocks, not a hole."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)
    else:
        for _ in range(0, size, _PIECE):
            os.write(fd, bytes(_PIECE))
        os.ftruncate(fd, size)
    os.fsync(fd)
