"""The management calls over the real catalog. A small ASGI wrapper stands for the gateway: key to principal."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from headwater.catalog.base import ALL_SCOPES
from headwater.catalog.sqlite import SqliteCatalog
from headwater.errors import CorruptionError, UnavailableError
from headwater.web import manage, problems

PROBLEM = "application/problem+json"


class Keyed:
    """What the gateway does: puts who asks into the scope."""

    def __init__(self, app: ASGIApp, catalog: SqliteCatalog) -> None:
        self._app, self._catalog = app, catalog

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            key = dict(scope["headers"]).get(b"authorization", b"").removeprefix(b"Bearer ").decode()
            scope["headwater.principal"] = self._catalog.principal(key)
        await self._app(scope, receive, send)


class InProcess(httpx.BaseTransport):
    """Calls an ASGI application; what it raises after its answer is the server's to log."""

    def __init__(self, app: ASGIApp) -> None:
        self._asgi = httpx.ASGITransport(app=app, raise_app_exceptions=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def ask() -> httpx.Response:
            response = await self._asgi.handle_async_request(request)
            return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())

        return asyncio.run(ask())


class World:
    """Two workspaces and an operator, over HTTP."""

    def __init__(self, path: Path) -> None:
        self.catalog = SqliteCatalog(path / "catalog.db", b"x" * 32)
        app = FastAPI()
        app.include_router(manage.router(self.catalog))
        problems.install(app)

        @app.get("/broken")
        async def broken(how: str) -> None:
            raise {"unavailable": UnavailableError("later", 7), "corrupt": CorruptionError("bad")}.get(
                how, RuntimeError("a secret detail")
            )

        self._app = Keyed(app, self.catalog)
        self.operator = self.client(self.catalog.create_workspace("first-start", "default", None, ALL_SCOPES)[1])
        self.acme = self.client(self.catalog.create_workspace("first-start", "acme", None)[1])
        self.other = self.client(self.catalog.create_workspace("first-start", "other")[1])

    def client(self, key: str | None) -> httpx.Client:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(transport=InProcess(self._app), base_url="http://headwater.test", headers=headers)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.catalog.close()


@pytest.fixture
def acme(world: World) -> httpx.Client:
    return world.acme


def made(response: Any, status: int = 201) -> Any:
    assert response.status_code == status, response.text
    return response.json()


def refused(response: Any, status: int, path: str | None = None, says: str = "") -> None:
    body = response.json()
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    assert body["status"] == status and body["type"] == "about:blank" and body["title"]
    assert body.get("path") == path, body
    assert says in body.get("detail", ""), body


# --- signals -----------------------------------------------------------------------------------------------------


def test_a_signal_is_made_shown_changed_and_archived(acme: httpx.Client) -> None:
    signal = made(acme.post("/v1/signals", json={"name": "Visited Docs", "type": "event"}))
    assert signal["id"].startswith("sig_") and len(signal["id"]) == 12
    assert {**signal, "id": "", "created_at": ""} == {
        "id": "",
        "slug": "visited-docs",
        "name": "Visited Docs",
        "type": "event",
        "active": True,
        "rate_limit": 100,
        "enforcement": "quarantine",
        "aggregation": None,
        "period": None,
        "value": None,
        "dedupe_by": None,
        "retention_days": None,
        "latest_version": None,
        "preset": None,
        "draft": False,
        "created_at": "",
    }
    assert made(acme.get("/v1/signals/visited-docs"), 200) == signal
    assert made(acme.get("/v1/signals"), 200) == {"data": [signal], "next": None}
    changed = made(acme.patch("/v1/signals/visited-docs", json={"active": False, "rate_limit": 5}), 200)
    assert changed == signal | {"active": False, "rate_limit": 5}
    assert acme.delete("/v1/signals/visited-docs").status_code == 204
    refused(acme.get("/v1/signals/visited-docs"), 404, says="visited-docs")
    refused(acme.post("/v1/signals", json={"name": "Visited Docs", "type": "event"}), 409, says="taken")
    assert made(acme.get("/v1/signals"), 200)["data"] == []


def test_dedupe_and_retention_are_given_kept_and_cleared(acme: httpx.Client) -> None:
    kept = {"dedupe_by": "reference", "retention_days": 30}
    signal = made(acme.post("/v1/signals", json={"name": "a", "type": "event", **kept}))
    assert signal | kept == signal
    assert made(acme.patch("/v1/signals/a", json={"name": "b"}), 200) == signal | {"name": "b"}
    cleared = made(acme.patch("/v1/signals/a", json={"dedupe_by": None, "retention_days": None}), 200)
    assert (cleared["dedupe_by"], cleared["retention_days"]) == (None, None)
    for path, wrong in (
        ("retention_days", 0),
        ("retention_days", 36_501),
        ("retention_days", "30"),
        ("dedupe_by", "id"),
    ):
        refused(acme.patch("/v1/signals/a", json={path: wrong}), 400, path)
    assert made(acme.get("/v1/signals/a"), 200) == cleared


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"type": "event"}, 100),
        ({"type": "event", "rate_limit": None}, None),
        ({"type": "event", "rate_limit": 1}, 1),
        ({"type": "metric", "aggregation": "count", "period": "day"}, 1000),
        ({"type": "state", "value": "a.b"}, 30),
    ],
)
def test_a_rate_limit_absent_null_or_given(acme: httpx.Client, sent: dict[str, Any], kept: int | None) -> None:
    assert made(acme.post("/v1/signals", json={"name": "s", **sent}))["rate_limit"] == kept
    assert made(acme.patch("/v1/signals/s", json={"name": "t"}), 200)["rate_limit"] == kept
    assert made(acme.patch("/v1/signals/s", json={"rate_limit": None}), 200)["rate_limit"] is None


def test_null_is_absent_where_it_means_nothing(acme: httpx.Client) -> None:
    nothing = dict.fromkeys(("slug", "enforcement", "aggregation", "period", "value"))
    assert made(acme.post("/v1/signals", json={"name": "a b", "type": "event", **nothing}))["slug"] == "a-b"
    nothing = dict.fromkeys(("name", "active", "enforcement", "aggregation", "period", "value"))
    assert made(acme.patch("/v1/signals/a-b", json=nothing), 200)["name"] == "a b"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "name"),
        ({"type": "event"}, "name"),
        ({"name": "a"}, "type"),
        ({"name": "", "type": "event"}, "name"),
        ({"name": "x" * 201, "type": "event"}, "name"),
        ({"name": 1, "type": "event"}, "name"),
        ({"name": None, "type": "event"}, "name"),
        ({"name": "a", "type": "other"}, "type"),
        ({"name": "a", "type": "event", "rate_limit": 0}, "rate_limit"),
        ({"name": "a", "type": "event", "rate_limit": -1}, "rate_limit"),
        ({"name": "a", "type": "event", "rate_limit": 1.5}, "rate_limit"),
        ({"name": "a", "type": "event", "rate_limit": "7"}, "rate_limit"),
        ({"name": "a", "type": "event", "rate_limit": True}, "rate_limit"),
        ({"name": "a", "type": "event", "rate_limit": 10**40}, "rate_limit"),
        ({"name": "a", "type": "event", "ratelimit": 5}, "ratelimit"),
        ({"name": "a", "type": "event", "slug": "a b"}, "slug"),
        ({"name": "a", "type": "event", "slug": ""}, "slug"),
        ({"name": "a", "type": "event", "enforcement": "maybe"}, "enforcement"),
        ({"name": "a", "type": "event", "aggregation": "sum"}, "aggregation"),
        ({"name": "a", "type": "metric"}, "aggregation"),
        ({"name": "a", "type": "metric", "aggregation": "sum", "period": "day"}, "value"),
        ({"name": "a", "type": "metric", "aggregation": "count", "period": "year"}, "period"),
        ({"name": "a", "type": "state"}, "value"),
        ({"name": "a", "type": "state", "value": "x", "period": "day"}, "period"),
    ],
)
def test_a_bad_signal_is_refused_by_its_field(acme: httpx.Client, body: Any, path: str) -> None:
    refused(acme.post("/v1/signals", json=body), 400, path, says=f"'{path}'")
    assert made(acme.get("/v1/signals"), 200)["data"] == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"1",
        b"\xff\xfe",
        b'{"name": "\xff"}',
        b'{"name": "\\ud800", "type": "event"}',
        b'{"\\ud800": 1, "name": "a", "type": "event"}',
        b"[" * 100_000,
        b'{"name": ' + b"[" * 100_000,
        b'{"name": "a", "type": "event", "rate_limit": NaN}',
        b'{"name": "a", "type": "event", "rate_limit": ' + b"9" * 5000 + b"}",
        b'{"name": "a\\u0000b", "type": "event"}',
    ],
    ids=lambda content: repr(content[:30]),
)
def test_what_cannot_be_read_is_a_400(acme: httpx.Client, content: bytes) -> None:
    for path in ("/v1/signals", "/v1/workspace"):
        method = "PATCH" if path == "/v1/workspace" else "POST"
        response = acme.request(method, path, content=content, headers={"content-type": "application/json"})
        assert (response.status_code, response.headers["content-type"]) == (400, PROBLEM), response.text
        assert response.json()["detail"]


def test_a_forgotten_content_type_is_named(acme: httpx.Client) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    refused(acme.post("/v1/signals", content=b'{"name": "a", "type": "event"}', headers=form), 400, says="Content-Type")


def test_several_faults_are_told_at_once(acme: httpx.Client) -> None:
    body = acme.post("/v1/signals", json={"type": 1, "rate_limit": 0, "more": 1}).json()
    assert body["path"] == "name"
    for word in ("'name' is required", "'type'", "'rate_limit'", "'more' is not a known field"):
        assert word in body["detail"]


def test_a_patch_knows_its_fields(acme: httpx.Client) -> None:
    made(acme.post("/v1/signals", json={"name": "a", "type": "event"}))
    refused(acme.patch("/v1/signals/a", json={"type": "metric"}), 400, "type", "not a known field")
    refused(acme.patch("/v1/signals/a", json={"slug": "b"}), 400, "slug")
    refused(acme.patch("/v1/signals/a", json={"active": "no"}), 400, "active")
    refused(acme.patch("/v1/signals/a", json={"aggregation": "sum"}), 400, "aggregation")
    refused(acme.patch("/v1/signals/b", json={}), 404)


# --- versions ----------------------------------------------------------------------------------------------------


def test_versions_are_published_and_listed(acme: httpx.Client) -> None:
    made(acme.post("/v1/signals", json={"name": "a", "type": "event"}))
    for number in (1, 2, 3):
        version = made(acme.post("/v1/signals/a/versions", json={"schema": {"minProperties": number}}))
        assert (version["version"], version["schema"]) == (number, {"minProperties": number})
    page = made(acme.get("/v1/signals/a/versions?limit=2"), 200)
    assert [each["version"] for each in page["data"]] == [1, 2]
    page = made(acme.get(f"/v1/signals/a/versions?limit=2&cursor={page['next']}"), 200)
    assert [each["version"] for each in page["data"]] == [3] and page["next"] is None
    assert made(acme.get("/v1/signals/a/versions/2"), 200)["schema"] == {"minProperties": 2}
    assert made(acme.get("/v1/signals/a"), 200)["latest_version"] == 3
    for missing in ("0", "4", "-1", "9" * 30):
        refused(acme.get(f"/v1/signals/a/versions/{missing}"), 404)
    refused(acme.get("/v1/signals/a/versions/latest"), 400, "n")


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"$ref": "file:///etc/passwd"}, "schema.$ref"),
        ({"properties": {"a": {"type": "strng"}}}, "schema.properties.a.type"),
        ({"pattern": "(?<=a)b"}, "schema.pattern"),
        ({"description": "x" * 70_000}, "schema"),
        ([], "schema"),
        (None, "schema"),
        ("{}", "schema"),
    ],
)
def test_a_bad_schema_is_refused_by_its_place(acme: httpx.Client, schema: Any, path: str) -> None:
    made(acme.post("/v1/signals", json={"name": "a", "type": "event"}))
    refused(acme.post("/v1/signals/a/versions", json={"schema": schema}), 400, path)
    assert made(acme.get("/v1/signals/a/versions"), 200)["data"] == []
    assert "root:" not in acme.post("/v1/signals/a/versions", json={"schema": schema}).text


# --- keys --------------------------------------------------------------------------------------------------------


def test_a_key_is_told_once_and_revoked(world: World, acme: httpx.Client) -> None:
    key = made(acme.post("/v1/keys", json={"name": "shop", "scopes": ["admin"]}))
    assert key["key"].startswith("sk_") and key["prefix"] == key["key"][:7] and key["scopes"] == ["admin"]
    listed = made(acme.get("/v1/keys"), 200)["data"]
    assert [each["name"] for each in listed] == ["first key", "shop"]
    assert key["key"] not in acme.get("/v1/keys").text
    user = world.client(key["key"])
    assert user.get("/v1/keys").status_code == 200
    assert acme.delete(f"/v1/keys/{key['id']}").status_code == 204
    refused(user.get("/v1/keys"), 401)
    assert made(acme.get("/v1/keys"), 200)["data"][1]["revoked_at"].endswith("Z")
    assert acme.delete(f"/v1/keys/{key['id']}").status_code == 204
    refused(acme.delete("/v1/keys/key_nobody00"), 404)


def test_bodies_of_keys_may_be_empty(world: World, acme: httpx.Client) -> None:
    key = made(acme.post("/v1/keys"))
    assert (key["name"], key["scopes"], key["expires_at"]) == ("", ["ingest", "read"], None)
    rotated = made(acme.post(f"/v1/keys/{key['id']}/rotate"))
    for text in (key["key"], rotated["key"]):
        assert world.client(text).get("/v1/signals").status_code == 200
    last = made(acme.post(f"/v1/keys/{rotated['id']}/rotate", json={"grace_seconds": 0}))
    refused(world.client(rotated["key"]).get("/v1/signals"), 401)
    assert world.client(last["key"]).get("/v1/signals").status_code == 200
    refused(acme.post(f"/v1/keys/{rotated['id']}/rotate"), 409)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["root"]}, "scopes[0]"),
        ({"scopes": "read"}, "scopes"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2020-01-01"}, "expires_at"),
        ({"name": "x" * 201}, "name"),
        ({"scope": ["read"]}, "scope"),
    ],
)
def test_a_bad_key_is_refused_by_its_field(acme: httpx.Client, body: Any, path: str) -> None:
    refused(acme.post("/v1/keys", json=body), 400, path)


@pytest.mark.parametrize(
    ("scopes", "may_read", "may_change", "may_operate"),
    [
        (["ingest"], 403, 403, 403),
        (["read"], 200, 403, 403),
        (["admin"], 200, 201, 403),
        (["operator"], 403, 403, 201),
        (["ingest", "read", "admin", "operator"], 200, 201, 201),
    ],
)
def test_scopes_open_what_they_say(
    world: World, scopes: list[str], may_read: int, may_change: int, may_operate: int
) -> None:
    key = made(world.operator.post("/v1/keys", json={"scopes": scopes}))["key"]
    client = world.client(key)
    for path in ("/v1/signals", "/v1/keys", "/v1/audit", "/v1/workspace"):
        assert client.get(path).status_code == may_read, path
    assert client.post("/v1/signals", json={"name": "a", "type": "event"}).status_code == may_change
    assert client.post("/v1/keys").status_code == may_change
    if may_change == 403:
        refused(client.post("/v1/signals", json={"name": "a", "type": "event"}), 403, says="admin")
        for method, path in (("PATCH", "/v1/signals/a"), ("DELETE", "/v1/signals/a"), ("PATCH", "/v1/workspace")):
            refused(client.request(method, path, json=None if method == "DELETE" else {}), 403)
    assert client.post("/v1/workspaces", json={"name": "new"}).status_code == may_operate
    assert client.get("/v1/workspaces").status_code == (200 if may_operate == 201 else 403)


def test_nobody_grants_more_than_they_have(world: World) -> None:
    admin = world.client(made(world.operator.post("/v1/keys", json={"scopes": ["admin"]}))["key"])
    refused(admin.post("/v1/keys", json={"scopes": ["operator"]}), 403, says="operator")
    for key in made(admin.get("/v1/keys"), 200)["data"]:
        if "operator" in key["scopes"]:
            refused(admin.post(f"/v1/keys/{key['id']}/rotate"), 403)
            refused(admin.delete(f"/v1/keys/{key['id']}"), 403)
    assert world.operator.get("/v1/workspaces").status_code == 200


@pytest.mark.parametrize("key", [None, "", "sk_your_api_key_here"])
def test_without_a_key_nothing_is_told(world: World, key: str | None) -> None:
    for path in ("/v1/signals", "/v1/keys", "/v1/audit", "/v1/workspace", "/v1/workspaces", "/v1/signals/a/versions"):
        refused(world.client(key).get(path), 401)
    refused(world.client(key).post("/v1/signals", json={"name": "a", "type": "event"}), 401)


# --- workspaces --------------------------------------------------------------------------------------------------


def test_an_operator_makes_workspaces(world: World) -> None:
    new = made(world.operator.post("/v1/workspaces", json={"name": "shop"}))
    client = world.client(new["api_key"])
    assert len(made(client.get("/v1/signals"), 200)["data"]) == 16
    assert made(client.get("/v1/workspace"), 200)["id"] == new["id"]
    refused(client.get("/v1/workspaces"), 403)
    refused(client.post("/v1/keys", json={"scopes": ["operator"]}), 403)
    bare = made(world.operator.post("/v1/workspaces", json={"name": "bare", "preset": None}))
    assert made(world.client(bare["api_key"]).get("/v1/signals"), 200)["data"] == []
    names = [each["name"] for each in made(world.operator.get("/v1/workspaces"), 200)["data"]]
    assert names == ["acme", "bare", "default", "other", "shop"]
    assert new["api_key"] not in world.operator.get("/v1/workspaces").text
    refused(world.operator.post("/v1/workspaces", json={"name": "shop"}), 409, says="shop")
    refused(world.operator.post("/v1/workspaces", json={"name": "x", "preset": "none such"}), 400, "preset")
    refused(world.operator.post("/v1/workspaces", json={}), 400, "name")


def test_a_workspace_says_what_never_connects(acme: httpx.Client) -> None:
    values = [" NoReply@Shop.com ", "+1 949 457 2000", "phone:+19494572000", "account:x:1"]
    changed = made(acme.patch("/v1/workspace", json={"never_connect": values, "max_identities": 7}), 200)
    assert changed["never_connect"] == ["account:x:1", "email:noreply@shop.com", "phone:+19494572000"]
    assert changed["max_identities"] == 7 and made(acme.get("/v1/workspace"), 200) == changed
    assert made(acme.patch("/v1/workspace", json={"default_region": "IN"}), 200)["max_identities"] == 7
    refused(acme.patch("/v1/workspace", json={"never_connect": ["a@b.c", "what"]}), 400, "never_connect[1]")
    for wrong in ("email:", "x:" + "y" * 2000, "t" * 200 + ":1", "x:\ud800", "\ud800@b.c"):
        body = json.dumps({"never_connect": [wrong]})
        answer = acme.patch("/v1/workspace", content=body, headers={"content-type": "application/json"})
        refused(answer, 400, "never_connect[0]")
    refused(acme.patch("/v1/workspace", json={"never_connect": ["a@b.c"] * 1001}), 400, "never_connect")
    for count in (1, 1001, -5):
        refused(acme.patch("/v1/workspace", json={"max_identities": count}), 400, "max_identities")
    refused(acme.patch("/v1/workspace", json={"max_identities": "many"}), 400, "max_identities")
    assert made(acme.patch("/v1/workspace", json={"never_connect": []}), 200)["never_connect"] == []


def test_a_workspace_has_a_default_region(acme: httpx.Client) -> None:
    assert made(acme.patch("/v1/workspace", json={"default_region": "in"}), 200)["default_region"] == "IN"
    assert made(acme.patch("/v1/workspace", json={}), 200)["default_region"] == "IN"
    refused(acme.patch("/v1/workspace", json={"default_region": "XX"}), 400, "default_region")
    refused(acme.patch("/v1/workspace", json={"name": "new"}), 400, "name")
    assert made(acme.patch("/v1/workspace", json={"default_region": None}), 200)["default_region"] is None


def test_workspaces_never_meet(world: World) -> None:
    acme, other = world.acme, world.other
    made(acme.post("/v1/signals", json={"name": "mine", "type": "event"}))
    made(acme.post("/v1/signals/mine/versions", json={"schema": {}}))
    key = made(acme.post("/v1/keys", json={"name": "a secret name"}))["id"]
    for method, path, body in (
        ("GET", "/v1/signals/mine", None),
        ("PATCH", "/v1/signals/mine", {"active": False}),
        ("DELETE", "/v1/signals/mine", None),
        ("POST", "/v1/signals/mine/versions", {"schema": {}}),
        ("GET", "/v1/signals/mine/versions", None),
        ("GET", "/v1/signals/mine/versions/1", None),
        ("DELETE", f"/v1/keys/{key}", None),
        ("POST", f"/v1/keys/{key}/rotate", {}),
    ):
        refused(other.request(method, path, json=body), 404)
    assert made(acme.get("/v1/signals/mine"), 200)["active"]
    assert not any(each["revoked_at"] for each in made(acme.get("/v1/keys"), 200)["data"])
    for path in ("/v1/signals", "/v1/keys", "/v1/audit", "/v1/workspace"):
        assert "mine" not in other.get(path).text and "a secret name" not in other.get(path).text
    made(other.post("/v1/signals", json={"name": "mine", "type": "event"}))


# --- lists, audit, errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 3, 10, 16, 1000])
@pytest.mark.parametrize("path", ["/v1/signals", "/v1/keys", "/v1/audit"])
def test_pages_add_up_to_the_list(world: World, path: str, limit: int) -> None:
    for n in range(10):
        made(world.other.post("/v1/keys", json={"name": str(n)}))
    whole = made(world.other.get(path, params={"limit": 1000}), 200)["data"]
    assert len(whole) >= 11
    found: list[Any] = []
    cursor: str | None = None
    while True:
        page = made(world.other.get(path, params={"limit": limit} | ({"cursor": cursor} if cursor else {})), 200)
        assert len(page["data"]) <= limit
        found += page["data"]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == whole


@pytest.mark.parametrize(("query", "path"), [("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit")])
def test_a_bad_limit_is_named(acme: httpx.Client, query: str, path: str) -> None:
    for list_ in ("/v1/signals", "/v1/keys", "/v1/audit"):
        refused(acme.get(f"{list_}?{query}"), 400, path)


@pytest.mark.parametrize("cursor", ["%", "ä", "_w", "====", "x" * 5, "%00", "LTE"])
def test_a_bad_cursor_is_no_error_of_ours(acme: httpx.Client, cursor: str) -> None:
    for list_ in ("/v1/signals", "/v1/keys", "/v1/audit"):
        assert acme.get(list_, params={"cursor": cursor}).status_code in (200, 400)
    refused(acme.get("/v1/audit", params={"cursor": "_w"}), 400, "cursor")


def test_the_audit_tells_who_did_what(acme: httpx.Client) -> None:
    made(acme.post("/v1/signals", json={"name": "a", "type": "event"}))
    made(acme.patch("/v1/signals/a", json={"rate_limit": None}), 200)
    newest, before, *_ = made(acme.get("/v1/audit"), 200)["data"]
    mine = made(acme.get("/v1/keys"), 200)["data"][0]["id"]
    assert (newest["action"], newest["actor"], newest["detail"]) == (
        "signal.update",
        mine,
        {"slug": "a", "rate_limit": None},
    )
    assert (before["action"], before["target"]) == ("signal.create", newest["target"])


def test_errors_are_problems(acme: httpx.Client) -> None:
    refused(acme.get("/v1/nothing"), 404, says="/v1/nothing")
    refused(acme.put("/v1/signals"), 405)
    assert set(acme.put("/v1/signals").headers["allow"].replace(" ", "").split(",")) <= {"GET", "POST"}
    refused(acme.get("/broken?how=unavailable"), 503, says="later")
    assert acme.get("/broken?how=unavailable").headers["retry-after"] == "7"
    for how in ("corrupt", "unexpected"):
        response = acme.get(f"/broken?how={how}")
        refused(response, 500)
        assert "secret" not in response.text and "Traceback" not in response.text and "bad" not in response.text


@pytest.mark.parametrize("slug", ["%2e%2e", "%00", "%ff", "a%2fb", "ä", "x" * 5000, "%ed%a0%80"])
def test_strange_names_in_a_path_are_unknown(acme: httpx.Client, slug: str) -> None:
    response = acme.get(f"/v1/signals/{slug}")
    assert response.status_code == 404 and response.headers["content-type"] == PROBLEM


def test_every_call_is_documented(acme: httpx.Client, world: World) -> None:
    api = made(acme.get("/openapi.json"), 200)
    calls = [(path, method, call) for path, item in api["paths"].items() for method, call in item.items()]
    managed = [each for each in calls if each[0].startswith("/v1/")]
    assert len(managed) == 17
    for path, method, call in managed:
        assert call["summary"] and call["description"], (path, method)
        assert "403" in call["responses"] and "422" not in call["responses"], (path, method)
    assert len({call["operationId"] for *_, call in managed}) == 17
