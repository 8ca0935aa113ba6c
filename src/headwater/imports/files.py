"""The file that is imported: what it is, what is in it, and reading it from its beginning."""

import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from xxhash import xxh3_128

from headwater.imports.base import StoppedError

Format = Literal["ndjson", "csv", "parquet"]

_PIECE = 1024 * 1024
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_SUFFIXES: dict[str, Format] = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
}
UTF16 = (b"\xff\xfe", b"\xfe\xff")
UTF8_BOM = b"\xef\xbb\xbf"


class Identity(NamedTuple):
    """What a file is by its content, whatever it is called and wherever it lies."""

    size: int
    digest: str
    """32 hexadecimal digits over all bytes."""


def identity(path: Path, read: Callable[[int], None] = lambda _: None) -> Identity:
    """Reads the whole file; `read` is told of the bytes as they pass."""
    digest, size = xxh3_128(), 0
    with opened(path) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
            read(len(piece))
    return Identity(size, digest.hexdigest())


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes as they are. StoppedError when it cannot be read."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise StoppedError(f"cannot read {path}: {error.strerror}") from None
    with file:
        try:
            yield file
        except OSError as error:
            raise StoppedError(f"cannot read {path}: {error.strerror or error}") from None


def format_of(path: Path) -> Format:
    """By what it begins with, then by its name."""
    with opened(path) as file:
        first = file.read(4)
    if first == _PARQUET:
        return "parquet"
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    found = _SUFFIXES.get(suffixes[-1]) if suffixes else None
    if found is None or found == "parquet":
        raise StoppedError(f"{path.name} is of no format that its name tells: give --format ndjson, csv or parquet")
    return found


class Plain:
    """A file's content, inflated when it is gzip, and how far into the file itself it was read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.total = os.fstat(file.fileno()).st_size
        packed = file.read(2) == _GZIP
        file.seek(0)
        self.content: BinaryIO = file
        if packed:
            self.content = io.BufferedReader(gzip.GzipFile(fileobj=file), _PIECE)

    def at(self) -> int:
        return self._file.tell()

    def begins(self) -> bytes:
        """The first four bytes, which are read all the same."""
        return self.content.peek(4)[:4]  # type: ignore[attr-defined, no-any-return]


@contextmanager
def readable() -> Iterator[None]:
    """What goes wrong while a packed file is inflated stops the import."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise StoppedError("the file is not whole: its gzip data ends early, or is damaged") from None
