"""Bytes through a pipe, to whoever reads from a descriptor."""

import errno
import os
from typing import Any

import pytest

from headwater.store.pipes import piped

LINES = b"".join(b'["%d", "%b"]\n' % (number, b"x" * 100) for number in range(5_000))


def read_all(fd: int) -> bytes:
    return b"".join(iter(lambda: os.read(fd, 65536), b""))


class Failing:
    """A file that takes so many writes, each at most a few lines, and then none but the last word."""

    def __init__(self, file: Any, writes: int) -> None:
        self._file = file
        self._writes = writes

    def __enter__(self) -> "Failing":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, data: Any) -> int:
        if self._writes == 0:
            self._writes -= 1
            raise OSError(errno.EIO, "Input/output error")
        self._writes -= 1
        lines = bytes(data[:2_000])
        return int(self._file.write(lines[: lines.rfind(b"\n") + 1] or lines))


def test_all_of_it_comes_through() -> None:
    with piped(LINES) as fd:
        assert read_all(fd) == LINES


def test_who_stops_reading_is_told() -> None:
    with pytest.raises(OSError, match="were not read"), piped(LINES) as fd:
        os.read(fd, 10)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_pipe_that_breaks_between_lines_passes_for_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else fewer lines, each whole, would be inserted, and nobody would know."""
    opened = os.fdopen
    monkeypatch.setattr("headwater.store.pipes.os.fdopen", lambda *about, **more: Failing(opened(*about, **more), 3))
    with pytest.raises(OSError, match="were not read"), piped(LINES) as fd:
        received = read_all(fd)
    whole, _, rest = received.rpartition(b"\n")
    assert LINES.startswith(whole) and len(whole) > 3_000
    assert rest == b"[", "what no reader takes for a line"
