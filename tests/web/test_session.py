"""Signing in through a real gateway: by key and by link, what the cookie may do, its end, and bad ones."""

import resource
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness import Server, Workspace, keyed, running, until
from headwater.clock import HOUR_MS, now_ms
from headwater.web.cookie import NAME, Seal, Session, value_in
from signing import BIK, BIK_EVENT, EVENT, coming_from, new_key, seal_of, signed_in

# --- signing in --------------------------------------------------------------------------------------------------


def test_a_key_signs_in(door: Server, nobody: httpx.Client) -> None:
    answer = nobody.post("/v1/session", json={"key": f" {door.key}\n"})
    told = answer.json()
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    assert told["workspace"]["name"] == "default" and told["workspace"]["id"].startswith("ws_")
    assert told["key"]["name"] == "first key" and "read" in told["key"]["scopes"]
    value, *attributes = answer.headers["set-cookie"].split("; ")
    assert value.startswith("__Host-headwater=v1.ses_")
    assert {each.split("=")[0] for each in attributes} == {"Path", "Secure", "HttpOnly", "SameSite", "Max-Age"}
    assert {"Path=/", "SameSite=Strict"} <= set(attributes)
    (age,) = (int(each.partition("=")[2]) for each in attributes if each.startswith("Max-Age="))
    assert 168 * 3600 - 60 < age <= 168 * 3600
    assert door.key not in value
    assert nobody.get("/v1/session", headers={"cookie": value}).json() == told


def test_a_key_is_told_who_it_is(door: Server, nobody: httpx.Client) -> None:
    with door.client() as client:
        told = client.get("/v1/session").json()
    assert told["key"]["name"] == "first key" and told["expires_at"] is None
    refused = nobody.get("/v1/session")
    assert refused.status_code == 401 and refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"key": "sk_wrong"}, 401),
        ({"key": "sk_" + "0" * 38}, 401),
        ({"key": "é\ud800"}, 400),
        ({"link": "A" * 43}, 401),
        ({"link": ""}, 401),
        ({"key": "x" * 201}, 400),
        ({}, 400),
        ({"key": "sk_a", "link": "b"}, 400),
        ({"key": "sk_a", "workspace": "default"}, 400),
        ({"key": "x" * 5000}, 413),
    ],
)
def test_what_does_not_sign_in(nobody: httpx.Client, body: dict[str, str], status: int) -> None:
    content = str(body).replace("'", '"').encode("utf-8", "surrogatepass")
    answer = nobody.post("/v1/session", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    assert "set-cookie" not in answer.headers


def test_a_key_that_may_not_read_does_not_sign_in(door: Server, nobody: httpx.Client) -> None:
    sender = new_key(door, scopes=["ingest"])["key"]
    answer = nobody.post("/v1/session", json={"key": sender})
    assert answer.status_code == 403 and "scope" in answer.json()["detail"]
    with keyed(door.url, sender) as client:
        assert client.post("/v1/session/links").status_code == 403


def test_sign_ins_links_and_sign_outs_are_in_the_audit(door: Server, nobody: httpx.Client) -> None:
    key = new_key(door, name="audited")
    page = signed_in(nobody, key=key["key"])
    nobody.post("/v1/session/links", headers=page)
    nobody.delete("/v1/session", headers=page)
    with door.client() as client:
        changes = [each for each in client.get("/v1/audit").json()["data"] if each["actor"] == key["id"]]
    assert [each["action"] for each in changes] == ["session.end", "session.link", "session.create"]
    assert {each["address"] for each in changes} == {nobody.headers["x-forwarded-for"]}
    assert changes[0]["target"] == changes[2]["target"] == page["cookie"].split(".")[1]


# --- links -------------------------------------------------------------------------------------------------------


def made_link(client: httpx.Client, **headers: str) -> str:
    """The token of a new link."""
    answer = client.post("/v1/session/links", headers=headers)
    assert answer.status_code == 201, answer.text
    url, _, token = answer.json()["url"].partition("#")
    assert url == f"{str(client.base_url).rstrip('/')}/ui/sign-in" and len(token) == 43
    return str(token)


def test_a_link_signs_in_once(door: Server, nobody: httpx.Client) -> None:
    with door.client() as client:
        token = made_link(client)
    page = signed_in(nobody, link=token)
    assert nobody.get("/v1/session", headers=page).json()["key"]["name"] == "first key"
    assert nobody.post("/v1/session", json={"link": token}).status_code == 401


def test_a_link_of_a_revoked_key_is_no_good(door: Server, nobody: httpx.Client) -> None:
    key = new_key(door)
    with keyed(door.url, key["key"]) as client:
        token = made_link(client)
    with door.client() as client:
        assert client.delete(f"/v1/keys/{key['id']}").status_code == 204
    assert nobody.post("/v1/session", json={"link": token}).status_code == 401


def test_a_link_that_a_session_makes_ends_with_it(door: Server, nobody: httpx.Client) -> None:
    first = signed_in(nobody, key=door.key)
    second = signed_in(nobody, link=made_link(nobody, **first))
    ends = [nobody.get("/v1/session", headers=each).json()["expires_at"] for each in (first, second)]
    assert ends[0] == ends[1]


def test_links_are_bounded(door: Server, nobody: httpx.Client) -> None:
    with keyed(door.url, new_key(door)["key"]) as client:
        tokens = [made_link(client) for _ in range(21)]
    statuses = [nobody.post("/v1/session", json={"link": each}).status_code for each in (tokens[0], *tokens[-2:])]
    assert statuses == [401, 200, 200]


def test_a_key_makes_so_many_sessions_and_links_a_minute(door: Server) -> None:
    with keyed(door.url, new_key(door)["key"]) as client:
        statuses = [client.post("/v1/session/links").status_code for _ in range(61)]
    assert statuses.count(429) >= 1 and set(statuses) == {201, 429}


# --- what a session may do ---------------------------------------------------------------------------------------


def test_a_session_is_the_key_it_was_begun_with(door: Server, nobody: httpx.Client) -> None:
    page = signed_in(nobody, key=new_key(door, scopes=["read"])["key"])
    assert nobody.get("/v1/signals", headers=page).status_code == 200
    assert nobody.get("/v1/events", headers=page).status_code == 200
    assert nobody.post("/v1/keys", headers=page).status_code == 403
    assert nobody.post("/v1/events", json=EVENT, headers=page).status_code == 403
    assert nobody.post("/v1/cohorts", json={}, headers=page).status_code == 403


def test_a_session_sees_its_own_workspace_alone(door: Server, nobody: httpx.Client) -> None:
    with door.client() as operator:
        theirs = operator.post("/v1/workspaces", json={"name": "theirs"}).json()
        mine = operator.get("/v1/workspace").json()
    page = signed_in(nobody, key=theirs["api_key"])
    assert nobody.get("/v1/session", headers=page).json()["workspace"]["name"] == "theirs"
    assert nobody.get("/v1/workspace", headers=page).json()["id"] == theirs["id"] != mine["id"]
    assert nobody.get("/v1/workspaces", headers=page).status_code == 403


@pytest.mark.parametrize(("path", "body"), [("/v1/events", EVENT), (BIK, BIK_EVENT)])
def test_a_session_sends_events(door: Server, nobody: httpx.Client, path: str, body: Any) -> None:
    page = signed_in(nobody, key=door.key)
    assert nobody.post(path, json=body, headers=page).status_code == 200
    assert nobody.post(path, json=body, headers={"cookie": page["cookie"]}).status_code == 403
    assert nobody.post(path, json=body, headers={**page, "cookie": page["cookie"] + "x"}).status_code == 401


def test_a_key_that_is_sent_is_meant(door: Server, nobody: httpx.Client) -> None:
    """With an Authorization header, even a bad or empty one, the cookie is not looked at."""
    page = signed_in(nobody, key=door.key)
    other = {"cookie": page["cookie"], "sec-fetch-site": "cross-site"}
    for header in ("Bearer sk_wrong", "", "Digest x"):
        for path in ("/v1/signals", "/v1/session"):
            assert nobody.get(path, headers={**page, "authorization": header}).status_code == 401
        assert nobody.post("/v1/events", json=EVENT, headers={**page, "authorization": header}).status_code == 401
    bearer = {**other, "authorization": f"Bearer {door.key}"}
    assert nobody.post("/v1/events", json=EVENT, headers=bearer).status_code == 200
    assert nobody.get("/v1/events", headers=bearer).status_code == 200


def test_answers_to_a_cookie_are_kept_by_nobody(door: Server, nobody: httpx.Client) -> None:
    page = signed_in(nobody, key=door.key)
    for path in ("/v1/signals", "/v1/events", "/v1/nowhere"):
        assert nobody.get(path, headers=page).headers["cache-control"] == "no-store", path


# --- its end -----------------------------------------------------------------------------------------------------


def test_signing_out_ends_the_session_for_good(fresh_server: Server) -> None:
    with httpx.Client(base_url=fresh_server.url, trust_env=False) as client:
        page, other = signed_in(client, key=fresh_server.key), signed_in(client, key=fresh_server.key)
        answer = client.delete("/v1/session", headers=page)
        assert answer.status_code == 204 and "Max-Age=0" in answer.headers["set-cookie"]
        assert client.get("/v1/session", headers=page).status_code == 401, "a copy of the cookie is no good either"
        assert client.delete("/v1/session", headers=page).status_code == 204
        assert client.delete("/v1/session").status_code == 204
        assert client.get("/v1/session", headers=other).status_code == 200
        before = fresh_server.kill_gateway()
        until(lambda: fresh_server.pids().get("gateway", before) != before)
    with httpx.Client(base_url=fresh_server.url, trust_env=False, timeout=30) as client:
        assert client.get("/v1/session", headers=other).status_code == 200, "a restart ends no session"
        assert client.get("/v1/session", headers=page).status_code == 401, "and brings none back"


def test_a_revoked_key_ends_its_sessions_with_the_next_request(door: Server, nobody: httpx.Client) -> None:
    key = new_key(door)
    page = signed_in(nobody, key=key["key"])
    assert nobody.get("/v1/events", headers=page).status_code == 200
    with door.client() as client:
        client.delete(f"/v1/keys/{key['id']}")
    for path in ("/v1/session", "/v1/signals", "/v1/events"):
        assert nobody.get(path, headers=page).status_code == 401
    assert nobody.post("/v1/events", json=EVENT, headers=page).status_code == 401


def test_a_session_ends_with_its_key(door: Server, nobody: httpx.Client) -> None:
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    page = signed_in(nobody, key=new_key(door, expires_at=ends)["key"])
    assert nobody.get("/v1/session", headers=page).json()["expires_at"].startswith(ends[:-1])
    until(lambda: nobody.get("/v1/session", headers=page).status_code == 401, 10)


def test_a_session_lasts_as_long_as_it_is_told_to(tmp_path: Path) -> None:
    with (
        running(Server(tmp_path / "data", "--session-hours", "1")) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        answer = client.post("/v1/session", json={"key": server.key})
        value, attributes = answer.headers["set-cookie"].split("; ", 1)
        key = client.get("/v1/session", headers={"cookie": value}).json()["key"]["id"]
        seal, now = seal_of(server), now_ms()
        over, good = (seal.closed(Session("ses_00000000", key, now + each)) for each in (-1, HOUR_MS))
        cookies = [{"cookie": f"{NAME}={each}"} for each in (over, good)]
        statuses = [client.get("/v1/session", headers=each).status_code for each in cookies]
    assert 3500 < int(attributes.partition("Max-Age=")[2]) <= 3600
    assert statuses == [401, 200], "the one differs from the other by its end alone"


# --- bad cookies -------------------------------------------------------------------------------------------------


def test_no_cookie_that_was_changed_is_good(door: Server, nobody: httpx.Client) -> None:
    page = signed_in(nobody, key=new_key(door, scopes=["read"])["key"])
    value = page["cookie"].partition("=")[2]
    version, session, key, ends, mark = value.split(".")
    with door.client() as client:
        first = client.get("/v1/session").json()["key"]["id"]
    forged = Seal(b"x" * 32).closed(Session(session, first, int(ends)))
    bad = [
        f"{version}.{session}.{first}.{ends}.{mark}",
        f"{version}.{session}.{key}.{int(ends) + 1}.{mark}",
        f"{version}.ses_00000000.{key}.{ends}.{mark}",
        f"v2.{session}.{key}.{ends}.{mark}",
        f"{version}.{session}.{key}.{ends}.{mark[:-1]}",
        f"{version}.{session}.{key}.{ends}.",
        f"{version}.{session}.{key}.{ends}",
        forged,
        "",
        ".",
        "....",
        "v1....",
        "é",
        f'"{value}"',
        value + "." * 300,
        *(value[:place] + chr(ord(value[place]) ^ 1) + value[place + 1 :] for place in range(len(value))),
    ]
    for each in bad:
        cookie = f"{NAME}={each}".encode("latin-1")
        assert nobody.get("/v1/session", headers={b"cookie": cookie}).status_code == 401, each
    assert nobody.get("/v1/session", headers=page).status_code == 200


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (f"{NAME}=a", "a"),
        (f"a=b; {NAME}=a; c=d", "a"),
        (f"a=b;{NAME}=a", "a"),
        (f"{NAME}=a=b", "a=b"),
        (f"{NAME}=a; {NAME}=b", None),
        (f"{NAME.lower()}=a", None),
        (f"x{NAME}=a", None),
        (f"\x0b{NAME}=a", None),
        (f"={NAME}=a", None),
        (f"a={NAME}=a", None),
        ("", None),
    ],
)
def test_one_cookie_of_that_name_counts(header: str, value: str | None) -> None:
    assert value_in(header.encode()) == value


def test_who_signs_in_gets_in_though_the_disk_is_full(fresh_server: Server) -> None:
    """Then most of all somebody must be able to look. Signing out must be remembered, and says so when it is not."""
    gateway = fresh_server.pids()["gateway"]
    limits = resource.prlimit(gateway, resource.RLIMIT_FSIZE)
    resource.prlimit(gateway, resource.RLIMIT_FSIZE, (1, limits[1]))
    with httpx.Client(base_url=fresh_server.url, trust_env=False, timeout=30) as client:
        page = signed_in(client, key=fresh_server.key)
        assert client.get("/v1/workspace", headers=page).status_code == 200
        other = signed_in(client, link=made_link(client, **page))
        assert client.delete("/v1/session", headers=other).status_code == 503
        assert client.get("/v1/session", headers=other).status_code == 401, "as long as it runs, it holds all the same"
        changes = client.get("/v1/audit", headers=page).json()["data"]
        assert "session.create" not in {each["action"] for each in changes}, "it cannot be written"
        resource.prlimit(gateway, resource.RLIMIT_FSIZE, limits)
        until(lambda: client.delete("/v1/session", headers=page).status_code == 204, 5)


# --- too many failures -------------------------------------------------------------------------------------------


def test_failures_hold_up_their_address_and_nobody_else(tmp_path: Path) -> None:
    """Ten of an address; after a hundred in all, one of each."""
    with running(Server(tmp_path / "data", "--trusted-proxy", "127.0.0.1")) as server:
        _wait_for_a_fresh_minute()
        bad, good = {"key": "sk_wrong"}, {"key": server.key}
        with httpx.Client(base_url=server.url, trust_env=False) as client:

            def tried(number: int, body: dict[str, str]) -> httpx.Response:
                return client.post("/v1/session", json=body, headers=coming_from(number))

            assert [tried(1, bad).status_code for _ in range(11)] == [401] * 10 + [429]
            held = tried(1, good)
            assert held.status_code == 429 and 1 <= int(held.headers["retry-after"]) <= 60, "else it held up nothing"
            assert tried(2, good).status_code == 200
            assert tried(1, {}).status_code == 400, "what is malformed is no try"
            for number in range(2, 11):
                assert {tried(number, bad).status_code for _ in range(10)} == {401}
            assert [tried(11, bad).status_code for _ in range(3)] == [401, 429, 429]
            assert tried(12, good).status_code == 200, "whatever others do"
            figures = client.get("/metrics").text
        assert 'headwater_sign_ins_total{outcome="refused"} 101.0' in figures
        assert 'headwater_sign_ins_total{outcome="throttled"} 4.0' in figures
        assert 'headwater_sign_ins_total{outcome="done"} 2.0' in figures
        log = server.log()
        assert "sign-ins were refused; this minute: 100" in log
        assert "203.0." not in log and "sk_wrong" not in log


def _wait_for_a_fresh_minute() -> None:
    """Of the clock that the gateway counts by, so that a window's end does not fall into the test."""
    if (left := 60 - time.monotonic() % 60) < 20:
        time.sleep(left)


def test_the_shared_server_takes_a_session_too(workspace: Workspace) -> None:
    """Without a proxy that is believed."""
    with httpx.Client(base_url=workspace.server.url, trust_env=False) as client:
        page = signed_in(client, key=workspace.key)
        assert client.get("/v1/workspace", headers=page).json()["id"] == workspace.id
