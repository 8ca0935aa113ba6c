"""The gateway's front door: which request goes where."""

import logging
import re
from collections.abc import Iterable
from typing import Any

import msgspec
from fastapi import FastAPI

from headwater.catalog.base import Principal
from headwater.dialects.base import Answer
from headwater.errors import (
    ForbiddenError,
    HeadwaterError,
    NotFoundError,
    RequestError,
    UnauthenticatedError,
    UnavailableError,
)
from headwater.requests import REQUEST, SCOPE
from headwater.web import problems, signin
from headwater.web.answers import Receive, Scope, Send, reply
from headwater.web.auth import Door
from headwater.web.body import Bodies, Disconnected, read_again, read_body
from headwater.web.dashboard import Dashboard, is_dashboards
from headwater.web.forwarded import Clients
from headwater.web.ingest import Ingest
from headwater.web.origin import Origins
from headwater.web.proxy import EngineProxy
from headwater.web.session import SESSION

logger = logging.getLogger("headwater.gateway")

OPEN = frozenset(("/livez", "/readyz", "/metrics", "/openapi.json", "/docs"))
"""Paths that need no key."""

ENGINE = (
    "/v1/events",
    "/v1/batches",
    "/v1/profiles",
    "/v1/pipelines",
    "/v1/cohorts",
    "/v1/erasures",
    "/v1/activity",
    "/v1/destinations",
    "/v1/webhooks",
)
"""Paths at and below which the engine answers; all others are the gateway's own."""

LIVE = "/v1/live"
"""The engine's as well, and its answer lasts."""

ASKED = ("/v1/backfills", "/v1/rejected")
"""Paths at and below which the engine answers questions, and the gateway changes something."""

_MEASURES = re.compile(r"/v1/signals/[^/]+/(?:metrics|state|state/history)")
"""Paths among the gateway's own that the engine answers."""

_CHECK = re.compile(r"/v1/signals/[^/]+/versions/check")
"""Another one, to which something is posted though nothing is changed."""

_ONLY_ASK = ("GET", "HEAD")
"""Methods that change nothing, so that nobody wants to know where they came from."""

_DOTS = re.compile(rb"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
"""Segments that whoever reads the path next might resolve, and so come out somewhere else than we looked."""

PRINCIPAL = "headwater.principal"
"""Scope key under which the gateway's own routes find who asks."""


class Gateway:
    """ASGI application: ingest at once, the rest by key to the gateway's own routes or on to the engine."""

    def __init__(
        self,
        ingest: Ingest,
        manage: FastAPI,
        engine: EngineProxy,
        dashboard: Dashboard,
        door: Door,
        origins: Origins,
        clients: Clients,
        bodies: Bodies,
        max_body: int,
    ) -> None:
        self._ingest = ingest
        self._manage = manage
        self._engine = engine
        self._dashboard = dashboard
        self._door = door
        self._origins = origins
        self._clients = clients
        self._bodies = bodies
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        REQUEST.set(scope.get(SCOPE))
        if path in self._ingest.routes and method == "POST":
            await self._ingest(scope, receive, send)
        elif self._is_dialects_own(path, method):
            await reply(send, self._wrong_way(path))
        else:
            await self._other(scope, receive, send)

    def refusal(self, path: str, status: int, message: str) -> Answer:
        """An error before any route: in the dialect's shape on its paths, else as a problem."""
        dialect = self._ingest.dialect_of(path)
        return dialect.error(status, message) if dialect else problems.problem(status, message)

    def _is_dialects_own(self, path: str, method: str) -> bool:
        if path == "/v1/events" and method in ("GET", "HEAD"):
            return False
        return self._ingest.dialect_of(path) is not None

    def _wrong_way(self, path: str) -> Answer:
        if path not in self._ingest.routes:
            return self.refusal(path, 404, "")
        answer = self.refusal(path, 405, "")
        allow = b"GET, HEAD, POST" if path == "/v1/events" else b"POST"
        return Answer(answer.status, answer.body, ((b"allow", allow),))

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["path"] in OPEN:
                await self._manage(scope, receive, send)
                return
            if is_dashboards(scope["path"]):
                await self._dashboard(scope, receive, send)
                return
            if scope["path"] == signin.PATH:
                await self._sign_in(scope, receive, send)
                return
            scope[PRINCIPAL] = self._principal(scope)
            if SESSION in scope:
                send = _unkept(send)
            if _DOTS.search(scope["raw_path"]):
                raise NotFoundError("No path here has a segment of dots alone.")
            if scope["path"] == LIVE and scope["method"] in _ONLY_ASK:
                await self._engine.stream(scope, receive, send, self._reader(scope), lambda: self._still_reads(scope))
            elif _is_engines(scope["path"], scope["method"]):
                await self._engine.forward(scope, receive, send, self._reader(scope))
            else:
                await self._managed(scope, receive, send)
        except Disconnected:
            return
        except HeadwaterError as error:
            await reply(send, self._refused(error))

    async def _sign_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Nobody must be known here; whoever signs in anew may come with an old cookie, which is not looked at."""
        headers, method = dict(scope["headers"]), scope["method"]
        if method == "POST" or (method not in _ONLY_ASK and b"authorization" not in headers):
            self._origins.check_told(scope, headers)
        if method != "POST":
            scope[PRINCIPAL] = self._with_address(scope, self._door.asking(scope, headers))
        await self._managed(scope, receive, send, signin.MAX_BODY)

    async def _managed(self, scope: Scope, receive: Receive, send: Send, max_body: int | None = None) -> None:
        with self._bodies.share() as share:
            body = await read_body(receive, dict(scope["headers"]), max_body or self._max_body, share)
            await self._manage(scope, read_again(body, receive), send)

    def _refused(self, error: HeadwaterError) -> Answer:
        if not isinstance(error, RequestError | UnavailableError):
            logger.error("a request failed: %s", error)
        return problems.of(error)

    def _principal(self, scope: Scope) -> Any:
        principal = self._door.asking(scope, dict(scope["headers"]))
        if principal is None:
            raise UnauthenticatedError("A valid API key is required: Authorization: Bearer sk_…")
        if about := REQUEST.get():
            about.workspace = principal.workspace
        return self._with_address(scope, principal)

    def _with_address(self, scope: Scope, principal: Principal | None) -> Principal | None:
        if principal is None or scope["method"] in _ONLY_ASK:
            return principal
        return msgspec.structs.replace(principal, address=self._clients.address(scope))

    def _still_reads(self, scope: Scope) -> bool:
        """Whether whoever began to ask still might: not with a key that was revoked, or a session that ended."""
        try:
            scope[PRINCIPAL] = self._principal(scope)
            return bool(self._reader(scope))
        except RequestError:
            return False

    def _reader(self, scope: Scope) -> Any:
        principal = scope[PRINCIPAL]
        if not principal.scopes & {"read", "admin"}:
            raise ForbiddenError("This key may not read; it lacks the scope `read`.")
        return principal


def _unkept(send: Send) -> Send:
    """Answers to a cookie are nobody else's: unlike those to an Authorization header, shared caches might keep them
    (RFC 9111 3.5)."""

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start" and all(name != b"cache-control" for name, _ in message["headers"]):
            message = {**message, "headers": [*message["headers"], (b"cache-control", b"no-store")]}
        await send(message)

    return sending


def _is_engines(path: str, method: str) -> bool:
    if path == LIVE or _MEASURES.fullmatch(path) or _is_below(path, ENGINE):
        return True
    if method == "POST" and _CHECK.fullmatch(path):
        return True
    return method in _ONLY_ASK and _is_below(path, ASKED)


def _is_below(path: str, owns: Iterable[str]) -> bool:
    return any(path == own or path.startswith(own + "/") for own in owns)
