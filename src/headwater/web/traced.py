"""A span for each request, around an application; only where traces are on."""

from collections.abc import Iterable
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from headwater import tracing
from headwater.web.access import template, words_of


class Traced:
    """`routes`: the paths of the API, as `/v1/events/{id}`: no path itself gets into a span."""

    def __init__(self, app: Any, routes: Iterable[str]) -> None:
        self._app = app
        self._words = words_of(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = template(scope["path"], self._words)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        about = {"http__request__method": scope["method"], "http__route": route}

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                tracing.tell(http__response__status_code=message["status"])
            await send(message)

        with tracing.answering(f"{scope['method']} {route}", headers, **about):
            await self._app(scope, receive, sending)
