"""The soak tells what grows, what is late and what is lost; and it runs from end to end."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from figures import Section, tell

BENCH = Path(__file__).parents[2] / "bench"
GAUGES = {"cpu_seconds": 1.0, "rss_mib": 100.0, "pss_mib": 80.0, "anonymous_mib": 60.0, "descriptors": 50, "threads": 9}


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def sample(at: int, role: str, gauge: str, level: float) -> dict[str, Any]:
    """All gauges as ever, but for one of one process."""
    processes = dict.fromkeys(("supervisor", "gateway", "engine"), GAUGES) | {role: GAUGES | {gauge: level}}
    return {"at": float(at), "processes": processes, "disk_mib": {"": 1.0}}


def soaked(**more: Any) -> Any:
    """An hour in which nothing grew, nothing was late and nothing was lost."""
    good = {"stored": 10, "lost": 0, "twice": 0, "foreign": 0}
    results: dict[str, Any] = {
        "options": {"turns": 2, "backfill": 10},
        "half": 900.0,
        "warm_seconds": 600.0,
        "samples": [sample(at, "engine", "rss_mib", 100.0) for at in range(0, 3600, 10)],
        "probes": [{"at": at + 0.5, "lag_ms": 100.0, "migrating": 0} for at in range(3600)],
        "failures": [],
        "imports": [{"rows": 10, "begun": 900.0, "ended": 902.0}],
        "backfill_said": 10,
        "live": {"in_doubt": []},
        "answers": {"200": 1000.0},
        "questions": {"200": 10},
        "counted": {"live": good, "backfill": good, "rejected": 0},
    }
    return report().summed(results | more)


def report() -> Any:
    return import_module("soak_report")


def test_a_good_hour_is_held() -> None:
    assert report().broken(soaked()) == []


@pytest.mark.parametrize("gauge", ["rss_mib", "anonymous_mib", "descriptors", "threads"])
def test_what_grows_is_told(gauge: str) -> None:
    """By half in an hour, however it jumps."""
    samples = [
        sample(at, "engine", gauge, GAUGES[gauge] * (1 + at / 7200) + 30 * (at % 70 == 0)) for at in range(0, 3600, 10)
    ]
    (told,) = report().broken(soaked(samples=samples))
    assert "engine" in told and gauge in told


def test_what_filled_while_it_warmed_up_is_no_growth() -> None:
    samples = [sample(at, "gateway", "rss_mib", 100 * min(at / 600, 1)) for at in range(0, 3600, 10)]
    assert report().broken(soaked(samples=samples)) == []


def test_a_backfill_that_doubles_the_lag_is_told() -> None:
    late = [
        {"at": at + 0.5, "lag_ms": 250.0 if at // 900 % 2 and at % 50 == 0 else 100.0, "migrating": 0}
        for at in range(3600)
    ]
    results = soaked(probes=late)
    assert results["lags"]["ratio"] == pytest.approx(2.5)
    assert results["lags"]["ratios"] == [pytest.approx(2.5)] * 2
    assert len(report().broken(results)) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"answers": {"200": 1000.0, "503": 1.0}},
        {"questions": {"200": 10, "500": 1}},
        {"failures": ["TimeoutError()"]},
        {"live": {"in_doubt": [[0, 100]]}},
        {"backfill_said": 9},
        {"counted": {"live": {"lost": 1, "twice": 0, "foreign": 0}, "backfill": {"lost": 0, "twice": 0, "foreign": 0}}
         | {"rejected": 0}},
    ],
    ids=lambda more: next(iter(more)),
)  # fmt: skip
def test_each_fault_is_told(more: dict[str, Any]) -> None:
    assert len(report().broken(soaked(**more))) == 1


def test_the_balance_of_numbers() -> None:
    book = import_module("soak_counting").Book(6)
    for number in (0, 1, 1, 3, 9):
        book.meet(number)
    assert book.balance([(4, 2)]) == {"stored": 4, "lost": 1, "twice": 1, "foreign": 1}


def test_the_page_tells_what_was_found() -> None:
    """Nobody edits a figure by hand."""
    results, page = json.loads(report().KEPT.read_text()), report().PAGE.read_text()
    for make in report().TABLES:
        told = import_module("report").markdown(make(results))
        assert told in page, f"{make(results).name}: soak.py --from docs/soak.json --write-docs"


@pytest.mark.torture
def test_the_soak_runs_from_end_to_end(tmp_path: Path) -> None:
    path = tmp_path / "soak.json"
    tiny = ["--seconds", "20", "--turns", "1", "--bursts", "1", "--backfill", "2000", "--rate", "500", "--sample", "1"]
    command = [sys.executable, str(BENCH / "soak.py"), *tiny, "--json", str(path), "--dir", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=280)
    results = json.loads(path.read_text())
    counted = results["counted"]
    assert counted["live"]["stored"] == results["live"]["acknowledged"] > 0, ran.stderr
    assert counted["backfill"] == {"stored": 2000, "lost": 0, "twice": 0, "foreign": 0}
    assert counted["probes"] == len(results["probes"]) > 0 and not results["failures"]
    assert (tmp_path / "soak.svg").exists()
    stored = {name: counted[name]["stored"] for name in ("live", "backfill")}
    tell(Section.SOAK, "a soak of 20 s", **stored, lost=0, lag_p99_ms=max(each["lag_ms"] for each in results["probes"]))
