"""Bytes for somebody in this process who reads from a file descriptor."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def piped(data: bytes) -> Iterator[int]:
    """A pipe to read `data` from: no file, whose size may be limited, and no second copy of it in memory.

    Raises OSError at the end when not all of it was read, and nobody has said so before.
    """
    reading, writing = os.pipe()
    feeder = _Feeder(writing, data)
    try:
        feeder.start()
    except BaseException:
        os.close(reading)
        os.close(writing)
        raise
    try:
        yield reading
    finally:
        os.close(reading)  # if it still writes, nobody reads: it gives up
        feeder.join()
    if feeder.left:
        raise OSError(f"{len(feeder.left)} of {len(data)} bytes were not read")


class _Feeder(threading.Thread):
    """Writes into a pipe what it has, and closes it."""

    def __init__(self, fd: int, data: bytes) -> None:
        super().__init__(name="pipe", daemon=True)
        self._fd = fd
        self.left = memoryview(data)

    def run(self) -> None:
        with os.fdopen(self._fd, "wb", buffering=0) as pipe, suppress(BrokenPipeError):
            try:
                while self.left:
                    self.left = self.left[pipe.write(self.left) :]  # all of it, unless a signal cuts it short
            except OSError:
                pipe.write(b"[")  # an end between two lines would pass for the end of all
                raise
