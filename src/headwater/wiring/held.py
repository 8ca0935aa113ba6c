"""Which roles run on a data directory; one that does not is kept from starting."""

import socket
import time
from contextlib import ExitStack
from pathlib import Path

from headwater.config import Settings
from headwater.errors import LockedError, SettingsError
from headwater.locks import DirectoryLock

ROLE_STARTS = 10.0
"""Seconds that a role may need to come back under a supervisor, to open its socket, or to die."""

_POLL_SECONDS = 0.1


def holder(stack: ExitStack, path: Path, seconds: float = 0, listens: Path | None = None) -> int | None:
    """Takes a role's lock. When the role runs, its process; None when it does not, and will not for a while.

    `seconds`: how long it may take to start. `listens`: the socket of one that serves; a role that has the lock and
    does not is starting or, killed, still giving its memory back, and gets its time for that.
    """
    begun = time.monotonic()
    while True:
        try:
            lock = DirectoryLock(path, 0)
        except LockedError as error:
            if listens is None or _is_listening(listens) or time.monotonic() >= begun + ROLE_STARTS:
                return error.holder
            time.sleep(_POLL_SECONDS)
            continue
        if time.monotonic() >= begun + seconds:
            stack.enter_context(lock)
            return None
        lock.release()
        time.sleep(_POLL_SECONDS)


def _is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(1)
        try:
            asking.connect(str(path))
        except (TimeoutError, BlockingIOError):  # its queue is full: it hangs
            return True
        except OSError:
            return False
    return True


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
