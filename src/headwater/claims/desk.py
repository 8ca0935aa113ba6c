"""One gateway's desk at the database of claims: a thread that reserves, fulfils and gives back for many requests at
once, in one transaction and one round trip, so that requests share the commits as batches share the log's."""

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg import Connection

from headwater.claims.base import Row
from headwater.claims.postgres_database import LEASE_SECONDS, SQL, columns, opened
from headwater.clock import now_ms
from headwater.errors import UnavailableError
from headwater.postgres import WAIT_SECONDS, Kind, SessionLock, bounded, told

BEAT_SECONDS = 2.0
_PAUSES = (0.05, 1.0)
"""After a first failure, and after many."""
_CLOSE_SECONDS = 5.0
_MOST = 1_000_000
"""Claims that may wait for a database that fails; one more and nothing is reserved, or memory would fill."""
_PIECE = 1_000
"""Requests of one transaction; a request may have a hundred keys."""

_T = TypeVar("_T")

_logger = logging.getLogger(__name__)


class Found(msgspec.Struct, frozen=True):
    """What came of one request."""

    reserved: frozenset[bytes]
    """These are this gateway's now."""
    number: int
    """The holder's that they were reserved under."""
    known: dict[bytes, bytes]
    """The values of those that are claimed. What is neither is held by another gateway right now."""


class _Ask(msgspec.Struct, eq=False):
    keys: Collection[bytes]
    forced: bool
    future: "asyncio.Future[Found]"


class Held(msgspec.Struct, frozen=True):
    """Keys and the holder's number that they were reserved under."""

    keys: Sequence[bytes]
    number: int


class Kept(msgspec.Struct, frozen=True):
    """Claims that are durable in the log, and who holds them."""

    rows: Sequence[Row]
    number: int


class Desk:
    """All verbs but `close` are for the thread of the event loop that it was made in.

    Each session of the desk is a holder of its own: `number` changes when a session broke, and what was reserved under
    an older number may be fulfilled or given back, but nothing may be appended under it any more.
    """

    def __init__(self, url: str, kept: Callable[[Sequence[Row]], None]) -> None:
        """`kept` is told in the loop's thread of rows that are written down. Raises StartError."""
        self._told_kept = kept
        self._loop = asyncio.get_running_loop()
        self._url = url
        self._database = opened(url)
        self._lock: SessionLock | None = None
        self.number = 0
        """Of the session; 0 while there is none."""
        self._lease_until = 0.0
        self._beaten = 0.0
        self._asks: list[_Ask] = []
        self._kept: list[Kept] = []
        self._freed: list[Held] = []
        self._doubted: list[Held] = []
        self._guard = threading.Condition()
        self._closing = False
        self._waiting = 0
        self._failing = 0
        self._thread = threading.Thread(target=self._run, name="claims", daemon=True)
        self._thread.start()

    def lasts(self, number: int) -> bool:
        """Whether what was reserved under a number may be appended now."""
        return number != 0 and number == self.number and time.monotonic() < self._lease_until

    def ask(self, keys: Collection[bytes], forced: bool = False) -> "asyncio.Future[Found]":
        """Reserves the keys that nobody holds and, unless it is `forced`, nobody has claimed. Raises UnavailableError,
        then or when it is awaited."""
        if self._waiting > _MOST:
            raise UnavailableError("claims cannot be written down, and too many wait for it")
        future: asyncio.Future[Found] = self._loop.create_future()
        with self._guard:
            if self._closing:
                raise UnavailableError("claims: the gateway is ending")
            self._asks.append(_Ask(keys, forced, future))
            self._guard.notify()
        return future

    def keep(self, rows: Sequence[Row], number: int) -> None:
        """They are durable in the log."""
        self._hand_in(self._kept, Kept(rows, number), len(rows))

    def free(self, keys: Collection[bytes], number: int) -> None:
        """They are not, and nobody needs them."""
        self._hand_in(self._freed, Held([*keys], number), len(keys))

    def doubt(self, keys: Collection[bytes], number: int) -> None:
        """Nobody knows whether they are: what the log has of them will tell."""
        self._hand_in(self._doubted, Held([*keys], number), len(keys))

    def close(self) -> None:
        """Writes down what waits, if the database takes it now. Idempotent."""
        with self._guard:
            self._closing = True
            self._guard.notify()
        self._thread.join(_CLOSE_SECONDS)  # where the database hangs, so does the thread: the process ends without it
        self._database.close()

    def _hand_in(self, to: list[_T], what: _T, size: int) -> None:
        with self._guard:
            to.append(what)
            self._waiting += size
            self._guard.notify()

    # --- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._guard:
                if not (self._asks or self._kept or self._freed or self._doubted or self._closing):
                    self._guard.wait(BEAT_SECONDS / 2)
                closing = self._closing
                asks, self._asks = self._asks[:_PIECE], self._asks[_PIECE:]
                # All that is freed, or what was left of it could free what was reserved anew meanwhile.
                kept, freed, doubted = self._kept[:_PIECE], self._freed[:], self._doubted[:_PIECE]
            try:
                self._round(asks, kept, freed, doubted)
                self._failing = 0
            except Exception as error:
                self._failed(asks, error)
                if not closing:
                    continue
            if closing and not (self._kept or self._freed or self._doubted or self._asks):
                break
            if closing and self._failing:
                _logger.warning("%d claims wait in the log for the engine: the database took them not", self._waiting)
                break
        self._end()

    def _round(self, asks: list[_Ask], kept: list[Kept], freed: list[Held], doubted: list[Held]) -> None:
        """What was done is taken off the lists; what fails stays there."""
        beat = time.monotonic() - self._beaten >= BEAT_SECONDS
        if not (asks or kept or freed or doubted or beat):
            return
        with told("claims"):
            connection = self._connection()
            with bounded(connection, WAIT_SECONDS):
                found = self._write(connection, asks, kept, freed, doubted, beat)
        with self._guard:
            del self._kept[: len(kept)], self._freed[: len(freed)], self._doubted[: len(doubted)]
            self._waiting -= sum(len(each.rows) for each in kept)
            self._waiting -= sum(len(each.keys) for each in (*freed, *doubted))
        self._tell(partial(self._settle, asks, found, [row for each in kept for row in each.rows]))

    def _write(
        self,
        connection: Connection[Any],
        asks: list[_Ask],
        kept: list[Kept],
        freed: list[Held],
        doubted: list[Held],
        beat: bool,
    ) -> list[Found]:
        """First what may have to wait for another gateway's commit, then what never has to: so that no two of them
        wait for each other."""
        begun, holder = time.monotonic(), {"holder": self.number}
        asked = {key: each.forced for each in asks for key in each.keys}
        mine = {key for each in freed if each.number == self.number for key in each.keys} & asked.keys()
        wanted = sorted(asked.keys() - mine)
        with connection.pipeline(), connection.transaction():
            reserve, find = connection.cursor(binary=True), connection.cursor(binary=True)
            if wanted:
                reserve.execute(SQL["reserve"], holder | {"keys": wanted, "forced": [asked[key] for key in wanted]})
            if asked:
                find.execute(SQL["find"], {"keys": [*asked]})
            if kept:
                connection.execute(SQL["fulfil"], _fulfilled(kept))
            if freed:
                connection.execute(SQL["release"], _those(freed, mine))
            if doubted:
                connection.execute(SQL["doubt"], _those(doubted, ()))
            if beat:
                connection.execute(SQL["beat"], holder)
        if beat:
            self._beaten, self._lease_until = begun, begun + LEASE_SECONDS
        got = {key for (key,) in reserve.fetchall()} | mine if wanted else mine
        known = dict(find.fetchall()) if asked else {}
        return [
            Found(
                frozenset(got.intersection(each.keys)),
                self.number,
                {key: known[key] for key in each.keys if key in known},
            )
            for each in asks
        ]

    def _connection(self) -> Connection[Any]:
        """The session; a new one with a new number where it broke, or where nobody heard of it for too long."""
        known = self._lock and self._lock.connection
        if known and time.monotonic() < self._lease_until:
            return known
        self._drop()
        with self._database.reading() as ask:
            ((number,),) = ask.execute("SELECT nextval('claim_holder_numbers')::int").fetchall()
        lock, begun = SessionLock(self._url, Kind.HOLDER, number), time.monotonic()
        if not lock.take() or (connection := lock.connection) is None:
            raise psycopg.OperationalError("the holder's lock could not be taken")
        self._lock = lock
        connection.execute("SET lock_timeout = '3s'")  # beats are not to wait for long
        connection.execute(SQL["begin_holder"], {"holder": number})
        self._beaten, self._lease_until, self.number = begun, begun + LEASE_SECONDS, number
        return connection

    def _drop(self) -> None:
        self.number = 0
        if self._lock:
            self._lock.release()
            self._lock = None

    def _failed(self, asks: list[_Ask], error: Exception) -> None:
        """Who asked is told. Where the session broke, the database may have done it all the same: it is given back
        under the old number, and nothing is appended under that any more."""
        self._failing += 1
        refusal = error if isinstance(error, UnavailableError) else UnavailableError(f"claims: {error}")
        if not isinstance(error, UnavailableError):
            _logger.error("claims cannot be written down", exc_info=error)
        if self.number and (self._lock is None or self._lock.connection is None):
            number = self.number
            self._drop()
            self.free([key for each in asks for key in each.keys], number)
        self._tell(partial(_refuse, asks, refusal))
        first, last = _PAUSES
        with self._guard:
            if not self._closing:
                self._guard.wait(min(last, first * 2 ** min(self._failing, 6)) * random.uniform(0.5, 1))  # noqa: S311

    def _tell(self, what: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:  # the loop ended before
            _logger.debug("nobody waits any more")

    def _settle(self, asks: list[_Ask], found: list[Found], rows: list[Row]) -> None:
        """In the loop's thread."""
        for ask, each in zip(asks, found, strict=True):
            if not ask.future.done():
                ask.future.set_result(each)
            elif each.reserved:  # whoever asked has gone
                self.free(each.reserved, each.number)
        if rows:
            self._told_kept(rows)

    def _end(self) -> None:
        try:
            if self._lock and (connection := self._lock.connection):
                connection.execute(SQL["end_holder"], {"holder": self.number})
        except psycopg.Error as error:
            _logger.debug("the holder is left to be cleared away: %s", error)
        self._drop()


def _refuse(asks: Iterable[_Ask], refusal: UnavailableError) -> None:
    for ask in asks:
        if not ask.future.done():
            ask.future.set_exception(refusal)


def _fulfilled(kept: Iterable[Kept]) -> dict[str, Any]:
    """Each key once, the last there is: it was held all the time."""
    latest = {row.claim.key: (row, each.number) for each in kept for row in each.rows}
    about = columns(row for row, _ in latest.values())
    return about | {"holders": [number for _, number in latest.values()], "taken_ms": now_ms()}


def _those(held: Iterable[Held], but: Collection[bytes]) -> dict[str, list[Any]]:
    pairs = [(key, each.number) for each in held for key in each.keys if key not in but]
    return {"keys": [key for key, _ in pairs], "holders": [number for _, number in pairs]}
