"""Profiles found, and their events, over HTTP: a running headwater."""

from urllib.parse import quote

import pytest

from harness import Workspace, keyed, until
from headwater.web.models import FoundAnswer

BIK = "/integrations/bikPlatformFunctions-events/sendEvents"
ADA, PHONE = "email:ada@x.example", "phone:+919876543210"


def test_both_over_http(workspace: Workspace) -> None:
    client = workspace.client
    assert client.patch("/v1/workspace", json={"default_region": "IN"}).status_code == 200
    base = {"eventName": "addToCart", "eventProperties": {"productId": "P1", "variantId": "V1"}}
    body = {"events": [base | {"email": "Ada@X.example", "phoneNumber": "+919876543210", "name": "Ada"}] * 3}
    answer = client.post(BIK, json=body)
    assert answer.status_code == 200, answer.text
    workspace.server.wait_drained()
    for text in ("ada", "98765 43210", ADA):
        told = FoundAnswer.model_validate(client.get("/v1/profiles", params={"q": text}).json())
        assert [each.name for each in told.data] == ["Ada"]
    where = f"/v1/profiles/{quote(PHONE, safe='')}/events"
    page = client.get(where, params={"limit": 2}).json()
    rest = client.get(where, params={"limit": 2, "cursor": page["next"]}).json()
    assert page["data"] + rest["data"] == client.get("/v1/events").json()["data"] and rest["next"] is None
    assert client.head("/v1/profiles?q=a").status_code == 200
    assert client.delete(f"/v1/profiles/{quote(ADA, safe='')}").status_code == 202
    nothing = {"data": [], "next": None}
    until(lambda: client.get("/v1/profiles?q=ada").json() == client.get(where).json() == nothing, 90)


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("", "q"),
        ("?q=", "q"),
        ("?q=%20", "q"),
        ("?q=a%00", "q"),
        ("?q=a%0Ab", "q"),
        (f"?q={'a' * 321}", "q"),
        (f"?q={'a' * 10_240}", "q"),
        ("?q=a&q=b", "q"),
        ("?q=a&limit=0", "limit"),
        ("?q=a&limit=101", "limit"),
        ("?q=a&cursor=x", "cursor"),
        ("/account%3A1/events?limit=1001", "limit"),
        ("/account%3A1/events?status=gone", "status"),
        ("/account%3A1/events?cursor=x", "cursor"),
        ("/account%3A1/events?from=x", "from"),
        ("/account%3A1/events?lane=realtime", "lane"),
    ],
)
def test_a_wrong_parameter_is_named(workspace: Workspace, query: str, path: str) -> None:
    answer = workspace.client.get(f"/v1/profiles{query}")
    assert (answer.status_code, answer.json().get("path")) == (400, path), answer.text


def test_whose_they_are(workspace: Workspace) -> None:
    assert workspace.client.get("/v1/profiles/nobody/events").status_code == 404
    key = workspace.client.post("/v1/keys", json={"scopes": ["ingest"]}).json()["key"]
    with keyed(workspace.server.url, key) as sender:
        for path in ("?q=a", "/account%3A1/events"):
            assert sender.get(f"/v1/profiles{path}").status_code == 403
    assert workspace.client.post("/v1/profiles?q=a", json={}).status_code == 405


def test_an_id_may_end_like_the_path(workspace: Workspace) -> None:
    identity = {"type": "page", "id": "https://x.example/events"}
    event = {"signal": "a", "identity": identity}
    assert workspace.client.post("/v1/signals", json={"name": "a", "slug": "a", "type": "event"}).status_code == 201
    sent = workspace.client.post("/v1/events/batch", json={"events": [event]}).json()["data"][0]["id"]
    workspace.server.wait_processed([sent], workspace.key)
    key = quote(f"page:{identity['id']}", safe="")
    assert workspace.client.get(f"/v1/profiles/{key}").json()["identities"] == [identity]
    assert [each["id"] for each in workspace.client.get(f"/v1/profiles/{key}/events").json()["data"]] == [sent]
    assert workspace.client.get("/v1/profiles?q=https").json()["data"][0]["identities"] == [identity]
