"""What torture tests tell: a line for people, records for the page, and the page itself."""

import json
from importlib import import_module
from pathlib import Path

import pytest

from figures import REPORT, Section, tell
from tools import SHARE

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "torture.md"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))


def test_a_line_and_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(REPORT, str(tmp_path / "told.jsonl"))
    monkeypatch.setenv(SHARE, "5")
    for kills in (9, 10):
        tell(Section.KILLS, "the whole group", 7, kills=kills, events_lost=0, restart_s=1.25, said="a|b")
    tell(Section.SOAK, "an hour", lost=0)
    assert (
        "kills · the whole group: kills 10, events lost 0, restart s 1.250, said a|b (seed 7)"
        in capsys.readouterr().out
    )
    report = import_module("torture_report")
    soak, kills = sorted(report.loaded([tmp_path / "told.jsonl"]), key=lambda record: record["what"])
    assert kills["test"] == "tests/test_figures.py::test_a_line_and_a_record" and kills["percent"] == 5
    assert soak["seed"] is None and kills["commit"] and kills["seconds"] >= 0
    ((what, found, *_, seed, test),) = report.section({"records": [soak, kills]}, "kills").rows
    assert (what, seed, test) == ("the whole group", "7", "`test_figures.py::test_a_line_and_a_record`")
    assert found == "kills 10, events lost 0, restart s 1.25, said a\\|b (5 % of the size)"


def test_the_page_tells_what_was_found() -> None:
    """Nobody edits a figure by hand: the tables are those of the JSON beside the page."""
    report = import_module("torture_report")
    page = PAGE.read_text()
    results = json.loads(report.KEPT.read_text())
    for make in report.TABLES:
        table = make(results)
        told = import_module("report").markdown(table)
        assert told in page, f"{table.name}: torture_report.py docs/torture.json --write-docs"
