"""A client that goes away while it is answered, with another request behind that one: the work for it ends."""

import asyncio
import socket
import struct
import threading
from typing import Any

import pytest

from harness import until
from headwater.dialects.base import Answer
from headwater.web.protocol import GuardedProtocol, Places
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


@pytest.mark.parametrize("behind", [0, 1, 3])
def test_an_answer_ends_with_its_client(behind: int) -> None:
    stream = Stream()
    listener = socket.create_server(("127.0.0.1", 0))
    serving = server(stream, None, http=Protocol)
    serving.capture_signals = _nothing  # type: ignore[method-assign]
    thread = threading.Thread(target=lambda: asyncio.run(serving.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        client = socket.create_connection(listener.getsockname())
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * (1 + behind))
        assert client.recv(1000)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        until(lambda: stream.ended, 10, "the answer has ended")
        assert stream.began == stream.ended == 1
    finally:
        serving.should_exit = True
        thread.join(30)


class _nothing:  # noqa: N801  signals belong to the main thread
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...
