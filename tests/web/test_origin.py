"""For whose pages a session's cookie acts: our own, as the browser says, and no others."""

from pathlib import Path

import httpx
import pytest

from harness import Server, running
from headwater.errors import ForbiddenError
from headwater.web.forwarded import Clients
from headwater.web.origin import Origins
from signing import EVENT, new_key, signed_in

SITES: list[tuple[dict[str, str], bool, bool]] = [
    ({}, True, False),
    ({"sec-fetch-site": "same-origin"}, True, True),
    ({"sec-fetch-site": "none"}, True, False),
    ({"sec-fetch-site": "same-site"}, False, False),
    ({"sec-fetch-site": "cross-site"}, False, False),
    ({"sec-fetch-site": ""}, False, False),
    ({"sec-fetch-site": "cross-site", "origin": "OWN"}, False, False),
    ({"sec-fetch-site": "same-origin", "origin": "null"}, True, True),
    ({"origin": "OWN"}, True, True),
    ({"origin": "TLS"}, True, True),
    ({"origin": "OTHER PORT"}, False, False),
    ({"origin": "https://evil.example"}, False, False),
    ({"origin": "null"}, False, False),
    ({"origin": ""}, False, False),
    ({"origin": "OWN", "x-forwarded-proto": "https"}, False, False),
    ({"origin": "TLS", "x-forwarded-proto": "https"}, True, True),
]
"""What a browser says of where a request comes from; whether a cookie may ask then, and whether it may change."""


@pytest.mark.parametrize(("said", "asks", "changes"), SITES)
def test_a_cookie_serves_our_own_pages_alone(
    door: Server, nobody: httpx.Client, said: dict[str, str], asks: bool, changes: bool
) -> None:
    cookie = {"cookie": signed_in(nobody, key=new_key(door, scopes=["read", "admin", "ingest"])["key"])["cookie"]}
    places = {
        "OWN": door.url,
        "TLS": door.url.replace("http:", "https:"),
        "OTHER PORT": f"http://127.0.0.1:{door.port % 60000 + 1}",
    }
    headers = cookie | {name: places.get(value, value) for name, value in said.items()}
    for path in ("/v1/signals", "/v1/events", "/v1/session"):
        for method in ("GET", "HEAD"):
            status = nobody.request(method, path, headers=headers).status_code
            assert status != 403 if asks else status == 403, (method, path, status)
    made = nobody.post("/v1/keys", json={"name": "csrf"}, headers=headers)
    sent = nobody.post("/v1/events", json=EVENT, headers=headers)
    asked = nobody.post("/v1/cohorts/preview", json={}, headers=headers)
    ended = nobody.delete("/v1/session", headers=headers)
    assert [made.status_code == 201, sent.status_code == 200, ended.status_code == 204] == [changes] * 3
    assert asked.status_code == (400 if changes else 403)


@pytest.mark.parametrize(("said", "signs_in"), [(said, changes or not said) for said, _, changes in SITES])
def test_signing_in_is_for_our_own_pages_and_programs(
    door: Server, nobody: httpx.Client, said: dict[str, str], signs_in: bool
) -> None:
    """A page of another origin must not sign somebody in either: they would work in a stranger's workspace."""
    places = {
        "OWN": door.url,
        "TLS": door.url.replace("http:", "https:"),
        "OTHER PORT": f"http://127.0.0.1:{door.port % 60000 + 1}",
    }
    headers = {name: places.get(value, value) for name, value in said.items()}
    answer = nobody.post("/v1/session", json={"key": door.key}, headers=headers)
    assert answer.status_code == (200 if signs_in else 403)


def test_pages_of_other_origins_may_use_no_cookie(tmp_path: Path) -> None:
    origin = "https://shop.example"
    with (
        running(Server(tmp_path / "data", "--cors-origin", origin, "--cors-origin", "*")) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        page = signed_in(client, key=server.key) | {"origin": origin, "sec-fetch-site": "cross-site"}
        asked = {"access-control-request-method": "POST", "origin": origin}
        keyed = {name: value for name, value in page.items() if name != "cookie"}
        keyed["authorization"] = f"Bearer {server.key}"
        answers = [client.get("/v1/signals", headers=page), client.post("/v1/events", json=EVENT, headers=page)]
        answers += [client.get("/v1/session", headers=page), client.delete("/v1/session", headers=page)]
        assert [each.status_code for each in answers] == [403] * 4
        answers += [client.options(path, headers=asked) for path in ("/v1/session", "/v1/events", "/ui/")]
        answers += [client.get("/ui/", headers=page), client.get("/v1/session", headers=keyed)]
        assert answers[-1].status_code == 200, "with a key it is as every call"
        assert not any("access-control-allow-credentials" in each.headers for each in answers)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Shop.example:443", "https://shop.example"),
        ("http://shop.example:80/", "http://shop.example"),
        ("https://shop.example:80", "https://shop.example:80"),
        ("https://[::1]:443", "https://[::1]"),
    ],
)
def test_the_address_pages_are_served_at_is_known_with_its_port_or_without(url: str, origin: str) -> None:
    """Browsers leave out the port that a scheme has anyway."""
    origins = Origins(Clients(()), url)
    for said, own in ((origin, True), (origin + "0", False)):
        scope, headers = {"method": "POST"}, {b"host": b"inside", b"origin": said.encode()}
        if own:
            origins.check(scope, headers)
        else:
            with pytest.raises(ForbiddenError):
                origins.check(scope, headers)
