"""The catalog in PostgreSQL, for several gateways at once: each answers from memory, and none is ever behind."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Cursor

from headwater.catalog.cached import CachedCatalog, Write
from headwater.catalog.following import LEASE_SECONDS, READ_SECONDS, Follower, Moment, now
from headwater.catalog.memory import Memory
from headwater.catalog.postgres_database import PostgresDatabase, PostgresTables
from headwater.catalog.rows import is_definition
from headwater.errors import StartError, UnavailableError
from headwater.postgres import looking

_FIRST_LOOK, _LAST_LOOK = 0.001, 0.05
"""Seconds between two looks whether all others have what was changed."""


def exists(url: str) -> bool:
    """Whether a catalog was made in that database. Raises StartError."""
    with looking(url) as connection:
        return bool(connection.execute("SELECT to_regclass('catalog_audit') IS NOT NULL").fetchall()[0][0])


class PostgresCatalog(CachedCatalog):
    """`catalog.base.Catalog`. Any thread may call any verb; questions cost no more than in SQLite.

    A verb that changes something returns when every other gateway and engine obeys it: some milliseconds, and up to
    `lease_seconds` when one of them has just died or cannot reach the database. So they are not for an event loop's
    thread, but `standing_backfill`, `ensure_signals` and `note`, which wait for nobody. When the database has been away
    for `lease_seconds`, every question raises UnavailableError: nobody could tell that a key is revoked.
    """

    _database: PostgresDatabase

    def __init__(self, url: str, secret: bytes, name: str = "", lease_seconds: float = LEASE_SECONDS) -> None:
        """`secret`: the same in all of them. `name`: whose this is, for people. `lease_seconds`: the same in all of
        them. Raises StartError."""
        super().__init__(secret)
        self._database = PostgresDatabase(url, secret)
        self._lease = lease_seconds
        self._revision = -1
        self._memory: Memory
        self._writer: int | None = None
        self._swap = threading.RLock()
        self._follower = Follower(url, name, lambda: self._revision, self._bring, lease_seconds)
        if not self._follower.wait(READ_SECONDS):
            self.close()
            raise StartError(f"cannot read the catalog: {self._follower.why}")

    def close(self) -> None:
        self._follower.close()
        self._database.close()

    def _known(self) -> Memory:
        if now() < self._follower.until or self._writer == threading.get_ident():
            return self._memory
        raise UnavailableError(f"the catalog cannot be read now: {self._follower.why or 'it does not answer'}")

    @contextmanager
    def _writing(self, obeyed: bool = True) -> Iterator[Write]:
        write = Write(self._database)
        self._known()  # nobody waits for a database that is known to be away
        with self._database.transaction():
            revision = self._database.revision
            self._follow(self._database.cursor, revision - 1, False)
            self._writer = threading.get_ident()
            try:
                yield write
            finally:
                self._writer = None
        if any(is_definition(record) for record in write.records):
            self._take(revision, lambda memory: memory.put(write.records))
            if obeyed:
                self._wait_for_others(revision)

    def _bring(self, moment: Moment, anew: bool) -> None:
        with self._swap, moment as (cursor, revision):
            self._follow(cursor, revision, anew)

    def _follow(self, cursor: Cursor[Any], revision: int, anew: bool) -> None:
        """Memory becomes that of the revision that the cursor reads."""
        with self._swap:
            known = self._revision
            if anew or revision < known or known < 0:  # after a failover that lost something, less may be there
                self._memory, self._revision = Memory(PostgresTables(cursor)), revision
            elif revision > known:
                self._take(revision, lambda memory: memory.follow(PostgresTables(cursor, known)))

    def _take(self, revision: int, change: Callable[[Memory], None]) -> None:
        """Memory becomes that of the revision, unless it is of that or a later one."""
        with self._swap:
            if revision > self._revision:
                fresh = self._memory.copy()
                change(fresh)
                self._memory, self._revision = fresh, revision

    def _wait_for_others(self, revision: int) -> None:
        """Until all followers have it, or those that do not cannot answer any more."""
        end, pause, name = now() + self._lease, _FIRST_LOOK, self._follower.name
        try:
            while now() < end:
                if not self._database.are_behind(revision, name):
                    return
                time.sleep(max(0.0, min(pause, end - now())))
                pause = min(2 * pause, _LAST_LOOK)
            self._database.forget_behind(revision, name)
        except UnavailableError:  # who has it cannot be known, so the end has to be waited for
            time.sleep(max(0.0, end - now()))
