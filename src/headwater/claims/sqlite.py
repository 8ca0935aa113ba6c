"""Claims in one SQLite file (through apsw: WAL, a full sync for every commit), written by the gateway alone, but for
an erasure, which deletes some from the engine's process."""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from time import sleep

import apsw

from headwater.claims.base import Row, told_of
from headwater.errors import UnavailableError
from headwater.state.database import opened, told
from headwater.transactions import transaction

_SCHEMA = (
    """
    -- With row numbers, so that all but the keys' index grows at its end, and an answer of 1 or 2 KiB lies in its page.
    CREATE TABLE claims (
        number INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE,
        value BLOB NOT NULL,
        batch BLOB NOT NULL, -- the one that it came with
        taken_ms INTEGER NOT NULL, -- when it was written down here
        workspace TEXT, -- of the backfill
        backfill TEXT -- kept as long as this is open
    ) STRICT;
    CREATE INDEX claims_by_age ON claims (taken_ms) WHERE backfill IS NULL;
    CREATE INDEX claims_by_backfill ON claims (workspace, backfill, taken_ms) WHERE backfill IS NOT NULL;
    CREATE INDEX claims_by_batch ON claims (batch);
    CREATE TABLE log (position INTEGER NOT NULL) STRICT; -- of which everything before is here
    INSERT INTO log VALUES (0);
    """,
)
"""One entry a version; a file of version n has run the first n."""

VERSION = len(_SCHEMA)

_FIND = "SELECT value FROM claims WHERE key = ?"
_TAKE = "INSERT OR REPLACE INTO claims (key, value, batch, taken_ms, workspace, backfill) VALUES (?, ?, ?, ?, ?, ?)"
_PRUNE = """
    DELETE FROM claims WHERE number IN (
        SELECT number FROM claims INDEXED BY claims_by_age WHERE backfill IS NULL AND taken_ms < ? LIMIT ?
    )
"""
_NEXT_BACKFILL = """
    SELECT workspace, backfill FROM claims INDEXED BY claims_by_backfill
    WHERE backfill IS NOT NULL AND (workspace, backfill) > (?, ?) ORDER BY workspace, backfill LIMIT 1
"""
_PRUNE_BACKFILL = """
    DELETE FROM claims WHERE number IN (
        SELECT number FROM claims INDEXED BY claims_by_backfill
        WHERE workspace = ? AND backfill = ? AND taken_ms < ? LIMIT ?
    )
"""
_TOLD = "SELECT batch, value FROM claims WHERE key BETWEEN ? AND ?"
_ERASE_ANSWERS = """
    UPDATE claims SET value = batch
    WHERE batch IN (SELECT id FROM doomed) AND substr(value, 1, 16) = batch AND length(value) > 16
"""
_ERASE_EVENTS = """
    DELETE FROM claims WHERE batch IN (SELECT id FROM doomed) AND substr(value, 1, 16) <> batch
        AND (substr(value, 1, 16) IN (SELECT id FROM doomed) OR batch IN (SELECT id FROM doomed WHERE whole))
"""
_PIECE = 1_000
"""Rows of one transaction: another process may want to write."""
_CHECKPOINTS = 100
"""Times that a checkpoint is tried, 50 ms apart, while somebody reads."""


class SqliteClaims:
    """`claims.base.Shelf` in the file `path`. Raises StartError for a file that a newer headwater wrote."""

    def __init__(self, path: Path) -> None:
        with told("claims"):
            self._write, self._read = _opened(path), _opened(path)
        self._writing, self._reading = threading.Lock(), threading.Lock()

    def find(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        with told("claims"), self._reading:
            for key in keys:
                for (value,) in self._read.execute(_FIND, (key,)):
                    found[key] = value
        return found

    def take(self, rows: Sequence[Row], now_ms: int, position: int) -> None:
        """In one transaction: what is here goes together with the position whatever happens."""
        with told("claims"), self._writing, transaction(self._write):
            self._write.executemany(_TAKE, [_values(row, now_ms) for row in rows])
            self._write.execute("UPDATE log SET position = ?", (position,))

    def position(self) -> int:
        with told("claims"), self._reading:
            return int(self._read.execute("SELECT position FROM log").get)

    def backfills(self) -> Sequence[tuple[str, str]]:
        """From one to the next in the index: there are few, and millions of claims."""
        found, last = list[tuple[str, str]](), ("", "")
        with told("claims"), self._writing:
            while row := self._write.execute(_NEXT_BACKFILL, last).fetchone():
                last = (str(row[0]), str(row[1]))
                found.append(last)
        return found

    def prune(self, before_ms: int, kept: Collection[tuple[str, str]], most: int) -> int:
        with told("claims"):
            left = most - self._delete(_PRUNE, (before_ms,), most)
            for backfill in self.backfills():
                if backfill not in kept:
                    left -= self._delete(_PRUNE_BACKFILL, (*backfill, before_ms), left)
            return most - left

    def count(self) -> int:
        with told("claims"), self._reading:
            return int(self._read.execute("SELECT count(*) FROM claims").get)

    def close(self) -> None:
        """Idempotent."""
        with self._writing, self._reading:
            self._read.close()
            self._write.close()

    def _delete(self, statement: str, parameters: tuple[str | int, ...], most: int) -> int:
        deleted = 0
        while deleted < most:
            piece = min(_PIECE, most - deleted)
            with self._writing, transaction(self._write):
                self._write.execute(statement, (*parameters, piece))
                count = self._write.changes()
            deleted += count
            if count < piece:
                break
        return deleted


def erase(path: Path, event_ids: Collection[bytes], batches: Collection[bytes] = ()) -> int:
    """Erases what claims hold about these events (ids of 16 bytes), and about all events of these batches, so that no
    byte of it is left in the file or beside it: also the answers to other requests that tell of one as the first of a
    duplicate. Returns how many claims that concerned.

    What remains of the answer to a request is that it was taken: sent again, it is not stored again. Any process may
    call it, while the gateway runs too. A claim is in the file once `log.base.Reader.claimed` lies behind its record.
    Raises UnavailableError when somebody reads or writes for too long: then call it again.
    """
    if not path.exists():
        return 0
    events, whole = frozenset(event_ids), frozenset(batches)
    of = {*whole, *map(_batch_of, events)}
    with told("claims"), closing(_opened(path)) as connection:
        connection.execute("PRAGMA temp_store = MEMORY").fetchall()
        connection.execute("CREATE TEMP TABLE doomed (id BLOB PRIMARY KEY, whole INTEGER) WITHOUT ROWID")
        with transaction(connection):
            told_of_them = chain.from_iterable(_told(connection, each, events, each in whole) for each in of)
            doomed = {*events, *of, *told_of_them}
            connection.executemany("INSERT INTO doomed VALUES (?, ?)", [(each, each in whole) for each in doomed])
            erased = 0
            for statement in (_ERASE_ANSWERS, _ERASE_EVENTS):
                connection.execute(statement)
                erased += connection.changes()
        _checkpoint(connection)
    return erased


def _told(connection: apsw.Connection, batch: bytes, events: Collection[bytes], whole: bool) -> Iterator[bytes]:
    """The batches whose answers tell of one of these events of a batch, or, the `whole` of it, of any; and those
    events."""
    begin = told_of(batch)
    for teller, value in connection.execute(_TOLD, (begin + b"\0" * 8, begin + b"\xff" * 8)):
        if value in events or (whole and _batch_of(value) == batch):
            yield from (teller, value)


def _batch_of(event_id: bytes) -> bytes:
    return event_id[:15] + b"\0"


def _checkpoint(connection: apsw.Connection) -> None:
    """Empties the write-ahead log, where what was deleted would still stand."""
    for _ in range(_CHECKPOINTS):
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").get
        if not busy:
            return
        sleep(0.05)
    raise UnavailableError("claims: the file is read all the time; its write-ahead log cannot be emptied now")


def _opened(path: Path) -> apsw.Connection:
    """What is deleted is overwritten, for it may be about people."""
    connection = opened(path, _SCHEMA)
    connection.execute("PRAGMA secure_delete = ON").fetchall()
    return connection


def _values(row: Row, now_ms: int) -> tuple[bytes, bytes, bytes, int, str | None, str | None]:
    claim = row.claim
    held = (row.workspace, claim.backfill) if claim.backfill else (None, None)
    return claim.key, claim.value, row.batch, now_ms, *held
