"""How busy signals are, over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from headwater.activity import MOST_HOURS, Activity
from headwater.web.asking import Threads, Workspace, errors, takes

TAG = "Questions"

Hours = Annotated[int, Query(ge=1, le=MOST_HOURS, description="How many; the last one is the hour that runs.")]


class SignalActivity(BaseModel):
    """A signal that had events in these hours."""

    signal: str = Field(examples=["addToCart"])
    processed: list[int] = Field(description="By hour, the oldest first; as many as hours.", examples=[[0, 1204]])
    rejected: list[int] = Field(description="Likewise; an event that was replayed counts as processed.")
    last_received_at: str = Field(description="Of these events.", examples=["2026-11-22T04:05:06.789Z"])


class ActivityAnswer(BaseModel):
    from_: str = Field(
        alias="from", description="When the first hour begins; UTC.", examples=["2026-11-21T05:00:00.000Z"]
    )
    step_seconds: int = Field(description="How long a step is.", examples=[3600])
    data: list[SignalActivity] = Field(description="By slug.")


def router(activity: Activity) -> APIRouter:
    """The route. Errors are raised as exceptions: see `web.problems`."""
    routes = APIRouter(tags=[TAG])
    threads = Threads()

    @routes.get(
        "/v1/activity",
        summary="Events of each signal by the hour",
        response_model=ActivityAnswer,
        responses=errors(400),
        dependencies=[takes("hours")],
    )
    async def hours(workspace: Workspace, hours: Hours = 24) -> Response:
        """By when they were received, whatever dates they carry; as processed or rejected by what counts now. Pending
        and reverted ones are left out. Up to three seconds old."""
        return await threads.answer(lambda: activity.hours(workspace, hours))

    return routes
