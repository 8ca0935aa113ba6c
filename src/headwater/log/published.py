"""What a log's processes tell each other through a few bytes of shared memory.

Page-sized files, mapped by the one who writes and by those who read. Words of 64 bits, in the machine's order:

    `durable`, by the appender     0  what this file is
                                   1  the durable end: stored after the fsync, so it is never ahead of the disk
                                   2  the cut: 0, or 1 + the position behind which a failed commit may have left bytes
                                      that nobody may ever read
    `stored`, by the reader        0  what this file is
                                   1  the position before which everything is stored
                                   2  the position before which no segment shall be written on
    `claimed`, by the appender     0  what this file is
                                   1  the position before which all claims are kept in the file of claims

A mapped page outlives a kill -9. After a power cut the words may be older than what they tell of, never newer.
Promises hang on `durable`; on `stored` only the bound of the backlog does, so a broken one is made anew. A broken
`claimed` is made anew too, from 0: what lies behind it is kept, so an old word is never wrong.
"""

import mmap
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, TypeVar

from headwater.durable import sync
from headwater.errors import CorruptionError

SIZE = mmap.PAGESIZE
"""Bytes of such a file; of another machine's, another number."""


class _Words:
    """The mapped words. Loads and stores of one are atomic: they are aligned and 8 bytes wide."""

    def __init__(self, path: Path, magic: bytes, *, writable: bool) -> None:
        """Raises FileNotFoundError while the file was not made, CorruptionError when it is another's."""
        fd = os.open(path, os.O_RDWR if writable else os.O_RDONLY)
        try:
            if os.fstat(fd).st_size != SIZE:
                raise CorruptionError(f"{path} is not what a log leaves there")
            self._map = mmap.mmap(fd, SIZE, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
        finally:
            os.close(fd)
        self._words = memoryview(self._map).cast("Q")
        if self._words[0] != int.from_bytes(magic, "little"):
            self.close()
            raise CorruptionError(f"{path} is not what a log leaves there")

    def close(self) -> None:
        self._words.release()
        self._map.close()


class Published(_Words):
    """The words of `durable`."""

    name = "durable"
    magic = b"HWDURABL"

    def __init__(self, directory: Path, *, writable: bool) -> None:
        super().__init__(directory / self.name, self.magic, writable=writable)

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


class _Position(_Words):
    """One word: a position."""

    name: ClassVar[str]
    magic: ClassVar[bytes]

    def __init__(self, directory: Path, *, writable: bool) -> None:
        super().__init__(directory / self.name, self.magic, writable=writable)

    @property
    def position(self) -> int:
        return self._words[1]

    @position.setter
    def position(self, position: int) -> None:
        self._words[1] = position


class Stored(_Position):
    """The words of `stored`."""

    name = "stored"
    magic = b"HWSTORED"

    @property
    def wanted(self) -> int:
        return self._words[2]

    @wanted.setter
    def wanted(self, position: int) -> None:
        self._words[2] = position


class Claimed(_Position):
    """The words of `claimed`."""

    name = "claimed"
    magic = b"HWCLAIMS"


_Told = TypeVar("_Told", bound=_Position)


def open_or_create(directory: Path) -> Published:
    """The appender's way in."""
    if not (directory / Published.name).exists():
        _create(directory / Published.name, Published.magic)
    return Published(directory, writable=True)


def open_or_create_stored(directory: Path) -> Stored:
    """The reader's way in, to tell. Raises OSError."""
    return _told_in(Stored, directory)


def open_or_create_claimed(directory: Path) -> Claimed:
    """The appender's way in, to tell. Raises OSError."""
    return _told_in(Claimed, directory)


def _told_in(kind: type[_Told], directory: Path) -> _Told:
    with suppress(FileNotFoundError, CorruptionError):
        return kind(directory, writable=True)
    _create(directory / kind.name, kind.magic)
    return kind(directory, writable=True)


def words(magic: bytes, position: int) -> bytes:
    """What such a file holds that tells of a position."""
    return (magic + position.to_bytes(8, sys.byteorder)).ljust(SIZE, b"\0")


def _create(path: Path, magic: bytes) -> None:
    """The file appears whole: written aside, synced, renamed."""
    aside = path.with_name(f"{path.name}.new")
    with aside.open("wb") as file:
        file.write(magic.ljust(SIZE, b"\0"))
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)
    sync(path.parent)
