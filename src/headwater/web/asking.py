"""What all routes of the engine share: who asks, in which threads it is answered, what an error looks like."""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from anyio import CancelScope, CapacityLimiter, fail_after
from anyio.to_thread import run_sync
from fastapi import Depends, Header, Request, Response
from fastapi.params import Depends as Dependency
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from headwater.errors import ForbiddenError, InvalidError, UnavailableError
from headwater.web.problems import MEDIA_TYPE
from headwater.web.proxy import CHANGED

AT_ONCE = 8
"""Questions being answered; further ones wait."""
EXPORTS = 2
"""Exports being sent; each holds a connection to the store as long as its client reads. Further ones get a 503."""
STALL_SECONDS = 60
"""An export whose client does not take a piece for so long is broken off."""
NO_CONTENT = 204
NDJSON = "application/x-ndjson"

T = TypeVar("T")

Workspace = Annotated[str, Header(alias="headwater-workspace", include_in_schema=False)]
"""Set by the gateway, which knows whose key it was."""


def _may_change(scopes: Annotated[str, Header(alias="headwater-scopes", include_in_schema=False)] = "") -> None:
    """Set by the gateway likewise; it let only those through that may read."""
    if "admin" not in scopes.split(","):
        raise ForbiddenError("This key may not do that; it lacks the scope `admin`.")


MAY_CHANGE = Depends(_may_change)
"""A dependency of the routes that change something."""

_ERRORS = {
    400: "A parameter or the body is malformed; `path` names the place",
    401: "No valid key",
    403: "The key lacks the scope",
    404: "There is no such thing in this workspace",
    409: "It is taken, or has ended",
    413: "The body is too large",
    503: "The engine is away or busy: come back after `Retry-After` seconds",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route for the OpenAPI document: these, and those that every route has."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _ERRORS[status], "content": content} for status in (401, 403, 503, *statuses)}


def check_names(names: Sequence[str], known: Sequence[str]) -> None:
    """Raises InvalidError for a parameter that is not known, or given twice."""
    for name in names:
        if name not in known:
            there_are = f"there are {', '.join(known)}" if known else "there are none"
            raise InvalidError(f"'{name}' is no parameter here; {there_are}", name)
        if names.count(name) > 1:
            raise InvalidError(f"'{name}' is given more than once", name)


def takes(*names: str) -> Dependency:
    """InvalidError for any other query parameter, so that none that is misspelt goes unnoticed."""

    async def check(request: Request) -> None:
        check_names([name for name, _ in request.query_params.multi_items()], names)

    dependency: Dependency = Depends(check)
    return dependency


class Threads:
    """Where blocking work is done."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(AT_ONCE)

    async def do(self, work: Callable[[], T]) -> T:
        return await run_sync(work, limiter=self._limiter)

    async def answer(self, question: Callable[[], Any], status: int = 200) -> Response:
        """The JSON answer to a question, encoded where it is asked."""
        body = await self.do(lambda: msgspec.json.encode(question()))
        return Response(body, status, media_type="application/json")

    async def change(
        self, work: Callable[[], T], action: str, target: Callable[[T], str], status: int = 200
    ) -> Response:
        """The same for what changes something; the gateway is told what, for the audit, which it alone writes."""
        done = await self.do(work)
        answer = Response(status_code=status)
        if status != NO_CONTENT:
            answer = Response(msgspec.json.encode(done), status, media_type="application/json")
        answer.headers[CHANGED] = f"{action} {target(done)}"
        return answer


class Export(StreamingResponse):
    """Pieces as fast as the client takes them; whatever happens, whoever makes them gets the connection back."""

    def __init__(self, pieces: Iterator[bytes], threads: Threads, done: Callable[[], None], media_type: str) -> None:
        super().__init__((), media_type=media_type)
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


class Exports:
    """Counts the exports under way."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._running = 0

    async def begin(self, pieces: Callable[[], Iterator[bytes]], media_type: str = NDJSON) -> Export:
        """Raises UnavailableError when there are too many."""
        if self._running >= EXPORTS:
            raise UnavailableError(f"{EXPORTS} exports are being sent already", retry_after=10)
        self._running += 1
        export = Export(pieces(), self._threads, self._ended, media_type)
        await export.begin()
        return export

    def _ended(self) -> None:
        self._running -= 1
