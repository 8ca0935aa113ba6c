"""The imports' bench runs from end to end, and its page tells what it measured."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCH, PAGE = ROOT / "bench", ROOT / "docs" / "import.md"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def test_the_page_tells_what_was_measured() -> None:
    imports, report = import_module("imports"), import_module("report")
    results = json.loads(imports.KEPT.read_text())
    for make in imports.TABLES:
        assert report.markdown(make(results)) in PAGE.read_text(), f"imports.py --from {imports.KEPT} --write-docs"


def test_the_files_hold_the_same_rows(tmp_path: Path) -> None:
    imports = import_module("imports")
    assert list(imports.rows(500)) == list(imports.rows(500)) and len({row[2] for row in imports.rows(500)}) == 500
    lines = imports.written(tmp_path, "ndjson", 500).read_text().splitlines()
    assert [json.loads(line)["eventProperties"]["orderId"] for line in lines] == [row[2] for row in imports.rows(500)]
    assert imports.written(tmp_path, "csv", 500).read_text().count("\n") == 501


def test_a_lost_or_doubled_row_is_told() -> None:
    told = import_module("imports").told
    once = {"rows": 10, "twice": 0, "lost": 0, "foreign": 0, "said": 10}
    assert told({"rows": 10, "once": once}) == "10, once each"
    for wrong in ({"twice": 1, "rows": 11}, {"lost": 1, "rows": 9}, {"foreign": 1, "rows": 11}):
        assert "**no**" in told({"rows": 10, "once": once | wrong})


@pytest.mark.torture
def test_the_bench_runs_from_end_to_end(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    command = [sys.executable, str(BENCH / "imports.py"), "--quick", "--json", str(path), "--dir", str(tmp_path / "d")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert ran.returncode == 0, ran.stderr
    results = json.loads(path.read_text())
    assert [each["taken"] for each in results["formats"]] == [5000] * 3
    assert results["killed"]["once"]["rows"] == 20_000
