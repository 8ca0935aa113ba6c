"""Answering from a copy of the catalog without ever being behind: every change waits until all copies have it.

A follower's copy is good for a while, its lease. It is lengthened by one question (`look`) to the database that finds,
in one snapshot, that the follower is registered with the very revision that is the newest; it then lasts from the
moment *before* the question was asked. What is changed after that snapshot finds the registration, and waits until it
names the new revision, or for as long as a lease lasts. So a change ends

  - when every follower has it: milliseconds, for they are notified, or
  - a lease after it was committed: those that did not take it over answer nothing by then (UnavailableError).

Registrations that were waited for in vain are taken away; a follower that comes back registers anew before it answers.
Nobody compares clocks of two machines: both ends of a wait are measured by the one who waits, and clocks need only run
equally fast. A machine that slept has its leases ended by CLOCK_BOOTTIME, which goes on meanwhile.

It must be the primary that is asked, and a failover must not lose what was committed (synchronous replication).
"""

import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from secrets import token_hex
from typing import Any

import psycopg
from psycopg import Connection, Cursor, IsolationLevel

from headwater.catalog.patience import cut, patient
from headwater.catalog.postgres_database import STATEMENTS, VERSION
from headwater.errors import CorruptionError, HeadwaterError, StartError
from headwater.postgres import connected

LEASE_SECONDS = 5.0
"""How long a copy is good after the database was asked, and so: how long a change waits for a follower that is gone,
and how long the database may be away before requests are refused."""
_LOOKS = 10
"""In a lease, where nobody notifies."""
_LONGEST_REST = 1.0
READ_SECONDS = 60.0
"""How long a whole catalog may take to be read."""

_logger = logging.getLogger("headwater.catalog")

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


Moment = AbstractContextManager[tuple[Cursor[Any], int]]
"""What is read by the cursor is of one moment, when the catalog's revision was that."""


class NotYetError(HeadwaterError):
    """No gateway has made the catalog, or brought it to this version, yet."""


def now() -> float:
    """Seconds, also of those that the machine slept."""
    return time.clock_gettime(_CLOCK)


def revisions(cursor: Cursor[Any], name: str = "") -> tuple[int, int | None]:
    """The catalog's, and the one that a follower is registered with. Raises NotYetError, CorruptionError; StartError
    when a newer headwater made the catalog."""
    try:
        found = cursor.execute(STATEMENTS["look"], {"name": name}).fetchone()
    except psycopg.errors.UndefinedTable:
        found = None
    version, revision, taken, begun = found or (None, None, None, False)
    if version is not None and version > VERSION:
        raise StartError("the catalog was made by a newer headwater")
    if version == VERSION and revision is None and begun:
        raise CorruptionError("the catalog is damaged: the end of its audit is gone")
    if version != VERSION or revision is None:
        raise NotYetError("the catalog waits for a gateway")
    return revision, taken


@contextmanager
def moment(connection: Connection[Any]) -> Iterator[tuple[Cursor[Any], int]]:
    """As `Moment` has it. Raises what `revisions` does, and psycopg's errors."""
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with connection.transaction(), connection.cursor() as cursor:
            revision, _ = revisions(cursor)
            yield cursor, revision
    finally:
        if not connection.closed:
            connection.isolation_level = None


class Follower:
    """One copy's lease, and the thread that lengthens it."""

    def __init__(
        self,
        url: str,
        name: str,
        known: Callable[[], int],
        bring: Callable[[Moment, bool], None],
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        """`name`: for people; each follower has one of its own. `known`: the copy's revision. `bring` brings the copy
        to that of a moment, or makes it anew when it is told so; from the follower's thread. The moment begins when it
        is entered: behind whatever keeps a newer copy from being replaced by an older one.
        """
        self.name = f"{name or socket.gethostname()}/{token_hex(6)}"
        self.until = 0.0
        """Until then, by `now`, the copy is good."""
        self.why = "it was not asked yet"
        """What was wrong the last time; empty when nothing was."""
        self._url, self._lease = url, lease_seconds
        self._known, self._bring = known, bring
        self._connection: Connection[Any] | None = None
        self._closed = False
        self._good = threading.Event()
        self._woken, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="catalog", daemon=True)
        self._thread.start()

    @property
    def is_good(self) -> bool:
        return now() < self.until

    def wait(self, seconds: float) -> bool:
        """Whether the copy became good by then."""
        return self._good.wait(seconds)

    def close(self) -> None:
        """The copy is good no more, and no change waits for it. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._waker.send(b"!")
        self._thread.join(1.0)
        if self._thread.is_alive() and self._connection is not None:
            cut(self._connection)
            self._thread.join(1.0)
        self.until = 0.0
        self._waker.close()
        self._woken.close()

    def _run(self) -> None:
        rest = 0.05
        while not self._closed:
            try:
                with connected(self._url) as self._connection:
                    self._connection.execute("LISTEN headwater_catalog")
                    self._follow(self._connection)
            except NotYetError as error:
                self.why = str(error)
            except (psycopg.Error, HeadwaterError, OSError) as error:
                self._tell(error)
            except Exception as error:
                _logger.exception("the catalog cannot be followed")
                self.why = str(error)
            rest = 0.05 if self.is_good else min(2 * rest, _LONGEST_REST)
            self._sleep([], rest)

    def _follow(self, connection: Connection[Any]) -> None:
        anew = True  # whoever is asked now may be another server, that never had what the one before had
        while not self._closed:
            good, anew = self._look(connection, anew), False
            # What was notified meanwhile has been read from the socket: nobody would wake up for it.
            if good and not list(connection.notifies(timeout=0)):
                self._sleep([connection.pgconn.socket], self._lease / _LOOKS)
        with suppress(psycopg.Error):
            connection.execute(STATEMENTS["leave"], {"name": self.name})

    def _look(self, connection: Connection[Any], anew: bool) -> bool:
        """Whether the copy is the newest and registered as such. If it is not, it is brought there."""
        asked = now()
        with patient(connection, self._lease):
            revision, taken = revisions(connection.cursor(), self.name)
        if not anew and revision == taken == self._known():
            self.until, self.why = 0.0 if self._closed else asked + self._lease, ""
            self._good.set()
            return True
        with patient(connection, READ_SECONDS):
            self._bring(moment(connection), anew)
            connection.execute(STATEMENTS["take"], {"name": self.name, "revision": self._known()})
        return False

    def _sleep(self, sockets: list[int], seconds: float) -> None:
        """Until something comes in there, or it is closed, or so long."""
        if not self._closed:
            waiting = select.poll()  # not `select`: a gateway has descriptors beyond what that takes
            for each in (*sockets, self._woken.fileno()):
                waiting.register(each, select.POLLIN)
            waiting.poll(seconds * 1000)

    def _tell(self, error: Exception) -> None:
        why = str(error).strip()
        if why != self.why and not self._closed:
            self.why = why
            _logger.warning("the catalog cannot be followed: %s", why)
