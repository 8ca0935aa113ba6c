"""Backfills over HTTP. The gateway writes them down, for it must know of them before it takes an event; the engine,
which has their events, answers questions."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Protocol

import httpx
import msgspec
from fastapi import APIRouter, Path, Response

from headwater.catalog.backfills import answer
from headwater.catalog.base import Backfill, Catalog, Principal
from headwater.errors import UnavailableError
from headwater.rules.filters import DEFAULT_LIMIT
from headwater.web.asking import Threads, Workspace, errors, takes
from headwater.web.backfill_models import BackfillAnswer, BackfillBody, BackfillPage, BackfillPreview
from headwater.web.changing import Change, at_once
from headwater.web.manage import Admin
from headwater.web.parameters import Cursor, Limit

TAG = "Backfills"

_ASK_SECONDS = 2.0
"""How long a change waits for the engine to tell how many events it is about."""

Ask = Callable[[str, Principal, float], Awaitable[httpx.Response]]
"""`proxy.EngineProxy.ask`."""

Id = Annotated[str, Path(description="`bf_…`")]


class Backfills(Protocol):
    """What of `backfills.Backfills` is asked here. NotFoundError for one that is not the workspace's."""

    def page(self, workspace: str, limit: int, cursor: str | None) -> Any: ...

    def one(self, workspace: str, id: str) -> Any: ...

    def preview(self, workspace: str, id: str) -> Any: ...


class Changing:
    """The calls that change one."""

    def __init__(self, catalog: Catalog, ask: Ask, change: Change) -> None:
        self._catalog = catalog
        self._ask = ask
        self._change = change

    async def create(self, who: Admin, body: BackfillBody) -> BackfillAnswer:
        """Send its id as `Headwater-Backfill` with batches of events: they take the migration lane, whatever their
        dates. A name is given once in a workspace (409), also when its backfill is reverted."""
        make = self._catalog.create_backfill
        made = await self._change(lambda: make(who.actor, who.workspace, body.name, body.hold))
        return BackfillAnswer(**answer(made, 0, 0))

    async def close(self, who: Admin, id: Id) -> BackfillAnswer:
        """It takes no more events (409 for those that name it). What it took stays as it is."""
        changed = await self._change(lambda: self._catalog.close_backfill(who.actor, who.workspace, id))
        return await self._told(who, changed)

    async def release(self, who: Admin, id: Id) -> BackfillAnswer:
        """The events of one that was made with `hold` count from now on. 409 for one that never was held, or is
        reverted."""
        changed = await self._change(lambda: self._catalog.release_backfill(who.actor, who.workspace, id))
        return await self._told(who, changed, settled=False)

    async def revert(self, who: Admin, id: Id) -> BackfillAnswer:
        """It takes no more events, and everything is as if it had never been: metrics, states, profiles, cohorts. Its
        events stay readable, as `reverted`. This is for good; load it again under another name."""
        changed = await self._change(lambda: self._catalog.revert_backfill(who.actor, who.workspace, id))
        return await self._told(who, changed, settled=False)

    async def _told(self, who: Principal, changed: Backfill, settled: bool = True) -> BackfillAnswer:
        """As the engine tells it; without its events where the engine cannot: it is changed all the same."""
        try:
            response = await self._ask(f"/v1/backfills/{changed.id}", who, _ASK_SECONDS)
            if response.status_code == 200:
                return BackfillAnswer(**msgspec.json.decode(response.content))
        except UnavailableError:
            pass
        return BackfillAnswer(**answer(changed, None, None, settled))


def changing(catalog: Catalog, ask: Ask, change: Change = at_once) -> APIRouter:
    """The gateway's routes; `ask` asks the engine, `change` runs what changes the catalog."""
    routes = APIRouter(tags=[TAG])
    calls = Changing(catalog, ask, change)
    routes.post("/v1/backfills", summary="Create a backfill", status_code=201, responses=errors(400, 409, 413))(
        calls.create
    )
    for name, call, summary, status in (
        ("close", calls.close, "Close a backfill", 200),
        ("release", calls.release, "Release a held backfill", 202),
        ("revert", calls.revert, "Revert a backfill", 202),
    ):
        told = errors(404) if name == "close" else errors(404, 409)
        routes.post(f"/v1/backfills/{{id}}/{name}", summary=summary, status_code=status, responses=told)(call)
    return routes


def asking(backfills: Backfills) -> APIRouter:
    """The engine's routes."""
    routes = APIRouter(tags=[TAG])
    threads = Threads()

    @routes.get(
        "/v1/backfills",
        summary="List backfills",
        response_model=BackfillPage,
        responses=errors(400),
        dependencies=[takes("limit", "cursor")],
    )
    async def list_(workspace: Workspace, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
        """The newest first, those that are closed or reverted too."""
        return await threads.answer(lambda: backfills.page(workspace, limit, cursor))

    @routes.get("/v1/backfills/{id}", summary="Show a backfill", response_model=BackfillAnswer, responses=errors(404))
    async def show(workspace: Workspace, id: Id) -> Response:
        """With how many events are stored of it."""
        return await threads.answer(lambda: backfills.one(workspace, id))

    @routes.get(
        "/v1/backfills/{id}/preview",
        summary="What is in a backfill, and what it changes",
        response_model=BackfillPreview,
        responses=errors(404),
    )
    async def preview(workspace: Workspace, id: Id) -> Response:
        """Its events by signal and day, what was rejected and why, and profiles, metrics, states and cohorts with it
        and without. It takes seconds, with many cohorts half a minute."""
        return await threads.answer(lambda: backfills.preview(workspace, id))

    return routes
