"""Copies that a doctor may open: ClickHouse writes into a directory when it opens it, so it gets one of its own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headwater.errors import CorruptionError, StartError

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


def link_store(store: Path, scratch: Path) -> Path:
    """A store of the same contents in `scratch`: parts, which never change once they are there, as hard links.

    What little else there is (definitions of tables, links between folders) is copied. Raises CorruptionError when
    there is no store, StartError when it cannot be copied.
    """
    if not store.is_dir():
        raise CorruptionError(f"{store} is gone")
    copy = scratch / store.name
    try:
        for root, folders, names in os.walk(store):
            here = Path(root)
            there = copy / here.relative_to(store)
            there.mkdir(mode=0o700)
            for name in folders:
                if (here / name).is_symlink():
                    (there / name).symlink_to((here / name).readlink())
            for name in names:
                _copy(here / name, there / name, is_part=_is_part(here))
    except OSError as error:
        raise StartError(f"cannot make a copy of {store} to look at: {error}") from error
    return copy


def _is_part(folder: Path) -> bool:
    """Whether a folder is a part's: `202611_1_46_9`, also where it was set aside."""
    return folder.name.count("_") >= 3


def _copy(source: Path, target: Path, is_part: bool) -> None:
    if is_part:
        target.hardlink_to(source)
    else:
        shutil.copy2(source, target, follow_symlinks=False)
