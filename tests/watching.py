"""One who watches the live feed, as a browser's EventSource does, and writes down what is told."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx

from harness import Server, until

T = TypeVar("T")


class Watch:
    """What came over one stream. Read it from any thread."""

    def __init__(self) -> None:
        self.status = 0
        self.headers = httpx.Headers()
        self.told: list[tuple[float, str, Any]] = []
        """When, which event, its data."""
        self.ended = threading.Event()

    def of(self, name: str) -> list[Any]:
        return [data for _, kind, data in list(self.told) if kind == name]

    @property
    def points(self) -> list[Any]:
        """Of all seconds, those before one began to watch included."""
        return [point for hello in self.of("hello") for point in hello["points"]] + self.of("point")

    @property
    def events(self) -> dict[str, Any]:
        """The newest word on each event that was shown."""
        ticks = self.of("tick")
        return {event["id"]: event for tick in ticks for event in reversed(tick["events"])}

    @property
    def matched(self) -> int:
        return sum(tick["matched"] for tick in self.of("tick"))

    def total(self, what: str, lane: str = "realtime") -> int:
        return sum(point["lanes"][lane][what] for point in self.points)

    def until(self, probe: Callable[["Watch"], T | None], seconds: float = 10) -> T:
        return until(lambda: probe(self), seconds, f"{len(self.told)} told, the last {self.told[-1:]}")


@contextmanager
def watching(server: Server, key: str | None = None, query: str = "") -> Iterator[Watch]:
    """Begins to watch: it has begun, or was refused, when the body begins."""
    watch = Watch()
    client = server.client(key)

    def read() -> None:
        try:
            with client.stream("GET", f"/v1/live{query}") as answer:
                watch.headers, watch.status = answer.headers, answer.status_code
                if answer.status_code == 200:
                    _read(answer, watch)
        except (httpx.TransportError, httpx.StreamError):
            pass  # the server has ended, or we have
        finally:
            watch.ended.set()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    until(lambda: watch.of("hello") or watch.ended.is_set(), 20, "the stream begins")
    try:
        yield watch
    finally:
        client._transport.close()
        thread.join(0.1)


def _read(answer: httpx.Response, watch: Watch) -> None:
    name = ""
    for line in answer.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            watch.told.append((time.monotonic(), name, json.loads(value)))
