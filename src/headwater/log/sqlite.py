"""The log as SQLite files, one a segment, through apsw: WAL, `synchronous=FULL`, one transaction a group.

A position is a record's number. Kept beside `files` as the port's second implementation; docs/decisions/0002-log.md
compares the two.
"""

import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import local

import apsw

from headwater.durable import make_directory, sync
from headwater.errors import CorruptionError, StartError
from headwater.locks import WAIT_SECONDS, DirectoryLock
from headwater.log.commit import LOST, GroupCommit, describe
from headwater.log.published import Stored, open_or_create
from headwater.log.reader import SegmentedReader
from headwater.log.segments import Found, Segment, bases, path_of, segments

_SUFFIX = ".db"
_BESIDE = ("", "-wal", "-shm")
_SETTINGS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000"
_TABLE = "CREATE TABLE IF NOT EXISTS records (position INTEGER PRIMARY KEY, record BLOB NOT NULL)"
_BUSY_MS = 5_000


class SqliteAppender(GroupCommit):
    """An `Appender`. Opening it waits for the lock; SQLite repairs what a crash tore.

    `segment_bytes`: what records a database takes before the next one is begun. Raises StartError when another
    process keeps the lock for `wait_seconds`, CorruptionError when records that were durable are not there.
    """

    def __init__(self, directory: Path, *, segment_bytes: int = 64 << 20, wait_seconds: float = WAIT_SECONDS) -> None:
        make_directory(directory)
        lock = DirectoryLock(directory / "lock", wait_seconds)
        try:
            medium = _Databases(directory, segment_bytes, lock)
        except (OSError, apsw.Error) as error:
            lock.release()
            raise StartError(describe(error)) from error
        except BaseException:
            lock.release()
            raise
        super().__init__(medium, directory)


class _Databases:
    """The `Medium`: one open database, the newest."""

    def __init__(self, directory: Path, segment_bytes: int, lock: DirectoryLock) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._lock = lock
        self._published = open_or_create(directory)
        self._stored: Stored | None = None
        self._begun = time.monotonic()
        """When the first record came into the newest database, as far as is known."""
        self._open()

    @property
    def durable(self) -> int:
        return self._durable

    def backlog(self) -> int:
        """By whole databases."""
        with suppress(OSError, ValueError, CorruptionError):
            self._stored = self._stored or Stored(self._directory, writable=False)
        stored = self._stored.position if self._stored else 0
        with suppress(OSError):
            held = [each.path for each in segments(self._directory, _SUFFIX, self._durable) if each.end > stored]
            return sum([path.stat().st_size for path in held])
        return 0

    def write(self, records: Sequence[bytes]) -> None:
        size = sum(map(len, records))
        if self._bytes and self._bytes + size > self._segment_bytes:
            self._begin()
        if not self._bytes:
            self._begun = time.monotonic()
        with self._connection:
            self._connection.executemany("INSERT INTO records VALUES (?, ?)", enumerate(records, self._durable))
        self._bytes += size
        self._durable += len(records)
        self._published.durable = self._durable

    def disown(self) -> None:
        self._published.cut = self._durable
        with suppress(OSError):
            self._published.flush()

    def roll(self, older_seconds: float) -> None:
        if self._bytes and (self._is_unwanted() or time.monotonic() - self._begun >= older_seconds):
            self._begin()

    def _is_unwanted(self) -> bool:
        with suppress(OSError, CorruptionError):
            self._stored = self._stored or Stored(self._directory, writable=False)
        return self._stored is not None and self._base < self._stored.wanted

    def renew(self) -> None:
        """SQLite may find the frames of a failed commit again after a crash: no segment goes on after one."""
        self._begin()
        self._published.cut = None
        try:
            self._published.flush()
        except OSError:
            self._published.cut = self._durable
            raise

    def close(self) -> None:
        with suppress(apsw.Error):
            self._connection.close()
        with suppress(OSError):
            self._published.flush()
        self._published.close()
        self._lock.release()

    def _open(self) -> None:
        begins = bases(self._directory, _SUFFIX)
        base = begins[-1] if begins else 0
        path = path_of(self._directory, base, _SUFFIX)
        self._connection = _connect(path)
        self._base = base
        self._durable, self._bytes = _extent(self._connection, base)
        cut, known = self._published.cut, self._published.durable
        if self._durable < known:
            raise CorruptionError(LOST.format(self._durable, known, self._directory))
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        sync(self._directory)
        if cut is not None and cut < self._durable:
            self._durable = cut
            self._begin()
        self._published.durable = self._durable
        self._published.cut = None
        self._published.flush()

    def _begin(self) -> None:
        """A new database from the durable end on. One of that name, if there is any, holds nothing durable."""
        path = path_of(self._directory, self._durable, _SUFFIX)
        with suppress(apsw.Error):
            self._connection.close()
        _unlink(path)
        self._connection = _connect(path)
        sync(self._directory)
        self._base, self._bytes = self._durable, 0


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(_BUSY_MS)
    connection.execute(f"{_SETTINGS}; {_TABLE}").fetchall()
    return connection


def _extent(connection: apsw.Connection, base: int) -> tuple[int, int]:
    """The position after the last record, and the bytes of all."""
    query = "SELECT coalesce(max(position) + 1, ?), coalesce(sum(length(record)), 0) FROM records"
    end, size = connection.execute(query, (base,)).get
    return end, size


def _unlink(path: Path) -> None:
    for beside in _BESIDE:
        Path(f"{path}{beside}").unlink(missing_ok=True)


class SqliteReader(SegmentedReader):
    """A `Reader`, safe to use from several threads: each keeps the connection to the segment it read last."""

    suffix = _SUFFIX

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._local = local()

    def _found(self, segment: Segment, start: int, stop: int) -> Generator[Found, None, None]:
        query = "SELECT position, record FROM records WHERE position >= ? AND position < ? ORDER BY position"
        expected, stop = start, min(stop, segment.end)
        try:
            for position, data in self._connection(segment).execute(query, (start, stop)):
                if position != expected:
                    break
                yield Found(position, position + 1, data, 0)
                expected += 1
        except apsw.CorruptError as error:
            raise CorruptionError(f"segment {segment.path.name} of the log: {error}") from error
        if expected != stop:
            raise CorruptionError(f"no record begins at position {expected} of the log")

    def _remove(self, segment: Segment) -> None:
        _unlink(segment.path)

    def _connection(self, segment: Segment) -> apsw.Connection:
        base, connection = getattr(self._local, "last", (-1, None))
        if base != segment.base or connection is None:
            if not segment.path.exists():
                raise FileNotFoundError(segment.path)
            connection = self._connect(segment)
            self._local.last = (segment.base, connection)
        return connection

    def _connect(self, segment: Segment) -> apsw.Connection:
        """A closed segment is opened as never changing: then SQLite needs no file beside it, so no free space."""
        newest = self._segments()[-1].base == segment.base
        changing = newest or Path(f"{segment.path}-wal").exists()
        uri = segment.path.absolute().as_uri() + ("" if changing else "?immutable=1")
        connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI)
        connection.set_busy_timeout(_BUSY_MS)
        return connection

    def close(self) -> None:
        super().close()
        self._local = local()
