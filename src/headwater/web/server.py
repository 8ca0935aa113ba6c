"""uvicorn as both roles run it, and the engine's socket."""

import asyncio
import functools
import logging
import os
import resource
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from headwater.web.listener import Listener

_GRACE_SECONDS = 20
_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 4096
_OWN_DESCRIPTORS = 256
"""What the gateway opens beside its clients' connections: log, catalog, the lines to the engine."""

logger = logging.getLogger("headwater.server")


class Server(uvicorn.Server):
    """Stops on SIGTERM and SIGINT; under a supervisor, which has SIGINT blocked for its children, on SIGTERM alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop, signals = asyncio.get_running_loop(), (signal.SIGTERM, signal.SIGINT)
        for each in signals:
            loop.add_signal_handler(each, self.handle_exit, each, None)
        try:
            yield
        finally:
            for each in signals:
                loop.remove_signal_handler(each)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn's own for given sockets, but that connections are taken in our own way."""
        await self.lifespan.startup()
        make: Any = functools.partial(
            self.config.http_protocol_class,
            self.config,
            self.server_state,
            self.lifespan.state,  # type: ignore[call-arg]
        )
        self.servers = [Listener(each, make, self.config.ssl) for each in sockets or []]  # type: ignore[misc]
        self.started = True


class Front:
    """Stands before an application that is made after its server is, or changes."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def server(app: Any, tls: ssl.SSLContext | None = None, **options: Any) -> Server:
    """For one application, with TLS alone if there is a context for it; `options` are uvicorn's own."""
    if tls is not None:
        options["ssl_context_factory"] = lambda config, default: tls
    return Server(
        uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            **options,
        )
    )


def connections(wanted: int) -> int:
    """How many connections there can be: as many as wanted, if there are descriptors for them. Takes all that the
    process may have."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most == resource.RLIM_INFINITY:
        most = wanted + _OWN_DESCRIPTORS
    with suppress(ValueError, OSError):  # some systems have a lower bound than they tell
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    possible = max(most - _OWN_DESCRIPTORS, most // 2)
    if possible < wanted:
        logger.warning("at most %d connections, not %d: RLIMIT_NOFILE is %d", possible, wanted, most)
    return min(wanted, possible)


def private_socket(path: Path) -> socket.socket:
    """A listening Unix socket that only its owner can reach; it replaces one that was left there."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    listener.listen(_BACKLOG)
    return listener
