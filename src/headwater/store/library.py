"""The memory of ClickHouse's library: half a gigabyte of code, of which a start runs through a good part once."""

import ctypes
from collections.abc import Iterator
from pathlib import Path

_LIBRARY = "_chdb.abi3.so"
_DONTNEED = 4
"""Of madvise: what is needed again is mapped again, from the page cache or the file."""


def give_back(maps: Path = Path("/proc/self/smaps")) -> int:
    """Lets go of the library's pages, and returns how many bytes of addresses that were. What runs afterwards, on
    another thread too, fetches what it needs. Does nothing where the kernel does not tell what is mapped."""
    try:
        clean = [*_clean(maps.read_text())]
    except OSError:
        return 0
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return sum(end - begin for begin, end in clean if madvise(begin, end - begin, _DONTNEED) == 0)


def _clean(maps: str) -> Iterator[tuple[int, int]]:
    """Address ranges of the library that nobody can write to and nobody has: they are as they are in the file. What
    was relocated is not, and would be lost."""
    span, is_ours, is_clean = "", False, False
    for line in maps.splitlines():
        words = line.split()
        if "-" in words[0]:
            span, is_ours = words[0], line.endswith(_LIBRARY) and "w" not in words[1]
        elif words[0] == "Anonymous:":
            is_clean = words[1] == "0"
        elif is_ours and is_clean and words[:2] == ["Swap:", "0"]:  # what was swapped out is not counted before
            begin, end = span.split("-")
            yield int(begin, 16), int(end, 16)
