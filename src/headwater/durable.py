"""Making files, and the names of files, outlast a power cut."""

import errno
import os
from pathlib import Path

_CANNOT_SYNC = {errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOTSUP, errno.EROFS}


def sync(path: Path) -> None:
    """Makes what stands in a file durable, or the names that were made, changed and removed in a directory.

    Raises OSError; then nobody knows what is durable of it.
    """
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_directory(path: Path, mode: int = 0o700) -> None:
    """Makes a directory, and those above it that are missing; nothing happens where it is.

    Its name is durable afterwards, also where it was made a moment before a crash; but not in a directory that we may
    not read, or on a file system that syncs no names (read-only ones, automounts). Raises OSError.
    """
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    for each in {path.parent, *[made.parent for made in missing]}:
        try:
            sync(each)
        except OSError as error:
            if error.errno not in _CANNOT_SYNC:
                raise
