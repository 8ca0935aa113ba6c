"""Metrics and states over HTTP. The engine answers, though all other paths of signals are the gateway's."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from headwater.measures import Measures
from headwater.rules.filters import Filters, parse, place_of
from headwater.web.asking import Threads, Workspace, check_names, errors
from headwater.web.parameters import FilteredCursor, From, Limit, To
from headwater.web.shapes import Page

TAG = "Metrics and states"

_IDENTITY = "`type:id`, any identity of the profile, as `email:ada@example.com` or `account:42`."

Identity = Annotated[str | None, Query(description=f"Only events of this profile: {_IDENTITY}")]
Whose = Annotated[str | None, Query(description=_IDENTITY)]

_PAGED = ("identity", "from", "to", "limit", "cursor")


class PeriodAnswer(BaseModel):
    """A metric over one period. Periods without events are left out."""

    period_start: str = Field(description="UTC; weeks begin on Monday.", examples=["2026-11-16T00:00:00.000Z"])
    value: float = Field(
        description="Sum, min and max are written out exactly, with up to nine decimals; an avg is the nearest double.",
        examples=[12.5],
    )


class StateAnswer(BaseModel):
    """A value that a profile's state had."""

    value: Any = Field(description="Any JSON but null.", examples=["at-risk"])
    since: str = Field(description="When the event occurred that set it.", examples=["2026-11-22T04:05:06.789Z"])
    event_id: str = Field(examples=["01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e01"])


def router(measures: Measures) -> APIRouter:
    """The routes of metrics and states. Errors are raised as exceptions: see `web.problems`."""
    routes = APIRouter(tags=[TAG])
    threads = Threads()

    @routes.get(
        "/v1/signals/{slug}/metrics",
        summary="A metric by period",
        response_model=Page[PeriodAnswer],
        responses=errors(400, 404),
    )
    async def metrics(
        request: Request,
        workspace: Workspace,
        slug: str,
        identity: Identity = None,
        from_: From = None,
        to: To = None,
        limit: Limit = 100,
        cursor: FilteredCursor = None,
    ) -> Response:
        """Oldest period first, of everybody or of one profile. Processed events count, each in the period that it
        occurred in; a period that `from` or `to` cuts holds only what lies inside."""
        filters = _filters(request, _PAGED)
        return await threads.answer(lambda: measures.metrics(workspace, slug, filters, limit, cursor))

    @routes.get(
        "/v1/signals/{slug}/state",
        summary="A profile's state",
        response_model=StateAnswer,
        responses=errors(400, 404),
    )
    async def state(request: Request, workspace: Workspace, slug: str, identity: Whose = None) -> Response:
        """The newest value by the time its event occurred, whenever it came in; of equal times the greatest canonical
        JSON. 404 when the profile has none."""
        filters = _filters(request, ("identity",))
        return await threads.answer(lambda: measures.state(workspace, slug, filters.identity))

    @routes.get(
        "/v1/signals/{slug}/state/history",
        summary="The values a profile's state had",
        response_model=Page[StateAnswer],
        responses=errors(400, 404),
    )
    async def history(
        request: Request,
        workspace: Workspace,
        slug: str,
        identity: Whose = None,
        from_: From = None,
        to: To = None,
        limit: Limit = 100,
        cursor: FilteredCursor = None,
    ) -> Response:
        """One for each event, the newest first: the first of all is the state."""
        filters, after = _filters(request, _PAGED), place_of(cursor)
        return await threads.answer(lambda: measures.history(workspace, slug, filters, limit, after))

    return routes


def _filters(request: Request, known: tuple[str, ...]) -> Filters:
    """What is asked for. Raises InvalidError for a parameter that is not known, given twice, or malformed."""
    check_names([name for name, _ in request.query_params.multi_items()], known)
    return parse(request.query_params)
