"""The engine's state in one SQLite file (through apsw: WAL, a full sync for every commit)."""

import json
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import apsw

from headwater.errors import StartError
from headwater.events import Lane
from headwater.readonly import faults_of, look_at
from headwater.readonly import told as looked_at
from headwater.rules.connect import Pair, Severed
from headwater.state.base import Account, Cursor, Gone, Job, JobKind, Link, Plan, RelinkedError, Watch
from headwater.state.database import opened, told, wiped
from headwater.state.known import Known
from headwater.transactions import transaction

PIECE = 50_000
"""Links read at once when all are."""

_SCHEMA = (
    """
    CREATE TABLE cursors (lane TEXT PRIMARY KEY, position INTEGER NOT NULL, block INTEGER NOT NULL) STRICT;
    CREATE TABLE plans (
        lane TEXT PRIMARY KEY,
        block INTEGER NOT NULL,
        "start" INTEGER NOT NULL,
        "end" INTEGER NOT NULL,
        months TEXT NOT NULL -- JSON: {"202611": rows}
    ) STRICT;
    CREATE TABLE links (workspace TEXT, a TEXT, b TEXT, PRIMARY KEY (workspace, a, b)) STRICT, WITHOUT ROWID;
    CREATE INDEX links_back ON links (workspace, b, a);
    """,
    """
    ALTER TABLE cursors ADD COLUMN counted_after INTEGER NOT NULL DEFAULT 0;
    UPDATE cursors SET counted_after = block; -- nobody counted the rows of the blocks until here
    CREATE TABLE counted (
        lane TEXT, month INTEGER, rows INTEGER NOT NULL, PRIMARY KEY (lane, month)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    -- Nobody wrote down how old links were until here: they are older than all others.
    ALTER TABLE links ADD COLUMN first_ms INTEGER NOT NULL DEFAULT -9223372036854775808;
    CREATE TABLE severed (
        workspace TEXT, a TEXT, b TEXT, until_ms INTEGER NOT NULL, PRIMARY KEY (workspace, a, b)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE TABLE job (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        workspace TEXT NOT NULL,
        about TEXT NOT NULL, -- a JSON object
        step TEXT NOT NULL,
        begun_ms INTEGER NOT NULL,
        done_ms INTEGER,
        failure TEXT NOT NULL
    ) STRICT;
    CREATE INDEX job_of_workspace ON job (workspace, kind, begun_ms);
    CREATE TABLE emptied ( -- blocks of which every row was deleted
        lane TEXT, "first" INTEGER, "last" INTEGER NOT NULL, PRIMARY KEY (lane, "first")
    ) STRICT, WITHOUT ROWID;
    """,
)
"""One entry a version; a file of version n has run the first n."""

_CURSORS = "SELECT lane, position, block, counted_after FROM cursors"
_PLANS = 'SELECT lane, block, "start", "end", months FROM plans'
_PUT_CURSOR = """
    INSERT INTO cursors (lane, position, block) VALUES (?, ?, ?)
    ON CONFLICT (lane) DO UPDATE SET position = excluded.position, block = excluded.block
"""
_COUNT = "INSERT INTO counted VALUES (?, ?, ?) ON CONFLICT (lane, month) DO UPDATE SET rows = rows + excluded.rows"
_UNCOUNT = "UPDATE counted SET rows = rows - ? WHERE lane = ? AND month = ?"
_EMPTIED = "INSERT OR REPLACE INTO emptied VALUES (?, ?, ?)"
_UNSEVER = """
    DELETE FROM severed WHERE workspace = :workspace AND until_ms <= :until_ms
        AND (a IN (SELECT value FROM json_each(:identities)) OR b IN (SELECT value FROM json_each(:identities)))
"""
_IS_LINKED = "SELECT 1 FROM links WHERE workspace = ? AND a = ? AND b = ? AND first_ms <= ?"
_PUT_LINK = """
    INSERT INTO links (workspace, a, b, first_ms) VALUES (?, ?, ?, ?)
    ON CONFLICT (workspace, a, b) DO UPDATE SET first_ms = excluded.first_ms WHERE excluded.first_ms < first_ms
"""
_LINKS = """
    SELECT workspace, a, b, first_ms FROM links
    WHERE (workspace, a, b) > (?, ?, ?) ORDER BY workspace, a, b LIMIT ?
"""
_LINKS_OF = """
    SELECT * FROM (SELECT a, b, first_ms FROM links WHERE workspace = :workspace AND a = :identity LIMIT :most)
    UNION ALL
    SELECT * FROM (SELECT a, b, first_ms FROM links WHERE workspace = :workspace AND b = :identity LIMIT :most)
    LIMIT :most
"""
_SEVER = """
    INSERT INTO severed (workspace, a, b, until_ms) VALUES (?, ?, ?, ?)
    ON CONFLICT (workspace, a, b) DO UPDATE SET until_ms = max(until_ms, excluded.until_ms)
"""
_UNLINK = "DELETE FROM links WHERE workspace = ? AND a = ? AND b = ?"
_SET_LINK = """
    INSERT INTO links (workspace, a, b, first_ms) VALUES (?, ?, ?, ?)
    ON CONFLICT (workspace, a, b) DO UPDATE SET first_ms = excluded.first_ms
"""
_JOB = "SELECT id, kind, workspace, about, step, begun_ms, done_ms, failure FROM job"
_PUT_JOB = """
    INSERT INTO job (id, kind, workspace, about, step, begun_ms, done_ms, failure) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        about = excluded.about, step = excluded.step, begun_ms = excluded.begun_ms, done_ms = excluded.done_ms,
        failure = excluded.failure
"""


class _Reading:
    """The questions, through one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._read = connection
        self._reading = threading.Lock()

    def ledger(self) -> dict[Lane, Account]:
        with self._reading:
            self._read.execute("BEGIN")
            try:
                cursors: list[Any] = self._read.execute(_CURSORS).fetchall()
                plans: list[Any] = self._read.execute(_PLANS).fetchall()
                counted: list[Any] = self._read.execute("SELECT lane, month, rows FROM counted").fetchall()
                emptied: list[Any] = self._read.execute("SELECT * FROM emptied ORDER BY lane, first").fetchall()
            finally:
                self._read.execute("ROLLBACK")
        known = {lane: (Cursor(0, 0), 0) for lane in Lane}
        known |= {Lane(lane): (Cursor(position, block), after) for lane, position, block, after in cursors}
        under_way = {Lane(lane): _plan(Lane(lane), *rest) for lane, *rest in plans}
        months = {lane: {month: rows for of, month, rows in counted if of == lane} for lane in Lane}
        spans = {lane: tuple((first, last) for of, first, last in emptied if of == lane) for lane in Lane}
        return {
            lane: Account(cursor, under_way.get(lane), after, months[lane], spans[lane])
            for lane, (cursor, after) in known.items()
        }

    def unknown(self, links: Iterable[Link]) -> list[Link]:
        with self._reading:
            return [
                link
                for link in links
                if self._read.execute(_IS_LINKED, (link.workspace, link.a, link.b, link.first_ms)).fetchone() is None
            ]

    def linked(self) -> dict[str, int]:
        return dict(self._ask("SELECT workspace, count(*) FROM links GROUP BY workspace"))

    def jobs(self, kind: JobKind | None = None, workspace: str | None = None) -> list[Job]:
        asked = {"kind": kind, "workspace": workspace}
        wanted = " AND ".join(f"{name} = :{name}" for name, value in asked.items() if value is not None) or "1"
        return [*map(_job, self._ask(f"{_JOB} WHERE {wanted} ORDER BY begun_ms DESC, id DESC", asked))]

    def faults(self, quick: bool) -> list[str]:
        with self._reading:
            return faults_of(self._read, quick)

    def _ask(self, query: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None) -> list[Any]:
        with self._reading:
            return self._read.execute(query, parameters).fetchall()


class SqliteStateView(_Reading):
    """`state.base.Examined` of a file that is only looked at; `scratch` as `readonly.look_at` has it.

    Raises StartError for a file that an older or newer headwater wrote.
    """

    reads: ClassVar[int] = len(_SCHEMA)
    """The newest version."""

    def __init__(self, path: Path, scratch: Path | None) -> None:
        super().__init__(look_at(path, scratch))
        self._path = path
        with looked_at(path):
            version = int(self._read.pragma("user_version"))
        if version != len(_SCHEMA):
            raise StartError(f"{path} has version {version}, this headwater reads {len(_SCHEMA)}")

    def ledger(self) -> dict[Lane, Account]:
        with looked_at(self._path):
            return super().ledger()

    def unknown(self, links: Iterable[Link]) -> list[Link]:
        with looked_at(self._path):
            return super().unknown(links)

    def linked(self) -> dict[str, int]:
        with looked_at(self._path):
            return super().linked()

    def jobs(self, kind: JobKind | None = None, workspace: str | None = None) -> list[Job]:
        with looked_at(self._path):
            return super().jobs(kind, workspace)

    def close(self) -> None:
        self._read.close()


class SqliteState(_Reading):
    """`state.base.State` in the file `path`. Safe to call from several threads; questions do not wait for a commit."""

    def __init__(self, path: Path) -> None:
        self._write = opened(path, _SCHEMA)
        super().__init__(opened(path, _SCHEMA))
        self._writing = threading.Lock()
        self._known = Known()
        self._watches: set[_Watch] = set()
        self._changes = 0

    def cursors(self) -> dict[Lane, Cursor]:
        found = self._ask("SELECT lane, position, block FROM cursors")
        return {lane: Cursor(0, 0) for lane in Lane} | {Lane(lane): Cursor(*rest) for lane, *rest in found}

    def plans(self) -> dict[Lane, Plan]:
        found = self._ask(_PLANS)
        return {Lane(lane): _plan(Lane(lane), *rest) for lane, *rest in found}

    def plan(self, plan: Plan) -> Plan:
        with self._writing, transaction(self._write):
            self._put_plan(plan)
        return plan

    def changes(self) -> int | None:
        with self._writing:
            return None if self._watches else self._changes

    def commit(
        self, plan: Plan, links: Iterable[Link], upcoming: Plan | None = None, changes: int | None = None
    ) -> Plan | None:
        links = list(links)
        with self._writing:
            if changes is not None and (self._watches or changes != self._changes):
                raise RelinkedError
            fresh = self._known.fresh(links)
            with transaction(self._write):
                self._write.execute(_PUT_CURSOR, (plan.lane.value, plan.end, plan.block))
                counted = [(plan.lane.value, month, rows) for month, rows in plan.months.items()]
                self._write.executemany(_COUNT, counted)
                self._write.execute("DELETE FROM plans WHERE lane = ?", (plan.lane.value,))
                self._write.executemany(_PUT_LINK, fresh)
                if upcoming is not None:
                    self._put_plan(upcoming)
            self._known.add(fresh)
            for watch in self._watches:
                watch.note(links)
        return upcoming

    def links(self, workspace: str | None = None) -> Iterator[Link]:
        last: tuple[str, str, str] = (workspace or "", "", "")
        while piece := self._ask(_LINKS, (*last, PIECE)):
            for of, a, b, first_ms in piece:
                if workspace is not None and of != workspace:
                    return
                yield Link(of, a, b, first_ms)
            last = piece[-1][:3]

    def links_of(self, workspace: str, identity: str, most: int) -> Sequence[Link]:
        with told("the state"):
            found = self._ask(_LINKS_OF, {"workspace": workspace, "identity": identity, "most": most})
        return [Link(workspace, a, b, first_ms) for a, b, first_ms in found]

    def sever(self, workspace: str, severed: Sequence[Severed]) -> None:
        with told("the state"), self._writing, transaction(self._write):
            self._write.executemany(_SEVER, [(workspace, each.a, each.b, each.until_ms) for each in severed])

    def severed(self) -> dict[str, list[Severed]]:
        found: dict[str, list[Severed]] = {}
        for workspace, a, b, until_ms in self._ask("SELECT workspace, a, b, until_ms FROM severed"):
            found.setdefault(workspace, []).append(Severed(a, b, until_ms))
        return found

    @contextmanager
    def watch(self) -> Iterator["_Watch"]:
        watch = _Watch()
        with self._writing:
            self._watches.add(watch)
            self._changes += 1
        try:
            yield watch
        finally:
            with self._writing:
                self._watches.discard(watch)

    def relink(self, workspace: str, links: Mapping[Pair, int | None], watch: Watch) -> None:
        with told("the state"), self._writing, transaction(self._write):
            newer = watch.of(workspace)
            gone, there = [], []
            for pair, first_ms in links.items():
                times = [ms for ms in (first_ms, newer.get(pair)) if ms is not None]
                if times:
                    there.append((workspace, *pair, min(times)))
                else:
                    gone.append((workspace, *pair))
            self._write.executemany(_UNLINK, gone)
            self._write.executemany(_SET_LINK, there)
            self._known = Known()  # what it knew to be there may be gone
            self._changes += 1

    def unsever(self, workspace: str, identities: Collection[str], until_ms: int) -> None:
        about = {"workspace": workspace, "identities": json.dumps([*identities]), "until_ms": until_ms}
        with told("the state"), self._writing, transaction(self._write):
            self._write.execute(_UNSEVER, about)

    def jobs(self, kind: JobKind | None = None, workspace: str | None = None) -> list[Job]:
        with told("the state"):
            return super().jobs(kind, workspace)

    def put_job(self, job: Job) -> None:
        with told("the state"), self._writing, transaction(self._write):
            self._write.execute(_PUT_JOB, _values(job))

    def uncount(self, job: Job, gone: Iterable[Gone]) -> None:
        with told("the state"), self._writing, transaction(self._write):
            for each in gone:
                less = [(rows, each.lane.value, month) for month, rows in each.months.items()]
                self._write.executemany(_UNCOUNT, less)
                self._write.executemany(_EMPTIED, [(each.lane.value, *span) for span in each.emptied])
            self._write.execute("DELETE FROM counted WHERE rows = 0")
            self._write.execute(_PUT_JOB, _values(job))

    def wipe(self) -> bool:
        with self._writing, self._reading:
            return wiped(self._write)

    def job(self, id: str) -> Job | None:
        with told("the state"):
            return next(map(_job, self._ask(f"{_JOB} WHERE id = ?", (id,))), None)

    def close(self) -> None:
        """Idempotent."""
        with self._writing, self._reading:
            self._read.close()
            self._write.close()

    def _put_plan(self, plan: Plan) -> None:
        months = json.dumps(plan.months)
        self._write.execute(
            "REPLACE INTO plans VALUES (?, ?, ?, ?, ?)", (plan.lane.value, plan.block, plan.start, plan.end, months)
        )


class _Watch:
    """`state.base.Watch`. Noted under the state's lock, and read under it."""

    def __init__(self) -> None:
        self._links: dict[str, dict[Pair, int]] = {}

    def of(self, workspace: str) -> Mapping[Pair, int]:
        return self._links.get(workspace, {})

    def note(self, links: Iterable[Link]) -> None:
        for link in links:
            known, pair = self._links.setdefault(link.workspace, {}), (link.a, link.b)
            known[pair] = min(link.first_ms, known.get(pair, link.first_ms))


def _values(job: Job) -> tuple[Any, ...]:
    about = json.dumps(job.about, separators=(",", ":"))
    return job.id, job.kind, job.workspace, about, job.step, job.begun_ms, job.done_ms, job.failure


def _job(row: Any) -> Job:
    id, kind, workspace, about, *rest = row
    return Job(id, kind, workspace, json.loads(about), *rest)


def _plan(lane: Lane, block: int, start: int, end: int, months: str) -> Plan:
    return Plan(lane, block, start, end, {int(month): rows for month, rows in json.loads(months).items()})
