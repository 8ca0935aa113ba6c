"""The erasure of people over HTTP: asked for with the scope `admin`, done in the background."""

from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from headwater.rules.filters import DEFAULT_LIMIT
from headwater.web.asking import MAY_CHANGE, Threads, Workspace, errors, takes
from headwater.web.keys import KEY
from headwater.web.parameters import Cursor, Limit
from headwater.web.profiles import TAG, Key

Id = Annotated[str, Path(description="`ers_…`")]


class ErasureAnswer(BaseModel):
    """The erasure of a person. It does not say whose."""

    id: str = Field(examples=["ers_5Qp0cXQk"])
    status: str = Field(description="`erasing` or `done`.", examples=["erasing"])
    step: str | None = Field(description="What is being done; null when it is done.", examples=["delete"])
    failure: str | None = Field(description="Why the last try failed; it is tried again.")
    identities: int = Field(description="How many the person has.", examples=[2])
    events: int = Field(description="How many were deleted so far.", examples=[17])
    requested_at: str = Field(
        description="Events received until then are erased.", examples=["2026-11-22T10:00:00.000Z"]
    )
    done_at: str | None = Field(description="Null until then.")


class ErasurePage(BaseModel):
    data: list[ErasureAnswer]
    next: str | None


class Erasures(Protocol):
    """What of `erasure.Erasures` is asked here."""

    def erase(self, workspace: str, key: str) -> dict[str, Any]: ...

    def page(self, workspace: str, limit: int, cursor: str | None) -> dict[str, Any]: ...

    def one(self, workspace: str, id: str) -> dict[str, Any]: ...


def router(erasures: Erasures) -> APIRouter:
    """The routes. Errors are raised as exceptions: see `web.problems`."""
    routes = APIRouter(tags=[TAG])
    threads = Threads()

    @routes.delete(
        f"/v1/profiles/{KEY}",
        summary="Erase a person",
        status_code=202,
        response_model=ErasureAnswer,
        responses=errors(400),
        dependencies=[MAY_CHANGE],
    )
    async def erase(workspace: Workspace, key: Key) -> Response:
        """Erases everything that was received until now and names any identity of this profile: from the store, the
        log, cohorts, and what is kept for retries; also what was rejected, reverted or is still pending. For good: no
        backup brings it back. It is written down at once and done in some minutes. The person may come back with new
        events."""
        return await threads.change(
            lambda: erasures.erase(workspace, key), "profile.erase", lambda done: str(done["id"]), status=202
        )

    @routes.get(
        "/v1/erasures",
        summary="All erasures",
        response_model=ErasurePage,
        responses=errors(400),
        dependencies=[takes("limit", "cursor")],
    )
    async def page(workspace: Workspace, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
        """The newest first."""
        return await threads.answer(lambda: erasures.page(workspace, limit, cursor))

    @routes.get(
        "/v1/erasures/{id}", summary="How far an erasure is", response_model=ErasureAnswer, responses=errors(404)
    )
    async def one(workspace: Workspace, id: Id) -> Response:
        """Whether it is done everywhere, and when. It does not say whose it was."""
        return await threads.answer(lambda: erasures.one(workspace, id))

    return routes
