"""What `headwater backup` asks a running engine, over the engine's own socket: to keep one moment while it copies.

The answer is a stream of JSON lines, two a second, for as long as the one who asked listens: `{"waiting": true}`, then
`{"kept": folder, "store": version}`, or `{"failure": why}`. When the listener goes away, however that happens, what was
kept is gone a moment later.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Response
from starlette.types import Receive, Scope, Send

from headwater.backup.keeping import Keeper, Kept
from headwater.web.examine import private

PATH = "/backup"
_SECONDS = 0.5
"""Between two lines."""


def router(keeper: Keeper, store_version: int, stopping: Callable[[], bool]) -> APIRouter:
    """`stopping`: whether the engine is about to end."""
    routes = APIRouter(include_in_schema=False, dependencies=[Depends(private)])

    @routes.post(PATH)
    async def keep() -> Response:
        about = {"kept": str(keeper.folder), "store": store_version}
        return _Lasting(await run_sync(keeper.keep), about, stopping)

    return routes


class _Lasting(Response):
    """Keeps a moment for as long as the client is there."""

    def __init__(self, kept: Kept, about: dict[str, Any], stopping: Callable[[], bool]) -> None:
        super().__init__(media_type="application/x-ndjson")
        del self.headers["content-length"]
        self._kept = kept
        self._about = about
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._tell(gone, send)
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._kept.end()
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone

    async def _tell(self, gone: asyncio.Task[None], send: Send) -> None:
        while not (gone.done() or self._stopping()):
            said = self._said()
            await send({"type": "http.response.body", "body": msgspec.json.encode(said) + b"\n", "more_body": True})
            if "failure" in said:
                return
            await asyncio.wait({gone}, timeout=_SECONDS)

    def _said(self) -> dict[str, Any]:
        if self._kept.failure:
            return {"failure": self._kept.failure}
        return self._about if self._kept.ready.is_set() else {"waiting": True}


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
