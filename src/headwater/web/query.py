"""Questions over HTTP: events, batches, pipelines. They block, so they run in threads, a few at once."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from starlette.responses import StreamingResponse

from headwater.errors import NotFoundError
from headwater.insight import Insight
from headwater.rules.filters import DEFAULT_LIMIT, PARAMETERS, Filters, parse, place_of
from headwater.web.asking import Exports, Threads, Workspace, check_names, errors
from headwater.web.models import EventAnswer, PipelinesAnswer
from headwater.web.parameters import Backfill, EventLimit, FilteredCursor, From, Signal, To, filter_
from headwater.web.shapes import Page

TAG = "Questions"

_IDENTITY = (
    "`type:id`, split at its first colon, as `email:ada@example.com`, `phone:+19494572000` or `account:42`. "
    "E-mail addresses are trimmed and lower-cased."
)

Identity = Annotated[str | None, filter_(f"Events that name this identity: {_IDENTITY}")]
Status = Annotated[
    str | None, filter_("What has become of the event so far.", "pending", "processed", "rejected", "reverted")
]
Lane = Annotated[str | None, filter_("The pipeline it went through.", "realtime", "migration")]
Reference = Annotated[str | None, filter_("What its sender calls it.")]

_NDJSON = {
    "description": "One event a line, as GET /v1/events/{id} answers it",
    "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
}


def router(insight: Insight) -> APIRouter:
    """The routes of questions. Errors are raised as exceptions: see `web.problems`."""
    routes = APIRouter(tags=[TAG])
    threads = Threads()
    exports = Exports(threads)

    @routes.get("/v1/events", summary="Events, newest first", response_model=Page[EventAnswer], responses=errors(400))
    async def events(
        request: Request,
        workspace: Workspace,
        identity: Identity = None,
        signal: Signal = None,
        status: Status = None,
        lane: Lane = None,
        reference: Reference = None,
        backfill: Backfill = None,
        from_: From = None,
        to: To = None,
        limit: EventLimit = DEFAULT_LIMIT,
        cursor: FilteredCursor = None,
    ) -> Response:
        """Pending and rejected ones too. Ordered by the time they occurred, then by id; filters narrow each other."""
        filters, after = _filters(request, "limit", "cursor"), place_of(cursor)
        return await threads.answer(lambda: insight.events(workspace, filters, limit, after))

    @routes.get(
        "/v1/events/export",
        summary="All events that fit, as NDJSON",
        response_class=StreamingResponse,
        responses={200: _NDJSON, **errors(400)},
    )
    async def export(
        request: Request,
        workspace: Workspace,
        identity: Identity = None,
        signal: Signal = None,
        status: Status = None,
        lane: Lane = None,
        reference: Reference = None,
        backfill: Backfill = None,
        from_: From = None,
        to: To = None,
    ) -> Response:
        """Every event acknowledged before the request, once, in no order."""
        filters = _filters(request)
        return await exports.begin(lambda: insight.export(workspace, filters))

    @routes.get("/v1/events/{id}", summary="One event", response_model=EventAnswer, responses=errors(404))
    async def event(workspace: Workspace, id: Annotated[str, Path(description="UUIDv7")]) -> Response:
        """What became of it so far; it answers from the moment of the 200 on."""
        event_id = uuid_of(id, "an event's id")
        return await threads.answer(lambda: insight.event(workspace, event_id))

    @routes.get(
        "/v1/batches/{id}",
        summary="The events of one request",
        response_model=Page[EventAnswer],
        responses=errors(404),
    )
    async def batch(
        workspace: Workspace, id: Annotated[str, Path(description="The header `Headwater-Batch` of its 200")]
    ) -> Response:
        """In the order in which they were sent."""
        batch_id = uuid_of(id, "a batch's id")
        return await threads.answer(lambda: insight.batch(workspace, batch_id))

    @routes.get(
        "/v1/pipelines", summary="What the lanes have to do", response_model=PipelinesAnswer, responses=errors()
    )
    async def pipelines(workspace: Workspace) -> Response:
        """Of this workspace's events, from acknowledgement to outcome, exact. Those of all are in `/metrics`."""
        return await threads.answer(lambda: {"data": insight.pipelines(workspace)})

    return routes


def _filters(request: Request, *others: str) -> Filters:
    """The filters of a query. Raises InvalidError for a parameter that is not known, or given twice."""
    parameters = request.query_params
    check_names([name for name, _ in parameters.multi_items()], (*PARAMETERS, *others))
    return parse(parameters)


def uuid_of(text: str, what: str) -> UUID:
    """Raises NotFoundError for what is no UUID as it is usually written."""
    try:
        found = UUID(text)
    except ValueError:
        found = None
    if found is None or str(found) != text.lower():
        raise NotFoundError(f"'{text}' is not {what}, which is a UUID")
    return found
