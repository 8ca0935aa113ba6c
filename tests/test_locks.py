"""Directory locks between real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.errors import StartError
from headwater.locks import DirectoryLock

HOLDS = """
import sys, time
from pathlib import Path
from headwater.locks import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path / "a.lock")], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_held_lock_names_its_holder(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    with pytest.raises(StartError, match=rf"{tmp_path} is in use by process {holder.pid} \(a.lock\)"):
        DirectoryLock(tmp_path / "a.lock", wait_seconds=0.2)


def test_a_dying_holder_is_waited_for(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    subprocess.Popen([sys.executable, "-c", f"import os, time; time.sleep(1); os.kill({holder.pid}, {signal.SIGKILL})"])
    began = time.monotonic()
    with DirectoryLock(tmp_path / "a.lock", wait_seconds=20) as lock:
        assert 0.5 < time.monotonic() - began < 15
        assert lock.holder() == str(os.getpid())


def test_a_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(3):
        DirectoryLock(tmp_path / "made" / "a.lock", wait_seconds=0).release()


def test_a_lock_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="cannot make the lock"):
        DirectoryLock(tmp_path / "file" / "a.lock", wait_seconds=0)
