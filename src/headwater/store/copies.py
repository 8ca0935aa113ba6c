"""A store's directory again, in another place: parts, which never change once they are there, as hard links.

ClickHouse writes into a directory when it opens it, so whoever only wants to look gets one of his own.
"""

import errno
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from headwater.errors import CorruptionError, StartError

_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP)
"""What a file system says over whose border no hard link leads, or that has none."""
_ASIDE = "detached"
_UNDER_WAY = ("tmp_", "delete_tmp_")
"""What the names of folders begin with in which ClickHouse writes a part, or removes one."""


def link_store(store: Path, scratch: Path, parts: Collection[Path] | None = None) -> Path:
    """A store of the same contents in `scratch`; with `parts`, with these alone.

    What little else there is (definitions of tables, links between folders) is copied, and what lies on another file
    system. Raises CorruptionError when there is no store, StartError when it cannot be copied.
    """
    if not store.is_dir():
        raise CorruptionError(f"{store} is gone")
    copy, met = scratch / store.name, 0
    try:
        for root, folders, names in os.walk(store):
            here = Path(root)
            there = copy / here.relative_to(store)
            there.mkdir(mode=0o700)
            met += parts is not None and here in parts
            for name in folders:
                if (here / name).is_symlink():
                    (there / name).symlink_to((here / name).readlink())
            if parts is not None:
                folders[:] = [name for name in folders if is_wanted(here / name, parts)]
            for name in names:
                _copy(here / name, there / name, is_part=is_part(here))
    except OSError as error:
        raise StartError(f"cannot make a copy of {store}: {error}") from error
    if parts is not None and met != len(parts):
        raise StartError(f"cannot make a copy of {store}: {len(parts) - met} of {len(parts)} parts are not below it")
    return copy


def is_wanted(folder: Path, parts: Collection[Path] | None = None) -> bool:
    """Whether a folder of a store is more than a leftover, and, with `parts`, none of another part's."""
    if folder.name == _ASIDE or folder.name.startswith(_UNDER_WAY):
        return False
    return parts is None or folder in parts or not is_part(folder)


def is_part(folder: Path) -> bool:
    """Whether a folder is a part's: `202611_1_46_9`, also where it was set aside."""
    return folder.name.count("_") >= 3


def _copy(source: Path, target: Path, is_part: bool) -> None:
    if is_part:
        try:
            target.hardlink_to(source)
            return
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
    shutil.copy2(source, target, follow_symlinks=False)
