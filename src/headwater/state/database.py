"""A SQLite file of the engine's: opened, brought to the newest schema, and what is said when it fails."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw

from headwater.errors import CorruptionError, StartError, UnavailableError
from headwater.transactions import transaction

_logger = logging.getLogger(__name__)

_BUSY_MS = 10_000


def opened(path: Path, schema: Sequence[str]) -> apsw.Connection:
    """A connection (WAL, a full sync for every commit) to a file that has run all of `schema`, one script a version.

    Raises StartError for a file that a newer headwater wrote.
    """
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(_BUSY_MS)
    # What is erased is to be gone from the file as well.
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    version = int(connection.pragma("user_version"))
    if version > len(schema):
        raise StartError(f"{path} was written by a newer headwater (version {version})")
    if 0 < version < len(schema):
        _write_anew(connection)
    for number, script in enumerate(schema[version:], version + 1):
        with transaction(connection):
            connection.execute(f"{script} PRAGMA user_version = {number}")
    return connection


def _write_anew(connection: apsw.Connection) -> None:
    """An older headwater may have left what it removed in the file."""
    try:
        connection.execute("VACUUM")
    except apsw.FullError as error:
        _logger.warning("what was removed long ago may still stand in %s: %s", connection.filename, error)


@contextmanager
def told(what: str) -> Iterator[None]:
    """SQLite's errors as headwater's, where people's requests meet them."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise CorruptionError(f"{what}: the file is damaged: {error}") from error
    except apsw.Error as error:
        raise UnavailableError(f"{what}: the file cannot be used now: {error}") from error


def wiped(connection: apsw.Connection) -> bool:
    """Whether all that was written is in the file itself, and the log beside it, which has older pages, empty."""
    busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
    return not busy
