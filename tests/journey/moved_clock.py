"""A wall clock that is set while a headwater runs, by a small library preloaded into it (`moved_clock.c`)."""

import mmap
import struct
import subprocess
import time
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from tools import need

_NANOSECONDS = struct.Struct("q")


@cache
def _library() -> Path:
    built = Path(mkdtemp()) / "moved_clock.so"
    source = Path(__file__).with_name("moved_clock.c")
    subprocess.run([need("gcc"), "-O2", "-shared", "-fPIC", "-o", str(built), str(source), "-ldl"], check=True)
    return built


class MovedClock:
    """`environment` is the server's: all of its processes have this clock."""

    def __init__(self, directory: Path) -> None:
        path = directory / "clock"
        path.write_bytes(bytes(_NANOSECONDS.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _NANOSECONDS.size)
        self.environment = {"LD_PRELOAD": str(_library()), "HW_CLOCK_FILE": str(path)}
        self.ahead = 0

    def set(self, seconds: int) -> None:
        """So many seconds ahead of the true time from now on; behind it, where they are negative."""
        self.ahead = seconds
        _NANOSECONDS.pack_into(self._map, 0, seconds * 1_000_000_000)

    def now(self) -> float:
        """What the server takes for the time, in seconds."""
        return time.time() + self.ahead
