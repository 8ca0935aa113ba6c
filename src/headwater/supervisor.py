"""The supervisor: keeps the roles of one headwater running as its children, and ends them in order.

It owns the public listening socket and hands it to the gateway by inheritance: while a gateway restarts, connections
wait in the socket's backlog instead of being refused. It never reads from that socket, and holds no event: killing it
loses nothing, and its children end with it.
"""

import asyncio
import contextlib
import ctypes
import errno
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import msgspec

from headwater.errors import StartError
from headwater.locks import WAIT_SECONDS

EXIT_START = 75
"""A role's exit code when something outside stood in its way (`StartError`); sysexits' EX_TEMPFAIL."""
EXIT_STAY_DOWN = 78
"""A role's exit code when a restart would only repeat it (`SettingsError`, `CorruptionError`); EX_CONFIG."""

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
"""Seconds before a dead role is started again: doubled from the first to the longest."""
SETTLED_SECONDS = 10.0
"""A role that lived this long starts again with the first delay."""
REPEAT_SECONDS = 1.0
"""A second signal this soon is the first one once more: `timeout` and `make` send it to a child and to its group."""
STOP_SECONDS = 30.0
"""How long the roles have, together, to end by themselves after the first signal."""

_BACKLOG = 2048
_UNSENT_BYTES = 128 * 1024
"""What the kernel takes of an answer before it can send it. It would take megabytes for a client that reads nothing:
memory that nobody counts, and seconds of copying when there are a thousand such clients."""
_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.05

log = logging.getLogger(__name__)


class Role(msgspec.Struct, frozen=True):
    """One child: its name, its whole command, the file descriptors it inherits."""

    name: str
    command: Sequence[str]
    fds: Sequence[int] = ()
    vital: bool = False
    """Without it there is no use in going on: when it refuses to start, the supervisor ends too."""


def listen(host: str, port: int, wait_seconds: float = WAIT_SECONDS) -> socket.socket:
    """The public socket, bound and listening; port 0 takes any free one.

    Waits up to `wait_seconds` for a dying process to let go of the port. Raises StartError naming host and port.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return _bind(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                raise StartError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
        time.sleep(_POLL_SECONDS)


def _bind(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # not everywhere; every connection has it from its listener
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def die_with(parent: int) -> None:
    """Called first thing in a child: from here on it does not outlive `parent`, whatever ends that.

    By SIGKILL, the one signal that a busy or stuck process cannot put off; a role loses nothing by it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it ended before the line above took hold
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


class _Child:
    """One role's process, started again whenever it dies, until it is stopped or refuses."""

    def __init__(self, role: Role, environment: Mapping[str, str]) -> None:
        self.role = role
        self.refused: int | None = None
        """The exit code with which it asked to stay down."""
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = asyncio.Event()
        self._served = False

    async def keep(self) -> None:
        """Returns when it was stopped, or when its exit code says that a restart is useless."""
        delay = FIRST_DELAY
        while not self._stopping.is_set():
            began = time.monotonic()
            code = await self._run()
            if self._stopping.is_set() or self._refuses(code):
                return
            lived = time.monotonic() - began
            self._served = self._served or lived >= SETTLED_SECONDS
            delay = FIRST_DELAY if lived >= SETTLED_SECONDS else delay
            log.warning("%s ended %s lived_seconds=%.1f restart_in=%.1f", self.role.name, _why(code), lived, delay)
            await _first(self._stopping.wait(), seconds=delay)
            delay = min(2 * delay, LONGEST_DELAY)

    async def _run(self) -> int:
        try:
            self._process = _spawn(self.role, self._environment)
        except OSError as error:  # no memory or process slot left: as good as a death
            log.error("%s cannot be started: %s", self.role.name, error)
            return EXIT_START
        log.info("%s started pid=%d", self.role.name, self._process.pid)
        return await asyncio.to_thread(self._process.wait)

    def _refuses(self, code: int) -> bool:
        """A start that fails on something outside is final for a vital role that never ran; else it is tried again."""
        final = code == EXIT_STAY_DOWN or (code == EXIT_START and self.role.vital and not self._served)
        if final:
            self.refused = code
            log.error("%s stays down %s: it said above what is wrong", self.role.name, _why(code))
        return final

    def signal(self, number: signal.Signals) -> None:
        self._stopping.set()
        if self._process is not None:
            self._process.send_signal(number)  # does nothing when it has ended


def _spawn(role: Role, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Starts it with SIGINT blocked, which it keeps: Ctrl-C reaches the whole group, and the supervisor decides."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return subprocess.Popen(  # noqa: S603  the command is our own
            role.command, stdin=subprocess.DEVNULL, pass_fds=role.fds, env=dict(environment)
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _why(code: int) -> str:
    return f"signal={signal.Signals(-code).name}" if code < 0 else f"code={code}"


async def _first(*waits: Coroutine[Any, Any, Any], seconds: float | None = None) -> None:
    """Returns when one of `waits` is done, or after `seconds`; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Supervisor:
    """Runs `roles` until a signal or a refusal ends it; they are stopped in the order given.

    `tls`: what is spoken on `listener` is TLS.
    """

    def __init__(
        self, roles: Sequence[Role], listener: socket.socket, environment: Mapping[str, str], tls: bool = False
    ) -> None:
        self._children = [_Child(role, environment) for role in roles]
        self._listener = listener
        self._tls = _unverified() if tls else None
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._asked = 0.0
        """When the first signal came."""

    async def run(self, ready: Callable[[], None]) -> int:
        """Calls `ready` once, in a thread, when `/readyz` first answers 200.

        Returns the exit code: 0 after a clean stop.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        keepers = [asyncio.create_task(self._keep(child)) for child in self._children]
        greeter = asyncio.create_task(self._greet(ready))
        await self._stop.wait()
        greeter.cancel()
        self._listener.close()  # new connections are refused from here on, once the gateway has closed its own
        await self._end(keepers)
        return next((child.refused for child in self._children if child.refused and child.role.vital), 0)

    def _on_signal(self) -> None:
        now = time.monotonic()
        if not self._stop.is_set():
            self._asked = now
            self._stop.set()
        elif now - self._asked > REPEAT_SECONDS:
            self._hurry.set()

    async def _keep(self, child: _Child) -> None:
        await child.keep()
        if child.role.vital:
            self._stop.set()

    async def _end(self, keepers: Sequence[asyncio.Task[None]]) -> None:
        log.info("stopping")
        deadline = time.monotonic() + STOP_SECONDS
        for child, keeper in zip(self._children, keepers, strict=True):
            child.signal(signal.SIGTERM)
            if not self._hurry.is_set():
                left = max(0.0, deadline - time.monotonic())
                await _first(_done(keeper), self._hurry.wait(), seconds=left)
            if not keeper.done():
                why = "asked twice" if self._hurry.is_set() else "out of time"
                log.warning("%s is killed: %s", child.role.name, why)
                child.signal(signal.SIGKILL)
            await keeper
        log.info("stopped")

    async def _greet(self, ready: Callable[[], None]) -> None:
        address = self._listener.getsockname()
        while not await _answers(address, self._tls):
            await _first(self._stop.wait(), seconds=_POLL_SECONDS)
        await asyncio.to_thread(ready)


async def _done(task: asyncio.Task[None]) -> None:
    await asyncio.wait([task])


def _unverified() -> ssl.SSLContext:
    """For asking our own socket, of which we know whose it is: the certificate is for another name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _answers(address: tuple[Any, ...], tls: ssl.SSLContext | None) -> bool:
    """Whether the server at `address` says that it is ready. Waits in the backlog for one that is starting."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address[0], address[0])  # noqa: S104  compared, not bound
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(host, address[1], ssl=tls)
            with contextlib.closing(writer):
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: headwater\r\nConnection: close\r\n\r\n")
                return b" 200 " in await reader.readline()
    return False
