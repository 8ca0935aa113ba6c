"""A proxy that does to requests and answers what networks and what stands in front of servers do."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from journey.lossy import FATES, Lossy, message

LATEST = 0.2
"""Seconds of a delay, at most."""

_TOLD = {
    "told 429": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nslow",
    "told 503": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    "told 502 though it was taken": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>",
}


class Rough(Lossy):
    """As `Lossy`; it also delays, and answers by itself."""

    FATES = (*FATES, "request late", "answer late", *_TOLD)

    def _pass(self, request: bytes, client: socket.socket, server: socket.socket) -> bool:
        fate, part = self._fate()
        if fate in ("told 429", "told 503"):
            client.sendall(_TOLD[fate])
            return True
        if fate == "request late":
            time.sleep(part * LATEST)
        if fate in FATES[1:3]:
            server.sendall(request[: int(part * len(request)) if fate == "request cut" else 0])
            return False
        server.sendall(request)
        answer = message(server)
        if fate == "answer late":
            time.sleep(part * LATEST)
        if fate == "answer lost" or not answer:
            return False
        if fate == "answer cut":
            client.sendall(answer[: int(part * len(answer))])
            return False
        client.sendall(_TOLD.get(fate, answer))
        return True


@contextmanager
def rough(target: int, share: float = 0.4, seed: int = 1) -> Iterator[Rough]:
    """A proxy for as long as the block lasts. `share`: of requests that do not simply pass."""
    proxy = Rough(target, share, seed)
    try:
        yield proxy
    finally:
        proxy.close()
