"""Questions handed on from the gateway to the engine, over a line of `web.lines`, streamed both ways of the answer.

The engine may be away (starting, crashed, stopped): that is a 503 here, and never touches ingest.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx

from headwater import tracing
from headwater.catalog.base import Principal
from headwater.errors import UnavailableError
from headwater.requests import HEADER, current_id
from headwater.web.body import Bodies, Share, read_body
from headwater.web.lines import Line

WORKSPACE = "headwater-workspace"
SCOPES = "headwater-scopes"
CHANGED = "headwater-changed"
"""The engine's header to the gateway: what was changed, as `cohort.create coh_…`."""

Noted = Callable[[Principal, str, str], None]

_HOP = frozenset(
    (b"connection", b"keep-alive", b"transfer-encoding", b"te", b"trailer", b"upgrade", b"proxy-authorization")
)
_NOT_ON = _HOP | {b"host", b"authorization", b"cookie", b"content-length", b"content-encoding", b"accept-encoding"}
_NOT_ON |= {b"x-request-id"}  # what the client sent may be no id
_NOT_BACK = _HOP | {b"date", b"x-request-id"}  # the gateway says its own
_AT_ONCE = 64
_WAITING = 256
_TURN_SECONDS = 10
_FRESH_SECONDS = 0.25
_SEND_SECONDS = 60
STREAMS, STREAMS_EACH = 100, 20
"""Live streams at once, of all and of one workspace: they last, so they take no turns."""
_SILENT_SECONDS = 30
"""A live stream's engine says something more often, or hangs."""
_AGAIN_SECONDS = 10
"""Between two looks whether whoever watches still may."""


class EngineProxy:
    """The gateway's line to its engine: at most 64 questions at once, 256 more wait their turn, not for long."""

    def __init__(self, line: Line, max_body: int, bodies: Bodies, noted: Noted = lambda *_: None) -> None:
        """`noted` is told what the engine changed for somebody: action and target."""
        self._client = _client(line, _AT_ONCE)
        self._own = _client(line, 4)
        self._lasting = _client(line, STREAMS, _SILENT_SECONDS)
        self._streams = Streams(STREAMS, STREAMS_EACH)
        self.stopping: Callable[[], bool] = lambda: False
        """Whether the gateway is about to end, and so its streams."""
        self._asked: dict[str, tuple[float, asyncio.Future[httpx.Response]]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._max_body = max_body
        self._noted = noted
        self._bodies = bodies

    async def fetch(self, path: str, seconds: float) -> httpx.Response:
        """A short question of the gateway's own, which never waits behind others. Raises UnavailableError.

        Those who ask within a quarter of a second share an answer: anyone may ask, and it costs both roles.
        """
        asked = self._asked.get(path)
        if asked is None or time.monotonic() - asked[0] > _FRESH_SECONDS:
            asked = self._asked[path] = time.monotonic(), asyncio.ensure_future(self._fetch(path, seconds))
        return await asyncio.shield(asked[1])

    async def _fetch(self, path: str, seconds: float) -> httpx.Response:
        try:
            return await self._own.get(path, timeout=seconds)
        except httpx.TransportError as error:
            raise UnavailableError("the engine does not answer") from error

    async def ask(self, path: str, principal: Principal, seconds: float) -> httpx.Response:
        """A short question of the gateway's own on somebody's behalf. Raises UnavailableError."""
        try:
            return await self._own.get(path, headers=_headers(principal), timeout=seconds)
        except httpx.TransportError as error:
            raise UnavailableError("the engine does not answer") from error

    async def post(self, path: str, principal: Principal, body: bytes, seconds: float) -> httpx.Response:
        """A long one, which waits its turn among those that are handed on. Raises UnavailableError."""
        await self._turn()
        try:
            return await self._client.post(path, content=body, headers=_headers(principal), timeout=seconds)
        except httpx.TransportError as error:
            raise UnavailableError("the engine does not answer") from error
        finally:
            self._turns.release()

    async def forward(self, scope: Any, receive: Any, send: Any, principal: Principal) -> None:
        """Hands a request on. Raises UnavailableError as long as nothing was answered."""
        with self._bodies.share() as share:
            request = await self._request(scope, receive, principal, share, self._client)
            await self._forward(request, receive, send, principal)

    async def _forward(self, request: httpx.Request, receive: Any, send: Any, principal: Principal) -> None:
        await self._turn()
        gone = asyncio.create_task(receive())
        try:
            await self._stream(request, send, gone, principal)
        finally:
            gone.cancel()
            self._turns.release()

    async def stream(self, scope: Any, receive: Any, send: Any, principal: Principal, may: Callable[[], bool]) -> None:
        """Hands on a request whose answer lasts for as long as the client stays, and `may`. Raises UnavailableError as
        long as nothing was answered."""
        with self._bodies.share() as share:
            asked = await self._request({**scope, "method": "GET"}, receive, principal, share, self._lasting)
        only_head = scope["method"] == "HEAD"
        with self._streams.place(principal.workspace):
            gone = asyncio.create_task(receive())
            lasting = asyncio.create_task(self._last(asked, send, may, only_head))
            try:
                await asyncio.wait({gone, lasting}, return_when=asyncio.FIRST_COMPLETED)
                if lasting.done():
                    await lasting
            finally:
                gone.cancel()
                lasting.cancel()
                await asyncio.wait({lasting})  # the engine's side ends with it

    async def _last(self, request: httpx.Request, send: Any, may: Callable[[], bool], only_head: bool) -> None:
        """The same as `_stream` for an answer without an end, that nobody minds to be cut short."""
        try:
            response = await self._lasting.send(request, stream=True)
        except httpx.TransportError as error:
            raise UnavailableError("the engine does not answer") from error
        try:
            await send(_beginning(response))
            look = time.monotonic() + _AGAIN_SECONDS
            with suppress(httpx.TransportError):  # the engine has ended: the client comes back
                async for piece in response.aiter_raw():
                    async with asyncio.timeout(_SEND_SECONDS):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                    if self.stopping() or only_head:
                        break
                    if time.monotonic() > look:
                        look = time.monotonic() + _AGAIN_SECONDS
                        if not may():
                            break
            await send({"type": "http.response.body", "body": b""})
        finally:
            await response.aclose()

    async def _turn(self) -> None:
        if self._waiting >= _WAITING:
            raise UnavailableError("too many questions are waiting")
        self._waiting += 1
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise UnavailableError("too many questions at once") from None
        finally:
            self._waiting -= 1

    async def _request(
        self, scope: Any, receive: Any, principal: Principal, share: Share, client: httpx.AsyncClient
    ) -> httpx.Request:
        """For this client, whose bounds on time go with it."""
        body = await read_body(receive, dict(scope["headers"]), self._max_body, share)
        url = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        kept = [each for each in scope["headers"] if each[0] not in _NOT_ON and not each[0].startswith(b"headwater-")]
        own = {name.encode(): value.encode() for name, value in _headers(principal).items()}
        kept = [*(each for each in kept if each[0] not in own), *own.items()]
        return client.build_request(
            scope["method"], httpx.URL("http://engine", raw_path=url), headers=kept, content=body
        )

    async def _stream(self, request: httpx.Request, send: Any, gone: "asyncio.Task[Any]", principal: Principal) -> None:
        """Ends when the client has gone (`gone` is done then) or takes nothing for a minute: others wait."""
        try:
            response = await self._client.send(request, stream=True)
        except httpx.TransportError as error:
            raise UnavailableError("the engine does not answer") from error
        try:
            if changed := response.headers.pop(CHANGED, None):
                self._noted(principal, *changed.split(" ", 1))
            await send(_beginning(response))
            async for piece in response.aiter_raw():
                if gone.done():
                    return
                async with asyncio.timeout(_SEND_SECONDS):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await response.aclose()

    async def close(self) -> None:
        await self._client.aclose()
        await self._own.aclose()
        await self._lasting.aclose()


class Streams:
    """How many there are, of all and of each workspace."""

    def __init__(self, most: int, each: int) -> None:
        self._most, self._each = most, each
        self._counts: Counter[str] = Counter()

    @contextmanager
    def place(self, workspace: str) -> Iterator[None]:
        """One more meanwhile. Raises UnavailableError."""
        if self._counts[workspace] >= self._each or self._counts.total() >= self._most:
            raise UnavailableError("too many watch already", retry_after=5)
        self._counts[workspace] += 1
        try:
            yield
        finally:
            self._counts[workspace] -= 1
            if not self._counts[workspace]:
                del self._counts[workspace]


def _beginning(response: httpx.Response) -> dict[str, Any]:
    headers = [(name.lower(), value) for name, value in response.headers.raw if name.lower() not in _NOT_BACK]
    return {"type": "http.response.start", "status": response.status_code, "headers": headers}


def _headers(principal: Principal) -> dict[str, str]:
    """What tells the engine who asks, and for which request."""
    told = {WORKSPACE: principal.workspace, SCOPES: ",".join(principal.scopes)}
    if id_ := current_id():
        told[HEADER] = id_
    return told | tracing.handed_on()


def _client(line: Line, connections: int, seconds: float = 60) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=line(connections), timeout=httpx.Timeout(seconds, connect=2), base_url="http://engine"
    )
