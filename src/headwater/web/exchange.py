"""An ingest request and its answer on one connection: uvicorn's cycle without what ASGI costs.

The path of an event is the same either way (`Ingest.tell`); what is left out are the dictionaries in which an
application says what it sends, the checks of headers that are our own, and the second write. `GuardedProtocol` treats
an exchange as it treats a cycle of uvicorn's: the attributes that it looks at have the same names and meanings.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from headwater.requests import REQUEST, SCOPE, About
from headwater.web.answers import CLOSES, Scope, told_headers
from headwater.web.ingest import Ingest, Told

logger = logging.getLogger("headwater.ingest")

Headers = list[tuple[bytes, bytes]]


class Direct(NamedTuple):
    """What goes the short way."""

    ingest: Ingest
    targets: Mapping[bytes, str]
    """Request targets as they are sent, and the paths that they are."""


class Exchange:
    """One request. The protocol that reads it feeds `body`, and says what happens by the other attributes."""

    __slots__ = (
        "_flow",
        "_ingest",
        "_is_read",
        "_on_response",
        "_told",
        "_waiter",
        "body",
        "default_headers",
        "disconnected",
        "keep_alive",
        "more_body",
        "response_complete",
        "response_started",
        "scope",
        "transport",
    )

    def __init__(
        self,
        ingest: Ingest,
        scope: Scope,
        flow: FlowControl,
        default_headers: Headers,
        told: Callable[[Headers], Headers],
        on_response: Callable[[], None],
    ) -> None:
        self._ingest = ingest
        self.scope = scope
        self._flow = flow
        self.default_headers = default_headers
        self._told = told
        self._on_response = on_response
        self.transport: Any = None
        self.keep_alive = False
        self.body: bytes | bytearray = b""
        self.more_body = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self._is_read = False
        """Whether the last of the body was given out."""
        self._waiter: asyncio.Future[None] | None = None

    @property
    def message_event(self) -> "Exchange":
        """What is set when something has changed: this waits for no more than that."""
        return self

    def set(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def receive(self) -> dict[str, Any]:
        """As ASGI's: what of the body has come since, or that the client has gone."""
        self._flow.resume_reading()
        while (self.more_body or self._is_read) and not self.body and not self.disconnected:
            await self._change()
        if self.disconnected:
            return {"type": "http.disconnect"}
        body, self.body = bytes(self.body), b""
        self._is_read = not self.more_body
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def run(self) -> None:
        """Answers, if anybody is there to be answered."""
        about: About = self.scope[SCOPE]
        REQUEST.set(about)
        try:
            told = await self._ingest.tell(self.scope, self.receive)
            if self._flow.write_paused and not self.disconnected:
                await self._flow.drain()
            if told is not None and not self.disconnected:
                self._answer(told)
        except BaseException as error:  # the end of a grace, or a fault of ours
            logger.error("a request was not answered", exc_info=error)
            self.transport.close()

    def _answer(self, told: Told) -> None:
        """One write, and what follows from it."""
        answer = told.answer
        headers = [*self.default_headers, *told_headers(answer, told.batch), *self._told(self.scope["headers"])]
        if answer.status in CLOSES:
            self.keep_alive = False
        elif not self.keep_alive:
            headers.append((b"connection", b"close"))
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.response_started = True
        self.transport.write(b"".join((STATUS_LINE[answer.status], *lines, b"\r\n", answer.body)))
        self.response_complete = True
        if not self.keep_alive:
            self.transport.close()
        self._on_response()

    async def _change(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
