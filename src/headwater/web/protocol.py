"""uvicorn's HTTP protocol with the bounds it lacks: size and age of a request's head, age of its body.

What is refused before the application sees it is answered here, in the shape the path's users expect. Ages are
checked by one sweep over all connections now and then, so that a request pays nothing for them.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from headwater.dialects.base import Answer
from headwater.web.answers import headers_of

MAX_HEAD = 32 * 1024
"""Bytes of request line and headers."""
MAX_HEADERS = 100
HEAD_SECONDS = 10
"""From a connection's or request's first moment until its head is there."""
BODY_SECONDS = 60
"""From the head until the whole body is there."""

REFUSE = "headwater.refuse"
"""Scope key: the status and words with which the application must answer this request."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection. `answer` turns (path, status, message) into an answer; the gateway sets it."""

    answer: Callable[[str, int, str], Answer]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        self._in_head = True
        self._head = 0
        self._once: set[bytes] = set()
        self._last_word: bytes | None = None

    def data_received(self, data: bytes) -> None:
        if self._last_word is not None:
            return
        before = self._head
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head = before + len(data)
            if self._head > MAX_HEAD:
                self._reply(431)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._since = self.loop.time()
        self._in_head = True
        self._head = 0
        self._once.clear()
        self._sizes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._sizes += len(name) + len(value)
        lowered = self.headers[-1][0]
        if lowered in (b"host", b"authorization", b"content-length"):
            if lowered in self._once:
                self.scope[REFUSE] = (400, f"Duplicate header {lowered.decode()}")  # type: ignore[literal-required]
            self._once.add(lowered)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head = 0
        if self._sizes > MAX_HEAD or len(self.headers) > MAX_HEADERS:
            self.scope[REFUSE] = (431, "")  # type: ignore[literal-required]
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._reply(400, msg)

    def expire(self, now: float) -> None:
        """Called every second or so: ends what has taken too long."""
        if self.transport is None or self.transport.is_closing():
            return
        if self._in_head:
            idle = self.cycle is not None and self.cycle.response_complete and not self._head
            if not idle and now - self._since > HEAD_SECONDS:
                self._reply(408) if self._head else self.transport.close()
        elif self.cycle is not None and self.cycle.more_body and now - self._since > BODY_SECONDS:
            self._reply(408)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._last_word is not None and not self._owes_answers():
            self._close_with(self._last_word)

    def _owes_answers(self) -> bool:
        """Whether a request that came whole is still being answered: its answer goes first, and must be its own."""
        if self.pipeline:
            return True
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def _reply(self, status: int, message: str = "") -> None:
        """Answers without the application, after what is still being answered, and closes the connection."""
        path = getattr(self, "url", b"").split(b"?")[0].decode("ascii", "replace")
        answer = type(self).answer(path, status, message)
        lines = [STATUS_LINE[status], *(b"%b: %b\r\n" % header for header in headers_of(answer))]
        self._last_word = b"".join(lines) + b"connection: close\r\n\r\n" + answer.body
        if not self._owes_answers():
            self._close_with(self._last_word)

    def _close_with(self, last: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(last)
            self.transport.close()


async def sweep(connections: set[Any]) -> None:
    """Runs for as long as the server does."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(1)
        for protocol in list(connections):
            protocol.expire(loop.time())
