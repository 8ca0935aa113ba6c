"""Sessions of browsers that signed in to the dashboard: begun, known again by their cookie, ended."""

import asyncio
import logging
import math
import time
from collections import deque

import msgspec

from headwater.catalog.base import Actor, Catalog, Key, Principal
from headwater.clock import HOUR_MS, now_ms
from headwater.errors import HeadwaterError, UnavailableError
from headwater.rules.ids import new_id
from headwater.web.answers import Scope
from headwater.web.cookie import Seal, Session, value_in
from headwater.web.origin import Origins

logger = logging.getLogger("headwater.signin")

SESSION = "headwater.session"
"""Scope key under which the session of a request is found that a cookie spoke for."""

LONGEST_HOURS = 8760
"""Of the setting `session_hours`."""

_BEGUN, _ENDED = "session.create", "session.end"
"""In the audit; the second is also where those that signed out are known from after a restart."""

_MOST_DUE = 1000
"""Notes that wait to be written, beside those that a session has ended."""
_AT_ONCE, _REST = 0.05, 10
"""Seconds that those that wait may take at once; after a failure nothing is written for so many times what it took."""
_AGAIN_SECONDS = 1.0


class Sessions:
    """One installation's. `secret`: 32 bytes for the cookies alone."""

    def __init__(self, catalog: Catalog, secret: bytes, hours: int, origins: Origins) -> None:
        self._catalog = catalog
        self._notes = _Notes(catalog)
        self._seal = Seal(secret)
        self._life_ms = hours * HOUR_MS
        self.origins = origins
        since = now_ms() - LONGEST_HOURS * HOUR_MS
        self._ended = {id for id, _ in catalog.noted(_ENDED, since)}

    def asking(self, scope: Scope, headers: dict[bytes, bytes]) -> Principal | None:
        """Whom the request's cookie speaks for, the session noted in `scope`; None when there is no good one.

        Raises ForbiddenError when a page of another origin asks.
        """
        value = value_in(headers.get(b"cookie", b""))
        session = self._seal.opened(value, now_ms()) if value else None
        if session is None or session.id in self._ended or self._catalog.ended(session.id):
            return None
        key = self._catalog.key(session.key_id)
        if key is None:
            return None
        self.origins.check(scope, headers)
        scope[SESSION] = session
        return key.principal

    def begin(self, key: Key, address: str | None, until_ms: int | None = None) -> tuple[Session, str]:
        """A session of that key, no longer than `until_ms` or the key's own end; and its cookie's value."""
        ends = min(now_ms() + self._life_ms, until_ms or 1 << 62, key.expires_ms or 1 << 62)
        session = Session(new_id("ses"), key.id, ends)
        self.note(Actor(key.id, address), key.workspace, _BEGUN, session.id)
        return session, self._seal.closed(session)

    def end(self, session: Session, principal: Principal) -> None:
        """Its cookie, whoever has a copy, is good for nothing from now on. Raises UnavailableError as long as that is
        not durable: a restart would forget it. It becomes so as soon as it can, whether somebody asks again or not."""
        if session.id not in self._ended:
            self._ended.add(session.id)
            self._notes.put(_Note(principal.actor, principal.workspace, _ENDED, session.id))
        self._notes.check(session.id)

    def end_again(self, cookie: bytes) -> None:
        """For who was told that it is not durable. Raises UnavailableError while that is so."""
        value = value_in(cookie)
        session = self._seal.opened(value, now_ms()) if value else None
        if session is not None:
            self._notes.write()
            self._notes.check(session.id)

    def note(self, actor: Actor, workspace: str, action: str, target: str) -> None:
        """In the audit as soon as that can be written: with the disk full somebody must be able to come and look."""
        self._notes.put(_Note(actor, workspace, action, target))


class _Note(msgspec.Struct, frozen=True):
    """A line of the audit."""

    actor: Actor
    workspace: str
    action: str
    target: str


class _Notes:
    """Writes the audit's lines about sessions; those that cannot be written now are kept until they can.

    The catalog has one connection and no lock, so they are written where everything else of the gateway happens, and
    everything else waits. Where somebody has locked the file that is seconds: so no more than a tenth of the time goes
    into trying.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._due: deque[_Note] = deque()
        self._rest_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._why = ""

    def put(self, note: _Note) -> None:
        """Writes it now or later; the log has it where that is not now."""
        if len(self._due) < _MOST_DUE or note.action == _ENDED:
            self._due.append(note)
            self.write()
            if note not in self._due:
                return
        logger.error("the audit lacks %s %s by %s: %s", note.action, note.target, note.actor.id, self._why)

    def write(self) -> None:
        """What waits, the oldest first, as far as that can be done now."""
        begun = time.monotonic()
        if self._due and begun >= self._rest_until:
            self._write_until(begun + _AT_ONCE)
            now = time.monotonic()
            self._rest_until = now + _REST * (now - begun) if self._due else 0.0
        if self._due and self._timer is None:
            wait = max(_AGAIN_SECONDS, self._rest_until - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait, self._again)

    def check(self, session: str) -> None:
        """Raises UnavailableError as long as the end of that session waits."""
        if any(note.action == _ENDED and note.target == session for note in self._due):
            wait = max(1, math.ceil(self._rest_until - time.monotonic()))
            raise UnavailableError(f"you are signed out, but a restart would forget it: {self._why}", wait)

    def _write_until(self, end: float) -> None:
        while self._due and time.monotonic() < end:
            note = self._due[0]
            try:
                self._catalog.note(note.actor, note.workspace, note.action, note.target)
            except HeadwaterError as error:
                self._why = str(error)
                return
            self._due.popleft()

    def _again(self) -> None:
        self._timer = None
        self.write()
