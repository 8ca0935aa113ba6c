"""The durable end of a log, told to other processes through eight bytes of shared memory.

A page-sized file, mapped by the appender and by every reader. Words of 64 bits, in the machine's order:

    0  what this file is
    1  the durable end: stored after the fsync, so it is never ahead of the disk, whatever crashes
    2  the cut: 0, or 1 + the position behind which a failed commit may have left bytes that nobody may ever read

A mapped page outlives a kill -9. After a power cut the words may be older than the log, never newer.
"""

import mmap
import os
from pathlib import Path

from headwater.errors import CorruptionError

NAME = "durable"

_MAGIC = int.from_bytes(b"HWDURABL", "little")
_SIZE = mmap.PAGESIZE


class Published:
    """The mapped words. Loads and stores of one are atomic: they are aligned and 8 bytes wide."""

    def __init__(self, directory: Path, *, writable: bool) -> None:
        """Raises FileNotFoundError while no appender has made the file, CorruptionError when it is another's."""
        path = directory / NAME
        fd = os.open(path, os.O_RDWR if writable else os.O_RDONLY)
        try:
            if os.fstat(fd).st_size != _SIZE:
                raise CorruptionError(f"{path} is not what a log leaves there")
            self._map = mmap.mmap(fd, _SIZE, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
        finally:
            os.close(fd)
        self._words = memoryview(self._map).cast("Q")
        if self._words[0] != _MAGIC:
            self.close()
            raise CorruptionError(f"{path} is not what a log leaves there")

    @property
    def durable(self) -> int:
        return self._words[1]

    @durable.setter
    def durable(self, position: int) -> None:
        self._words[1] = position

    @property
    def cut(self) -> int | None:
        word = self._words[2]
        return word - 1 if word else None

    @cut.setter
    def cut(self, position: int | None) -> None:
        self._words[2] = 0 if position is None else position + 1

    def flush(self) -> None:
        """Writes the words to the disk. Raises OSError."""
        self._map.flush()

    def close(self) -> None:
        self._words.release()
        self._map.close()


def open_or_create(directory: Path) -> Published:
    """The appender's way in. The file appears whole: written aside, synced, renamed."""
    path = directory / NAME
    if not path.exists():
        aside = directory / f"{NAME}.new"
        with aside.open("wb") as file:
            file.write(_MAGIC.to_bytes(8, "little").ljust(_SIZE, b"\0"))
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
        sync_directory(directory)
    return Published(directory, writable=True)


def sync_directory(directory: Path) -> None:
    """Makes created, renamed and removed names durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
