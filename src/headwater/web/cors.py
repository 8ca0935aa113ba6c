"""CORS: which pages of other origins may call this server from a browser. Wrapped around the gateway only when asked.

There is no credentials mode: a page sends its key in Authorization, as every client does, and the session's cookie
means nothing in its requests. A request of an origin that is not listed is answered as without CORS; its browser keeps
the answer from the page.
"""

import re
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from headwater.errors import SettingsError
from headwater.web.answers import Receive, Scope, Send

ANY = "*"
"""The setting that lets every origin in."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:\[[0-9a-f:.]+\]|[^/?#@\s,*:A-Z\[\]]+)(?::[0-9]+)?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}

_ALLOWED = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, PATCH, DELETE"),
    (
        b"access-control-allow-headers",
        b"authorization, content-type, content-encoding, prefer, idempotency-key, headwater-backfill",
    ),
    (b"access-control-max-age", b"7200"),  # the longest that Chromium keeps
)
_EXPOSED = (
    b"access-control-expose-headers",
    b"headwater-batch, idempotency-replayed, retry-after, x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset, "
    b"x-request-id",
)
_VARY = (b"vary", b"origin")

Headers = list[tuple[bytes, bytes]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def check_origins(origins: Collection[str]) -> None:
    """Raises SettingsError for what no browser would send as an origin, and would thus never match."""
    for origin in origins:
        if origin == ANY:
            continue
        scheme = origin.partition(":")[0]
        if not _ORIGIN.fullmatch(origin):
            raise SettingsError(
                f"'{origin}' is no origin: write scheme, host and port alone, in lower case, as https://shop.example"
            )
        if origin.endswith(_DEFAULT_PORTS.get(scheme, "/")):
            raise SettingsError(f"'{origin}' never comes: browsers leave the scheme's own port away")


class Cors:
    """ASGI application around another one. `routes`: the paths, beside /v1 and below, that pages may call."""

    def __init__(self, app: Application, origins: Collection[str], routes: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)
        self._any = ANY in origins
        self._routes = frozenset(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = self.headers(scope["headers"])
        if len(told) > 1 and self._is_preflight(scope):
            await _permit(send, told)
            return

        async def telling(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *told]}
            await send(message)

        await self._app(scope, receive, telling)

    def headers(self, asked: Headers) -> Headers:
        """What an answer to a request with these headers must carry; errors too, or a page could not read them."""
        origin = next((value for name, value in asked if name == b"origin"), None)
        if self._any:
            return [_VARY, (b"access-control-allow-origin", b"*"), _EXPOSED] if origin else [_VARY]
        return [_VARY, (b"access-control-allow-origin", origin), _EXPOSED] if origin in self._origins else [_VARY]

    def _is_preflight(self, scope: Scope) -> bool:
        path = scope["path"]
        if scope["method"] != "OPTIONS" or not (path in self._routes or path.startswith("/v1/")):
            return False
        return any(name == b"access-control-request-method" for name, _ in scope["headers"])


async def _permit(send: Send, told: Headers) -> None:
    """A preflight's answer: what the page may send. It carries no key, and needs none."""
    await send({"type": "http.response.start", "status": 204, "headers": [*told, *_ALLOWED]})
    await send({"type": "http.response.body", "body": b""})
