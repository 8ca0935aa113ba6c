"""A receiver of webhooks: a real HTTP server that remembers what it got, and answers as it is told."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from standardwebhooks import Webhook


class Got(NamedTuple):
    """A request."""

    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def verified(self, secret: str) -> Any:
        """The body, once the signature was found right."""
        return Webhook(secret).verify(self.body, dict(self.headers))


Answer = Callable[[Got], tuple[int, Mapping[str, str], bytes]]


def taken(_: Got) -> tuple[int, Mapping[str, str], bytes]:
    return 200, {}, b"ok"


class _V6Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6


class Receiver:
    """`answer` may be set anew at any time; `names` are those that TLS was asked for."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.answer: Answer = taken
        self.names: list[str | None] = []
        self._got: list[Got] = []
        self._lock = threading.Lock()
        self._server = (_V6Server if ":" in host else ThreadingHTTPServer)((host, port), self._handler())
        self._server.daemon_threads = True
        if tls is not None:
            tls.sni_callback = lambda _, name, __: self.names.append(name)
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])
        self.url = f"http://{host}:{self.port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def got(self, type_: str | None = None) -> list[Got]:
        """What came so far; of one type."""
        with self._lock:
            return [each for each in self._got if type_ is None or each.json["type"] == type_]

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:  # noqa: N805  the handler has a self of its own
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                got = Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                with receiver._lock:
                    receiver._got.append(got)
                status, headers, answer = receiver.answer(got)
                self.send_response(status)
                for name, value in {"content-length": str(len(answer)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextmanager
def receiving(host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    receiver = Receiver(host, port, tls)
    receiver._thread.start()
    try:
        yield receiver
    finally:
        receiver._server.shutdown()
        receiver._server.server_close()
