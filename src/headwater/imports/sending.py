"""Sends chunks until the server has said of each event what became of it.

Every request has a key that comes from the file, the backfill and its place in the import alone. A run that is killed
sends the same requests under the same keys again, and the server answers what it answered before: so nothing is stored
twice, and no answer is lost, whatever happened to this process or to the connection.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from hashlib import blake2b
from typing import NamedTuple, Protocol

from headwater.imports import answers
from headwater.imports.base import ROUTES, Chunk, Dialect, Flaw, Row, StoppedError

_SHORTEST_PAUSE, _FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 0.2, 15.0
_LATER = frozenset((408, 425, 500, 502, 503, 504))
"""What goes away by itself."""


class Reply(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    """Their names in lower case."""
    content: bytes


class SilentError(Exception):
    """No answer came; the text says why."""


class Server(Protocol):
    """The headwater that is imported into."""

    def post(self, path: str, content: bytes, headers: Mapping[str, str]) -> Reply:
        """Raises SilentError."""

    def signal_id(self, slug: str) -> str | None:
        """None when there is none. Raises SilentError."""

    def refuses(self, backfill: str) -> str:
        """Why this backfill takes no events; empty when it does. Raises SilentError."""


class Outcome(NamedTuple):
    """What became of a chunk's rows."""

    taken: int
    duplicates: int
    refused: list[tuple[Row, Flaw]]
    """In the file's order."""


class Sender:
    """Sends for one import; `deliver` may be called by many threads at once."""

    def __init__(
        self,
        server: Server,
        dialect: Dialect,
        file: str,
        backfill: str,
        patience: float,
        waiting: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`file`: the content's digest. `patience`: seconds without any answer after which it gives up. `waiting` is
        told why it waits, and the empty text when it goes on."""
        self._server = server
        self._path = ROUTES[dialect]
        self._file = file
        self._backfill = backfill
        self._patience = patience
        self._waiting = waiting
        self._stopping = threading.Event()
        self._signal_id = cache(self._asked_id)

    def stop(self) -> None:
        """Ends all waiting: `deliver` raises StoppedError where it would wait."""
        self._stopping.set()

    def deliver(self, chunk: Chunk) -> Outcome:
        """Returns when each of its rows is taken or refused. Raises StoppedError."""
        sound = [row for row in chunk.rows if row.flaw is None]
        told = dict[int, Flaw]()
        taken = duplicates = 0
        for verdicts in self._verdicts(sound, f"{chunk.number}"):
            taken, duplicates = taken + verdicts.taken, duplicates + verdicts.duplicates
            told |= verdicts.refused
        flaws = {sound[index].line: flaw for index, flaw in told.items()}
        refused = [(row, flaw) for row in chunk.rows if (flaw := row.flaw or flaws.get(row.line))]
        return Outcome(taken, duplicates, refused)

    def _verdicts(self, rows: Sequence[Row], place: str) -> Iterator[answers.Verdicts]:
        """Of these rows, by their places among them; as many requests as it takes."""
        left, attempt = list(range(len(rows))), 0
        while left:
            sent = [rows[index].event for index in left]
            reply = self._answered(sent, f"{place}.{attempt}")
            said = answers.body_of(reply.content)
            if reply.status != 200:
                yield from self._refused(rows, left, reply, f"{place}.{attempt}")
                return
            found = self._accepted(said, sent)
            yield found._replace(refused={left[index]: flaw for index, flaw in found.refused.items()}, limited=[])
            left, attempt = [left[index] for index in found.limited], attempt + 1

    def _accepted(self, said: dict[str, object], sent: Sequence[bytes]) -> answers.Verdicts:
        try:
            return answers.accepted(said, sent, self._signal_id)
        except ValueError as error:
            raise StoppedError(f"cannot make out what the server took: {error}") from None

    def _refused(self, rows: Sequence[Row], left: list[int], reply: Reply, place: str) -> Iterator[answers.Verdicts]:
        """A request that was refused as a whole: where the answer does not speak of each event, they are sent in
        halves."""
        said = answers.body_of(reply.content)
        flaws = answers.refused(said, len(left)) if reply.status != 413 else None
        if reply.status == 410:
            flaws = dict.fromkeys(range(len(left)), _ERASED)
        elif flaws is None and len(left) == 1:
            flaws = {0: answers.alone(said, reply.status)}
        if flaws is not None:
            yield answers.Verdicts(0, 0, [], {left[index]: flaw for index, flaw in flaws.items()})
            return
        middle = len(left) // 2
        for name, half in (("a", left[:middle]), ("b", left[middle:])):
            for verdicts in self._verdicts([rows[index] for index in half], f"{place}{name}"):
                yield verdicts._replace(refused={half[index]: flaw for index, flaw in verdicts.refused.items()})

    # --- one request -------------------------------------------------------------------------------------------------

    def _answered(self, sent: Sequence[bytes], place: str) -> Reply:
        """The answer that settles the request: 200, or a refusal of its events."""
        content = b'{"events":[' + b",".join(sent) + b"]}"
        headers = {
            "content-type": "application/json",
            "prefer": "handling=lenient",
            "headwater-backfill": self._backfill,
            "idempotency-key": self._key(place),
        }
        pauses = _Pauses(self._patience)
        while True:
            try:
                reply = self._server.post(self._path, content, headers)
                wait = self._wait(reply)
                if wait is None:
                    self._waiting("")
                    return reply
                pauses.heard()
                self._rest(wait or pauses.next(), self._why(reply))
            except SilentError as gone:
                self._rest(pauses.silent(gone), str(gone))

    def _asked_id(self, slug: str) -> str | None:
        """The signal's id, from a server that may be silent for a while."""
        pauses = _Pauses(self._patience)
        while True:
            try:
                found = self._server.signal_id(slug)
            except SilentError as gone:
                self._rest(pauses.silent(gone), str(gone))
            else:
                self._waiting("")
                return found

    def _rest(self, seconds: float, why: str) -> None:
        self._waiting(f"{why}: {seconds:.0f} s" if seconds >= 1 else why)
        if self._stopping.wait(seconds):
            raise StoppedError("stopped; run the same command again to go on")

    def _key(self, place: str) -> str:
        """The request's Idempotency-Key: the same for the same place in the import of this file."""
        told = f"{self._file} {self._backfill} {place}".encode()
        return "imp_" + blake2b(told, digest_size=16).hexdigest()

    def _wait(self, reply: Reply) -> float | None:
        """Seconds until it is worth sending again, 0 when the server does not say; None when it is settled."""
        status, said = reply.status, reply.headers.get("retry-after", "")
        retry = max(float(said), _SHORTEST_PAUSE) if said.isdecimal() else 0.0
        if status in _LATER or status == 429 or (status == 409 and said):
            return retry
        if status in (200, 400, 410, 413) or (status == 404 and not self._shut()):
            return None
        words = answers.message(answers.body_of(reply.content))
        raise StoppedError(f"{status}: {words}{_ADVICE.get(status, '')}" if words else f"the server answered {status}")

    def _shut(self) -> bool:
        """Whether it was the backfill that was refused, and not an event."""
        if why := self._server.refuses(self._backfill):
            raise StoppedError(why)
        return False

    def _why(self, reply: Reply) -> str:
        if reply.status == 429:
            return "waiting for a rate limit"
        if reply.status == 409:
            return "waiting for an earlier request"
        return f"the server is busy ({reply.status})"


class _Pauses:
    """Grow from try to try, until nothing was heard for as long as patience lasts."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._pause, self._silent_since = _FIRST_PAUSE, time.monotonic()

    def heard(self) -> None:
        self._silent_since = time.monotonic()

    def next(self) -> float:
        """Seconds."""
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE)
        return pause

    def silent(self, gone: SilentError) -> float:
        """Seconds until the next try. Raises StoppedError when there shall be none."""
        if time.monotonic() - self._silent_since > self._patience:
            raise StoppedError(f"{gone}; run the same command again to go on") from None
        return self.next()


_ERASED = Flaw(
    "erased",
    "",
    "it was sent before, in a request with events of somebody who was erased since: what was answered is gone",
    "look whether it is there before you import it again",
)
_ADVICE = {
    401: " (--key)",
    403: " (a key with the scope ingest is needed)",
    422: " (was the file sent into this backfill with another mapping? then revert it, and import into a new one)",
}
