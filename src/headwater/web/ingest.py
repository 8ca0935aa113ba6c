"""The ingest route of every dialect: raw ASGI, for it is the hot path. Read `Ingest.answer` from top to bottom."""

import logging
import math
from collections.abc import Iterable

from headwater import clock
from headwater.catalog.base import Catalog
from headwater.config import Settings
from headwater.dialects.base import Answer, BodyError, Dialect, Fault, Receipt, Request
from headwater.dialects.strict import sizes
from headwater.errors import UnavailableError
from headwater.intake import Intake, Refusal
from headwater.web.answers import Receive, Scope, Send, reply
from headwater.web.auth import authenticate
from headwater.web.body import BodyRefused, Disconnected, read_body
from headwater.web.metrics import GatewayMetrics

logger = logging.getLogger("headwater.ingest")


class Ingest:
    """Answers every request on a dialect's ingest paths."""

    def __init__(
        self, dialects: Iterable[Dialect], catalog: Catalog, intake: Intake, settings: Settings, metrics: GatewayMetrics
    ) -> None:
        self.routes = {path: (dialect, single) for dialect in dialects for path, single in dialect.routes.items()}
        self._dialects = tuple(dialects)
        self._catalog = catalog
        self._intake = intake
        self._settings = settings
        self._metrics = metrics
        self.in_flight = 0

    def dialect_of(self, path: str) -> Dialect | None:
        """The dialect in whose shape errors on this path are told."""
        if path in self.routes:
            return self.routes[path][0]
        for dialect in self._dialects:
            if path.startswith(dialect.prefixes):
                return dialect
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        dialect, single = self.routes[scope["path"]]
        self.in_flight += 1
        try:
            answer, batch, taken = await self.answer(dialect, single, scope, receive)
        except Disconnected:
            return
        finally:
            self.in_flight -= 1
        self._metrics.request(dialect.name, answer.status, taken)
        await reply(send, answer, batch)

    async def answer(self, dialect: Dialect, single: bool, scope: Scope, receive: Receive) -> tuple[Answer, str, int]:
        """The answer, the batch's id (empty when nothing was taken), and the number of events taken."""
        headers = dict(scope["headers"])
        principal = authenticate(self._catalog, headers.get(b"authorization"))
        if principal is None:
            return dialect.error(401), "", 0
        if "ingest" not in principal.scopes:
            return dialect.error(403), "", 0
        try:
            if self.in_flight > self._settings.max_in_flight:
                raise UnavailableError("too many requests in flight")
            body = await read_body(receive, headers, self._settings.max_body)
            request = dialect.decode(body, single, self._catalog.workspace(principal.workspace).default_region)
            if len(body) > self._settings.max_event:
                request.faults.extend(self._oversize(body, single))
            outcome = await self._intake.receive(principal.workspace, dialect, request, prefers_lenient(headers))
        except BodyRefused as error:
            return dialect.error(error.status, str(error)), "", 0
        except BodyError as error:
            return dialect.error(400, error.message, error.path), "", 0
        except UnavailableError as error:
            return _later(dialect.error(503), error.retry_after), "", 0
        except Disconnected:
            raise
        except Exception:
            logger.exception("an ingest request failed")
            return dialect.error(500), "", 0
        return _told(dialect, single, request, outcome)

    def _oversize(self, body: bytes, single: bool) -> list[Fault]:
        found = [len(body)] if single else sizes(body, "events")
        text = f"must be at most {self._settings.max_event} bytes"
        return [
            Fault(index, (), "too_large", text) for index, size in enumerate(found) if size > self._settings.max_event
        ]


def prefers_lenient(headers: dict[bytes, bytes]) -> bool:
    """`Prefer: handling=lenient` (RFC 7240): per-event verdicts instead of all or nothing."""
    prefer = headers.get(b"prefer")
    if prefer is None:
        return False
    words = prefer.lower().replace(b";", b",").replace(b'"', b"").split(b",")
    return any(word.replace(b" ", b"") == b"handling=lenient" for word in words)


def _told(dialect: Dialect, single: bool, request: Request, outcome: Receipt | Refusal) -> tuple[Answer, str, int]:
    if isinstance(outcome, Refusal):
        return dialect.refuse(request, outcome.faults), "", 0
    if outcome.taken:
        return dialect.encode(request, outcome, single), outcome.batch, len(outcome.taken)
    seconds = (outcome.limits.reset_ms - clock.now_ms()) / 1000 if outcome.limits else 1
    return _later(dialect.over_limit(outcome), max(math.ceil(seconds), 1)), "", 0


def _later(answer: Answer, seconds: int) -> Answer:
    return Answer(answer.status, answer.body, (*answer.headers, (b"retry-after", b"%d" % seconds)))
