"""Files that commands read and write; `-`, or none, is standard input or output."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def source(file: Path) -> Iterator[BinaryIO]:
    """To be read; `-` is standard input."""
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    with file.open("rb") as lines:
        yield lines


def write(pieces: Iterable[bytes], output: Path | None) -> None:
    """Pieces, as they come, into a file or to standard output. A file is begun with the first piece."""
    rest = iter(pieces)
    first = next(rest, b"")
    with _target(output) as file:
        file.write(first)
        for piece in rest:
            file.write(piece)


@contextmanager
def _target(output: Path | None) -> Iterator[BinaryIO]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    with output.open("wb") as file:
        yield file
