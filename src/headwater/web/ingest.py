"""The ingest route of every dialect: raw ASGI, for it is the hot path. Read `Ingest.answer`, then `Ingest._take`, from
top to bottom."""

import logging
import math
import time
from collections.abc import Awaitable, Iterable, Sequence
from typing import NamedTuple

from headwater import clock, tracing
from headwater.catalog.base import Catalog
from headwater.claims.base import Claims, Hold, InFlightError
from headwater.config import Settings
from headwater.dialects.base import Answer, BodyError, Dialect, Fault, Posted, Request
from headwater.dialects.strict import sizes
from headwater.errors import ConflictError, LogUndecidedError, NotFoundError, RequestError, UnavailableError
from headwater.intake import Admitted, Intake, Order, Refusal
from headwater.requests import SCOPE
from headwater.web.answers import Receive, Scope, Send, reply
from headwater.web.auth import Door
from headwater.web.body import Bodies, Disconnected, Share, cut, read_body
from headwater.web.metrics import GatewayMetrics
from headwater.web.once import Once, key_in

logger = logging.getLogger("headwater.ingest")


class Told(NamedTuple):
    """What a request is told, once `durable` was awaited."""

    answer: Answer
    batch: str = ""
    """The batch's id; empty when nothing was taken."""
    events: int = 0
    """How many were taken."""
    durable: Awaitable[None] | None = None
    rejected: Sequence[str] = ()
    """The reasons of those among them that will be rejected."""


class Ingest:
    """Answers every request on a dialect's ingest paths."""

    def __init__(
        self,
        dialects: Iterable[Dialect],
        catalog: Catalog,
        intake: Intake,
        claims: Claims,
        settings: Settings,
        metrics: GatewayMetrics,
        bodies: Bodies,
        door: Door,
    ) -> None:
        self.routes = {path: dialect for dialect in dialects for path in dialect.routes}
        self._dialects = tuple(dialects)
        self._catalog = catalog
        self._intake = intake
        self._claims = claims
        self._settings = settings
        self._metrics = metrics
        self._bodies = bodies
        self._door = door
        self.in_flight = 0
        """Requests being answered, without those whose body is still coming: slow senders must not crowd others out."""

    def dialect_of(self, path: str) -> Dialect | None:
        """The dialect in whose shape errors on this path are told."""
        if path in self.routes:
            return self.routes[path]
        for dialect in self._dialects:
            if path.startswith(dialect.prefixes):
                return dialect
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if told := await self.tell(scope, receive):
            await reply(send, told.answer, told.batch)

    async def tell(self, scope: Scope, receive: Receive) -> Told | None:
        """`answer`, counted; None when there is nobody to tell: the client has gone, or was cut off."""
        dialect = self.routes[scope["path"]]
        began = time.perf_counter()
        self.in_flight += 1
        try:
            told = await self.answer(dialect, scope, receive)
        except Disconnected:
            return None
        except LogUndecidedError as error:
            logger.error("%s: its sender gets no answer", error)
            await cut(scope, receive)
            return None
        finally:
            self.in_flight -= 1
        self._metrics.request(dialect.name, told.answer.status, told.events, time.perf_counter() - began)
        if told.rejected:
            self._metrics.rejected(told.rejected)
        if tracing.is_on():
            tracing.tell(headwater__dialect=dialect.name, headwater__events=told.events, headwater__batch=told.batch)
        return told

    async def answer(self, dialect: Dialect, scope: Scope, receive: Receive) -> Told:
        """What to tell the client. Raises Disconnected when it has gone, LogUndecidedError when nothing can be told.

        While a batch waits for its fsync only its answer is kept: dozens wait at once, and their events together would
        push each other out of the processor's caches.
        """
        try:
            with self._bodies.share() as share, self._claims.hold() as hold:
                told = await self._take(dialect, scope, receive, share, hold)
                if told.durable is not None:
                    with tracing.span("log.append", headwater__events=told.events):
                        await told.durable
            return told
        except InFlightError as error:
            return Told(_later(dialect.error(error.status, str(error)), 1))
        except RequestError as error:
            return Told(dialect.error(error.status, str(error), getattr(error, "path", "")))
        except BodyError as error:
            return Told(dialect.error(error.status, error.message, error.path))
        except UnavailableError as error:
            return Told(_later(dialect.error(503), error.retry_after))
        except (Disconnected, LogUndecidedError):
            raise
        except Exception:
            logger.exception("an ingest request failed")
            return Told(dialect.error(500))

    async def _take(self, dialect: Dialect, scope: Scope, receive: Receive, share: Share, hold: Hold) -> Told:
        """Hands the request's events to the log, and words the answer."""
        headers = dict(scope["headers"])
        principal = self._door.asking(scope, headers)
        if principal is None:
            return Told(dialect.error(401))
        if SCOPE in scope:
            scope[SCOPE].workspace = principal.workspace
        if "ingest" not in principal.scopes:
            return Told(dialect.error(403))
        key = key_in(scope["headers"]) if b"idempotency-key" in headers else None
        self._check_in_flight()
        self.in_flight -= 1
        try:
            body = await read_body(receive, headers, self._settings.max_body, share)
        finally:
            self.in_flight += 1
        self._check_in_flight()
        lenient, backfill = prefers_lenient(headers), _backfill(headers)
        posted = dialect.open(scope["path"], headers, body)
        if key is None:
            return await self._take_body(dialect, principal.workspace, posted, Order(hold, lenient, backfill))
        once = Once(principal.workspace, key, dialect, scope["path"], posted)
        if before := await once.before(hold, lenient, backfill):
            return Told(*before)
        order = once.order(hold, lenient, backfill)
        return await self._take_body(dialect, principal.workspace, posted, order)

    async def _take_body(self, dialect: Dialect, workspace: str, posted: Posted, order: Order) -> Told:
        if order.backfill:
            self._check_backfill(workspace, order.backfill)
        region = self._catalog.workspace(workspace).default_region
        request = dialect.decode(posted.body, posted.single, region, posted.kind)
        if len(posted.body) > self._settings.max_event:
            request.faults.extend(self._oversize(posted, dialect.list_field))
        outcome = await self._intake.receive(workspace, dialect, request, order)
        if isinstance(outcome, Refusal):
            return Told(dialect.refuse(request, outcome.faults, order.lenient))
        return _told(dialect, posted.single, request, outcome)

    def _check_backfill(self, workspace: str, backfill_id: str) -> None:
        backfill = self._catalog.backfill(workspace, backfill_id)
        if backfill is None:
            raise NotFoundError(f"Headwater-Backfill: there is no backfill '{backfill_id[:100]}'")
        if backfill.status != "open":
            raise ConflictError(f"Headwater-Backfill: the backfill '{backfill_id}' is {backfill.status}")

    def _check_in_flight(self) -> None:
        if self.in_flight > self._settings.max_in_flight:
            raise UnavailableError("too many requests in flight")

    def _oversize(self, posted: Posted, field: str) -> list[Fault]:
        found = [len(posted.body)] if posted.single else sizes(posted.body, field)
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


def _backfill(headers: dict[bytes, bytes]) -> str:
    """The id that `Headwater-Backfill` names; empty without it. An empty one is no id, and not as if there were none:
    whoever sent it wanted a backfill. Raises NotFoundError."""
    found = headers.get(b"headwater-backfill")
    if found == b"":
        raise NotFoundError("Headwater-Backfill: an empty one is no backfill's id")
    return found.decode("latin-1") if found else ""


def _told(dialect: Dialect, single: bool, request: Request, admitted: Admitted) -> Told:
    receipt = admitted.receipt
    if admitted.durable is not None:
        answer = dialect.encode(request, receipt, single)
        fresh, repeated = receipt.taken, receipt.repeated
        if repeated:
            fresh = [event for index, event in enumerate(fresh) if index not in repeated]
        reasons = [event.reason for event in fresh if event.reason]
        return Told(answer, receipt.batch, len(fresh), admitted.durable, reasons)
    seconds = (receipt.limits.reset_ms - clock.now_ms()) / 1000 if receipt.limits else 1
    return Told(_later(dialect.over_limit(receipt), max(math.ceil(seconds), 1)))


def _later(answer: Answer, seconds: int) -> Answer:
    return Answer(answer.status, answer.body, (*answer.headers, (b"retry-after", b"%d" % seconds)))
