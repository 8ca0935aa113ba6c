"""The dashboard's benches run from end to end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from browsing import BUILT
from tools import lack, need

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(autouse=True)
def _tools() -> None:
    need("chromium", "chromium-browser", "google-chrome")
    if not BUILT.exists():
        lack("the dashboard is not built: see ui/")


@pytest.mark.torture
def test_the_live_page_is_measured_beside_the_ingest(tmp_path: Path) -> None:
    path = tmp_path / "live.json"
    command = [sys.executable, str(BENCH / "live_page.py"), "--rate", "2000", "--seconds", "3", "--turns", "1"]
    ran = subprocess.run([*command, "--reader", "--json", str(path)], capture_output=True, text=True, timeout=280)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(path.read_text())
    alone, page, reader = found["phases"]
    assert alone["page"] == reader["page"] == {}
    assert page["page"]["frames"] > 30 and page["page"]["heap_after"] > 1_000_000
    assert all(phase["cpu"]["gateway"] > 0 and phase["acknowledged_per_s"] > 1_000 for phase in found["phases"])
    assert set(found["ratios"]) == {"with the Live page", "with a reader of the stream"}


@pytest.mark.torture
def test_the_first_load_is_told(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCH / "first_load.py"), "--times", "1", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["code"] == found["transferred"]["Script"] + found["transferred"]["Stylesheet"]
    assert 0 < found["paint_ms"] <= found["interactive_ms"]
