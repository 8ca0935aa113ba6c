"""A plain HTTP client that sends exactly the bytes it is given."""

import contextlib
import http.client
import json
import socket
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

Headers = Iterable[tuple[str, str]]


class Answer(NamedTuple):
    """One response. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def __str__(self) -> str:
        return f"{self.status} {dict(self.headers)} {self.body[:2000]!r}"


class Client:
    """One kept-alive connection. `key`, when given, is sent as a Bearer token."""

    def __init__(self, url: str, key: str | None = None, timeout: float = 60) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        self.key = key
        self.timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def send(self, method: str, path: str, headers: Headers = (), body: bytes | None = None) -> Answer:
        """Sends the headers as they stand, plus Host and, for a body, Content-Length."""
        connection = self._connect()
        try:
            return self._send(connection, method, path, list(headers), body)
        except BaseException:
            self.close()
            raise

    def call(self, method: str, path: str, value: Any = None) -> Answer:
        """A JSON request with the client's key."""
        body = None if value is None else json.dumps(value).encode()
        return self.send(method, path, self._usual(body), body)

    def post(self, path: str, body: bytes) -> Answer:
        """A POST of raw bytes with the client's key."""
        return self.send("POST", path, self._usual(body), body)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _usual(self, body: bytes | None) -> list[tuple[str, str]]:
        headers = [("Authorization", f"Bearer {self.key}")] if self.key else []
        return headers if body is None else [*headers, ("Content-Type", "application/json")]

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
            self._connection.connect()
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._connection

    def _send(
        self, connection: http.client.HTTPConnection, method: str, path: str, headers: list[tuple[str, str]], body: Any
    ) -> Answer:
        connection.putrequest(method, path, skip_accept_encoding=True)
        names = {name.lower() for name, _ in headers}
        if body is not None and "content-length" not in names:
            headers = [*headers, ("Content-Length", str(len(body)))]
        for name, value in headers:
            connection.putheader(name, value)
        # A server may answer and close before it has read a body that is too large.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.endheaders(body)
        response = connection.getresponse()
        answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        if response.will_close:
            self.close()
        return answer


def raw(url: str, data: bytes, timeout: float = 30) -> bytes:
    """Sends bytes on a fresh connection and returns everything that comes until the server closes or is silent."""
    parts = urlsplit(url)
    received = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=timeout) as connection:
        try:
            connection.sendall(data)
            while piece := connection.recv(65536):
                received += piece
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            pass
    return received


def receive(connection: socket.socket) -> Answer:
    """The next whole response on a connection that stays open."""
    received = b""
    while b"\r\n\r\n" not in received or len(parse(received).body) < int(parse(received).headers["content-length"]):
        piece = connection.recv(65536)
        assert piece, f"the server closed the connection after {received!r}"
        received += piece
    return parse(received)


def parse(received: bytes) -> Answer:
    """The first response in bytes read by `raw`."""
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    headers = {name.lower(): value for name, value in headers.items()}
    return Answer(int(first.split()[1]), headers, body[: int(headers.get("content-length", len(body)))])
