"""The words of a log that stand beside its segments, for a copy of it."""

import os
from pathlib import Path

from headwater.log.published import SIZE, Claimed, Published, words
from headwater.log.segments import path_of


def durable_word(position: int) -> tuple[str, bytes]:
    """The file that says where the log ends: its name and all of its bytes."""
    return Published.name, words(Published.magic, position)


def claimed_word(position: int) -> tuple[str, bytes]:
    """The file that says up to where the claims in the log are kept elsewhere."""
    return Claimed.name, words(Claimed.magic, position)


def fit(directory: Path) -> None:
    """Brings the words of a copy, made where pages had another size, to this machine's. Raises OSError."""
    for name in (Published.name, Claimed.name):
        path = directory / name
        if path.exists():
            with path.open("r+b") as file:
                file.truncate(SIZE)  # what counts stands at the beginning, and the rest is zeros
                os.fsync(file.fileno())


def begun_segment(directory: Path, position: int) -> str:
    """The name of the file for what comes from that position on."""
    return path_of(directory, position, ".log").name
