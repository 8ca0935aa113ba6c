"""Profiles over HTTP. Questions need the scope `read`, an unmerge the scope `admin`."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from headwater.profiles import Profiles
from headwater.web.asking import MAY_CHANGE, Threads, Workspace, errors
from headwater.web.models import ConnectionsAnswer, ProfileAnswer, UnmergeAnswer

TAG = "Profiles"

_IDENTITY = (
    "`type:id`, split at its first colon, as `email:ada@example.com`, `phone:+19494572000` or `account:42`. "
    "E-mail addresses are trimmed and lower-cased."
)
Key = Annotated[str, Path(description=f"Any identity of it, percent-encoded: {_IDENTITY}")]

Whose = Annotated[str, Path(description=f"Its id, `prf_…`, or any identity of it, percent-encoded: {_IDENTITY}")]


class UnmergeBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    identity: str = Field(description="The one to cut out, `type:id`.", examples=["phone:+19494572000"])


def router(profiles: Profiles) -> APIRouter:
    """The routes. Errors are raised as exceptions: see `web.problems`."""
    routes = APIRouter(tags=[TAG])
    threads = Threads()

    @routes.get(
        "/v1/profiles/{key:path}/connections",
        summary="What is connected to a profile, and what is not",
        response_model=ConnectionsAnswer,
        responses=errors(404),
    )
    async def connections(request: Request, workspace: Workspace, key: Key) -> Response:
        """Pairs that events named together and that connect nothing all the same, each with the reason; and how many
        events are set aside since a merge was undone."""
        if not request.scope["raw_path"].endswith(b"/connections"):  # the end of an id, where the slash is encoded
            return await threads.answer(lambda: profiles.profile(workspace, f"{key}/connections"))
        return await threads.answer(lambda: profiles.connections(workspace, key))

    @routes.get("/v1/profiles/{key:path}", summary="One profile", response_model=ProfileAnswer, responses=errors(404))
    async def profile(workspace: Workspace, key: Key) -> Response:
        """Identities that events named together belong to one profile, but for what its connections tell. Only
        processed events count."""
        return await threads.answer(lambda: profiles.profile(workspace, key))

    @routes.post(
        "/v1/profiles/{key:path}/unmerge",
        summary="Undo a merge",
        response_model=UnmergeAnswer,
        responses=errors(400, 404, 409, 413),
        dependencies=[MAY_CHANGE],
    )
    async def unmerge(workspace: Workspace, key: Whose, body: UnmergeBody) -> Response:
        """Cuts an identity out of a profile: its links to the others are severed, the newest first, until the profile
        has come apart. Everything is as before the merge then, but that the events which made it are set aside. 409
        when the profile has no other identity."""
        return await threads.change(
            lambda: profiles.unmerge(workspace, key, body.identity),
            "profile.unmerge",
            lambda unmerged: " ".join(profile.id for profile in unmerged.profiles),
        )

    return routes
