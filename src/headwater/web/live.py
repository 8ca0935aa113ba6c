"""The live feed over HTTP: server-sent events."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Annotated, Any

import msgspec
from anyio import fail_after
from fastapi import APIRouter, Query, Request, Response
from starlette.types import Receive, Scope, Send

from headwater.feed import Feed, Watcher
from headwater.rules.filters import Filters, parse
from headwater.web.asking import STALL_SECONDS, Threads, Workspace, check_names, errors
from headwater.web.parameters import Signal
from headwater.web.query import Identity, Lane

TAG = "Live"
PATH = "/v1/live"
EVENT_STREAM = "text/event-stream"

_PARAMETERS = ("signal", "status", "lane", "identity")
_RETRY = b"retry: 1000\n\n"
"""Milliseconds after which a browser comes back when the stream has ended."""
_BEAT_SECONDS = 10
"""A stream that has nothing to say says so."""
_encode = msgspec.json.Encoder().encode

Status = Annotated[
    str | None,
    Query(
        description="What has become of the event. While a backfill is held, its events are `pending`.",
        json_schema_extra={"enum": ["pending", "processed", "rejected", "reverted"]},
    ),
]

_STREAM = {
    "description": """Server-sent events for as long as the client stays. Each has a name, and one line of JSON as data:

- `hello`, first of all: `{"step_seconds": 1, "points": [Point]}`, up to 900 seconds that have passed, oldest first.
- `tick`, four times a second: `{"events", "matched", "shown", "lanes"}`. `events` are the newest that fit, at most 40,
  newest first: `{id, signal, status, reason, lane, dialect, identities, occurred_at, received_at, backfill_id}`.
  `matched` counts all that fit since the tick before, `shown` those in `events`; with `"sampled": true` `matched` is
  an estimate. `lanes`: `[{lane, backlog, age_seconds}]`, what is still to be done.
- `point`, once a second: a Point, `{"at", "lanes": {"realtime": {"accepted", "processed", "rejected", "backlog"},
  "migration": {…}}}`: exact counts of that second, of the whole workspace whatever is filtered.

Lines that begin with a colon say nothing. When the stream ends, come back after a second.""",
    "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
}


def router(feed: Feed, stopping: Callable[[], bool]) -> APIRouter:
    """`stopping`: whether the engine is about to end, and so its streams."""
    routes = APIRouter(tags=[TAG])
    threads = Threads()

    @routes.get(
        PATH,
        summary="What comes in, and what becomes of it, as it happens",
        response_class=Response,
        responses={200: _STREAM, **errors(400)},
    )
    async def live(
        request: Request,
        workspace: Workspace,
        signal: Signal = None,
        status: Status = None,
        lane: Lane = None,
        identity: Identity = None,
    ) -> Response:
        """Events are shown once they have their outcome; one that is replayed is shown again, with its new one. There
        are at most 20 streams of a workspace at once and 100 of all: a 503 beyond."""
        check_names([name for name, _ in request.query_params.multi_items()], _PARAMETERS)
        return _Stream(feed, workspace, parse(request.query_params), threads, stopping)

    return routes


class _Stream(Response):
    """Tells until the client has gone, or takes nothing for a minute."""

    def __init__(
        self, feed: Feed, workspace: str, filters: Filters, threads: Threads, stopping: Callable[[], bool]
    ) -> None:
        super().__init__(media_type=EVENT_STREAM, headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._feed = feed
        self._about = workspace, filters
        self._threads = threads
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop, moved = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(moved.set)

        watcher, points = await self._threads.do(lambda: self._feed.watch(*self._about, wake))
        gone = asyncio.create_task(_gone(receive))
        gone.add_done_callback(lambda _: moved.set())
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            hello = {"step_seconds": 1, "points": points}
            await _put(send, _RETRY + _framed("hello", hello))
            await self._tell(watcher, moved, gone, send)
            await send({"type": "http.response.body", "body": b""})
        finally:
            watcher.leave()
            gone.cancel()

    async def _tell(self, watcher: Watcher, moved: asyncio.Event, gone: "asyncio.Task[None]", send: Send) -> None:
        while not (gone.done() or self._stopping()):
            try:
                async with asyncio.timeout(_BEAT_SECONDS):
                    await moved.wait()
            except TimeoutError:
                await _put(send, b": \n\n")
                continue
            moved.clear()
            if said := b"".join(_said(watcher)):
                await _put(send, said)


def _said(watcher: Watcher) -> Iterable[bytes]:
    tick, points = watcher.take()
    if tick is not None:
        yield _framed("tick", tick)
    for point in points:
        yield _framed("point", point)


def _framed(name: str, data: Any) -> bytes:
    """JSON has no raw line feed, so it is one line."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(data))


async def _put(send: Send, piece: bytes) -> None:
    with fail_after(STALL_SECONDS):
        await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
