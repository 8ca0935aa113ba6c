"""Cohorts in one SQLite file of their own (through apsw: WAL, a full sync for every commit).

Apart from the rest of the state, so that many people who come and go do not hold up the pipeline's commits.
"""

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import add
from pathlib import Path
from typing import Any, ClassVar

import apsw
import msgspec

from headwater.errors import ConflictError
from headwater.state.cohorts import NOTHING, Change, Cohort, Course, Kind, Member, News, Place, Rename, Step
from headwater.state.database import opened, told, wiped
from headwater.transactions import transaction

_logger = logging.getLogger(__name__)

PIECE = 10_000
"""Rows of a transaction, where there may be millions to write; also the members read at once."""

_SCHEMA = (
    """
    CREATE TABLE cohorts (
        number INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice
        id TEXT NOT NULL UNIQUE,
        workspace TEXT NOT NULL,
        name TEXT NOT NULL,
        definition TEXT NOT NULL, -- JSON
        created_ms INTEGER NOT NULL,
        filled_ms INTEGER,
        UNIQUE (workspace, name)
    ) STRICT;
    CREATE TABLE removed (number INTEGER PRIMARY KEY) STRICT; -- cohorts whose rows are being deleted
    CREATE TABLE members (
        cohort INTEGER, identity TEXT, since_ms INTEGER NOT NULL, PRIMARY KEY (cohort, identity)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE changes (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        cohort INTEGER NOT NULL,
        identity TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        entered INTEGER NOT NULL,
        kind TEXT NOT NULL,
        event_id TEXT
    ) STRICT;
    CREATE INDEX changes_of_cohort ON changes (cohort, number);
    CREATE INDEX changes_of_identity ON changes (identity, cohort, number);
    """,
    """
    -- All that lists and names need: a row may hold a long definition.
    CREATE INDEX cohorts_of_workspace ON cohorts (workspace, created_ms, id, name, filled_ms);
    """,
    """
    CREATE INDEX changes_by_event ON changes (event_id) WHERE event_id IS NOT NULL; -- what one event led to
    """,
    """
    CREATE INDEX changes_by_time ON changes (cohort, at_ms, entered); -- all that is asked, counted there
    CREATE TABLE merges ( -- members that became one profile with another member, so that nobody left
        cohort INTEGER NOT NULL, at_ms INTEGER NOT NULL, identity TEXT NOT NULL
    ) STRICT;
    CREATE INDEX merges_by_time ON merges (cohort, at_ms);
    CREATE INDEX merges_of_identity ON merges (identity, cohort);
    """,
)
"""One entry a version; a file of version n has run the first n."""

_COHORT = "SELECT id, workspace, name, definition, created_ms, filled_ms FROM cohorts"
_COHORTS = f"{_COHORT} ORDER BY number"
_ONE = f"{_COHORT} WHERE id = ? AND workspace = ?"
_LISTED = f"{_COHORT} WHERE workspace = ? AND (created_ms, id) > (?, ?) ORDER BY created_ms, id LIMIT ?"
_NAMES = """
    SELECT id, name FROM cohorts INDEXED BY cohorts_of_workspace
    WHERE workspace = ? AND filled_ms IS NOT NULL ORDER BY number
"""
_ADD = """
    INSERT INTO cohorts (id, workspace, name, definition, created_ms, filled_ms) VALUES (?, ?, ?, ?, ?, ?)
"""
_SINCE = "SELECT since_ms FROM members WHERE cohort = ? AND identity = ?"
_PAGE = "SELECT identity, since_ms FROM members WHERE cohort = ? AND identity > ? ORDER BY identity LIMIT ?"

# A change is written down only where it changes something, so history and members cannot drift apart.
_ENTER = "INSERT OR IGNORE INTO members VALUES (?, ?, ?)"
_LEAVE = "DELETE FROM members WHERE cohort = ? AND identity = ?"
_NOTE = "INSERT INTO changes (cohort, identity, at_ms, entered, kind, event_id) VALUES (?, ?, ?, ?, ?, ?)"
_MOVE = "INSERT OR IGNORE INTO members SELECT cohort, ?, since_ms FROM members WHERE cohort = ? AND identity = ?"

_CHANGES = """
    SELECT number, identity, at_ms, entered, kind, event_id FROM changes INDEXED BY changes_of_cohort
    WHERE cohort = :cohort AND number < ifnull(:before, 9223372036854775807)
    ORDER BY number DESC LIMIT :limit
"""
_CHANGES_OF = """
    SELECT number, identity, at_ms, entered, kind, event_id FROM changes INDEXED BY changes_of_identity
    WHERE identity IN (SELECT value FROM json_each(:identities))
        AND cohort = :cohort AND number < ifnull(:before, 9223372036854775807)
    ORDER BY number DESC LIMIT :limit
"""

_MERGED = "INSERT INTO merges VALUES (?, ?, ?)"
_COURSE = """
    SELECT -1, count(*), 0, 0 FROM members WHERE cohort = :cohort
    UNION ALL
    SELECT (at_ms - :from) / :step, sum(entered), sum(1 - entered), 0 FROM changes INDEXED BY changes_by_time
    WHERE cohort = :cohort AND at_ms >= :from GROUP BY 1
    UNION ALL
    SELECT (at_ms - :from) / :step, 0, 0, count(*) FROM merges INDEXED BY merges_by_time
    WHERE cohort = :cohort AND at_ms >= :from GROUP BY 1
"""

_CAUSED = """
    SELECT cohorts.id, cohorts.name, identity, at_ms, entered, kind, event_id
    FROM changes INDEXED BY changes_by_event JOIN cohorts ON cohorts.number = changes.cohort
    WHERE event_id = ? AND workspace = ? ORDER BY changes.number
"""

_NEWS = """
    SELECT changes.number, workspace, name, cohorts.id, identity, at_ms, entered, kind, event_id
    FROM changes JOIN cohorts ON cohorts.number = changes.cohort
    WHERE changes.number > ? ORDER BY changes.number LIMIT ?
"""
_NEWEST = "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'changes'"

_ERASE_MEMBER = """
    DELETE FROM members WHERE cohort IN (SELECT number FROM cohorts WHERE workspace = ?) AND identity = ?
"""
_ERASE_CHANGES = """
    DELETE FROM changes INDEXED BY changes_of_identity
    WHERE cohort IN (SELECT number FROM cohorts WHERE workspace = ?) AND identity = ?
"""

_ERASE_MERGES = """
    DELETE FROM merges INDEXED BY merges_of_identity
    WHERE cohort IN (SELECT number FROM cohorts WHERE workspace = ?) AND identity = ?
"""

_CUT_MEMBERS = """
    DELETE FROM members WHERE cohort = :number AND identity IN (
        SELECT identity FROM members WHERE cohort = :number LIMIT :piece
    )
"""
_CUT_CHANGES = """
    DELETE FROM changes WHERE number IN (SELECT number FROM changes WHERE cohort = :number LIMIT :piece)
"""
_CUT_MERGES = """
    DELETE FROM merges WHERE rowid IN (SELECT rowid FROM merges WHERE cohort = :number LIMIT :piece)
"""


class SqliteMemberships:
    """`state.cohorts.Memberships` in the file `path`. Safe to call from several threads; questions do not wait for a
    commit. Raises StartError for a file that a newer headwater wrote."""

    reads: ClassVar[int] = len(_SCHEMA)
    """The newest version."""

    def __init__(self, path: Path) -> None:
        self._write = opened(path, _SCHEMA)
        self._read = opened(path, _SCHEMA)
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        self._numbers = dict(self._ask("SELECT id, number FROM cohorts"))
        for (number,) in self._ask("SELECT number FROM removed"):
            self._clear_away(number)

    def cohorts(self) -> Sequence[Cohort]:
        return [_cohort(*row) for row in self._ask(_COHORTS)]

    def cohort(self, workspace: str, cohort_id: str) -> Cohort | None:
        return next((_cohort(*row) for row in self._told(_ONE, (cohort_id, workspace))), None)

    def listed(self, workspace: str, after: Place, limit: int) -> Sequence[Cohort]:
        return [_cohort(*row) for row in self._told(_LISTED, (workspace, *after, limit))]

    def names(self, workspace: str) -> Sequence[tuple[str, str]]:
        return self._told(_NAMES, (workspace,))

    def count(self, workspace: str) -> int:
        ((found,),) = self._told("SELECT count(*) FROM cohorts WHERE workspace = ?", (workspace,))
        return int(found)

    def add(self, cohort: Cohort) -> None:
        definition = msgspec.json.encode(cohort.definition).decode()
        row = (cohort.id, cohort.workspace, cohort.name, definition, cohort.created_ms, cohort.filled_ms)
        with told("cohorts"), self._writing, transaction(self._write), _one_of_a_name(cohort.name):
            self._write.execute(_ADD, row)
            number = self._write.last_insert_rowid()
        self._numbers[cohort.id] = number

    def retitle(self, cohort_id: str, name: str) -> None:
        with told("cohorts"), self._writing, transaction(self._write), _one_of_a_name(name):
            self._write.execute("UPDATE cohorts SET name = ? WHERE id = ?", (name, cohort_id))

    def remove(self, cohort_id: str) -> None:
        number = self._numbers.get(cohort_id)
        if number is None:
            return
        with told("cohorts"), self._writing, transaction(self._write):
            self._write.execute("INSERT OR IGNORE INTO removed VALUES (?)", (number,))
            self._write.execute("DELETE FROM cohorts WHERE number = ?", (number,))
        self._numbers.pop(cohort_id, None)  # from here on nothing is written about it
        try:
            self._clear_away(number)
        except apsw.Error as error:  # it is gone all the same
            _logger.warning("the members of %s are still there, until the next start: %s", cohort_id, error)

    def fill(self, cohort_id: str, identities: Iterable[str], at_ms: int) -> None:
        number = self._numbers.get(cohort_id)
        if number is None:
            return
        ordered = sorted(identities)  # side by side they enter the table in a third of the time
        with self._writing, transaction(self._write):
            self._write.execute("UPDATE cohorts SET filled_ms = NULL WHERE number = ?", (number,))
        self._cut(_CUT_MEMBERS, number)
        for start in range(0, len(ordered), PIECE):
            with self._writing, transaction(self._write):
                if cohort_id not in self._numbers:  # removed meanwhile
                    return
                piece = ordered[start : start + PIECE]
                self._write.executemany(_ENTER, [(number, identity, at_ms) for identity in piece])
        with self._writing, transaction(self._write):
            self._write.execute("UPDATE cohorts SET filled_ms = ? WHERE number = ?", (at_ms, number))

    def members(self, cohort_id: str) -> Iterator[Member]:
        after = ""
        while page := self.page(cohort_id, after, PIECE):
            yield from page
            after = page[-1].identity

    def apply(self, changes: Sequence[Change], renames: Sequence[Rename] = ()) -> None:
        if not (changes or renames):
            return
        with self._writing, transaction(self._write):
            moves = [(number, each) for each in renames if (number := self._numbers.get(each.cohort)) is not None]
            for number, each in moves:
                if each.old != each.new:
                    self._rename(number, each)
            for change in changes:
                number = self._numbers.get(change.cohort)
                if number is not None and self._moved(number, change):
                    self._write.execute(_NOTE, (number, *_noted(change)))

    def _rename(self, number: int, each: Rename) -> None:
        self._write.execute(_MOVE, (each.new, number, each.old))
        moved = self._write.changes()
        self._write.execute(_LEAVE, (number, each.old))
        if not moved and self._write.changes():
            self._write.execute(_MERGED, (number, each.at_ms, each.old))

    def caused(self, workspace: str, event_id: str) -> Sequence[tuple[str, Change]]:
        return [
            (name, Change(cohort, identity, at_ms, bool(entered), kind, event_id))
            for cohort, name, identity, at_ms, entered, kind, event_id in self._told(_CAUSED, (event_id, workspace))
        ]

    def erase(self, workspace: str, identities: Iterable[str]) -> None:
        gone = [(workspace, identity) for identity in identities]
        with self._writing, transaction(self._write):
            self._write.executemany(_ERASE_MEMBER, gone)
            self._write.executemany(_ERASE_CHANGES, gone)
            self._write.executemany(_ERASE_MERGES, gone)

    def wipe(self) -> bool:
        with self._writing, self._reading:
            return wiped(self._write)

    def since(self, cohort_id: str, identity: str) -> int | None:
        return next((since_ms for (since_ms,) in self._told(_SINCE, (self._numbers.get(cohort_id), identity))), None)

    def page(self, cohort_id: str, after: str, limit: int) -> Sequence[Member]:
        return [Member(*row) for row in self._told(_PAGE, (self._numbers.get(cohort_id), after, limit))]

    def changes(
        self, cohort_id: str, before: int | None, limit: int, identities: Sequence[str] | None = None
    ) -> Sequence[tuple[int, Change]]:
        about: dict[str, Any] = {"cohort": self._numbers.get(cohort_id), "before": before, "limit": limit}
        if identities is None:
            found = self._told(_CHANGES, about)
        else:
            found = self._told(_CHANGES_OF, about | {"identities": msgspec.json.encode(identities).decode()})
        return [
            (number, Change(cohort_id, identity, at_ms, bool(entered), kind, event_id))
            for number, identity, at_ms, entered, kind, event_id in found
        ]

    def news(self, after: int, limit: int) -> Sequence[News]:
        return [
            News(number, workspace, name, Change(cohort, identity, at_ms, bool(entered), kind, event_id))
            for number, workspace, name, cohort, identity, at_ms, entered, kind, event_id in self._told(
                _NEWS, (after, limit)
            )
        ]

    def newest(self) -> int:
        ((found,),) = self._told(_NEWEST, ())
        return int(found)

    def course(self, cohort_id: str, from_ms: int, step_ms: int) -> Course:
        about = {"cohort": self._numbers.get(cohort_id), "from": from_ms, "step": step_ms}
        (_, members, *_), *found = self._told(_COURSE, about)  # one statement sees one moment
        steps: dict[int, Step] = {}
        for number, *counts in found:
            known = steps.get(number, NOTHING)
            steps[number] = Step(*map(add, msgspec.structs.astuple(known), counts))
        return Course(members, steps)

    def close(self) -> None:
        """Idempotent."""
        with self._writing, self._reading:
            self._read.close()
            self._write.close()

    def _moved(self, number: int, change: Change) -> bool:
        """Whether the change made a difference to the members."""
        if change.entered:
            self._write.execute(_ENTER, (number, change.identity, change.at_ms))
        else:
            self._write.execute(_LEAVE, (number, change.identity))
        return self._write.changes() == 1

    def _clear_away(self, number: int) -> None:
        """Deletes what is left of a cohort that was removed, and then the note that it was."""
        self._cut(_CUT_MEMBERS, number)
        self._cut(_CUT_CHANGES, number)
        self._cut(_CUT_MERGES, number)
        with self._writing, transaction(self._write):
            self._write.execute("DELETE FROM removed WHERE number = ?", (number,))

    def _cut(self, statement: str, number: int) -> None:
        while True:
            with self._writing, transaction(self._write):
                self._write.execute(statement, {"number": number, "piece": PIECE})
                if self._write.changes() < PIECE:
                    return

    def _ask(self, query: str, parameters: Any = None) -> list[Any]:
        with self._reading:
            return self._read.execute(query, parameters).fetchall()

    def _told(self, query: str, parameters: Any) -> list[Any]:
        with told("cohorts"):
            return self._ask(query, parameters)


def _cohort(id_: str, workspace: str, name: str, definition: str, created_ms: int, filled_ms: int | None) -> Cohort:
    return Cohort(id_, workspace, name, msgspec.json.decode(definition), created_ms, filled_ms)


def _noted(change: Change) -> tuple[str, int, bool, Kind, str | None]:
    return change.identity, change.at_ms, change.entered, change.kind, change.event_id


@contextmanager
def _one_of_a_name(name: str) -> Iterator[None]:
    try:
        yield
    except apsw.ConstraintError as error:
        raise ConflictError(f"There is a cohort named '{name}' already") from error
