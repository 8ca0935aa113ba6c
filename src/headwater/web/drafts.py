"""Drafts over HTTP: a signal that was made because an event named it is approved, and its events are replayed."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from headwater.catalog.base import Approval, Catalog, Principal
from headwater.errors import UnavailableError
from headwater.outcomes import Reason
from headwater.replay import FRESH, Order
from headwater.rules.refused import Refused
from headwater.signals import Aggregation, Enforcement, Period, SignalType
from headwater.web.asking import errors
from headwater.web.changing import Change, at_once
from headwater.web.manage import MAY_BE_NULL, Admin
from headwater.web.rejected import REPLAYED, Ask, OutcomeAnswer, Runs, source_of
from headwater.web.shapes import Body, Days, Dedupe, Name, Rate, SignalAnswer, Value

_WAIT_SECONDS = 5.0
"""How long events are waited for that were acknowledged right before, and are not stored yet."""
_LOOK_SECONDS = 0.1

Get = Callable[[str, Principal, float], Awaitable[httpx.Response]]
"""`proxy.EngineProxy.ask`."""


class ApprovalBody(Body):
    """What the signal is to be; what is absent stays as the draft has it: an event without a limit."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{}, {"type": "metric", "aggregation": "sum", "period": "day", "value": "amount"}]
        }
    )

    name: Name | None = None
    type: SignalType | None = None
    rate_limit: Rate = None
    enforcement: Enforcement | None = None
    aggregation: Aggregation | None = Field(default=None, description="For a metric.")
    period: Period | None = Field(default=None, description="For a metric.")
    value: Value = None
    dedupe_by: Dedupe = None
    retention_days: Days = None
    replay: bool = Field(default=True, description="Take the events that waited, as POST /v1/rejected/replay does.")


class ApprovalAnswer(BaseModel):
    signal: SignalAnswer
    replay: OutcomeAnswer | None = Field(description="What became of the events that waited; null: none was asked for.")
    pending: bool = Field(
        examples=[False],
        description="Events of it that were acknowledged before are still to be stored, and were not replayed: replay "
        "the reason `signal_draft` of this signal later, by POST /v1/rejected/replay. False where none was asked for.",
    )


def changing(catalog: Catalog, replay: Runs, post: Ask, get: Get, change: Change = at_once) -> APIRouter:
    """The gateway's route; `post` and `get` ask the engine."""
    routes = APIRouter(tags=["Signals"])

    @routes.post(
        "/v1/signals/{slug}/approve",
        summary="Approve a draft signal, and take its events",
        responses=errors(400, 404, 409),
    )
    async def approve(who: Admin, slug: str, body: ApprovalBody | None = None) -> ApprovalAnswer:
        """Its next event counts. Those that waited are judged anew, and those that pass keep their ids; they go to the
        lane that takes them now. After a 503, and where `pending` is true, the signal is approved: replay what is left
        by POST /v1/rejected/replay with the reason `signal_draft`. 409: it is no draft. The body may be empty."""
        body = body or ApprovalBody()
        changes = Approval(**_asked(body))
        signal = await change(lambda: catalog.approve_signal(who.actor, who.workspace, slug, changes))
        if not body.replay:
            return ApprovalAnswer(signal=SignalAnswer.of(signal), replay=None, pending=False)
        pending = not await _stored(get, who, slug)
        which = Refused(reason=Reason.SIGNAL_DRAFT, signal=slug)
        outcome = await replay.run(Order(workspace=who.workspace, which=which), source_of(post, who, which))
        if outcome.replayed:
            catalog.note(who.actor, who.workspace, REPLAYED, f"{outcome.replayed} events")
        told = OutcomeAnswer.model_validate(msgspec.to_builtins(outcome))
        return ApprovalAnswer(signal=SignalAnswer.of(signal), replay=told, pending=pending)

    return routes


def _asked(body: ApprovalBody) -> dict[str, Any]:
    asked = body.model_dump(exclude_none=True, exclude={"replay"})
    return asked | {field: getattr(body, field) for field in MAY_BE_NULL & body.model_fields_set}


async def _stored(get: Get, who: Principal, slug: str) -> bool:
    """Whether the engine has stored all events of the signal that were acknowledged before; it is given some seconds.
    Whatever is not stored then will be rejected, and can be replayed. Raises UnavailableError."""
    asked = "/v1/events?" + urlencode({"signal": slug, "status": "pending", "limit": 1})
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        answer = await get(asked, who, FRESH)
        if answer.is_error:
            raise UnavailableError("the engine cannot say which events are rejected")
        if not answer.json()["data"]:
            return True
        if time.monotonic() >= until:
            return False
        await asyncio.sleep(_LOOK_SECONDS)
