"""Where a request came from: the peer, or what a listed proxy says, and never what anybody else says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Server, running
from headwater.errors import SettingsError
from headwater.web.forwarded import Clients
from wire.client import Client

CLIENT, NEAR, FAR = "203.0.113.7", "10.0.0.1", "192.0.2.9"


def address(peer: str, *said: str, proxies: tuple[str, ...] = ("10.0.0.0/8", FAR, "2001:db8::/32")) -> str | None:
    headers = [(b"x-forwarded-for", each.encode("latin-1")) for each in said]
    return Clients(proxies).address({"client": (peer, 1234), "headers": headers})


@pytest.mark.parametrize(
    ("peer", "said", "expected"),
    [
        (CLIENT, [], CLIENT),
        (CLIENT, ["198.51.100.1"], CLIENT),
        (NEAR, [], NEAR),
        (NEAR, [CLIENT], CLIENT),
        (NEAR, [f"198.51.100.1, {CLIENT}"], CLIENT),
        (NEAR, [f"198.51.100.1, {CLIENT}, {FAR}"], CLIENT),
        (NEAR, ["198.51.100.1", CLIENT, FAR], CLIENT),
        (NEAR, [f"{FAR}, {NEAR}"], FAR),
        (NEAR, [f"{CLIENT}:5678"], CLIENT),
        (NEAR, ["[2001:db9::1]:5678"], "2001:db9::1"),
        (NEAR, ["2001:db9::1"], "2001:db9::1"),
        (NEAR, [f"::ffff:{CLIENT}"], CLIENT),
        (NEAR, [f"{CLIENT}, unknown"], NEAR),
        (NEAR, [f"{CLIENT}, "], NEAR),
        (NEAR, ["'; DROP TABLE audit"], NEAR),
        (NEAR, ["\xff" * 100], NEAR),
        (f"::ffff:{NEAR}", [CLIENT], CLIENT),
        ("2001:db8::1", [CLIENT], CLIENT),
        ("2001:db9::1", [CLIENT], "2001:db9::1"),
    ],
)
def test_address(peer: str, said: list[str], expected: str) -> None:
    assert address(peer, *said) == expected


@pytest.mark.parametrize(
    ("scheme", "peer", "said", "expected"),
    [
        ("https", CLIENT, [], True),
        ("https", NEAR, ["http"], True),
        ("http", CLIENT, ["https"], False),
        ("http", NEAR, [], False),
        ("http", NEAR, ["http"], False),
        ("http", NEAR, ["https"], True),
        ("http", NEAR, ["http, HTTPS "], True),
        ("http", NEAR, ["https, http"], False),
        ("http", NEAR, ["https", "http"], False),
        ("http", NEAR, [""], False),
        ("http", None, ["https"], False),
    ],
)
def test_whether_the_client_speaks_tls(scheme: str, peer: str | None, said: list[str], expected: bool) -> None:
    scope = {"scheme": scheme, "client": (peer, 1234) if peer else None}
    scope["headers"] = [(b"x-forwarded-proto", each.encode()) for each in said]
    assert Clients(("10.0.0.0/8",)).is_encrypted(scope) is expected


def test_nobody_is_believed_by_default() -> None:
    assert address("127.0.0.1", CLIENT, proxies=()) == "127.0.0.1"


def test_a_peer_without_an_address() -> None:
    assert Clients(("0.0.0.0/0",)).address({"client": None, "headers": [(b"x-forwarded-for", CLIENT.encode())]}) is None


@pytest.mark.parametrize("bad", ["10.0.0.1/8", "proxy.example", "10.0.0.0/33", ""])
def test_what_is_no_network(bad: str) -> None:
    with pytest.raises(SettingsError):
        Clients((bad,))


SAID = [
    ("X-Forwarded-For", CLIENT),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Port", "1"),
    ("X-Forwarded-Prefix", "/evil"),
    ("X-Real-IP", CLIENT),
    ("Forwarded", f"for={CLIENT};proto=https;host=evil.example"),
    ("X-Original-URL", "/v1/keys"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("Headwater-Workspace", "ws_00000000"),
    ("Headwater-Scopes", "operator"),
]


def changed_from(client: Client, slug: str) -> str | None:
    """The address that the audit has for a change asked for with all these headers."""
    bearer = ("Authorization", f"Bearer {client.key}")
    body = b'{"name": "%b", "slug": "%b", "type": "event"}' % (slug.encode(), slug.encode())
    kind = ("Content-Type", "application/json")
    assert client.send("POST", "/v1/signals", [bearer, kind, *SAID], body).status == 201
    found = client.call("GET", "/v1/audit?limit=1").json["data"][0]
    assert found["detail"] == {"slug": slug}
    address: str | None = found["address"]
    return address


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that believes a proxy on this machine."""
    trusting = {"HEADWATER_TRUSTED_PROXIES": "127.0.0.0/8, ::1"}
    with running(Server(tmp_path_factory.mktemp("proxied") / "data", environment=trusting)) as server:
        yield server


def test_the_audit_has_the_peer(server: Server) -> None:
    client = Client(server.url, server.key)
    assert changed_from(client, "from-a-peer") == "127.0.0.1"
    client.close()


def test_the_audit_has_what_a_listed_proxy_says(proxied: Server) -> None:
    client = Client(proxied.url, proxied.key)
    assert changed_from(client, "from-a-proxy") == CLIENT
    client.close()


def test_where_no_request_was_there_is_no_address(server: Server) -> None:
    with server.client() as client:
        changes = client.get("/v1/audit", params={"limit": 1000}).json()["data"]
    assert {each["address"] for each in changes if each["actor"] == "first-start"} == {None}


def test_forwarding_headers_change_no_answer(server: Server) -> None:
    client = Client(server.url, server.key)
    bearer = ("Authorization", f"Bearer {client.key}")
    for path in ("/v1/signals", "/v1/workspace", "/v1/events", "/docs", "/openapi.json", "/v1/nothing", "/readyz"):
        plain, said = client.send("GET", path, [bearer]), client.send("GET", path, [bearer, *SAID])
        assert (said.status, said.body) == (plain.status, plain.body), path
    client.close()


@pytest.mark.parametrize("option", [("--trusted-proxy", "10.0.0.1/8"), ("--cors-origin", "https://shop.example/")])
def test_a_start_says_what_is_wrong(tmp_path: Path, option: tuple[str, str]) -> None:
    server = Server(tmp_path / "data", *option).start(wait=False)
    assert server.process.wait(30) == 78
    assert option[1] in server.log() or "host bits" in server.log()
    assert "Traceback" not in server.log()
