"""uvicorn's HTTP protocol with what it lacks: a strict reading of the head, and bounds on what one connection may take.

What is refused before the application sees it is answered here, in the shape the path's users expect, after what is
still being answered, and the connection ends. Ages and speeds are looked at by one sweep over all connections
(`places.sweep`), so that a request pays nothing for them.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from headwater.dialects.base import Answer
from headwater.requests import SCOPE, About, request_id
from headwater.web import framing, patience
from headwater.web.answers import headers_of
from headwater.web.body import ABORT
from headwater.web.exchange import Direct, Exchange
from headwater.web.framing import Headers
from headwater.web.places import Places
from headwater.web.turns import Turns

MAX_HEAD = 32 * 1024
"""Bytes of request line and headers."""
MAX_HEADERS = 100
MAX_PIPELINED = 100
"""Requests of one connection that wait for the one before: each takes kilobytes, and a read holds thousands."""
CROWDED_READ = 4
"""More heads than that where a read begins, and it is taken piece by piece: a request is read when it can be begun."""
LOOKED_AT = 2048
PIECE = 128
"""Bytes, as above."""
MAX_UNREAD = 512 * 1024
"""Bytes of one connection that wait so: two reads."""
MAX_CHUNKING = 16 * 1024
"""Bytes of a chunked body that are no body (sizes, extensions, trailers), beside eight for each byte of it."""

_P = ord("P")
"""How what is sent begins, which is most of what comes and not looked at for this: at most MAX_PIPELINED are read."""
_NOTHING = memoryview(b"")
_IDLE, _HEAD, _BODY, _ENDING = range(4)
"""Where a connection's reading is: between requests, in a head, in a body, or over."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection. `answer` turns (path, status, message) into an answer; the gateway sets it."""

    answer: Callable[[str, int, str], Answer]
    told: Callable[[Headers], Headers] = staticmethod(lambda asked: [])
    """What an answer to a request with these headers carries beside its own; CORS sets it."""
    direct: Direct | None = None
    """What is answered without ASGI; None where each request passes through an application that wants to see it."""
    places: Places
    turns = Turns()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._outlet = _Outlet(transport, self._end)
        self._phase = _IDLE
        self._since = self.loop.time()
        self._asked: Headers = []
        """The headers of the request that was read last; of one whose head is coming those that have come."""
        self._unread = _NOTHING
        """What was received and waits until no request does."""
        self._requests = 0
        self._owed = 0
        self._head = self._read = 0
        self._fault: tuple[int, str] | None = None
        self._last_word: bytes | None = None
        self._stopping = False
        self._running: Any = None
        self._taken = True
        self._taking: patience.Pace | None = None
        self._stall = 0, 0.0
        """How much of what is being answered was taken, and since when no more of it is."""
        if not self.places.give(self, self.connections):
            self._reply(503)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.pipeline and self._running is not None:  # uvicorn tells the newest request's cycle only
            self._running.disconnected = True
            self._running.message_event.set()
        self.pipeline.clear()
        self._unread = _NOTHING
        self._outlet.write = _nowhere
        super().connection_lost(exc)

    # --- reading -------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._phase == _ENDING or self._last_word is not None:
            return
        if self._unread:
            self._keep(data)
        elif self._is_crowded(data):
            self._unread = memoryview(data)
            self._read_on()
        else:
            self._feed(data)

    def _is_crowded(self, data: bytes) -> bool:
        if self._phase == _BODY or (data[0] == _P and self._phase == _IDLE):
            return False
        return data.count(b"\r\n\r\n", 0, LOOKED_AT) > CROWDED_READ

    def _keep(self, data: bytes) -> None:
        """More has come although nothing is read: a request that waits for its body, or to be cut off, has it so."""
        if len(self._unread) + len(data) > MAX_UNREAD:
            self._unread = _NOTHING
            self._reply(503)
            return
        self._unread = memoryview(bytes(self._unread) + data)
        self.flow.pause_reading()

    def _read_on(self) -> None:
        while self._unread and not self.pipeline:
            if self._phase == _ENDING or self._last_word is not None:
                self._unread = _NOTHING
                return
            piece, self._unread = bytes(self._unread[:PIECE]), self._unread[PIECE:]
            self._feed(piece)
        if self._unread:
            self.flow.pause_reading()  # the request under way resumes it when it is answered

    def _feed(self, data: bytes) -> None:
        phase, requests = self._phase, self._requests
        if phase == _ENDING or self._last_word is not None:
            return
        self._read = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._pass_over_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._reply(*self._fault or (400, f"Invalid HTTP request: {error}"))
        else:
            if self._phase == _HEAD:
                # What shares a read with an earlier request is not counted: nobody tells where the head begins in it.
                if self._requests - requests <= (phase == _IDLE):
                    self._head += len(data)
                    if self._head > MAX_HEAD:
                        self._reply(431)
            elif phase == _BODY == self._phase and self._requests == requests:
                self._sent += len(data)
                if self._sent - self._body > MAX_CHUNKING + 8 * self._body:
                    self._reply(400, "The chunks of the body are mostly not body")

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = self._asked = []
        self._phase = _HEAD
        self._since = self.loop.time()
        self._requests += 1
        self._head = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        headers = self.headers
        if len(headers) >= MAX_HEADERS:
            self._refuse(431)
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        headers.append((name, value))

    def on_headers_complete(self) -> None:
        headers, parser = self.headers, self.parser
        if self._head + self._read > MAX_HEAD and framing.size(self.url, headers) > MAX_HEAD:
            self._refuse(431)
        found = dict(headers)
        if len(found) != len(headers):
            if name := framing.repeated(headers):
                self._refuse(400, f"Duplicate header {name}")
            found = framing.join(headers)
        if fault := framing.fault(parser.get_method(), self.url, parser.get_http_version(), found):
            self._refuse(400, fault)
        if len(self.pipeline) >= MAX_PIPELINED:
            self._refuse(503)
        if parser.should_upgrade():
            return
        self._begin_cycle()
        cycle = self.cycle
        cycle.transport = self._outlet  # type: ignore[assignment]
        cycle.scope[ABORT] = self.transport.abort  # type: ignore[literal-required]
        id_ = request_id(found.get(b"x-request-id"))
        cycle.scope[SCOPE] = About(id_.decode())  # type: ignore[literal-required]
        cycle.default_headers = [*cycle.default_headers, (b"x-request-id", id_)]
        # An answer that goes out before the whole body has come says that the connection ends: the rest is not read.
        self._keeps = cycle.keep_alive
        cycle.keep_alive = False
        self._phase = _BODY
        self._body = self._sent = 0
        self._pace: patience.Pace | None = None
        self.headers = []  # trailers go there, and nowhere from there

    def _begin_cycle(self) -> None:
        """What reads the rest of the request and answers it: uvicorn's, or for an ordinary ingest request our own."""
        direct, parser = self.direct, self.parser
        path = direct.targets.get(self.url) if direct else None
        if direct is None or path is None or parser.get_method() != b"POST" or self.expect_100_continue:
            self._begin_application()
            return
        before, headers, told = self.cycle, self.server_state.default_headers, type(self).told
        scope = {"method": "POST", "path": path, "headers": self.headers, "scheme": self.scheme, "client": self.client}
        self.cycle = cycle = Exchange(direct.ingest, scope, self.flow, headers, told, self.on_response_complete)  # type: ignore[assignment]
        cycle.keep_alive = parser.get_http_version() != "1.0" and parser.should_keep_alive()
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))  # type: ignore[arg-type]

    def _begin_application(self) -> None:
        """uvicorn's way. It makes a request's scope where the head begins, of which nothing is wanted before here."""
        url, headers, waits = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, waits
        self.headers.extend(headers)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        cycle = self.cycle
        self._body += len(body)
        if cycle.response_complete:
            return
        held: Any = cycle.body
        if not held:
            cycle.body = body  # type: ignore[assignment]  # nearly always all of it: not copied
        elif isinstance(held, bytes):
            cycle.body = bytearray(held) + body
        else:
            held += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._phase = _IDLE
        cycle = self.cycle
        if cycle.response_complete:
            return
        self._owed += 1
        if not cycle.response_started:
            cycle.keep_alive = self._keeps and not self._stopping
        cycle.more_body = False
        cycle.message_event.set()

    def _pass_over_upgrade(self, rest: bytes) -> None:
        """Reads the request as the HTTP/1.1 that it is. `rest`: what came behind its head."""
        old = self.parser
        head = framing.without_upgrade(old.get_method(), self.url, old.get_http_version(), self.headers)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._feed(head + rest)

    def _refuse(self, status: int, message: str = "") -> None:
        """From within the parser's callbacks: ends the parsing; `data_received` answers."""
        self._fault = status, message
        raise ValueError

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        if not isinstance(cycle, Exchange):
            self.turns.take(self.loop, partial(super()._start_asgi_task, cycle, app))
            return
        task = self.loop.create_task(cycle.run())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    # --- answering -----------------------------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self._taken = False
        if self._owed:
            self._owed -= 1
        if self._phase == _ENDING or self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            self._read_on()
        elif self._last_word is not None:
            self._close_with(self._last_word)
        elif self._phase == _IDLE:
            self._since = self.loop.time()

    def _reply(self, status: int, message: str = "") -> None:
        """Answers without the application, after what is still being answered, and ends the connection."""
        target = getattr(self, "url", b"")
        answer = type(self).answer(framing.path_of(target), status, message)
        headers = [*headers_of(answer), *type(self).told(self._asked)]
        headers.append((b"x-request-id", request_id(None)))
        if status == 503:
            headers.append((b"retry-after", b"1"))
        lines = [STATUS_LINE[status], *(b"%b: %b\r\n" % header for header in headers)]
        self._last_word = b"".join(lines) + b"connection: close\r\n\r\n" + answer.body
        if self._phase == _BODY and self.pipeline:
            self.pipeline.popleft()  # the request itself, which will never be whole
        if not self._owed:
            self._close_with(self._last_word)

    def _close_with(self, last: bytes) -> None:
        """`last` goes out unless the same request's answer has begun: the second would pass for the next one's."""
        cycle = self.cycle
        if self._phase == _BODY and cycle.response_started:
            last = b""
        if self._phase == _BODY and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        if self._phase != _ENDING and not self.transport.is_closing():
            self.transport.write(last)
            self._end()

    # --- ending --------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """Closes our half, and the other once the client has read, or had the time to (`expire`)."""
        if self._phase == _ENDING:
            return
        self._phase = _ENDING
        self._unread = _NOTHING
        self._since = self.loop.time()
        self._taken = False
        if self.transport.is_closing():
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.flow.resume_reading()
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """The server stops: after what is being read and answered."""
        self._stopping = True
        if self._phase == _ENDING:
            self.transport.close()
        else:
            super().shutdown()

    def expire(self, now: float) -> None:
        """Called every second or so: ends what has taken too long."""
        if self.flow.write_paused or self._phase == _ENDING or (self._phase == _IDLE and not self._taken):
            self._look_at_taking(now)
        elif self._owed:
            self._look_for_stall(now)
        if self.transport.is_closing() or (self._last_word is not None and self._phase != _ENDING):
            return
        age = now - self._since
        if self._phase == _ENDING:
            if age > patience.LINGER_SECONDS and self._taken:
                self.transport.abort()
        elif self.flow.read_paused or self._unread:
            self._since = now  # it is us who do not read
            self._pace = None
        elif self._phase == _HEAD:
            if age > patience.HEAD_SECONDS:
                self._reply(408)
        elif self._phase == _BODY:
            if age > patience.BODY_SECONDS or self._drips(now):
                self._reply(408)
        elif age > self._idle_seconds() and self._taken and not self._owed:
            self.transport.close()

    def _idle_seconds(self) -> int:
        if not self._requests:
            return patience.HEAD_SECONDS
        return patience.IDLE_SECONDS if len(self.connections) <= patience.CROWD else patience.CROWDED_IDLE_SECONDS

    def _drips(self, now: float) -> bool:
        if self._pace is None:
            self._pace = patience.Pace(patience.PACE_SECONDS, self._body, now)
        return self._pace.too_slow(self._body, now)

    def _look_at_taking(self, now: float) -> None:
        """Cuts a client that does not take its answers."""
        if now - self._since < patience.REST_SECONDS and not self.flow.write_paused:
            return
        waits, taken = patience.untaken(self.transport)
        if not waits:
            self._taken, self._taking = True, None
        elif self._taking is None:
            self._taking = patience.Pace(patience.TAKE_SECONDS, taken, now)
        elif self._taking.too_slow(taken, now):
            self.cut()

    def _look_for_stall(self, now: float) -> None:
        """Cuts a client that takes nothing of a long answer, though there is not yet enough of it to wait for him."""
        waits, taken = patience.untaken(self.transport)
        if not waits or not taken or taken != self._stall[0]:
            self._stall = taken, now
        elif now - self._stall[1] > patience.STALL_SECONDS:
            self.cut()

    def cut(self) -> None:
        """Ends the connection at once, with all that it holds."""
        self._phase = _ENDING
        self._unread = _NOTHING
        patience.cut(self.transport)

    @property
    def spare(self) -> tuple[bool, float] | None:
        """For choosing whom to end when there is no room: half a head before idle, and oldest first; None: not this."""
        if self.transport.is_closing():
            return None
        if self._phase == _ENDING:
            return False, self._since
        if self._phase == _BODY or self._owed:
            return None
        return self._phase == _IDLE and self._requests > 0, self._since


def _nowhere(data: bytes) -> None:
    """Where an answer goes whose client has gone."""


class _Outlet:
    """The transport as an answering cycle sees it: what it closes, the protocol ends in its own way."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, end: Callable[[], None]) -> None:
        self.write: Callable[[bytes], None] = transport.write
        self.is_closing = transport.is_closing
        self.close = end
