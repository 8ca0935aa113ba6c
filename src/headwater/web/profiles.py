"""Profiles over HTTP. Questions need the scope `read`, an unmerge the scope `admin`."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from headwater.insight import Insight
from headwater.profiles import Profiles
from headwater.rules.filters import DEFAULT_LIMIT, parse, place_of
from headwater.search import MOST, MOST_TEXT, Search
from headwater.web.asking import MAY_CHANGE, Threads, Workspace, check_names, errors, takes
from headwater.web.keys import KEY
from headwater.web.models import ConnectionsAnswer, EventAnswer, FoundAnswer, ProfileAnswer, UnmergeAnswer
from headwater.web.parameters import EventLimit, FilteredCursor, From, Signal, To
from headwater.web.query import Status
from headwater.web.shapes import Page

TAG = "Profiles"

_IDENTITY = (
    "`type:id`, split at its first colon, as `email:ada@example.com`, `phone:+19494572000` or `account:42`. "
    "E-mail addresses are trimmed and lower-cased."
)
Key = Annotated[str, Path(description=f"Any identity of it, percent-encoded: {_IDENTITY}")]

Whose = Annotated[str, Path(description=f"Its id, `prf_…`, or any identity of it, percent-encoded: {_IDENTITY}")]


Text = Annotated[
    str,
    Query(
        min_length=1,
        max_length=MOST_TEXT,
        description="The beginning of an e-mail address, a phone number (with or without its country's code) or an id; "
        "or `type:` and that.",
        examples=["ada@"],
    ),
]
Most = Annotated[int, Query(ge=1, le=MOST, description="The most profiles.")]

_FILTERS = ("signal", "status", "from", "to", "limit", "cursor")


class UnmergeBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    identity: str = Field(description="The one to cut out, `type:id`.", examples=["phone:+19494572000"])


def router(profiles: Profiles, insight: Insight, search: Search) -> APIRouter:
    """The routes. Errors are raised as exceptions: see `web.problems`."""
    routes = APIRouter(tags=[TAG])
    threads = Threads()

    @routes.get(
        "/v1/profiles",
        summary="Search profiles",
        response_model=FoundAnswer,
        responses=errors(400),
        dependencies=[takes("q", "limit")],
    )
    async def find(workspace: Workspace, q: Text, limit: Most = 20) -> Response:
        """Those that `q` names, then those of which an identity begins so, of all types in turn. Only processed events
        count. The first search after a start may take seconds: few wait for that, the others are answered 503 at
        once, as is whoever waited for 20."""
        return await threads.answer(lambda: search.find(workspace, q, limit))

    @routes.get(
        f"/v1/profiles/{KEY}/connections",
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

    @routes.get(
        f"/v1/profiles/{KEY}/events",
        summary="The events of a profile, newest first",
        response_model=Page[EventAnswer],
        responses=errors(400, 404),
    )
    async def events(
        request: Request,
        workspace: Workspace,
        key: Key,
        signal: Signal = None,
        status: Status = None,
        from_: From = None,
        to: To = None,
        limit: EventLimit = DEFAULT_LIMIT,
        cursor: FilteredCursor = None,
    ) -> Response:
        """Those that belong to it, by whichever of its identities they name; rejected and reverted ones that would,
        and pending ones that will. Ordered by the time they occurred, then by id. What made a merge that was undone
        belongs to nobody. Empty when no event names it."""
        if not request.scope["raw_path"].endswith(b"/events"):  # as above
            return await threads.answer(lambda: profiles.profile(workspace, f"{key}/events"))
        check_names([name for name, _ in request.query_params.multi_items()], _FILTERS)
        filters, after = parse(request.query_params), place_of(cursor)
        return await threads.answer(lambda: insight.events_of(workspace, key, filters, limit, after))

    @routes.get(f"/v1/profiles/{KEY}", summary="One profile", response_model=ProfileAnswer, responses=errors(404))
    async def profile(workspace: Workspace, key: Key) -> Response:
        """Identities that events named together belong to one profile, but for what its connections tell. Only
        processed events count."""
        return await threads.answer(lambda: profiles.profile(workspace, key))

    @routes.post(
        f"/v1/profiles/{KEY}/unmerge",
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
