"""The audit's chain: whatever is done to a row, or to several, is found, and nothing else is."""

from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.catalog import chain
from headwater.catalog.base import Actor, NewSignal
from headwater.catalog.sqlite import SqliteCatalog
from headwater.catalog.view import SqliteCatalogView
from headwater.doctor import catalog as doctor
from headwater.doctor.report import Verdict

SECRET = b"k" * 32
ROWS = 12


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A catalog whose audit has twelve rows, written by two processes in turn."""
    path = tmp_path / "catalog.db"
    writers = [SqliteCatalog(path, SECRET) for _ in range(2)]
    workspace, _ = writers[0].create_workspace(Actor("key_x", "203.0.113.7"), "acme", preset=None)
    for n in range(ROWS - 1):
        writers[n % 2].create_signal("me", workspace.id, NewSignal(name=f"sïgnal {n}", slug=f"s{n}", type="event"))
    for each in writers:
        each.close()
    return path


def faults(path: Path, secret: bytes = SECRET) -> list[str]:
    view = SqliteCatalogView(path, path.parent)
    try:
        found = view.chain(secret)
        return list(found.faults)
    finally:
        view.close()


def sql(path: Path, *statements: str) -> None:
    connection = apsw.Connection(str(path))
    for statement in statements:
        connection.execute(statement).fetchall()
    connection.close()


def test_what_was_written_is_whole(path: Path) -> None:
    assert faults(path) == []
    view = SqliteCatalogView(path, path.parent)
    assert view.chain(SECRET).rows == ROWS
    view.close()


def test_an_empty_audit_is_whole(tmp_path: Path) -> None:
    SqliteCatalog(tmp_path / "catalog.db", SECRET).close()
    assert faults(tmp_path / "catalog.db") == []


CHANGES = {
    "workspace": "'ws_other000'",
    "actor": "'somebody'",
    "action": "'key.create'",
    "target": "'sig_other00'",
    "detail": "replace(detail, ':', ': ')",
    "at_ms": "at_ms + 1",
    "address": "'203.0.113.8'",
}


@pytest.mark.parametrize("row", [1, 6, ROWS])
@pytest.mark.parametrize("column", CHANGES)
def test_a_changed_row_is_told_alone(path: Path, column: str, row: int) -> None:
    sql(path, f"UPDATE audit SET {column} = {CHANGES[column]} WHERE id = {row}")
    (said,) = faults(path)
    assert said.startswith(f"row {row} (")


@pytest.mark.parametrize(
    ("done", "told"),
    [
        ("DELETE FROM audit WHERE id = 5", ["row 5 is gone"]),
        ("DELETE FROM audit WHERE id BETWEEN 1 AND 3", ["rows 1 to 3 are gone"]),
        (f"DELETE FROM audit WHERE id = {ROWS}", [f"row {ROWS} is gone"]),
        ("DELETE FROM audit WHERE id > 7", [f"rows 8 to {ROWS} are gone"]),
        ("DELETE FROM audit", [f"rows 1 to {ROWS} are gone"]),
        ("DELETE FROM audit WHERE id IN (2, 9)", ["row 2 is gone", "row 9 is gone"]),
    ],
)
def test_rows_taken_out_are_told(path: Path, done: str, told: list[str]) -> None:
    sql(path, done)
    assert faults(path) == told


def test_a_tail_cut_off_with_its_count_is_told(path: Path) -> None:
    sql(path, "DELETE FROM audit WHERE id > 7", "UPDATE sqlite_sequence SET seq = 7 WHERE name = 'audit'")
    (said,) = faults(path)
    assert "the seal" in said and "7 rows" in said


def test_what_is_written_later_hides_no_cut(path: Path) -> None:
    sql(path, "DELETE FROM audit WHERE id > 7", "UPDATE sqlite_sequence SET seq = 7 WHERE name = 'audit'")
    catalog = SqliteCatalog(path, SECRET)
    workspace = catalog.workspaces()[0].id
    for n in range(ROWS):
        catalog.note("me", workspace, "cohort.create", f"coh_{n}")
    catalog.close()
    (said,) = faults(path)
    assert "the seal" in said


def test_an_audit_that_was_wiped_is_told_for_ever(path: Path) -> None:
    sql(
        path, "DELETE FROM audit", "DELETE FROM sqlite_sequence WHERE name = 'audit'", "UPDATE audit_end SET seal = x''"
    )
    (said,) = faults(path)
    assert "the seal" in said and "0 rows" in said
    catalog = SqliteCatalog(path, SECRET)
    catalog.note("me", catalog.workspaces()[0].id, "cohort.create", "coh_1")
    catalog.close()
    assert "the seal" in faults(path)[0]


@pytest.mark.parametrize("table", ["workspace", "signal", "key", "backfill"])
def test_what_the_audit_has_no_word_of_is_told(tmp_path: Path, table: str) -> None:
    """Though its chain is whole: it was begun anew by an upgrade, or the row was put there by hand."""
    catalog = SqliteCatalog(tmp_path / "catalog.db", SECRET)
    workspace, _ = catalog.create_workspace("me", "first")
    catalog.create_workspace("me", "acme")
    catalog.create_signal("me", workspace.id, NewSignal(name="s", type="event"))
    old, _ = catalog.create_key("me", workspace.id, "k", frozenset(["read"]))
    catalog.rotate_key("me", workspace.id, old.id, 0)
    catalog.create_backfill("me", workspace.id, "load")
    catalog.standing_backfill(workspace.id, 1_795_000_000_000)
    catalog.close()
    assert made(tmp_path / "catalog.db") is Verdict.OK
    sql(tmp_path / "catalog.db", f"DELETE FROM audit WHERE action = '{table}.create' AND id > 1")
    assert made(tmp_path / "catalog.db") is Verdict.FAULT


def made(path: Path) -> Verdict:
    view = SqliteCatalogView(path, path.parent)
    try:
        return doctor.made(view.contents()).verdict
    finally:
        view.close()


def test_a_row_put_in_is_told(path: Path) -> None:
    columns = "workspace, actor, action, target, detail, at_ms, hash"
    sql(path, f"INSERT INTO audit ({columns}) SELECT {columns} FROM audit WHERE id = 3")
    (said,) = faults(path)
    assert said.startswith(f"row {ROWS + 1} (")


def test_two_rows_that_changed_places_are_told(path: Path) -> None:
    swap = "UPDATE audit SET id = CASE id WHEN -4 THEN 5 ELSE 4 END WHERE id < 0"
    sql(path, "UPDATE audit SET id = -id WHERE id IN (4, 5)", swap)
    assert [said.split(" (")[0] for said in faults(path)] == ["row 4", "row 5", "row 6"]


@pytest.mark.parametrize("done", ["UPDATE audit SET hash = x'00' WHERE id = 5", "UPDATE audit_end SET seal = x'00'"])
def test_the_hashes_themselves_are_told(path: Path, done: str) -> None:
    sql(path, done)
    assert faults(path)


def test_another_secret_fits_no_row(path: Path) -> None:
    assert len(faults(path, b"x" * 32)) == ROWS


def test_the_secret_is_not_in_the_file(path: Path) -> None:
    assert SECRET[:8] not in path.read_bytes()


_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
_ROW = st.tuples(_TEXT, _TEXT, _TEXT, _TEXT, _TEXT, st.integers(0, 1 << 50), st.none() | _TEXT)


@given(st.lists(_ROW, min_size=1, max_size=8), st.data())
def test_any_other_rows_are_told(values: list[tuple[Any, ...]], data: st.DataObject) -> None:
    rows, seal = written([(place, *row) for place, row in enumerate(values, 1)])
    assert chain.examine(SECRET, rows, len(rows), seal) == (len(rows), [])
    place = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.integers(1, 7))
    changed: list[Any] = list(rows[place][0])
    changed[column] = data.draw(st.integers(0, 1 << 50) if column == 6 else _TEXT)
    if tuple(changed) != rows[place][0]:
        other = [*rows[:place], (chain.row_of(changed), rows[place][1]), *rows[place + 1 :]]
        assert len(chain.examine(SECRET, other, len(rows), seal)[1]) == 1
    kept = data.draw(st.integers(0, len(rows) - 1))
    assert chain.examine(SECRET, rows[:kept], len(rows), seal)[1]
    assert chain.examine(SECRET, rows[:kept], kept, seal)[1]


def written(rows: list[chain.Row]) -> tuple[list[tuple[chain.Row, bytes]], bytes]:
    """With their hashes, and the seal."""
    chained, known, seal = [], chain.BEGIN, chain.begun(SECRET)
    for row in rows:
        known = chain.hash_of(SECRET, known, row)
        seal = chain.seal_of(SECRET, seal, known)
        chained.append((row, known))
    return chained, seal
