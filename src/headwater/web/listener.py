"""Takes connections in, a few at a time; with TLS, within bounds for those that still shake hands."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable

HANDSHAKE_SECONDS = 10.0
"""From a connection's first moment until its handshake is done; as long as a request's head may take."""
SHUTDOWN_SECONDS = 5.0
"""How long a closed connection waits for the peer's own goodbye."""
MOST_HANDSHAKES = 1000
"""Handshakes at a time; each costs some 50 KiB. One more ends the oldest: good clients take milliseconds."""
AT_ONCE = 8
"""Connections between two looks at those that are there: thousands that come at one moment wait, not their requests."""

_PAUSE_SECONDS = 0.1
"""Before the next try when no descriptor is left."""

logger = logging.getLogger("headwater.listener")


class Listener:
    """Takes the place of asyncio's Server, which takes all that wait at once, has no bound for how many handshakes
    there are, and gives the memory of one that timed out not back (uvloop 0.23).

    `make` makes the protocol of one connection; with `tls` they all speak that. The socket is listening already.
    """

    def __init__(
        self, listener: socket.socket, make: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None
    ) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._make = make
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._coming: dict[asyncio.Task[None], None] = {}
        self._paused: asyncio.TimerHandle | None = None
        self._is_short = False
        self._begin()

    def _begin(self) -> None:
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        """Some of those that wait; the loop calls again while there are more."""
        for _ in range(AT_ONCE):
            try:
                connection, _address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(error)
                return
            self._is_short = False
            self._take(connection)

    def _pause(self, error: OSError) -> None:
        if not self._is_short:  # once for each time that it is short of something
            logger.warning("no connection can be accepted: %s", error)
        self._is_short = True
        self._loop.remove_reader(self._listener)
        self._paused = self._loop.call_later(_PAUSE_SECONDS, self._begin)

    def _take(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        if self._tls is not None and len(self._coming) >= MOST_HANDSHAKES:
            oldest = next(iter(self._coming))
            del self._coming[oldest]
            oldest.cancel()
        task = self._loop.create_task(
            self._open(connection) if self._tls is None else self._shake(connection, self._tls)
        )
        self._coming[task] = None
        task.add_done_callback(self._came)

    def _came(self, task: asyncio.Task[None]) -> None:
        self._coming.pop(task, None)

    async def _open(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, connection)
        except BaseException as error:
            connection.close()
            if not isinstance(error, OSError):
                raise

    async def _shake(self, connection: socket.socket, tls: ssl.SSLContext) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await self._loop.connect_accepted_socket(
                    self._make,
                    connection,
                    ssl=tls,
                    ssl_handshake_timeout=2 * HANDSHAKE_SECONDS,
                    ssl_shutdown_timeout=SHUTDOWN_SECONDS,
                )
        except BaseException as error:
            connection.close()
            if not isinstance(error, OSError):  # ssl.SSLError and TimeoutError are some: no TLS, nothing, or gone
                raise

    def close(self) -> None:
        """Accepts no more, and ends what is no connection yet."""
        if self._paused is not None:
            self._paused.cancel()
        self._loop.remove_reader(self._listener)
        for task in self._coming:
            task.cancel()

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._coming, return_exceptions=True)
