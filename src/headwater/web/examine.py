"""What `headwater doctor` asks a running engine, over the engine's own socket: the store's figures, for all workspaces.

The socket is its owner's alone (mode 0600). What comes through the gateway is somebody's with a key: it carries a
workspace, which the gateway sets and no client can leave out, and finds nothing here.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import StreamingResponse

from headwater.errors import NotFoundError
from headwater.store.base import Examined
from headwater.web.proxy import WORKSPACE

PATH = "/examine"

_QUERIES = "examine_"
"""What the names of the queries begin with that may be asked here."""


async def private(request: Request) -> None:
    if WORKSPACE in request.headers:
        raise NotFoundError("there is nothing here")


Verify = Callable[[], dict[str, Any]]
"""Finds every cohort's members anew: `{"cohorts", "members", "differences": [text]}`."""


def router(store: Examined, verify: Verify) -> APIRouter:
    """One question at a time: they are long, and a server's questions go first."""
    routes = APIRouter(prefix=PATH, include_in_schema=False, dependencies=[Depends(private)])
    turn = CapacityLimiter(1)

    @routes.post("/rows/{query}")
    async def rows(query: str, request: Request) -> Response:
        if not (query.startswith(_QUERIES) and query.isidentifier()):
            raise NotFoundError(f"there is no query '{query}'")
        parameters: dict[str, Any] = msgspec.json.decode(await request.body())
        pieces = iter(store.stream(query, parameters))
        try:
            first = await run_sync(lambda: next(pieces, b""), limiter=turn)
        except Exception as error:
            return Response(str(error), 500)  # whoever may ask here may know
        return StreamingResponse(_all(first, pieces), media_type="application/x-ndjson")

    @routes.get("/parts/{part}")
    async def part(part: str) -> dict[str, str]:
        return {"why": await run_sync(store.check, part, limiter=turn)}

    @routes.get("/cohorts")
    async def cohorts() -> dict[str, Any]:
        return await run_sync(verify, limiter=turn)

    return routes


def _all(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    with contextlib.closing(pieces):  # type: ignore[type-var]  # a store's stream is a generator in all but type
        yield first
        yield from pieces
