"""Questions to a server that may hang: they end."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import Connection


@contextmanager
def patient(connection: Connection[Any], seconds: float) -> Iterator[None]:
    """Cuts the connection when what is inside takes longer: a server that hangs keeps it open and never answers, and
    only it would know of a time limit. What is inside raises psycopg.OperationalError then."""
    lock, over = threading.Lock(), False

    def late() -> None:
        with lock:
            if not over:
                cut(connection)

    timer = threading.Timer(seconds, late)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            over = True
        timer.cancel()


def cut(connection: Connection[Any]) -> None:
    """Whoever waits for an answer there gets an error at once. From any thread, while the connection is in use."""
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.pgconn.socket)) as shared:
        shared.shutdown(socket.SHUT_RDWR)
