"""A place for what a doctor may open: what SQLite and ClickHouse would write when they open something goes there."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headwater.errors import StartError

NAME = ".doctor"
"""In the data directory: hard links cannot lead to another file system."""


@contextmanager
def scratch_in(data_dir: Path) -> Iterator[Path]:
    """An empty folder, removed afterwards; one that a killed doctor left is removed before. Raises StartError."""
    path = data_dir / NAME
    try:
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
    except OSError as error:
        raise StartError(f"cannot make {path}: {error.strerror}") from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
