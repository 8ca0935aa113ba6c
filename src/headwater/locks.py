"""Locks on a directory's files, held by a process and let go by the kernel however that process ends."""

import contextlib
import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from headwater.errors import LockedError, StartError

WAIT_SECONDS = 30.0
"""How long a start waits for a dying process to let go of a lock or a port."""

_POLL_SECONDS = 0.05


class DirectoryLock:
    """The file `path`, locked for this process alone, with the process id of the holder in it.

    Waits up to `wait_seconds` for another process to end, then raises LockedError naming that process. The file
    stays when the lock is let go: removing it would let two processes lock two files of the same name.
    """

    def __init__(self, path: Path, wait_seconds: float = WAIT_SECONDS) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StartError(f"cannot make the lock {path}: {error.strerror}") from error
        try:
            self._take(wait_seconds)
        except BaseException:
            self.release()
            raise

    def _take(self, wait_seconds: float) -> None:
        deadline = time.monotonic() + wait_seconds
        while not self._try():
            if time.monotonic() >= deadline:
                holder = self.holder()
                message = f"{self.path.parent} is in use by process {holder} ({self.path.name})"
                raise LockedError(message, int(holder) if holder.isdecimal() else 0)
            time.sleep(_POLL_SECONDS)
        with contextlib.suppress(OSError):  # a full disk; the lock holds without it
            os.pwrite(self._fd, f"{os.getpid():<10}\n".encode(), 0)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def holder(self) -> str:
        """The process id written in the file; "unknown" in the instant before a new holder has written its own."""
        return os.pread(self._fd, 20, 0).decode("ascii", "replace").strip() or "unknown"

    def release(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
