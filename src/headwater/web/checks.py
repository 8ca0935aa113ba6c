"""A schema tried on events that are there, over HTTP. The engine answers, though other versions are the gateway's."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from headwater.checks import MOST, Checks
from headwater.web.asking import Threads, Workspace, errors
from headwater.web.shapes import VersionBody

TAG = "Signals"

_ID = "01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e01"


class CheckBody(VersionBody):
    sample: Annotated[int, Field(ge=1, le=MOST, description="The most events to look at.")] = 1000


class CheckFault(BaseModel):
    """An event that does not fit, and its first fault."""

    event_id: str = Field(examples=[_ID])
    occurred_at: str = Field(examples=["2026-11-22T04:05:06.789Z"])
    status: Literal["processed", "rejected"] = Field(description="What the event counts as now.")
    path: str = Field(description="As its sender writes it.", examples=["eventProperties.variantId"])
    message: str = Field(examples=["eventProperties.variantId is required"])


class CheckAnswer(BaseModel):
    checked: int = Field(
        description="Events that were looked at: fewer than `sample` where there are no more, or where they are large "
        "or take long.",
        examples=[1000],
    )
    passed: int = Field(examples=[997])
    failed: int = Field(examples=[3])
    faults: list[CheckFault] = Field(description="Of the newest events that fail, up to 20.")


def router(checks: Checks) -> APIRouter:
    """The route. Errors are raised as exceptions: see `web.problems`."""
    routes = APIRouter(tags=[TAG])
    threads = Threads()

    @routes.post(
        "/v1/signals/{slug}/versions/check",
        summary="Try a schema on the newest events",
        response_model=CheckAnswer,
        responses=errors(400, 404, 413),
    )
    async def check(workspace: Workspace, slug: str, body: CheckBody) -> Response:
        """As if they came in now, and it were the latest version; nothing is published or changed. Processed and
        rejected events, the newest by when they occurred. What is no schema is refused as publishing it is."""
        schema: Any = body.schema_
        return await threads.answer(lambda: checks.check(workspace, slug, schema, body.sample))

    return routes
