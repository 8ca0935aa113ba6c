"""Who was erased: that list goes on where a backup is put back, with those of it who were erased later."""

import os
from pathlib import Path

from headwater.backup.target import told
from headwater.durable import sync


def merge(path: Path, later: Path | None) -> bool:
    """Adds the lines of the list `later` to the one at `path`, which need not be there yet, durably and each once.

    Whether there is anybody on it. Raises BackupError.
    """
    known = _lines(path)
    more = [line for line in dict.fromkeys(_lines(later)) if line not in set(known)] if later else []
    if more:
        with told(f"write {path}"):
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
                file.write(b"".join(line + b"\n" for line in more))
                file.flush()
                os.fsync(file.fileno())
            sync(path.parent)
    return bool(known or more)


def _lines(path: Path) -> list[bytes]:
    """Whole ones: what a crash cut short does not count."""
    with told(f"read {path}"):
        return path.read_bytes().split(b"\n")[:-1] if path.exists() else []
