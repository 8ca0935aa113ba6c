"""Segment files: named by the position they begin at, records end to end. Each ends where the next one begins."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from headwater.errors import CorruptionError
from headwater.log import record

SLICE = 1 << 17
"""Bytes read at once."""

_DIGITS = 20


class Segment(NamedTuple):
    """Positions [base, end) of a log and the file that has them."""

    base: int
    end: int
    path: Path


class Found(NamedTuple):
    """A record at [position, end) of the log; its bytes begin at `data[at]`. Its checksums were not looked at."""

    position: int
    end: int
    data: bytes
    at: int


def path_of(directory: Path, base: int, suffix: str) -> Path:
    return directory / f"{base:0{_DIGITS}d}{suffix}"


def bases(directory: Path, suffix: str) -> list[int]:
    """Where the segments in a directory begin, ascending; none when there is no directory."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    stems = [name.removesuffix(suffix) for name in names if name.endswith(suffix)]
    return sorted([int(stem) for stem in stems if len(stem) == _DIGITS and stem.isdigit()])


def segments(directory: Path, suffix: str, durable: int) -> tuple[Segment, ...]:
    """The segments that have durable records. What a file holds behind its end is of no account.

    `durable` must have been loaded before the call: then every segment that begins before it is in the listing.
    """
    begins = [base for base in bases(directory, suffix) if base < durable]
    ends = [*begins[1:], durable][: len(begins)]
    return tuple([Segment(*span, path_of(directory, span[0], suffix)) for span in zip(begins, ends, strict=True)])


def scan(fd: int, base: int, end: int, start: int, stop: int) -> Iterator[Found]:
    """The records that begin in [start, stop) of the segment file `fd`, which has the positions [base, end).

    Raises CorruptionError where no record begins or one goes on behind `end`.
    """
    origin, data = start, b""
    while start < min(stop, end):
        at = start - origin
        size = record.measure(data, at)
        if not size or at + size > len(data):
            origin, at = start, 0
            data = _slice(fd, start - base, min(max(size, SLICE), end - start))
            size = record.measure(data, 0)
            if len(data) < size <= end - start:
                data = _slice(fd, start - base, size)
            if not 0 < size <= len(data):
                raise CorruptionError(f"no whole record begins at position {start} of the log")
        yield Found(start, start + size, data, at)
        start += size


def _slice(fd: int, offset: int, size: int) -> bytes:
    return os.pread(fd, size, offset)
