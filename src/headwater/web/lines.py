"""The gateway's ways to an engine: a Unix socket on one machine; past one, whichever engine leads, by its address."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hmac import compare_digest
from pathlib import Path

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from headwater.errors import UnavailableError

TOKEN = "headwater-token"  # noqa: S105  a header's name
"""The header by which an engine knows its gateways, past one machine."""

Line = Callable[[int], httpx.AsyncBaseTransport]
"""Makes a transport for so many connections at once."""


def to_socket(path: Path) -> Line:
    """To the engine of the same data directory."""
    return lambda connections: httpx.AsyncHTTPTransport(uds=str(path), limits=httpx.Limits(max_connections=connections))


Found = tuple[str, str]
"""An engine's address, as `http://10.0.0.7:8090`, and the token by which it knows its gateways."""


def to_leader(find: Callable[[], Awaitable[Found | None]]) -> Line:
    """To the engine that leads; `find` tells which. None when none does."""
    return lambda connections: _ToLeader(find, connections)


class _ToLeader(httpx.AsyncBaseTransport):
    def __init__(self, find: Callable[[], Awaitable[Found | None]], connections: int) -> None:
        self._find = find
        self._inner = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=connections))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        found = await self._find()
        if found is None:
            raise httpx.ConnectError("no engine leads at the moment", request=request)
        address = httpx.URL(found[0])
        request.url = request.url.copy_with(scheme=address.scheme, host=address.host, port=address.port)
        request.headers["host"] = address.netloc.decode()
        request.headers[TOKEN] = found[1]
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


class Leader:
    """Remembers for a moment which engine leads. One event loop's."""

    def __init__(self, ask: Callable[[], Found | None], seconds: float = 1.0) -> None:
        """`ask` waits for the database, and is called in a thread."""
        self._ask = ask
        self._seconds = seconds
        self._known: Found | None = None
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def find(self) -> Found | None:
        async with self._lock:
            if time.monotonic() >= self._until:
                with suppress(UnavailableError):  # what was known last may still be so
                    self._known = await asyncio.to_thread(self._ask)
                self._until = time.monotonic() + (self._seconds if self._known else self._seconds / 10)
            return self._known


class OnlyGateways:
    """Answers nobody who does not know the token, whatever network an engine listens on."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_known(scope):
            headers = [(b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == TOKEN.encode()]
        return len(given) == 1 and compare_digest(given[0], self._token)
