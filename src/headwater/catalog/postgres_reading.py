"""The catalog in PostgreSQL as an engine reads it: from a copy that is never behind, and never written."""

import logging
import threading
from typing import Any

import msgspec
import psycopg
from psycopg import Connection

from headwater.catalog.contents import Contents, Reading, contents_of
from headwater.catalog.following import LEASE_SECONDS, Follower, Moment, NotYetError, moment, now
from headwater.catalog.patience import patient
from headwater.catalog.postgres_database import PostgresTables
from headwater.errors import HeadwaterError, StartError
from headwater.postgres import connected

_logger = logging.getLogger("headwater.catalog")

_ASK_SECONDS = 2.0
"""How long the database may take to answer."""
_REST_SECONDS = 1.0
"""After a failure it is not asked for so long."""


class PostgresReader(Reading):
    """`catalog.base.Definitions`. Each verb answers from memory as long as the copy's lease lasts, then looks first.

    The gateways make the catalog and bring it to the newest schema, so it may be missing or older at first: then there
    is nothing, and it is looked for again. Raises StartError when a newer headwater made it.
    """

    def __init__(self, url: str, name: str = "", lease_seconds: float = LEASE_SECONDS) -> None:
        """`name`, `lease_seconds`: as `postgres.PostgresCatalog` has them."""
        self._url = url
        self._lock = threading.RLock()
        self._connection: Connection[Any] | None = None
        self._closed = False
        self._contents = Contents()
        self._at = -1
        self._revision = 0
        self._rest_until = 0.0
        self._told = ""
        self._follower = Follower(url, name, lambda: self._at, self._bring, lease_seconds)
        try:
            self._look()
        except BaseException:
            self.close()
            raise

    def revision(self) -> int:
        self._look()
        return self._revision

    def close(self) -> None:
        self._closed = True
        self._follower.close()
        with self._lock:
            self._leave()

    def _look(self) -> Contents:
        if self._follower.is_good or self._closed:
            return self._contents
        with self._lock:
            try:
                self._ask()
            except StartError:
                self._leave()
                raise
            except (psycopg.Error, HeadwaterError, msgspec.MsgspecError, TypeError) as error:
                self._leave()
                self._warn(str(error))
            return self._contents

    def _ask(self) -> None:
        if now() < self._rest_until:
            return
        if self._connection is None:
            self._connection = connected(self._url)
        try:
            with patient(self._connection, _ASK_SECONDS):
                self._bring(moment(self._connection), anew=False)
            self._told = ""
        except NotYetError:
            return

    def _bring(self, moment: Moment, anew: bool) -> None:
        with self._lock, moment as (cursor, revision):
            if revision == self._at and not anew:
                return
            found = contents_of(PostgresTables(cursor))
            self._at = revision
            if not found.defines(self._contents) or not self._revision:
                self._revision += 1
            self._contents = found

    def _leave(self) -> None:
        """The next one who asks does so anew: it may be another server by then."""
        connection, self._connection, self._at = self._connection, None, -1
        if connection is not None:
            connection.close()

    def _warn(self, why: str) -> None:
        """Once for each thing that goes wrong, and not at every look."""
        self._rest_until = now() + _REST_SECONDS
        if why != self._told:
            self._told = why
            _logger.warning("the catalog cannot be read, going on with what is known: %s", why)
