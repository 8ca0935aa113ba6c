"""uvicorn as both roles run it, and the engine's socket."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

_GRACE_SECONDS = 20
_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 4096


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


def server(app: Any, **options: Any) -> Server:
    """For one application; `options` are uvicorn's own."""
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
