"""Cohorts with their members and their history out of SQLite into PostgreSQL, numbers and all."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import apsw

from headwater.postgres import Database
from headwater.readonly import look_at, told
from headwater.state.cohorts import Memberships

_SCHEMA = (Path(__file__).with_name("cohorts_schema.sql").read_text(),)
_TABLES: Sequence[tuple[str, str, str]] = (
    (
        "SELECT number, id, workspace, name, definition, created_ms, filled_ms FROM cohorts ORDER BY number",
        "cohort_cohorts (number, id, workspace, name, definition, created_ms, filled_ms)",
        "isssssi",
    ),
    ("SELECT cohort, identity, since_ms FROM members", "cohort_members (cohort, identity, since_ms)", "ibi"),
    (
        "SELECT number, cohort, identity, at_ms, entered, kind, event_id FROM changes ORDER BY number",
        "cohort_changes (number, cohort, identity, at_ms, entered, kind, event_id)",
        "iibitss",
    ),
    ("SELECT cohort, at_ms, identity FROM merges", "cohort_merges (cohort, at_ms, identity)", "iib"),
)
"""What is read, where it goes, and what each column is: identities are bytes there, `t` is a truth value."""
_NEXT = """
    SELECT setval(pg_get_serial_sequence('{0}', 'number'), coalesce(max(number), 0) + 1, false) FROM {0}
"""
_LATER = "SELECT id, workspace, name, definition, created_ms FROM cohorts ORDER BY number"
_ADD = """
    INSERT INTO cohort_cohorts (id, workspace, name, definition, created_ms) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT DO NOTHING
"""
_PIECE = 100_000


class CohortsMove:
    """`headwater.cohort_…` as the file of one machine has it."""

    def __init__(self, url: str, memberships: Memberships) -> None:
        """`memberships`: those in the database. Raises StartError."""
        self._memberships = memberships
        self._database = Database(url, "cohorts", _SCHEMA)

    def is_empty(self) -> bool:
        return not self._memberships.cohorts()

    def run(self, path: Path, scratch: Path, told_of: Callable[[int], None]) -> None:
        """Instead of what a killed run left. Nobody has the file open."""
        with self._database.writing() as change:
            change.execute("TRUNCATE cohort_cohorts, cohort_removed, cohort_members, cohort_changes, cohort_merges")
        source = look_at(path, scratch)
        try:
            for question, table, kinds in _TABLES:
                rest = _rows(path, source, question, kinds)
                while piece := [*islice(rest, _PIECE)]:
                    with self._database.writing() as change, change.copy(f"COPY {table} FROM STDIN") as copy:
                        for row in piece:
                            copy.write_row(row)
                    told_of(len(piece))
        finally:
            source.close()
        with self._database.writing() as change:
            for table in ("cohort_cohorts", "cohort_changes"):
                change.execute(_NEXT.format(table))

    def follow(self, path: Path, scratch: Path | None) -> list[str]:
        """What became of the cohorts since: new ones (which the engine that leads fills), other names, some gone.
        Returns the new ones' names. `scratch` as `readonly.look_at` has it."""
        source = look_at(path, scratch)
        try:
            with told(path):
                there: list[Any] = source.execute(_LATER).fetchall()
        finally:
            source.close()
        known = {cohort.id: cohort for cohort in self._memberships.cohorts()}
        for id_ in known.keys() - {row[0] for row in there}:
            self._memberships.remove(id_)
        renamed = [(row[0], row[2]) for row in there if row[0] in known and known[row[0]].name != row[2]]
        fresh = [row for row in there if row[0] not in known]
        with self._database.writing() as change:
            # Names may have been swapped, and each is one of its kind.
            change.executemany("UPDATE cohort_cohorts SET name = id WHERE id = %s", [(id_,) for id_, _ in renamed])
            change.executemany(
                "UPDATE cohort_cohorts SET name = %s WHERE id = %s", [(name, id_) for id_, name in renamed]
            )
            change.executemany(_ADD, fresh)
        return [row[2] for row in fresh]

    def close(self) -> None:
        """Idempotent."""
        self._database.close()


def _rows(path: Path, source: apsw.Connection, question: str, kinds: str) -> Iterator[tuple[Any, ...]]:
    with told(path):
        for row in source.execute(question):
            yield tuple(_value(kind, value) for kind, value in zip(kinds, row, strict=True))


def _value(kind: str, value: Any) -> Any:
    if kind == "b":
        return value.encode()
    return bool(value) if kind == "t" else value
