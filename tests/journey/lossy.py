"""A TCP proxy that loses requests and answers, as networks do."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random

FATES = ("through", "request lost", "request cut", "answer lost", "answer cut")
"""What becomes of a connection; the last four at a random one of its requests."""


class Lossy:
    """Listens on `port`, and connects each caller with the server behind it. Close it."""

    FATES: tuple[str, ...] = FATES
    """The first is to pass."""

    def __init__(self, target: int, lost: float, seed: int) -> None:
        """`lost`: the share of requests that come to nothing, or whose answer does."""
        self._target = target
        self._lost = lost
        self._random = Random(seed)
        self._lock = threading.Lock()
        self.fates: Counter[str] = Counter()
        """Of every request that came."""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Request after request; each is a message with a Content-Length, as is each answer."""
        with client, suppress(OSError):
            server = socket.create_connection(("127.0.0.1", self._target), timeout=60)
            client.settimeout(120)
            with server:
                while (request := message(client)) and self._pass(request, client, server):
                    pass

    def _pass(self, request: bytes, client: socket.socket, server: socket.socket) -> bool:
        """Whether the connection lives on."""
        fate, part = self._fate()
        if fate == "request lost":
            return False
        if fate == "request cut":
            server.sendall(request[: int(part * len(request))])
            return False
        server.sendall(request)
        answer = message(server)
        if fate == "answer lost" or not answer:
            return False
        if fate == "answer cut":
            client.sendall(answer[: int(part * len(answer))])
            return False
        client.sendall(answer)
        return True

    def _fate(self) -> tuple[str, float]:
        with self._lock:
            fate = self._random.choice(self.FATES[1:]) if self._random.random() < self._lost else self.FATES[0]
            self.fates[fate] += 1
            return fate, self._random.random()


def message(connection: socket.socket) -> bytes:
    """The next whole message; what came of it when the other side closes in its middle, so nothing at its end."""
    received = b""
    while True:
        head, found, body = received.partition(b"\r\n\r\n")
        if found and len(body) >= _length(head):
            return received
        piece = connection.recv(65536)
        if not piece:
            return b""
        received += piece


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


@contextmanager
def lossy(target: int, lost: float = 0.3, seed: int = 1) -> Iterator[Lossy]:
    """A proxy for as long as the block lasts."""
    proxy = Lossy(target, lost, seed)
    try:
        yield proxy
    finally:
        proxy.close()
