"""The access log: a line for each answer, without anything that people sent."""

import logging
import time
from collections.abc import Collection, Iterable

from headwater.logs import FIELDS
from headwater.web.answers import Receive, Scope, Send
from headwater.web.cors import Application

logger = logging.getLogger("headwater.access")


class AccessLog:
    """Around the gateway. `routes`: the paths of the API, as `/v1/events/{id}`."""

    def __init__(self, app: Application, routes: Iterable[str]) -> None:
        self._app = app
        self._words = words_of(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status, size = time.perf_counter(), 0, 0

        async def sending(message: dict[str, object]) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = int(str(message["status"]))
            else:
                size += len(message.get("body", b""))  # type: ignore[arg-type]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            route = template(scope["path"], self._words)
            fields = {
                "method": scope["method"],
                "route": route,
                "status": status,
                "ms": round((time.perf_counter() - began) * 1000, 3),
                "bytes": size,
            }
            logger.info("answered" if status else "not answered", extra={FIELDS: fields})


def words_of(routes: Iterable[str]) -> frozenset[str]:
    """All segments of the routes that are the same for everybody."""
    return frozenset(word for route in routes for word in route.split("/") if not word.startswith("{"))


def template(path: str, words: Collection[str]) -> str:
    """A path without what is somebody's: `/v1/profiles/{}`."""
    return "/".join([word if word in words else "{}" for word in path.split("/")][:12])
