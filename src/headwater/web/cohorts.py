"""Cohorts over HTTP. Questions need the scope `read`, changes the scope `admin`."""

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.responses import StreamingResponse

from headwater.cohorts import Cohorts, Format
from headwater.rules.filters import DEFAULT_LIMIT, parse
from headwater.web.asking import MAY_CHANGE, NDJSON, NO_CONTENT, Exports, Threads, Workspace, errors, takes
from headwater.web.cohort_models import (
    ChangePage,
    CohortAnswer,
    CohortBody,
    CohortPage,
    CohortPatch,
    ExplainAnswer,
    HistoryAnswer,
    MemberPage,
    PreviewAnswer,
    PreviewBody,
)
from headwater.web.keys import KEY
from headwater.web.parameters import Cursor, Limit

TAG = "Cohorts"

Id = Annotated[str, Path(description="`coh_…`")]
Member = Annotated[str, Path(description="Any identity of a profile, `type:id`, percent-encoded.")]
Identity = Annotated[
    str | None, Query(description="Changes of the profile that this identity belongs to: `type:id`, `+` as `%2B`.")
]
As = Annotated[Format, Query(description="What the file is.")]

From = Annotated[str | None, Query(alias="from", description="A time in the first step; ISO 8601, UTC without a zone.")]
To = Annotated[str | None, Query(description="The first time after the last step, likewise.")]
Length = Annotated[Literal["hour", "day"], Query(description="How long a step is.")]

_MEDIA: dict[Format, str] = {"csv": "text/csv; charset=utf-8", "ndjson": NDJSON}
_FILE: dict[str, Any] = {
    "description": "One member a line, as a file",
    "content": {"text/csv": {"schema": {"type": "string"}}, NDJSON: {"schema": {"type": "string"}}},
}


def router(cohorts: Cohorts) -> APIRouter:
    """The routes. Errors are raised as exceptions: see `web.problems`."""
    routes = APIRouter(tags=[TAG])
    threads = Threads()
    _lasting(routes, cohorts, threads)
    _asked(routes, cohorts, threads)
    return routes


def _lasting(routes: APIRouter, cohorts: Cohorts, threads: Threads) -> None:
    """Definitions: made, listed, shown, renamed, deleted."""

    @routes.post(
        "/v1/cohorts",
        summary="Create a cohort",
        status_code=201,
        response_model=CohortAnswer,
        responses=errors(400, 409, 413),
        dependencies=[MAY_CHANGE],
    )
    async def create(workspace: Workspace, body: CohortBody) -> Response:
        """Answers when its first members are found; it is live from then on."""
        return await threads.change(
            lambda: cohorts.create(workspace, body.name, body.definition), "cohort.create", lambda made: made.id, 201
        )

    @routes.get(
        "/v1/cohorts",
        summary="List cohorts",
        response_model=CohortPage,
        responses=errors(400),
        dependencies=[takes("limit", "cursor")],
    )
    async def list_(workspace: Workspace, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
        """Oldest first."""
        return await threads.answer(lambda: cohorts.list(workspace, limit, cursor))

    @routes.get("/v1/cohorts/{id}", summary="Show a cohort", response_model=CohortAnswer, responses=errors(404))
    async def show(workspace: Workspace, id: Id) -> Response:
        """Its size is that of this moment: see `as_of`."""
        return await threads.answer(lambda: cohorts.show(workspace, id))

    @routes.patch(
        "/v1/cohorts/{id}",
        summary="Rename a cohort",
        response_model=CohortAnswer,
        responses=errors(400, 404, 409, 413),
        dependencies=[MAY_CHANGE],
    )
    async def rename(workspace: Workspace, id: Id, body: CohortPatch) -> Response:
        """Its definition stays: another definition is another cohort."""
        return await threads.change(lambda: cohorts.rename(workspace, id, body.name), "cohort.update", lambda _: id)

    @routes.delete(
        "/v1/cohorts/{id}",
        summary="Delete a cohort",
        status_code=204,
        responses=errors(404),
        dependencies=[MAY_CHANGE],
    )
    async def delete(workspace: Workspace, id: Id) -> Response:
        """With its history. The events stay, so that it can be made again."""
        work = partial(cohorts.delete, workspace, id)
        return await threads.change(work, "cohort.delete", lambda _: id, NO_CONTENT)


def _asked(routes: APIRouter, cohorts: Cohorts, threads: Threads) -> None:
    """Who is in, who came and went, and why."""
    exports = Exports(threads)

    @routes.post(
        "/v1/cohorts/preview",
        summary="Who would be in",
        response_model=PreviewAnswer,
        responses=errors(400, 413),
    )
    async def preview(workspace: Workspace, body: PreviewBody) -> Response:
        """The size and a few members a definition would have now. Nothing is kept."""
        return await threads.answer(lambda: cohorts.preview(workspace, body.definition))

    @routes.get(
        "/v1/cohorts/{id}/members",
        summary="Who is in",
        response_model=MemberPage,
        responses=errors(400, 404),
        dependencies=[takes("limit", "cursor")],
    )
    async def members(workspace: Workspace, id: Id, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
        """Profiles, each with all its identities and the time it entered."""
        return await threads.answer(lambda: cohorts.members(workspace, id, limit, cursor))

    @routes.get(
        f"/v1/cohorts/{{id}}/members/{KEY}",
        summary="Why somebody is in, or is not",
        response_model=ExplainAnswer,
        responses=errors(400, 404),
    )
    async def explain(workspace: Workspace, id: Id, key: Member) -> Response:
        """Every condition with what was found. An identity that was never seen is in no cohort, and no error."""
        return await threads.answer(lambda: cohorts.explain(workspace, id, key))

    @routes.get(
        "/v1/cohorts/{id}/changes",
        summary="Who entered and left",
        response_model=ChangePage,
        responses=errors(400, 404),
        dependencies=[takes("limit", "cursor", "identity")],
    )
    async def changes(
        workspace: Workspace,
        id: Id,
        identity: Identity = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Response:
        """Newest first, each with its cause. The first members, found when the cohort was made, did not enter."""
        return await threads.answer(lambda: cohorts.changes(workspace, id, limit, cursor, identity))

    @routes.get(
        "/v1/cohorts/{id}/history",
        summary="How its size went",
        response_model=HistoryAnswer,
        responses=errors(400, 404),
        dependencies=[takes("from", "to", "step")],
    )
    async def history(
        request: Request, workspace: Workspace, id: Id, from_: From = None, to: To = None, step: Length = "hour"
    ) -> Response:
        """By whole UTC hours or days, up to now, at most 1,000 of them; without `from` the last 24. It is known from
        the moment on when the cohort's first members were found; steps that ended before are left out. Members that
        turn out to be one profile are one less, though nobody left. Whoever was erased is in no step."""
        asked = parse(request.query_params)
        from_ms = None if from_ is None else asked.from_ms
        to_ms = None if to is None else asked.to_ms
        return await threads.answer(lambda: cohorts.history(workspace, id, step, from_ms, to_ms))

    @routes.get(
        "/v1/cohorts/{id}/export",
        summary="All members as a file",
        response_class=StreamingResponse,
        responses={200: _FILE, **errors(400, 404)},
        dependencies=[takes("format")],
    )
    async def export(workspace: Workspace, id: Id, format: As = "csv") -> Response:
        """In the order of a page's members, each as it is when its line is written. In a CSV no cell can act as a
        formula: an apostrophe goes before what would begin one."""
        pieces = await threads.do(lambda: cohorts.export(workspace, id, format))
        answer = await exports.begin(lambda: pieces, _MEDIA[format])
        answer.headers["content-disposition"] = f'attachment; filename="{id}.{format}"'
        return answer
