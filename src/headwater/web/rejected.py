"""Rejected events over HTTP: the engine lists them and hands the gateway those to be judged; the gateway replays."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal, Protocol

import httpx
import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from headwater.catalog.base import Catalog, Principal
from headwater.errors import UnavailableError
from headwater.events import Lane
from headwater.outcomes import Reason
from headwater.rejected import Rejected
from headwater.replay import FRESH, Order, Outcome, Source
from headwater.rules.filters import DEFAULT_LIMIT, Place, place_of
from headwater.rules.refused import FIRST, MOST_IDS, PARAMETERS, Candidates, Refused, parse_refused
from headwater.web.asking import Threads, Workspace, errors, takes
from headwater.web.manage import Admin
from headwater.web.models import EventAnswer
from headwater.web.parameters import Backfill, EventLimit, FilteredCursor, From, Signal, To, filter_
from headwater.web.shapes import Body, Page

TAG = "Rejected events"

_CANDIDATES = "/replay/candidates"
"""Of the engine, and out of every client's reach: the gateway hands nothing on to it."""
REPLAYED = "rejected.replay"
"""In the audit."""

_ID = "01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e01"

Why = Annotated[str | None, filter_("Why it was rejected.", *Reason)]


class RejectedAnswer(EventAnswer):
    """An event that was acknowledged and rejected, and is kept."""

    path: str | None = Field(
        description="Where its first fault is, as its sender writes it.", examples=["eventProperties.variantId"]
    )
    hint: str = Field(description="What to do about it.")


class KindAnswer(BaseModel):
    """Rejected events of one reason and signal."""

    reason: str = Field(examples=["schema_violation"])
    signal: str = Field(examples=["addToCart"])
    events: int = Field(examples=[1204])
    newest: str = Field(description="When the last of them was received.", examples=["2026-11-22T04:05:06.789Z"])
    sample: str = Field(description="The id of that one; `detail` and `path` are of it.", examples=[_ID])
    detail: str | None = Field(examples=["eventProperties.variantId is required"])
    path: str | None = Field(examples=["eventProperties.variantId"])
    hint: str = Field(description="What to do about it.")


class SummaryAnswer(BaseModel):
    data: list[KindAnswer] = Field(description="The most frequent first, up to 1,000.")
    events: int = Field(description="Of all of these.", examples=[1204])


class FilterBody(Body):
    """Which rejected events; what is absent narrows nothing."""

    reason: Reason | None = Field(default=None, strict=False)
    signal: str | None = Field(default=None, description="A slug.")
    backfill: str | None = Field(default=None, description="`bf_…`.")
    from_: str | None = Field(default=None, alias="from", description="Occurred then or later; ISO 8601.")
    to: str | None = Field(default=None, description="Occurred before then; ISO 8601.")
    ids: list[str] | None = Field(default=None, min_length=1, max_length=MOST_IDS, description="These events alone.")


class ReplayBody(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"filter": {"reason": "schema_violation"}, "dry_run": True}]}
    )

    filter: FilterBody = Field(description="`{}` for all there are.")
    lane: Literal["realtime", "migration"] | None = Field(
        default=None,
        description="Absent: realtime where an event's date fits there now, else migration, where every date is good.",
    )
    dry_run: bool = Field(default=False, description="Only say what would become of them.")
    limit: int | None = Field(default=None, ge=1, description="The most rejected events to look at; absent: all.")
    cursor: str | None = Field(default=None, description="`next` of a replay with a limit, to go on with the rest.")


class FailingAnswer(BaseModel):
    """Events of a signal that would not pass for the same reason."""

    reason: str = Field(
        description="As of a rejected event; `unknown_signal`: there is no such signal, or it is not active.",
        examples=["schema_violation"],
    )
    signal: str = Field(examples=["addToCart"])
    events: int = Field(examples=[24])
    sample: str = Field(description="The id of one of them; `detail` is of it.", examples=[_ID])
    detail: str | None = Field(examples=["eventProperties.variantId is required"])
    hint: str = Field(description="What to do about it.")


class OutcomeAnswer(BaseModel):
    """What a replay came to."""

    matched: int = Field(description="Rejected events that fit the filter.", examples=[1204])
    would_pass: int = Field(description="Those of them that pass now.", examples=[1180])
    replayed: int = Field(description="Durable in the log, to be stored in a moment; 0 in a dry run.", examples=[1180])
    already: int = Field(description="Passed, and somebody else replayed them in this moment.", examples=[0])
    lanes: dict[str, int] = Field(
        description="Where those that pass go.", examples=[{"realtime": 0, "migration": 1180}]
    )
    failing: list[FailingAnswer] = Field(description="Why the others do not pass, the most frequent first.")
    next: str | None = Field(description="Give it as `cursor` to go on, where a limit was given.", examples=[None])


class Asked(msgspec.Struct, frozen=True):
    """What the gateway asks the engine for."""

    which: Refused
    after: Place
    most: int


Ask = Callable[[str, Principal, bytes, float], Awaitable[httpx.Response]]
"""`proxy.EngineProxy.post`."""


class Runs(Protocol):
    """What of `replay.Replay` is asked here."""

    async def run(self, order: Order, source: Source) -> Outcome: ...


def asking(rejected: Rejected) -> APIRouter:
    """The engine's routes."""
    routes = APIRouter(tags=[TAG])
    threads = Threads()

    @routes.get(
        "/v1/rejected",
        summary="Rejected events, newest first",
        response_model=Page[RejectedAnswer],
        responses=errors(400),
        dependencies=[takes(*PARAMETERS, "limit", "cursor")],
    )
    async def page(
        request: Request,
        workspace: Workspace,
        reason: Why = None,
        signal: Signal = None,
        backfill: Backfill = None,
        from_: From = None,
        to: To = None,
        limit: EventLimit = DEFAULT_LIMIT,
        cursor: FilteredCursor = None,
    ) -> Response:
        """Those that were not replayed, with the place of the first fault and what to do about it. Ordered by when
        they occurred; filters narrow each other."""
        which, after = parse_refused(request.query_params), place_of(cursor)
        return await threads.answer(lambda: rejected.page(workspace, which, limit, after))

    @routes.get(
        "/v1/rejected/summary",
        summary="What is rejected, and why",
        response_model=SummaryAnswer,
        responses=errors(400),
        dependencies=[takes(*PARAMETERS)],
    )
    async def summary(
        request: Request,
        workspace: Workspace,
        reason: Why = None,
        signal: Signal = None,
        backfill: Backfill = None,
        from_: From = None,
        to: To = None,
    ) -> Response:
        """By reason and signal, with one event of each kind."""
        which = parse_refused(request.query_params)
        return await threads.answer(lambda: rejected.summary(workspace, which))

    @routes.post(_CANDIDATES, include_in_schema=False)
    async def candidates(request: Request, workspace: Workspace) -> Response:
        asked = msgspec.json.decode(await request.body(), type=Asked)
        return await threads.answer(lambda: rejected.candidates(workspace, asked.which, asked.after, asked.most))

    return routes


def changing(catalog: Catalog, replay: Runs, ask: Ask) -> APIRouter:
    """The gateway's route."""
    routes = APIRouter(tags=[TAG])

    @routes.post(
        "/v1/rejected/replay",
        summary="Judge rejected events anew, and take those that pass",
        response_model=OutcomeAnswer,
        responses=errors(400),
    )
    async def run(who: Admin, body: ReplayBody) -> Response:
        """Each by its signal of now, with the latest version of its schema. Those that pass keep their ids, and no
        quota is used. Safe to ask twice, or by two at once: each event is taken once. After a 503 ask again: what was
        replayed until then is."""
        order = _order(who.workspace, body)
        outcome = await replay.run(order, source_of(ask, who, order.which))
        if outcome.replayed:
            catalog.note(who.actor, who.workspace, REPLAYED, f"{outcome.replayed} events")
        return Response(msgspec.json.encode(outcome), media_type="application/json")

    return routes


def _order(workspace: str, body: ReplayBody) -> Order:
    asked = body.filter.model_dump(by_alias=True, exclude_none=True)
    which = parse_refused({name: text for name, text in asked.items() if name != "ids"}, body.filter.ids or ())
    return Order(
        workspace=workspace,
        which=which,
        lane=Lane(body.lane) if body.lane else None,
        dry_run=body.dry_run,
        after=_place(body.cursor),
        most=body.limit,
    )


def _place(cursor: str | None) -> Place:
    return FIRST if cursor is None else place_of(cursor)


def source_of(ask: Ask, who: Principal, which: Refused) -> Source:
    async def candidates(after: Place, most: int) -> Candidates:
        answer = await ask(_CANDIDATES, who, msgspec.json.encode(Asked(which, after, most)), FRESH)
        if answer.is_error:
            raise UnavailableError("the engine cannot say which events are rejected")
        return msgspec.json.decode(answer.content, type=Candidates)

    return candidates
