"""System calls that fail on demand in a running headwater, by a small library preloaded into it (`faulty_calls.c`)."""

import mmap
import struct
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from tools import need

CUT_SHORT = -1
"""Instead of an errno: a write takes half of what it was given, and says so."""

_WORDS = struct.Struct("6q")
_KINDS = 4000


@cache
def _library() -> Path:
    built = Path(mkdtemp()) / "faulty_calls.so"
    source = Path(__file__).with_name("faulty_calls.c")
    subprocess.run([need("gcc"), "-O1", "-shared", "-fPIC", "-o", str(built), str(source)], check=True)
    return built


class FaultyCalls:
    """Calls of one role on files whose path holds `text`; `environment` is the server's."""

    def __init__(self, directory: Path, role: str, text: str) -> None:
        path = directory / "faults"
        path.write_bytes(bytes(_WORDS.size + _KINDS))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _WORDS.size + _KINDS)
        self.environment = {
            "LD_PRELOAD": str(_library()),
            "HW_FAULT_FILE": str(path),
            "HW_FAULT_PATH": text,
            "HW_FAULT_ROLE": role,
        }

    def arm(self, first: int, last: int, number: int, again: int = 0) -> None:
        """The `first` to `last` call from now on (1 is the next), and the one `again`, fail with the errno `number`."""
        _WORDS.pack_into(self._map, 0, 0, first, last, number, again, 0)

    def disarm(self) -> None:
        """Struck calls and counts stay to be read."""
        calls, _, _, number, _, struck = _WORDS.unpack_from(self._map)
        _WORDS.pack_into(self._map, 0, calls, 0, 0, number, 0, struck)

    @property
    def struck(self) -> int:
        """Calls that failed since it was armed."""
        return int(_WORDS.unpack_from(self._map)[5])

    @property
    def kinds(self) -> str:
        """The calls since it was armed, a letter each: Open, Write, Sync, Truncate, Rename, Unlink, Msync, Pread."""
        calls = _WORDS.unpack_from(self._map)[0]
        return self._map[_WORDS.size : _WORDS.size + min(calls, _KINDS)].decode()
