"""Webhooks over HTTP of a headwater that allows no private network: what is refused, and how."""

from typing import Any

import pytest

from harness import Workspace

HOOK = "https://hooks.invalid/headwater"  # a name that nobody can have: RFC 2606
INSIDE = (
    "https://127.0.0.1/",
    "https://localhost/",
    "https://localhost./",
    "https://169.254.169.254/latest/meta-data/",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://0x7f.0.0.1/",
    "https://0x7f000001/",
    "https://127.1/",
    "https://127.0.0.1./",
    "https://0.0.0.0/",
    "https://0/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[fe80::1%25eth0]/",
    "https://[fd00:ec2::254]/",
    "https://100.100.100.200/",
    "https://１２７.０.０.１/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://hooks.invalid@127.0.0.1/",
    "https://127.0.0.1#@hooks.invalid/",
    "https://127.0.0.1\\@hooks.invalid/",
    "http://hooks.invalid/",
    "https://hooks.invalid:22/",
    "file:///etc/passwd",
)


@pytest.mark.parametrize("url", INSIDE)
def test_what_is_not_public_is_refused_when_it_is_named(workspace: Workspace, url: str) -> None:
    answer = workspace.client.post("/v1/webhooks", json={"url": url, "events": ["cohort.left"]})
    assert answer.status_code == 400, answer.text
    assert answer.json()["path"] == "url" and answer.json()["detail"].startswith("'url' ")
    made = workspace.client.post("/v1/webhooks", json={"url": HOOK, "events": ["cohort.left"]}).json()
    assert workspace.client.patch(f"/v1/webhooks/{made['id']}", json={"url": url}).status_code == 400
    assert workspace.client.get(f"/v1/webhooks/{made['id']}").json()["url"] == HOOK


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "url"),
        ({"url": HOOK}, "events"),
        ({"url": HOOK, "events": []}, "events"),
        ({"url": HOOK, "events": ["cohort.left", "all"]}, "events[1]"),
        ({"url": HOOK, "events": ["cohort.left"], "cohorts": ["coh_nobodys0"]}, "cohorts[0]"),
        ({"url": HOOK, "events": ["cohort.left"], "description": "x" * 501}, "description"),
        ({"url": HOOK, "events": "cohort.left"}, "events"),
        ({"url": HOOK, "events": ["cohort.left"], "secret": "mine"}, "secret"),
    ],
)
def test_what_is_malformed_is_told_by_its_place(workspace: Workspace, body: dict[str, Any], path: str) -> None:
    answer = workspace.client.post("/v1/webhooks", json=body)
    assert (answer.status_code, answer.json().get("path")) == (400, path), answer.text


def test_a_webhooks_life_over_http(workspace: Workspace) -> None:
    client = workspace.client
    made = client.post("/v1/webhooks", json={"url": HOOK, "events": ["events.rejected", "cohort.left"]})
    assert made.status_code == 201 and made.json()["secret"].startswith("whsec_")
    path = f"/v1/webhooks/{made.json()['id']}"
    shown = client.get(path).json()
    assert shown == {key: value for key, value in made.json().items() if key != "secret"}
    assert (shown["events"], shown["status"]) == (["cohort.left", "events.rejected"], "active")
    changed = client.patch(path, json={"events": ["backfill.finished"], "description": "CRM", "paused": True}).json()
    assert (changed["events"], changed["description"], changed["paused"]) == (["backfill.finished"], "CRM", "by_hand")
    assert client.get("/v1/webhooks").json() == {"data": [changed], "next": None}
    assert client.get(f"{path}/deliveries").json() == {"data": [], "next": None}
    for asked in ("status=lost", "cursor=x", "limit=0", "state=failed"):
        assert client.get(f"{path}/deliveries?{asked}").status_code == 400
    assert client.get(f"{path}/deliveries/msg_nobodys").status_code == 404
    assert client.post(f"{path}/replay", json={"since": "soon"}).json()["path"] == "since"
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404 and client.delete(path).status_code == 404


def test_who_may_only_read_changes_nothing(workspace: Workspace) -> None:
    made = workspace.client.post("/v1/webhooks", json={"url": HOOK, "events": ["cohort.left"]}).json()
    key = workspace.client.post("/v1/keys", json={"scopes": ["read"]}).json()["key"]
    path = f"/v1/webhooks/{made['id']}"
    with workspace.server.client(key) as reader:
        assert reader.get(path).status_code == 200
        changing = (("POST", "/test"), ("POST", "/rotate"), ("POST", "/resume"), ("DELETE", ""))
        for method, rest in changing:
            assert reader.request(method, path + rest).status_code == 403, rest
        assert reader.patch(path, json={}).status_code == 403
        assert reader.post("/v1/webhooks", json={"url": HOOK, "events": ["cohort.left"]}).status_code == 403
