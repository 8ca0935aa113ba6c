"""The cohorts' bench asks both sides the same: its history, its definitions, its SQL."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from headwater.catalog.preset import ECOMMERCE
from headwater.clock import DAY_MS
from headwater.demo.definitions import SIGNALS
from headwater.rules import grammar
from headwater.signals import Signal
from tools import need

ROOT = Path(__file__).parents[2]
BENCH, PAGE = ROOT / "bench", ROOT / "docs" / "cohorts-performance.md"
END = 1_790_000_000_000
DATES = END // DAY_MS * DAY_MS - 60 * DAY_MS, END // DAY_MS * DAY_MS - 30 * DAY_MS


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def signals() -> dict[str, Signal]:
    fields: dict[str, Any] = {"id": "sig_", "workspace": "ws_", "active": True, "rate_limit": None}
    fields["enforcement"] = "reject"
    found = {slug: Signal(slug=slug, name=slug, type="event", **fields) for slug in ECOMMERCE}
    for body in SIGNALS:
        slug = body["name"].lower().replace(" ", "-")
        found[slug] = Signal(slug=slug, **fields | body)
    return found


def test_fifty_different_definitions_that_the_grammar_takes() -> None:
    found = import_module("cohort_kinds").fifty(*DATES)
    assert len(found) == 50 == len({json.dumps(definition) for definition in found.values()})
    for definition in found.values():
        grammar.parse(definition, signals())


def test_chunks_share_nobody_and_make_the_whole() -> None:
    history = import_module("history")
    count = history.CHUNK + 5000
    assert list(history.chunks_of(count)) == [0, 1]
    first, second = (history.chunk(number, count, END) for number in (0, 1))
    assert len(first) + len(second) == count

    def named(told: list[Any]) -> set[str]:
        return {name for sent in told for name in history._named(sent)}

    assert not named(first) & named(second)


def test_persons_are_who_is_connected() -> None:
    history = import_module("history")
    told = history.chunk(0, 20_000, END)
    persons = history.Persons(told)
    together = [sent for sent in told if {"email", "phoneNumber"} <= set(sent.body)]
    by_phone: dict[str, set[int]] = {}
    for sent in together:
        by_phone.setdefault(sent.body["phoneNumber"], set()).add(persons.number(sent))
    assert by_phone and all(len(numbers) == 1 for numbers in by_phone.values())


def test_every_question_of_the_row_store_finds_somebody(tmp_path: Path) -> None:
    history, asked = import_module("history"), import_module("cohort_kinds")
    told: list[int] = []
    history.fill_table(tmp_path / "naive.db", 60_000, END, told.append)
    assert 55_000 < sum(told) < 60_000
    with closing(sqlite3.connect(tmp_path / "naive.db")) as database:
        for kind in asked.kinds(*DATES):
            (size,) = database.execute(kind.told(asked.named(END, *DATES))).fetchone()
            assert size > 0, kind.name


@pytest.mark.parametrize("rival", ["DuckDB", pytest.param("PostgreSQL", marks=pytest.mark.cluster)])
def test_every_database_gives_the_same_answers(rival: str, tmp_path: Path) -> None:
    history, asked, rivals = (import_module(name) for name in ("history", "cohort_kinds", "cohort_rivals"))
    table = tmp_path / "naive.db"
    history.fill_table(table, 20_000, END, lambda count: None)
    made = rivals.DuckDB(tmp_path / "events.duckdb", 30) if rival == "DuckDB" else rivals.Postgres(30)
    told: list[int] = []
    try:
        made.fill(table, told.append)
        with closing(sqlite3.connect(table)) as database:
            assert database.execute("SELECT count(*) FROM events").fetchone() == (sum(told),)
            for mine, theirs in zip(asked.kinds(*DATES), asked.kinds(*DATES, made.words), strict=True):
                named = asked.named(END, *DATES)
                assert made.ask(theirs.told(named))[0] == database.execute(mine.told(named)).fetchone()[0], mine.name
        assert made.size() > 0 and made.version()
    finally:
        made.close()


def test_the_page_has_a_place_for_every_table() -> None:
    page = PAGE.read_text()
    for make in import_module("cohort_report").TABLES:
        assert f"<!-- bench:{make.__name__} -->" in page
    results = json.loads(PAGE.with_suffix(".json").read_text())
    for make in import_module("cohort_report").TABLES:
        report = import_module("report")
        assert report.markdown(make(results)) in page


def test_the_load_is_what_people_of_the_history_do_now(tmp_path: Path) -> None:
    history, membership = import_module("history"), import_module("membership")
    path = membership.bodies(tmp_path / "bodies", 3000, END)
    batches = [json.loads(line)["events"] for line in path.read_text().splitlines()]
    assert batches and all(len(batch) == 100 for batch in batches)
    known = {name for sent in history.chunk(0, 3000, END) for name in history._named(sent)}
    for event in (event for batch in batches for event in batch):
        assert not {"createdAt", "isMigration"} & set(event)
        assert {f"email:{event.get('email')}", f"phone:{event.get('phoneNumber')}"} & known


@pytest.mark.torture
def test_it_runs_and_both_sides_agree(tmp_path: Path) -> None:
    need("wrk")  # whose version is among the conditions
    command = [sys.executable, str(BENCH / "cohorts.py"), "--quick", "--dir", str(tmp_path), "--json"]
    done = subprocess.run([*command, str(tmp_path / "found.json")], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "found.json").read_text())
    assert all(each["size"] == each["table_size"] for each in results["kinds"]), results["kinds"]
    for each in results["rivals"]["kinds"]:
        assert all(len(set(turn.values())) == 1 for turn in each["sizes"]), each
    assert results["latency"]["all"]["count"] > 0
