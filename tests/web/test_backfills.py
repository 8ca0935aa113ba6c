"""The calls that change a backfill, over the real catalog; beside them, which role answers what."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from headwater.catalog.base import Principal
from headwater.catalog.sqlite import SqliteCatalog
from headwater.errors import UnavailableError
from headwater.web import backfills, problems
from headwater.web.gateway import _is_engines
from web.test_manage import InProcess, Keyed, made, refused


class World:
    """Two workspaces; `said`: what the engine says of a backfill, None: it does not run."""

    def __init__(self, path: Path) -> None:
        self.catalog = SqliteCatalog(path / "catalog.db", b"x" * 32)
        self.said: Any = None
        self.asked: list[tuple[str, str]] = []
        app = FastAPI()
        app.include_router(backfills.changing(self.catalog, self._ask))
        problems.install(app)
        self._app = Keyed(app, self.catalog)
        self.workspace, key = self.catalog.create_workspace("first-start", "acme", None)
        self.acme = self.client(key)
        self.other = self.client(self.catalog.create_workspace("first-start", "other", None)[1])

    async def _ask(self, path: str, principal: Principal, seconds: float) -> httpx.Response:
        self.asked.append((path, principal.workspace))
        if self.said is None:
            raise UnavailableError("the engine does not answer")
        return self.said if isinstance(self.said, httpx.Response) else httpx.Response(200, json=self.said)

    def client(self, key: str) -> httpx.Client:
        headers = {"authorization": f"Bearer {key}"}
        return httpx.Client(transport=InProcess(self._app), base_url="http://headwater.test", headers=headers)

    def key(self, *scopes: Any) -> httpx.Client:
        return self.client(self.catalog.create_key("me", self.workspace.id, "", frozenset(scopes))[1])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.catalog.close()


def create(client: httpx.Client, name: str = "load", **more: Any) -> dict[str, Any]:
    return dict(made(client.post("/v1/backfills", json={"name": name, **more})))


def test_one_is_made(world: World) -> None:
    first = create(world.acme, " orders of 2025 ")
    assert first["id"].startswith("bf_")
    assert {**first, "id": "", "created_at": ""} == {
        "id": "",
        "name": "orders of 2025",
        "status": "open",
        "held": False,
        "day": None,
        "events": 0,
        "rejected": 0,
        "created_at": "",
        "closed_at": None,
        "released_at": None,
        "reverted_at": None,
    }
    assert create(world.acme, "held", hold=True)["held"] is True
    refused(world.acme.post("/v1/backfills", json={"name": "orders of 2025"}), 409, says="orders of 2025")
    assert create(world.other, "orders of 2025")["id"] != first["id"]
    assert world.asked == []


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"name": 7}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\x00"}, "name"),
        ({"name": "a", "hold": "yes"}, "hold"),
        ({"name": "a", "held": True}, "held"),
        ([], ""),
    ],
)
def test_a_body_that_cannot_be_is_refused(world: World, body: Any, path: str) -> None:
    refused(world.acme.post("/v1/backfills", json=body), 400, path or None)
    assert world.catalog.backfills(world.workspace.id) == []


@pytest.mark.parametrize(
    ("verb", "status", "shown"), [("close", 200, "closed"), ("release", 202, "releasing"), ("revert", 202, "reverting")]
)
def test_a_change_needs_no_engine(world: World, verb: str, status: int, shown: str) -> None:
    id = create(world.acme, hold=True)["id"]
    for _ in range(2):
        changed = made(world.acme.post(f"/v1/backfills/{id}/{verb}"), status)
        assert (changed["status"], changed["events"], changed["rejected"]) == (shown, None, None)
    assert world.asked == [(f"/v1/backfills/{id}", world.workspace.id)] * 2
    known = world.catalog.backfill(world.workspace.id, id)
    assert known is not None and known.status == {"release": "open"}.get(verb, shown.replace("ing", "ed"))
    actions = [change.action for change in world.catalog.audit(world.workspace.id, 2)]
    assert actions == [f"backfill.{verb}", "backfill.create"]


def test_the_engine_says_how_many(world: World) -> None:
    made_ = create(world.acme)
    world.said = made_ | {"status": "reverting", "events": 12, "rejected": 3}
    assert made(world.acme.post(f"/v1/backfills/{made_['id']}/revert"), 202) == world.said
    world.said = httpx.Response(500)
    assert made(world.acme.post(f"/v1/backfills/{made_['id']}/revert"), 202)["events"] is None


def test_what_cannot_be_is_told(world: World) -> None:
    id, theirs = create(world.acme)["id"], create(world.other, hold=True)["id"]
    for verb in ("close", "release", "revert"):
        for unknown in (theirs, "bf_unknown0", "%20"):
            refused(world.acme.post(f"/v1/backfills/{unknown}/{verb}"), 404)
    refused(world.acme.post(f"/v1/backfills/{id}/release"), 409, says="not held")
    made(world.acme.post(f"/v1/backfills/{id}/revert"), 202)
    refused(world.acme.post(f"/v1/backfills/{id}/release"), 409, says="reverted")
    known = world.catalog.backfills(world.catalog.workspaces()[1].id)
    assert [(each.status, each.held) for each in known] == [("open", True)]


def test_changing_needs_the_scope_admin(world: World) -> None:
    id = create(world.acme)["id"]
    sender = world.key("ingest", "read")
    refused(sender.post("/v1/backfills", json={"name": "mine"}), 403, says="admin")
    for verb in ("close", "release", "revert"):
        refused(sender.post(f"/v1/backfills/{id}/{verb}"), 403, says="admin")
    refused(world.client("sk_none").post("/v1/backfills", json={"name": "mine"}), 401)
    assert [each.status for each in world.catalog.backfills(world.workspace.id)] == ["open"]


@pytest.mark.parametrize(
    ("method", "path", "engines"),
    [
        ("GET", "/v1/backfills", True),
        ("HEAD", "/v1/backfills/bf_1/preview", True),
        ("POST", "/v1/backfills", False),
        ("POST", "/v1/backfills/bf_1/revert", False),
        ("GET", "/v1/rejected/summary", True),
        ("POST", "/v1/rejected/replay", False),
        ("DELETE", "/v1/profiles/email%3Aa", True),
        ("GET", "/v1/erasures/ers_1", True),
        ("GET", "/v1/backfillsx", False),
        ("GET", "/v1/signals/a/state/history", True),
        ("GET", "/v1/signals/a", False),
    ],
)
def test_who_answers(method: str, path: str, engines: bool) -> None:
    assert _is_engines(path, method) is engines
