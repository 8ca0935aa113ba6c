"""Which roles run on a data directory; one that does not is kept from starting."""

import time
from contextlib import ExitStack
from pathlib import Path

from headwater.config import Settings
from headwater.errors import LockedError, SettingsError
from headwater.locks import DirectoryLock

ROLE_STARTS = 10.0
"""Seconds that a role under a supervisor may need to come back."""


def holder(stack: ExitStack, path: Path, seconds: float = 0) -> int | None:
    """Takes a role's lock. When the role runs, its process; None when it does not, and will not for a while.

    `seconds`: how long it may take to start.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            lock = DirectoryLock(path, 0)
        except LockedError as error:
            return error.holder
        if time.monotonic() >= deadline:
            stack.enter_context(lock)
            return None
        lock.release()
        time.sleep(0.1)


def check_not_moved(settings: Settings) -> None:
    """Raises SettingsError for a data directory that was moved to a cluster."""
    if settings.moved_path.exists() and not settings.is_cluster:
        raise SettingsError(
            f"{settings.data_dir} was moved to a cluster, which would not get what was taken here from now on; "
            f"to go back to what it was then, remove {settings.moved_path}"
        )


def is_held(path: Path) -> bool:
    try:
        DirectoryLock(path, 0).release()
    except LockedError:
        return True
    return False
