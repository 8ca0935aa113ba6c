"""The catalog as the engine reads it: the gateway's file, looked at and never written."""

import logging
import threading
from pathlib import Path

import apsw
import msgspec

from headwater.catalog.contents import Contents, Reading, contents_of
from headwater.catalog.database import VERSION, Tables
from headwater.errors import HeadwaterError, StartError
from headwater.readonly import look_at

_logger = logging.getLogger("headwater.catalog")


class CatalogReader(Reading):
    """`catalog.base.Definitions`. Each verb looks first whether the gateway wrote: some 5 microseconds.

    The gateway makes the file and brings it to the newest schema, so it may be missing or older at first: then there
    is nothing, and it is looked for again. Raises StartError when a newer headwater wrote it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: apsw.Connection | None = None
        self._closed = False
        self._moved: int | None = None
        self._known = Contents()
        self._revision = 0
        self._told = ""
        self._look()

    def revision(self) -> int:
        self._look()
        return self._revision

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _look(self) -> Contents:
        """What is true now; what was true last when the file cannot be read."""
        with self._lock:
            try:
                self._follow()
                self._told = ""
            except StartError:
                raise
            except (apsw.Error, HeadwaterError, msgspec.MsgspecError, TypeError) as error:
                self._warn(str(error))
            return self._known

    def _follow(self) -> None:
        connection = self._opened()
        if connection is None:
            return
        moved: int = connection.pragma("data_version")
        if moved == self._moved:
            return
        found = _read(connection)
        self._moved = moved
        if found is None:
            return
        if not found.defines(self._known) or not self._revision:
            self._revision += 1
        self._known = found

    def _opened(self) -> apsw.Connection | None:
        if self._connection is None and not self._closed and _is_there(self._path):
            self._connection = look_at(self._path, None)
        return self._connection

    def _warn(self, why: str) -> None:
        """Once for each thing that goes wrong, and not at every look."""
        if why != self._told:
            self._told = why
            _logger.warning("the catalog cannot be read, going on with what is known: %s", why)


def _is_there(path: Path) -> bool:
    """An empty file is one that the gateway has only begun."""
    return path.is_file() and path.stat().st_size > 0


def _read(connection: apsw.Connection) -> Contents | None:
    """All of one moment; None for a file that waits to be brought to the newest schema."""
    tables = Tables(connection)
    connection.execute("BEGIN")
    try:
        version = tables.version()
        if version > VERSION:
            raise StartError("the catalog was made by a newer headwater")
        if version < VERSION:
            return None
        return contents_of(tables)
    finally:
        connection.execute("ROLLBACK")
