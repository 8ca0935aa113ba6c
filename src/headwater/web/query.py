"""Questions over HTTP: events, batches, profiles, pipelines. They block, so they run in threads, a few at once."""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from anyio import CancelScope, CapacityLimiter, fail_after
from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Path, Query, Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from headwater.errors import InvalidError, NotFoundError, UnavailableError
from headwater.insight import Insight
from headwater.rules.filters import DEFAULT_LIMIT, MAX_LIMIT, PARAMETERS, Filters, parse, place_of
from headwater.rules.identity import split_identity
from headwater.web.models import EventAnswer, PipelinesAnswer, Problem, ProfileAnswer
from headwater.web.problems import MEDIA_TYPE
from headwater.web.shapes import Page

AT_ONCE = 8
"""Questions being answered; further ones wait."""
EXPORTS = 2
"""Exports being sent; each holds a connection to the store as long as its client reads. Further ones get a 503."""
STALL_SECONDS = 60
"""An export whose client does not take a piece for so long is broken off."""

TAG = "Questions"

T = TypeVar("T")

Workspace = Annotated[str, Header(alias="headwater-workspace", include_in_schema=False)]
"""Set by the gateway, which knows whose key it was."""

_IDENTITY = (
    "`type:id`, split at its first colon, as `email:ada@example.com`, `phone:+19494572000` or `account:42`. "
    "E-mail addresses are trimmed and lower-cased."
)
_MOMENT = "ISO 8601; without a zone it is UTC. A `+` is written `%2B`."


def _filter(text: str, *values: str) -> Any:
    return Query(description=text, json_schema_extra={"enum": list(values)} if values else None)


Identity = Annotated[str | None, _filter(f"Events that name this identity: {_IDENTITY}")]
Signal = Annotated[str | None, _filter("A signal's slug; BIK's `eventName`.")]
Status = Annotated[str | None, _filter("What has become of the event so far.", "pending", "processed", "rejected")]
Lane = Annotated[str | None, _filter("The pipeline it went through.", "realtime", "migration")]
From = Annotated[str | None, Query(alias="from", description=f"Occurred then or later. {_MOMENT}")]
To = Annotated[str | None, Query(description=f"Occurred before then. {_MOMENT}")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Events of a page.")]
Cursor = Annotated[str | None, Query(description="`next` of the page before, asked with the same filters.")]

_ERRORS = {
    400: "A parameter is unknown or malformed; `path` names it",
    401: "No valid key",
    403: "The key lacks the scope `read`",
    404: "There is no such thing in this workspace",
    503: "The engine is away or busy: come back after `Retry-After` seconds",
}


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": _ERRORS[status], "content": content} for status in (401, 403, 503, *statuses)}


_NDJSON = {
    "description": "One event a line, as GET /v1/events/{id} answers it",
    "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
}


class Threads:
    """Where blocking work is done."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(AT_ONCE)

    async def do(self, work: Callable[[], T]) -> T:
        return await run_sync(work, limiter=self._limiter)

    async def answer(self, question: Callable[[], Any]) -> Response:
        """The JSON answer to a question, encoded where it is asked."""
        body = await self.do(lambda: msgspec.json.encode(question()))
        return Response(body, media_type="application/json")


class Export(StreamingResponse):
    """NDJSON in pieces, as fast as the client takes them; whatever happens, the store gets its connection back."""

    def __init__(self, pieces: Iterator[bytes], threads: Threads, done: Callable[[], None]) -> None:
        super().__init__((), media_type="application/x-ndjson")
        self._pieces = pieces
        self._threads = threads
        self._done = done
        self._first = b""

    async def begin(self) -> None:
        """Makes the first piece, so that what fails at once still gets an error for an answer."""
        try:
            self._first = await self._next()
        except BaseException:
            await self._close()
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._close()

    async def stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        piece = self._first
        while piece:
            with fail_after(STALL_SECONDS):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            piece = await self._next()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _next(self) -> bytes:
        return await self._threads.do(lambda: next(self._pieces, b""))

    async def _close(self) -> None:
        with CancelScope(shield=True):
            await self._threads.do(getattr(self._pieces, "close", lambda: None))
        self._done()


class _Exports:
    """Counts the exports under way."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._running = 0

    async def begin(self, pieces: Callable[[], Iterator[bytes]]) -> Export:
        """Raises UnavailableError when there are too many."""
        if self._running >= EXPORTS:
            raise UnavailableError(f"{EXPORTS} exports are being sent already", retry_after=10)
        self._running += 1
        export = Export(pieces(), self._threads, self._ended)
        await export.begin()
        return export

    def _ended(self) -> None:
        self._running -= 1


def router(insight: Insight) -> APIRouter:
    """The routes of questions. Errors are raised as exceptions: see `web.problems`."""
    routes = APIRouter(tags=[TAG])
    threads = Threads()
    exports = _Exports(threads)

    @routes.get("/v1/events", summary="Events, newest first", response_model=Page[EventAnswer], responses=_errors(400))
    async def events(
        request: Request,
        workspace: Workspace,
        identity: Identity = None,
        signal: Signal = None,
        status: Status = None,
        lane: Lane = None,
        from_: From = None,
        to: To = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Response:
        """Pending and rejected ones too. Ordered by the time they occurred, then by id; filters narrow each other."""
        filters, after = _filters(request, "limit", "cursor"), place_of(cursor)
        return await threads.answer(lambda: insight.events(workspace, filters, limit, after))

    @routes.get(
        "/v1/events/export",
        summary="All events that fit, as NDJSON",
        response_class=StreamingResponse,
        responses={200: _NDJSON, **_errors(400)},
    )
    async def export(
        request: Request,
        workspace: Workspace,
        identity: Identity = None,
        signal: Signal = None,
        status: Status = None,
        lane: Lane = None,
        from_: From = None,
        to: To = None,
    ) -> Response:
        """Every event acknowledged before the request, once, in no order."""
        filters = _filters(request)
        return await exports.begin(lambda: insight.export(workspace, filters))

    @routes.get("/v1/events/{id}", summary="One event", response_model=EventAnswer, responses=_errors(404))
    async def event(workspace: Workspace, id: Annotated[str, Path(description="UUIDv7")]) -> Response:
        """What became of it so far; it answers from the moment of the 200 on."""
        event_id = _uuid(id, "an event's id")
        return await threads.answer(lambda: insight.event(workspace, event_id))

    @routes.get(
        "/v1/batches/{id}",
        summary="The events of one request",
        response_model=Page[EventAnswer],
        responses=_errors(404),
    )
    async def batch(
        workspace: Workspace, id: Annotated[str, Path(description="The header `Headwater-Batch` of its 200")]
    ) -> Response:
        """In the order in which they were sent."""
        batch_id = _uuid(id, "a batch's id")
        return await threads.answer(lambda: insight.batch(workspace, batch_id))

    @routes.get("/v1/profiles/{key:path}", summary="One profile", response_model=ProfileAnswer, responses=_errors(404))
    async def profile(
        workspace: Workspace, key: Annotated[str, Path(description=f"Any identity of it, percent-encoded: {_IDENTITY}")]
    ) -> Response:
        """Identities that events named together belong to one profile. Only processed events count."""
        type_, id_ = split_identity(key)
        return await threads.answer(lambda: insight.profile(workspace, type_, id_))

    @routes.get(
        "/v1/pipelines", summary="What the lanes have to do", response_model=PipelinesAnswer, responses=_errors()
    )
    async def pipelines(workspace: Workspace) -> Response:
        """Of this workspace's events, from acknowledgement to outcome, exact. Those of all are in `/metrics`."""
        return await threads.answer(lambda: {"data": insight.pipelines(workspace)})

    return routes


def _filters(request: Request, *others: str) -> Filters:
    """The filters of a query. Raises InvalidError for a parameter that is not known, or given twice."""
    parameters = request.query_params
    _check_names([name for name, _ in parameters.multi_items()], (*PARAMETERS, *others))
    return parse(parameters)


def _check_names(names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise InvalidError(f"'{name}' is no parameter here; there are {', '.join(known)}", name)
        if names.count(name) > 1:
            raise InvalidError(f"'{name}' is given more than once", name)


def _uuid(text: str, what: str) -> UUID:
    """Raises NotFoundError for what is no UUID as it is usually written."""
    try:
        found = UUID(text)
    except ValueError:
        found = None
    if found is None or str(found) != text.lower():
        raise NotFoundError(f"'{text}' is not {what}, which is a UUID")
    return found
