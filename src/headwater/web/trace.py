"""The way of one event over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from headwater.errors import InvalidError
from headwater.rules.filters import place_of
from headwater.trace import MOST, Traces
from headwater.web.asking import Threads, Workspace, errors, takes
from headwater.web.models import EventAnswer
from headwater.web.parameters import FilteredCursor
from headwater.web.query import TAG, uuid_of
from headwater.web.shapes import Page


class StepAnswer(BaseModel):
    """Something that happened to an event, or that it led to."""

    step: str = Field(
        description="`received`; `waiting` to be stored; `validated` or `rejected`; `stored`; `replayed`; `backfill`; "
        "and what it led to: `profile`, `metric`, `state`, `cohort`, `webhook` (each attempt).",
        examples=["validated"],
    )
    at: str | None = Field(description="When, where that is known.", examples=[None])
    text: str = Field(description="For people.", examples=["its data fit version 1 of its signal's schema"])
    facts: dict[str, Any] = Field(description="For programs.", examples=[{"signal": "addToCart", "schema_version": 1}])


class TraceAnswer(BaseModel):
    """What became of one event."""

    event: EventAnswer
    steps: list[StepAnswer] = Field(description="In the order in which they happened.")


def router(traces: Traces) -> APIRouter:
    """To be asked before the routes of `web.query`, one of which would take `trace` for an id."""
    routes = APIRouter(tags=[TAG])
    threads = Threads()

    @routes.get(
        "/v1/events/trace",
        summary="Traces of the events sent under a reference",
        response_model=Page[TraceAnswer],
        responses=errors(400),
        dependencies=[takes("reference", "limit", "cursor")],
    )
    async def by_reference(
        workspace: Workspace,
        reference: Annotated[str, Query(description="What their sender calls them.")],
        limit: Annotated[int, Query(ge=1, le=MOST, description="Events of a page.")] = MOST,
        cursor: FilteredCursor = None,
    ) -> Response:
        """Newest first by when they occurred; none where nobody used it."""
        if not reference:
            raise InvalidError("'reference' must be what its sender calls an event", "reference")
        after = place_of(cursor)
        return await threads.answer(lambda: traces.by_reference(workspace, reference, limit, after))

    @routes.get(
        "/v1/events/{id}/trace",
        summary="What became of one event",
        response_model=TraceAnswer,
        responses=errors(404),
    )
    async def trace(workspace: Workspace, id: Annotated[str, Path(description="UUIDv7")]) -> Response:
        """When it was received, what was decided about it and why, where it is stored, whose it is, the metric's
        period or the state that it counts in, and the cohorts that people entered or left because of it."""
        event_id = uuid_of(id, "an event's id")
        return await threads.answer(lambda: traces.trace(workspace, event_id))

    return routes
