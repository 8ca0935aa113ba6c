"""A good client in a process of its own: sends batches at a steady rate on a few connections, and counts.

As a script: URL KEY RATE; prints a line when it begins, and one JSON object when its standard input ends.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

PATH = "/integrations/bikPlatformFunctions-events/sendEvents"
EVENTS = 20
LANES = 8
"""How many connections it uses."""


class Outcome(NamedTuple):
    """What became of the requests; times in seconds from the moment they were due."""

    sent: int
    failures: list[str]
    times: list[float]

    def quantile(self, share: float) -> float:
        return sorted(self.times)[int(len(self.times) * share)]

    def __str__(self) -> str:
        p50, p99 = self.quantile(0.5) * 1000, self.quantile(0.99) * 1000
        worst = max(self.times) * 1000
        return (
            f"good client: {self.sent} batches, {len(self.failures)} failed, "
            f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {worst:.0f} ms"
        )


class Steady:
    """The process; `outcome` is there when the context has ended."""

    outcome: Outcome


@contextmanager
def steady(url: str, key: str, rate: int) -> Iterator[Steady]:
    """A good client for the time of the context, which ends with no failed request. It has its connections before."""
    running = Steady()
    command = [sys.executable, __file__, url, key, str(rate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline(), "it cannot begin"
            yield running
            told, _ = process.communicate(timeout=120)
            running.outcome = Outcome(**json.loads(told))
        finally:
            process.kill()
    print(running.outcome)
    assert running.outcome.sent > 0 and not running.outcome.failures, running.outcome.failures[:5]


def _request(host: str, key: str) -> bytes:
    event = {"email": "steady@bik.ai", "eventName": "pageViewed", "eventProperties": {"page": "/" + "x" * 100}}
    body = json.dumps({"events": [event] * EVENTS}).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _answer(reader: asyncio.StreamReader) -> str:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    body = await reader.readexactly(int(length.split(b":")[1]))
    return "" if head.startswith(b"HTTP/1.1 200 ") else repr(head + body)


Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Due = asyncio.Queue[float | None]


async def _lane(address: tuple[str, int], line: Line, data: bytes, due: Due, found: Any) -> None:
    reader, writer = line
    while (at := await due.get()) is not None:
        found["sent"] += 1
        try:
            writer.write(data)
            fault = await asyncio.wait_for(_answer(reader), 30)
        except (OSError, EOFError, TimeoutError) as error:
            fault = repr(error)
            reader, writer = await asyncio.open_connection(*address)
        found["times"].append(time.monotonic() - at)
        if fault:
            found["failures"].append(fault)
    writer.close()


async def _main(url: str, key: str, rate: int) -> None:
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 80)
    data = _request(parts.netloc, key)
    found: dict[str, Any] = {"sent": 0, "failures": [], "times": []}
    due: Due = asyncio.Queue()
    lines = [await asyncio.open_connection(*address) for _ in range(LANES)]
    lanes = [asyncio.create_task(_lane(address, line, data, due, found)) for line in lines]
    print(flush=True)
    told = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    at = time.monotonic()
    while not told.done():
        due.put_nowait(at)
        at += 1 / rate
        await asyncio.sleep(max(0.0, at - time.monotonic()))
    for _ in lanes:
        due.put_nowait(None)
    await asyncio.gather(*lanes)
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
