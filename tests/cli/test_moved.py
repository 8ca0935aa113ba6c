"""A data directory that was moved to a cluster takes nothing any more, whoever tries, and whenever."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from headwater.locks import DirectoryLock
from headwater.supervisor import EXIT_STAY_DOWN


@pytest.mark.parametrize("role", ["serve", "gateway", "engine"])
def test_it_does_not_start(tmp_path: Path, role: str) -> None:
    (tmp_path / "moved").touch()
    options = [] if role == "engine" else ["--port", "0"]
    command = [sys.executable, "-m", "headwater", role, "--data-dir", str(tmp_path), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == EXIT_STAY_DOWN and "was moved to a cluster" in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["moved"]


def test_a_gateway_that_waits_for_the_move_to_end_does_not_go_on_then(tmp_path: Path) -> None:
    """As one whose service manager starts it again at once; who moves holds its lock."""
    lock = DirectoryLock(tmp_path / "gateway.lock", 0)
    command = [sys.executable, "-m", "headwater", "gateway", "--data-dir", str(tmp_path), "--port", "0"]
    gateway = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(3)  # by then it waits for the lock
        assert gateway.poll() is None
        (tmp_path / "moved").touch()
        lock.release()
        said = gateway.communicate(timeout=60)[1]
    finally:
        gateway.kill()
    assert gateway.returncode == EXIT_STAY_DOWN and "was moved to a cluster" in said
    assert not (tmp_path / "catalog.db").exists()
