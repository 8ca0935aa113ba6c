"""Making files, and the names of files, outlast a power cut."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Makes what stands in a file durable, or the names that were made, changed and removed in a directory.

    Raises OSError; then nobody knows what is durable of it.
    """
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
