"""Bad clients by the thousand, in one thread: they connect, drip, or do not read, and note when they are sent away."""

import contextlib
import resource
import select
import socket
import time
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

PORTS_OF_AN_ADDRESS = 5_000
"""Connections from one source address: far below the ports that a machine gives out."""


class Kind(NamedTuple):
    """How one sort of bad client behaves. Bytes read and sent per turn are so few that nobody could mean it."""

    name: str
    first: bytes = b""
    """What it sends at once."""
    drip: bytes = b""
    """What it sends every few seconds."""
    reads: int | None = None
    """Bytes that it reads every few seconds; None: all, at once."""


class _Member:
    def __init__(self, kind: Kind, connection: socket.socket, now: float) -> None:
        self.kind = kind
        self.connection = connection
        self.since = now
        self.turn = now


class Crowd:
    """Bad clients of one server; as a context, so that they are gone at the end. `every`: seconds between turns."""

    def __init__(self, url: str, every: float = 1.0) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._every = every
        self._members: dict[int, _Member] = {}
        self._poll = select.epoll()
        self._met = 0
        self.lived: list[float] = []
        """Seconds that those lived who are gone."""
        self.received: dict[str, bytes] = {}
        """What the last of each kind was told."""

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *error: object) -> None:
        for member in self._members.values():
            member.connection.close()
        self._poll.close()

    @property
    def left(self) -> list[str]:
        """Which kinds are still connected, one entry for each client."""
        return [member.kind.name for member in self._members.values()]

    def join(self, kind: Kind, count: int) -> None:
        """So many more of a kind come in, as fast as the server takes them."""
        need_descriptors(len(self._members) + count)
        for _ in range(count):
            connection = self._connect(kind)
            member = _Member(kind, connection, time.monotonic())
            self._members[connection.fileno()] = member
            listens = select.EPOLLRDHUP if kind.reads is not None else select.EPOLLIN
            self._poll.register(connection, listens)
            self._send(member, kind.first)

    def _connect(self, kind: Kind) -> socket.socket:
        connection = socket.socket()
        if kind.reads is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        if self._address[0].startswith("127."):
            connection.bind((f"127.0.0.{2 + self._met // PORTS_OF_AN_ADDRESS}", 0))
        self._met += 1
        connection.settimeout(10)
        connection.connect(self._address)
        connection.setblocking(False)
        return connection

    def stay(self, seconds: float) -> None:
        """They go on for so long, or until the last one is gone."""
        end = time.monotonic() + seconds
        while self._members and time.monotonic() < end:
            self._look(0.05)
            now = time.monotonic()
            for member in self._due(now):
                member.turn = now
                self._act(member)

    def _look(self, seconds: float) -> None:
        for descriptor, event in self._poll.poll(seconds, 1000):
            member = self._members[descriptor]
            if event & (select.EPOLLHUP | select.EPOLLERR):
                self._gone(member)
            elif member.kind.reads is None:
                self._read(member, 65536)
            elif event & select.EPOLLRDHUP:
                self._poll.modify(member.connection, 0)  # told that it is over; what is there is still read slowly

    def _due(self, now: float) -> Iterator[_Member]:
        due = [each for each in self._members.values() if now - each.turn >= self._every]
        return (each for each in due if each.connection.fileno() >= 0)

    def _act(self, member: _Member) -> None:
        if member.kind.drip:
            self._send(member, member.kind.drip)
        if member.kind.reads is not None and member.connection.fileno() >= 0:
            self._read(member, member.kind.reads)

    def _send(self, member: _Member, data: bytes) -> None:
        try:
            with contextlib.suppress(BlockingIOError):
                if data:
                    member.connection.send(data)
        except OSError:
            self._gone(member)

    def _read(self, member: _Member, size: int) -> None:
        try:
            some = member.connection.recv(size)
        except BlockingIOError:
            return
        except OSError:
            some = b""
        if some:
            self.received[member.kind.name] = some
        else:
            self._gone(member)

    def _gone(self, member: _Member) -> None:
        if self._members.pop(member.connection.fileno(), None):
            self.lived.append(time.monotonic() - member.since)
            member.connection.close()


def need_descriptors(count: int) -> None:
    """Sees to it that this process may open so many files beside its own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 500
    if soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        assert most >= count + 100, f"RLIMIT_NOFILE is {hard}: too low for {count} connections"
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
