"""The ingest route of every dialect: raw ASGI, for it is the hot path. Read `Ingest.answer`, then `Ingest._take`, from
top to bottom."""

import logging
import math
from collections.abc import Awaitable, Iterable
from typing import NamedTuple

from headwater import clock
from headwater.catalog.base import Catalog
from headwater.config import Settings
from headwater.dialects.base import Answer, BodyError, Dialect, Fault, Request
from headwater.dialects.strict import sizes
from headwater.errors import UnavailableError
from headwater.intake import Admitted, Intake, Refusal
from headwater.web.answers import Receive, Scope, Send, reply
from headwater.web.auth import authenticate
from headwater.web.body import Bodies, BodyRefused, Disconnected, Share, read_body
from headwater.web.metrics import GatewayMetrics

logger = logging.getLogger("headwater.ingest")


class Told(NamedTuple):
    """What a request is told, once `durable` was awaited."""

    answer: Answer
    batch: str = ""
    """The batch's id; empty when nothing was taken."""
    events: int = 0
    """How many were taken."""
    durable: Awaitable[None] | None = None


class Ingest:
    """Answers every request on a dialect's ingest paths."""

    def __init__(
        self,
        dialects: Iterable[Dialect],
        catalog: Catalog,
        intake: Intake,
        settings: Settings,
        metrics: GatewayMetrics,
        bodies: Bodies,
    ) -> None:
        self.routes = {path: (dialect, single) for dialect in dialects for path, single in dialect.routes.items()}
        self._dialects = tuple(dialects)
        self._catalog = catalog
        self._intake = intake
        self._settings = settings
        self._metrics = metrics
        self._bodies = bodies
        self.in_flight = 0
        """Requests being answered, without those whose body is still coming: slow senders must not crowd others out."""

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
            told = await self.answer(dialect, single, scope, receive)
        except Disconnected:
            return
        finally:
            self.in_flight -= 1
        self._metrics.request(dialect.name, told.answer.status, told.events)
        await reply(send, told.answer, told.batch)

    async def answer(self, dialect: Dialect, single: bool, scope: Scope, receive: Receive) -> Told:
        """What to tell the client. Raises Disconnected when it has gone.

        While a batch waits for its fsync only its answer is kept: dozens wait at once, and their events together would
        push each other out of the processor's caches.
        """
        try:
            with self._bodies.share() as share:
                told = await self._take(dialect, single, scope, receive, share)
                if told.durable is not None:
                    await told.durable
            return told
        except BodyRefused as error:
            return Told(dialect.error(error.status, str(error)))
        except BodyError as error:
            return Told(dialect.error(400, error.message, error.path))
        except UnavailableError as error:
            return Told(_later(dialect.error(503), error.retry_after))
        except Disconnected:
            raise
        except Exception:
            logger.exception("an ingest request failed")
            return Told(dialect.error(500))

    async def _take(self, dialect: Dialect, single: bool, scope: Scope, receive: Receive, share: Share) -> Told:
        """Hands the request's events to the log, and words the answer."""
        headers = dict(scope["headers"])
        principal = authenticate(self._catalog, headers.get(b"authorization"))
        if principal is None:
            return Told(dialect.error(401))
        if "ingest" not in principal.scopes:
            return Told(dialect.error(403))
        self._check_in_flight()
        self.in_flight -= 1
        try:
            body = await read_body(receive, headers, self._settings.max_body, share)
        finally:
            self.in_flight += 1
        self._check_in_flight()
        request = dialect.decode(body, single, self._catalog.workspace(principal.workspace).default_region)
        if len(body) > self._settings.max_event:
            request.faults.extend(self._oversize(body, single))
        outcome = await self._intake.receive(principal.workspace, dialect, request, prefers_lenient(headers))
        if isinstance(outcome, Refusal):
            return Told(dialect.refuse(request, outcome.faults))
        return _told(dialect, single, request, outcome)

    def _check_in_flight(self) -> None:
        if self.in_flight > self._settings.max_in_flight:
            raise UnavailableError("too many requests in flight")

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


def _told(dialect: Dialect, single: bool, request: Request, admitted: Admitted) -> Told:
    receipt = admitted.receipt
    if admitted.durable is not None:
        answer = dialect.encode(request, receipt, single)
        return Told(answer, receipt.batch, len(receipt.taken), admitted.durable)
    seconds = (receipt.limits.reset_ms - clock.now_ms()) / 1000 if receipt.limits else 1
    return Told(_later(dialect.over_limit(receipt), max(math.ceil(seconds), 1)))


def _later(answer: Answer, seconds: int) -> Answer:
    return Answer(answer.status, answer.body, (*answer.headers, (b"retry-after", b"%d" % seconds)))
