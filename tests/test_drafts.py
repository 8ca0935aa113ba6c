"""Drafts over real parts, where something is late or fails: what is told then, and what stays."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import pytest
from fastapi.routing import APIRoute

from headwater.catalog.base import WORKSPACE_SCOPES, NewSignal, Principal, WorkspaceChanges
from headwater.claims.sqlite import SqliteClaims
from headwater.claims.taken import TakenClaims
from headwater.clock import DAY_MS, now_ms
from headwater.dialects.segment import Segment
from headwater.errors import UnavailableError
from headwater.intake import Admitted, Order, Refusal
from headwater.outcomes import Reason, Status
from headwater.rules.filters import Filters
from headwater.web import drafts
from headwater.web.rejected import Asked
from parts import Sent
from replaying import Replaying, replaying

DRAFT = NewSignal(name="visited", slug="visited", type="event", rate_limit=None, draft=True)
RARE = NewSignal(name="rare", type="event", rate_limit=1)
WANTED = WorkspaceChanges(unknown_signals="draft")
SEGMENT = Segment()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Replaying]:
    with replaying(tmp_path) as made:
        yield made


def send(here: Replaying, directory: Path, workspace: str, *names: str) -> Admitted | Refusal:
    """As the route takes it, until it is durable."""
    batch = [{"type": "track", "userId": "ada", "event": name} for name in names]

    async def taken() -> Admitted | Refusal:
        request = SEGMENT.decode(json.dumps({"batch": batch}).encode(), False, None)
        with claims.hold() as hold:
            outcome = await here.intake.receive(workspace, SEGMENT, request, Order(hold))
            if isinstance(outcome, Admitted) and outcome.durable is not None:
                await outcome.durable
        return outcome

    shelf = SqliteClaims(directory / "sending.db")
    claims = TakenClaims(here.parts.appender, shelf, DAY_MS, lambda *_: False)
    try:
        return asyncio.run(taken())
    finally:
        claims.close()
        shelf.close()


def test_nothing_is_made_and_no_quota_used_when_the_log_takes_nothing(here: Replaying, tmp_path: Path) -> None:
    workspace = here.workspace(RARE)
    here.catalog.update_workspace("test", workspace, WANTED)
    here.parts.appender.hold("the disk is nearly full")
    with pytest.raises(UnavailableError, match="nearly full"):
        send(here, tmp_path, workspace, "rare", "new")
    assert here.catalog.signals_of(workspace).keys() == {"rare"}
    here.parts.appender.hold("")
    outcome = send(here, tmp_path, workspace, "rare", "new")
    assert isinstance(outcome, Admitted) and len(outcome.receipt.taken) == 2
    assert here.catalog.signals_of(workspace).keys() == {"rare", "new"}
    made = here.catalog.signals_of(workspace)["new"]
    assert [event.signal_id for event in outcome.receipt.taken][1] == made.id


def test_a_draft_archived_in_that_moment_is_to_be_sent_again(
    here: Replaying, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = here.workspace(RARE)
    here.catalog.update_workspace("test", workspace, WANTED)
    with monkeypatch.context() as patched:
        patched.setattr(here.catalog, "ensure_signals", lambda *_: {})
        with pytest.raises(UnavailableError, match="archived"):
            send(here, tmp_path, workspace, "rare", "new")
    assert isinstance(send(here, tmp_path, workspace, "rare", "new"), Admitted), "the quota was given back"


@pytest.mark.parametrize("late", [False, True])
def test_an_approval_tells_of_events_that_are_still_to_be_stored(
    here: Replaying, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    workspace = here.workspace()
    here.catalog.ensure_signals(workspace, [DRAFT])
    here.parts.send(workspace, Sent(now_ms(), signal="visited", reason=Reason.SIGNAL_DRAFT), dialect="segment")
    if not late:
        here.parts.drain()
    monkeypatch.setattr(drafts, "_WAIT_SECONDS", 0.3)
    approved = asyncio.run(approve(here, workspace))
    assert (approved["pending"], approved["replay"]["replayed"]) == (late, 0 if late else 1)
    here.parts.drain()
    assert here.run(workspace)[0].replayed == (1 if late else 0)


async def approve(here: Replaying, workspace: str) -> dict[str, Any]:
    """The gateway's route, its engine asked without HTTP."""
    who = Principal(workspace, "key_a", WORKSPACE_SCOPES)

    async def get(target: str, _: Principal, __: float) -> httpx.Response:
        query = httpx.URL(target).params
        page = here.parts.insight.events(workspace, Filters(signal=query["signal"], status=Status(query["status"])))
        return httpx.Response(200, content=msgspec.json.encode({"data": page.data}))

    async def post(_: str, __: Principal, body: bytes, ___: float) -> httpx.Response:
        asked = msgspec.json.decode(body, type=Asked)
        found = here.rejected.candidates(workspace, asked.which, asked.after, asked.most)
        return httpx.Response(200, content=msgspec.json.encode(found))

    with here.replay() as replay:
        (route,) = drafts.changing(here.catalog, replay, post, get).routes
        answer = await cast(APIRoute, route).endpoint(who, "visited")
    told: dict[str, Any] = answer.model_dump()
    return told
