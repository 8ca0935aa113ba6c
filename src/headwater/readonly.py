"""A SQLite file opened to be looked at, and for nothing else: not one byte beside it changes."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from headwater.errors import CorruptionError, StartError

_MOST_FAULTS = 20
_BUSY_MS = 10_000


def look_at(path: Path, scratch: Path | None) -> apsw.Connection:
    """A connection that can only read. Raises CorruptionError when it is gone or no database.

    `scratch` is None while another process has the file open: it is read beside that one. Else it is a directory:
    SQLite would leave its files beside one that nobody has open, so it is read as unchanging, and one that a crash
    left with a write-ahead log is copied to `scratch` and read there.
    """
    if not path.is_file():
        raise CorruptionError(f"{path} is gone")
    with told(path):
        if scratch is None:
            found = _connect(path, "mode=ro")
        elif _has_content(_log_of(path)):
            found = _connect(_copied(path, scratch), "mode=rw")
        else:
            found = _connect(path, "mode=ro&immutable=1")
        found.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    return found


def faults_of(connection: apsw.Connection, quick: bool) -> list[str]:
    """What SQLite finds wrong in the file, the first twenty of it; `quick` leaves out the indexes."""
    check = "quick_check" if quick else "integrity_check"
    try:
        found = [str(text) for (text,) in connection.execute(f"PRAGMA {check}({_MOST_FAULTS})") if text != "ok"]
        for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
            found.append(f"{table} row {row} refers to a {parent} that is not there")
    except apsw.Error as error:
        return [str(error)]
    return found[:_MOST_FAULTS]


@contextmanager
def told(path: Path) -> Iterator[None]:
    """SQLite's errors as headwater's."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, apsw.IOError) as error:
        raise CorruptionError(f"{path} is damaged: {error}") from error
    except (apsw.Error, OSError) as error:
        raise StartError(f"cannot read {path}: {error}") from error


def _connect(path: Path, how: str) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_URI | (apsw.SQLITE_OPEN_READWRITE if how == "mode=rw" else apsw.SQLITE_OPEN_READONLY)
    connection = apsw.Connection(f"{path.absolute().as_uri()}?{how}", flags=flags)
    connection.set_busy_timeout(_BUSY_MS)
    connection.execute("PRAGMA trusted_schema = OFF; PRAGMA query_only = ON").fetchall()
    return connection


def _log_of(path: Path) -> Path:
    return Path(f"{path}-wal")


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _copied(path: Path, scratch: Path) -> Path:
    copy = scratch / path.name
    shutil.copyfile(path, copy)
    shutil.copyfile(_log_of(path), _log_of(copy))
    return copy
