"""Open-loop load: requests at a constant rate, whatever the answers do. A process of its own; prints JSON.

    python bench/openloop.py PORT PATH AUTHORIZATION BODIES --rate 1000 --seconds 4

Latency counts from the moment a request was due, not from when it was sent: a server that stalls is charged for every
request that had to wait meanwhile (no coordinated omission), and so is this generator's own lateness, which is told
beside it (`late_p99_ms`). A timerfd wakes it: event loops' own timers only know whole milliseconds. A request goes over
a free connection, or a new one, or waits for one when `--connections` are busy.
"""

import argparse
import asyncio
import ctypes
import json
import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import uvloop

GRACE = 2.0
"""Seconds that answers are waited for after the last request was due."""
PERIOD_NS = 200_000
"""Between two looks at the schedule."""


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, generator: "Generator") -> None:
        self.generator = generator
        self.due = 0.0
        self.request = b""
        self.status = b""
        self.buffer = bytearray()
        self.length = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def send(self, due: float, request: bytes) -> None:
        self.due, self.request = due, request
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.length < 0:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self.buffer[:end]).lower()
            self.status = head[9:12]
            self.length = end + 4 + int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
        if len(self.buffer) >= self.length:
            self.buffer.clear()
            self.length = -1
            due, self.due = self.due, 0.0
            self.generator.answered(self, due, self.status == b"200")

    def connection_lost(self, error: Exception | None) -> None:
        self.generator.lost(self, bool(self.due))


class Generator:
    """Follows the schedule; collects latencies in seconds."""

    period_ns = PERIOD_NS

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.requests = self.made()
        self.free: list[Connection] = []
        self.waiting: deque[float] = deque()
        self.busy: set[Connection] = set()
        self.opening = 0
        self.latencies: list[float] = []
        self.late: list[float] = []
        self.refused = self.failed = self.scheduled = 0
        self.in_time = 0
        self.ended = False

    def made(self) -> Iterator[bytes]:
        """The requests, one after the other, without an end."""
        head, bodies = self.head(self.options.path), self.options.bodies.read_bytes().splitlines()
        return cycle([(head % len(body)).encode() + body for body in bodies])

    def head(self, path: str) -> str:
        """All before the body, whose length is still to be set in."""
        return (
            f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{self.options.port}\r\nauthorization: "
            f"{self.options.authorization}\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        )

    async def run(self) -> dict[str, float]:
        self.loop = asyncio.get_running_loop()
        for _ in range(min(16, self.options.connections)):
            self.free.append(await self.connect())
        self.total = round(self.options.rate * self.options.seconds)
        self.began, self.cpu = time.perf_counter() + 0.01, time.process_time()
        timer = ticking(self.period_ns)
        self.done = asyncio.Event()
        self.loop.add_reader(timer, self.tick, timer)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.done.wait(), self.options.seconds + GRACE)
        self.loop.remove_reader(timer)
        return self.result()

    async def connect(self) -> Connection:
        _, connection = await self.loop.create_connection(lambda: Connection(self), "127.0.0.1", self.options.port)
        return connection

    def tick(self, timer: int) -> None:
        os.read(timer, 8)
        now = time.perf_counter()
        while self.scheduled < self.total and (due := self.began + self.scheduled / self.options.rate) <= now:
            self.scheduled += 1
            self.late.append(now - due)
            self.dispatch(due)

    def dispatch(self, due: float) -> None:
        if self.free:
            connection = self.free.pop()
            self.busy.add(connection)
            connection.send(due, next(self.requests))
            return
        self.waiting.append(due)
        if len(self.busy) + self.opening < self.options.connections:
            self.opening += 1
            self.loop.create_task(self.grow())

    async def grow(self) -> None:
        try:
            connection = await self.connect()
        except OSError:
            self.opening -= 1
            return
        self.opening -= 1
        self.go_on(connection)

    def go_on(self, connection: Connection) -> None:
        """A connection is free: the request that waits longest takes it."""
        if self.waiting and not self.ended:
            self.busy.add(connection)
            connection.send(self.waiting.popleft(), next(self.requests))
        else:
            self.busy.discard(connection)
            self.free.append(connection)

    def answered(self, connection: Connection, due: float, ok: bool) -> None:
        now = time.perf_counter()
        self.latencies.append(now - due)
        self.refused += not ok
        self.in_time += ok and now <= self.began + self.options.seconds
        self.go_on(connection)
        if len(self.latencies) + self.failed >= self.total:
            self.done.set()

    def lost(self, connection: Connection, under_way: bool) -> None:
        if self.ended:
            return
        self.failed += under_way
        self.busy.discard(connection)
        if connection in self.free:
            self.free.remove(connection)

    def result(self) -> dict[str, float]:
        """Unanswered requests count with the time they have waited so far."""
        self.ended = True
        now = time.perf_counter()
        unanswered = [now - connection.due for connection in self.busy] + [now - due for due in self.waiting]
        latencies, late = sorted(self.latencies + unanswered), sorted(self.late)
        return {
            "offered_per_s": self.options.rate,
            "seconds": self.options.seconds,
            "answered_per_s": self.in_time / self.options.seconds,
            "taken": len(self.latencies) - self.refused,
            "p50_ms": at(latencies, 0.5) * 1e3,
            "p99_ms": at(latencies, 0.99) * 1e3,
            "p999_ms": at(latencies, 0.999) * 1e3,
            "max_ms": latencies[-1] * 1e3,
            "late_p99_ms": at(late, 0.99) * 1e3,
            "unanswered": len(unanswered),
            "refused": self.refused,
            "failed": self.failed,
            "connections": len(self.free) + len(self.busy),
            "generator_cpu": (time.process_time() - self.cpu) / (now - self.began),
        }


def at(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def ticking(period_ns: int) -> int:
    """A file descriptor that becomes readable every `period_ns` (Linux; os.timerfd_create is Python 3.13's)."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    spec = (ctypes.c_long * 4)(0, period_ns, 0, period_ns)
    if fd < 0 or libc.timerfd_settime(fd, 0, spec, None):
        raise OSError(ctypes.get_errno(), "timerfd")
    return int(fd)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("authorization")
    parser.add_argument("bodies", type=Path)
    parser.add_argument("--rate", type=float, default=1000, help="requests/s")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--connections", type=int, default=256, help="at most")
    print(json.dumps(uvloop.run(Generator(parser.parse_args()).run())))


if __name__ == "__main__":
    main()
