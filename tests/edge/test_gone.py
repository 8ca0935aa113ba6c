"""Connections that are over, or fail in odd ways: the work for them ends, and nobody else notices."""

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import uvloop

from harness import until
from headwater.dialects.base import Answer
from headwater.web import patience
from headwater.web.places import Places, sweep
from headwater.web.protocol import GuardedProtocol
from headwater.web.server import server


class Protocol(GuardedProtocol):
    """As the gateway sets it up."""

    places = Places(100)
    answer = staticmethod(lambda path, status, message: Answer(status, b""))


class Stream:
    """An application whose answer never ends, unless it hears that its client has gone."""

    def __init__(self) -> None:
        self.began = 0
        self.ended = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.began += 1
        while (await receive())["more_body"]:
            pass
        gone = asyncio.create_task(receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not gone.done():
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
            await asyncio.sleep(0.01)
        self.ended += 1


@contextmanager
def served(app: Any, protocol: type[GuardedProtocol]) -> Iterator[Any]:
    """A server in a thread; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    serving = server(app, None, http=protocol)
    serving.capture_signals = nullcontext  # type: ignore[method-assign]  # signals belong to the main thread

    async def serve() -> None:
        sweeper = asyncio.create_task(sweep(serving.server_state.connections))
        await serving.serve(sockets=[listener])
        sweeper.cancel()

    thread = threading.Thread(target=lambda: uvloop.run(serve()), daemon=True)
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        serving.should_exit = True
        thread.join(30)


@pytest.mark.parametrize("behind", [0, 1, 3])
def test_an_answer_ends_with_its_client(behind: int) -> None:
    stream = Stream()
    with served(stream, Protocol) as address:
        client = socket.create_connection(address)
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * (1 + behind))
        assert client.recv(1000)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        until(lambda: stream.ended, 10, "the answer has ended")
        assert stream.began == stream.ended == 1


def test_one_connection_that_cannot_be_looked_at_leaves_the_others_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd(Protocol):
        def expire(self, now: float) -> None:
            if self.client and self.client[1] == odd.getsockname()[1]:
                raise ValueError("on purpose")
            super().expire(now)

        def cut(self) -> None:
            raise ValueError("on purpose")

    monkeypatch.setattr(patience, "HEAD_SECONDS", 2)
    with served(Stream(), Odd) as address:
        odd = socket.create_connection(address)
        odd.sendall(b"GET / HTTP/1.1\r\n")
        time.sleep(2.5)  # it was looked at
        with socket.create_connection(address, timeout=10) as half:
            half.sendall(b"GET / HTTP/1.1\r\n")
            assert half.recv(1000).startswith(b"HTTP/1.1 408 ")
        odd.close()


def test_a_closed_connection_has_nothing_left_to_take() -> None:
    async def closed() -> tuple[bool, int]:
        listening = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
        transport, _ = await asyncio.get_running_loop().create_connection(
            asyncio.Protocol, *listening.sockets[0].getsockname()
        )
        transport.abort()
        await asyncio.sleep(0.1)
        patience.cut(transport)
        return patience.untaken(transport)

    assert uvloop.run(closed()) == (False, 0)
