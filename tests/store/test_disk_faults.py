"""A disk that takes no more, while chDB says nothing of it."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("what", ["insert", "merge", "snapshot", "pipeline"])
def test_a_full_disk_loses_and_doubles_nothing(tmp_path: Path, what: str) -> None:
    command = [sys.executable, str(Path(__file__).with_name("cutting.py")), str(tmp_path / "data"), what]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
