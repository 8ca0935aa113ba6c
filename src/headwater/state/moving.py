"""The engine's memory into PostgreSQL, and how far a move past one machine is.

As long as it lasts, the session of whoever moves holds the locks of all partitions, and the leader's: no engine stores
or leads before everything is there.
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, ClassVar

import msgspec
import psycopg

from headwater.errors import LockedError, NotOwnerError, StartError
from headwater.events import Lane
from headwater.postgres import WAIT_SECONDS, Database, Kind, bounded, connected, looking, told
from headwater.rules.connect import Severed
from headwater.state.base import Account, Job, Link
from headwater.state.postgres_shared import SharedState, columns

_SCHEMA = (
    """
    CREATE TABLE move (
        one BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one),
        moment TEXT NOT NULL, -- which copy of the old data directory is moved
        done TEXT NOT NULL DEFAULT '', -- the steps that are, with commas between
        finished_ms BIGINT
    );
    CREATE TABLE move_copied (lane TEXT PRIMARY KEY, block BIGINT NOT NULL);
    CREATE TABLE move_log (one BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one), mark TEXT NOT NULL);
    """,
)
_PUT_COPIED = """
    INSERT INTO move_copied VALUES (%s, %s) ON CONFLICT (lane) DO UPDATE SET block = excluded.block
"""
_PUT_MARK = "INSERT INTO move_log (mark) VALUES (%s) ON CONFLICT (one) DO UPDATE SET mark = excluded.mark"
_PUT_MOMENT = "INSERT INTO move (moment) VALUES (%s)"
_LINKS = "COPY state_links (workspace, a, b, first_ms) FROM STDIN"
_COUNTED = "INSERT INTO state_counted (partition, lane, month, rows) VALUES (-1, %s, %s, %s)"
_EMPTIED = "INSERT INTO state_emptied (lane, first, last) VALUES (%s, %s, %s)"
_IS_USED = """
    SELECT EXISTS (SELECT FROM state_lanes WHERE given > 0) OR EXISTS (SELECT FROM state_cursors WHERE position > 0)
        OR EXISTS (SELECT FROM state_links) OR EXISTS (SELECT FROM state_job)
"""
_PIECE = 100_000
"""Links of one transaction."""


def check_moved(url: str) -> None:
    """Raises StartError while a move into this database is not finished: what starts before it would be in its way."""
    with looking(url) as connection:
        if connection.execute("SELECT to_regclass('move')").fetchone() == (None,):
            return
        begun = connection.execute("SELECT FROM move WHERE finished_ms IS NULL").fetchone()
    if begun is not None:
        raise StartError("headwater migrate-to has not moved everything here yet: run it until it has")


class MoveNotes:
    """What is written down about a move, in the database that it leads to. Safe to call from several threads.

    Raises StartError, and LockedError while another process moves, or engines run there.
    """

    steps: ClassVar[tuple[str, ...]] = ("claims", "state", "cohorts", "store")

    def __init__(self, url: str) -> None:
        self._database = Database(url, "move", _SCHEMA)
        self._lock = threading.Lock()
        try:
            self._session = connected(url)
        except psycopg.Error as error:
            self._database.close()
            raise StartError(f"the database cannot be used: {error}") from error

    def hold(self, partitions: int) -> None:
        """No engine stores or leads from here on. Raises LockedError while one does."""
        for kind, number in [(Kind.LEADER, 0), *((Kind.PARTITION, each) for each in range(partitions))]:
            if not self._take(kind, number):
                raise LockedError("engines run on the target, or another migrate-to: stop them first", 0)

    def moment(self) -> str:
        """Which copy of the old data directory is moved; empty before the first."""
        with self._database.reading() as ask:
            found = ask.execute("SELECT moment FROM move").fetchone()
        return str(found[0]) if found else ""

    def begin(self, moment: str) -> None:
        with self._writing() as change:
            change(_PUT_MOMENT, (moment,))

    def is_done(self, step: str) -> bool:
        with self._database.reading() as ask:
            found = ask.execute("SELECT done FROM move").fetchone()
        return found is not None and step in found[0].split(",")

    def put_done(self, step: str) -> None:
        with self._writing() as change:
            change("UPDATE move SET done = done || ',' || %s", (step,))

    def finished_ms(self) -> int | None:
        """When it was finished; None while it is not."""
        with self._database.reading() as ask:
            found = ask.execute("SELECT finished_ms FROM move").fetchone()
        return found[0] if found else None

    def finish(self, ms: int) -> None:
        with self._writing() as change:
            change("UPDATE move SET finished_ms = %s", (ms,))

    def copied(self, lane: Lane) -> int:
        """As `store.moving.Marks`."""
        with self._database.reading() as ask:
            found = ask.execute("SELECT block FROM move_copied WHERE lane = %s", (lane.value,)).fetchone()
        return int(found[0]) if found else 0

    def put_copied(self, lane: Lane, block: int) -> None:
        with self._writing() as change:
            change(_PUT_COPIED, (lane.value, block))

    def log_mark(self) -> bytes | None:
        """What `put_log_mark` was given last."""
        with self._database.reading() as ask:
            found = ask.execute("SELECT mark FROM move_log").fetchone()
        return found[0].encode() if found else None

    def put_log_mark(self, mark: bytes) -> None:
        with self._writing() as change:
            change(_PUT_MARK, (mark.decode(),))

    def close(self) -> None:
        """Engines may run from here on. Idempotent."""
        with self._lock:
            self._session.close()
        self._database.close()

    def _take(self, kind: Kind, number: int) -> bool:
        signed = [each - (1 << 32) if each >= 1 << 31 else each for each in (kind, number)]
        with self._lock, told("move"), bounded(self._session, WAIT_SECONDS):
            found = self._session.execute("SELECT pg_try_advisory_lock(%s::int, %s::int)", signed).fetchone()
        return found == (True,)

    def _writing(self) -> "_Writing":
        return _Writing(self._lock, self._session)


class _Writing:
    """Writes through the session that holds the locks: whoever lost them writes nothing any more."""

    def __init__(self, lock: threading.Lock, session: Any) -> None:
        self._lock = lock
        self._session = session

    def __enter__(self) -> Callable[[str, tuple[Any, ...]], None]:
        self._lock.acquire()
        return self._change

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _change(self, statement: str, about: tuple[Any, ...]) -> None:
        try:
            with bounded(self._session, WAIT_SECONDS):
                self._session.execute(statement, about)
        except psycopg.OperationalError as error:
            raise NotOwnerError(f"the database went away, and with it the move's locks: {error}") from error


class StateMove:
    """`headwater.state_…` as the state of one machine has it."""

    def __init__(self, url: str) -> None:
        """Raises StartError."""
        self._state = SharedState(url)

    def is_empty(self) -> bool:
        """Whether no engine ever stored anything there."""
        with self._state.database.reading() as ask:
            ((used,),) = ask.execute(_IS_USED).fetchall()
        return not used

    def run(
        self,
        ledger: Mapping[Lane, Account],
        links: Iterable[Link],
        severed: Mapping[str, list[Severed]],
        jobs: Iterable[Job],
        told_of: Callable[[int], None],
    ) -> None:
        """Instead of what a killed run left. The next block's number is the one after the ledger's last."""
        with self._state.database.writing() as change:
            change.execute(
                "TRUNCATE state_links, state_link_log, state_severed, state_job, state_counted, state_emptied"
            )
            for lane, account in ledger.items():
                change.execute("UPDATE state_lanes SET given = %s WHERE lane = %s", (account.cursor.block, lane.value))
                change.executemany(_COUNTED, [(lane.value, month, rows) for month, rows in account.months.items()])
                change.executemany(_EMPTIED, [(lane.value, first, last) for first, last in account.emptied])
        rest = iter(links)
        while piece := [*islice(rest, _PIECE)]:
            with self._state.database.writing() as change, change.copy(_LINKS) as copy:
                for row in zip(*columns(piece).values(), strict=True):
                    copy.write_row(row)
            told_of(len(piece))
        for workspace, pairs in severed.items():
            self._state.sever(workspace, pairs)
        for job in jobs:
            self._state.put_job(job)

    def put_jobs(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self._state.put_job(job)

    def jobs(self) -> Iterator[Job]:
        yield from self._state.jobs()

    def close(self) -> None:
        """Idempotent."""
        self._state.close()


def encoded(mark: msgspec.Struct) -> bytes:
    return json.dumps(msgspec.to_builtins(mark)).encode()
