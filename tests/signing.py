"""Signing in as a browser does, for tests that need no browser."""

from typing import Any

import httpx

from harness import Server
from headwater.catalog.credentials import derived
from headwater.web.cookie import Seal

OWN = {"sec-fetch-site": "same-origin"}
EVENT = {"signal": "pageViewed", "identity": {"type": "account", "id": "42"}, "data": {"page": "/"}}
BIK_EVENT = {"events": [{"email": "a@b.example", "eventName": "pageViewed", "eventProperties": {}}]}
BIK = "/integrations/bikPlatformFunctions-events/sendEvents"


def coming_from(number: int) -> dict[str, str]:
    """Headers of the proxy in front: an address for each number."""
    return {"x-forwarded-for": f"203.0.{number // 250}.{number % 250 + 1}"}


def signed_in(client: httpx.Client, **body: str) -> dict[str, str]:
    """The headers of a page of ours whose browser has signed in."""
    answer = client.post("/v1/session", json=body)
    assert answer.status_code == 200, answer.text
    return {"cookie": answer.headers["set-cookie"].partition(";")[0], **OWN}


def new_key(server: Server, **body: Any) -> dict[str, Any]:
    """As it is made; its text is `key`."""
    with server.client() as client:
        made: dict[str, Any] = client.post("/v1/keys", json=body).json()
    return made


def seal_of(server: Server) -> Seal:
    """What the server seals its cookies with."""
    return Seal(derived((server.data_dir / "key-secret").read_bytes(), b"session cookies"))
