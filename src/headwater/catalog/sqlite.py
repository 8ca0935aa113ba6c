"""The catalog in one SQLite file. Its owner is the gateway; the command line may write too."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from headwater.catalog.cached import CachedCatalog, Write
from headwater.catalog.database import Database
from headwater.catalog.memory import Memory

logger = logging.getLogger("headwater.catalog")

LOOK_SECONDS = 1.0
"""How soon what another process wrote is obeyed at the latest; a key not known yet is looked for at once."""


class SqliteCatalog(CachedCatalog):
    """`catalog.base.Catalog`. One owner, one thread."""

    _database: Database

    def __init__(self, path: Path, secret: bytes) -> None:
        super().__init__(secret)
        self._database = Database(path, secret)
        self._moved = self._database.moved()
        self._memory = Memory(self._database)
        self._next_look = time.monotonic() + LOOK_SECONDS

    def close(self) -> None:
        self._database.close()

    def _known(self) -> Memory:
        return self._memory

    def _looked(self) -> Memory:
        if time.monotonic() >= self._next_look:
            self._found_more()
        return self._memory

    def _found_more(self) -> bool:
        """Whether another process wrote; memory then follows. A disk that cannot be read now is asked again later."""
        self._next_look = time.monotonic() + LOOK_SECONDS
        try:
            return self._reload_if_moved()
        except apsw.Error as error:
            logger.warning("the catalog cannot be read, going on with what is known: %s", error)
            return False

    @contextmanager
    def _writing(self, obeyed: bool = True) -> Iterator[Write]:
        write = Write(self._database)
        with self._database.transaction():
            self._reload_if_moved()
            yield write
        self._memory.put(write.records)

    def _reload_if_moved(self) -> bool:
        moved = self._database.moved()
        if moved == self._moved:
            return False
        self._memory = Memory(self._database)
        self._moved = moved
        return True
