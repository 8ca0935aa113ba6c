"""A 401 tells nothing: byte for byte the same whatever is wrong with the key, on every path."""

import base64
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from harness import Server, until
from headwater.rules.ids import new_key
from wire.client import Client, raw
from wire.languages import LANGUAGES
from wire.workspaces import new_workspace

INGEST = [("POST", path) for language in LANGUAGES for path in (language.batch, language.single)]
INGEST += [("POST", path) for path in ("/v1/batch", "/v1/track", "/v1/cloudevents")]
OTHERS = [
    ("GET", "/v1/signals"),
    ("POST", "/v1/signals"),
    ("GET", "/v1/keys"),
    ("DELETE", "/v1/keys/key_00000000"),
    ("GET", "/v1/events"),
    ("GET", "/v1/events/01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e01"),
    ("GET", "/v1/profiles/email:ada@example.com"),
    ("POST", "/v1/webhooks"),
    ("GET", "/v1/webhooks/wh_00000000/deliveries"),
    ("GET", "/v1/nothing"),
    ("GET", "/nothing"),
]

BODIES = {"events": b'{"events": []}', "no JSON": b"{", "nothing": b""}


def _pair(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    """A connection with the first key of a fresh workspace, one for all tests here."""
    client = new_workspace(server)
    yield client
    client.close()


@pytest.fixture(scope="module")
def bad_keys(client: Client) -> list[str | None]:
    """Values of Authorization that open nothing; None for no header at all."""
    revoked = _key(client, {"name": "revoked"})
    assert client.call("DELETE", f"/v1/keys/{revoked['id']}").status == 204
    soon = datetime.now(UTC) + timedelta(seconds=2)
    expired = _key(client, {"name": "expired", "expires_at": soon.isoformat()})
    until(lambda: datetime.now(UTC) > soon, what="the key has expired")
    good = client.key or ""
    swapped = good[:-7] + ("A" if good[-7] != "A" else "B") + good[-6:]
    keys = [new_key(), revoked["key"], expired["key"], good[:-1], good + "0", swapped, "sk_", "x" * 20_000]
    pairs = [_pair(":"), _pair("user"), _pair(f"{new_key()}:"), _pair(f":{revoked['key']}"), _pair(f"{good}x:{good}y")]
    broken = ["=", "%%%", "Zm9v=Zm9v", "\u00e9\u00e9", "A" * 20_001]
    texts = [*keys, *pairs, *broken]
    return [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic",
        good,
        f"Token {good}",
        f"Digest {good}",
        f"Bearer{good}",
        f"Bearer {_pair(f'user:{good}')}",
        f"Bearer {good} {good}",
        *(f"Bearer {text}" for text in texts),
        *(f"Basic {text}" for text in texts),
    ]


def _key(client: Client, wanted: dict[str, str]) -> dict[str, str]:
    answer = client.call("POST", "/v1/keys", wanted)
    assert answer.status == 201, answer
    made: dict[str, str] = answer.json
    return made


def _ask(client: Client, method: str, path: str, authorization: str | None, body: bytes) -> bytes:
    """The answer as it came, without the date and what names the request."""
    head = [f"{method} {path} HTTP/1.1", "Host: headwater", "Connection: close", f"Content-Length: {len(body)}"]
    if authorization is not None:
        head.append(f"Authorization: {authorization}")
    sent = "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body
    answer = raw(f"http://{client.host}:{client.port}", sent)
    return re.sub(rb"\r\n(?:date|x-request-id): [^\r]*", b"", answer, flags=re.IGNORECASE)


@pytest.mark.parametrize(("method", "path"), INGEST + OTHERS, ids=lambda each: str(each))
def test_every_401_is_the_same(client: Client, bad_keys: list[str | None], method: str, path: str) -> None:
    bodies = BODIES.values() if method == "POST" else [b""]
    told = {_ask(client, method, path, bad, body): (bad, body) for bad in bad_keys for body in bodies}
    assert len(told) == 1, told
    (answer,) = told
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b'\r\nwww-authenticate: Bearer realm="headwater"\r\n' in answer
    assert b"sk_0" not in answer


def test_a_good_key_in_the_same_forms(client: Client) -> None:
    """The control: what differs above is the key alone."""
    forms: list[Callable[[str], str]] = [
        lambda key: f"Bearer {key}",
        lambda key: f"Basic {key}",
        lambda key: f"Basic {_pair(f'{key}:x')}",
        lambda key: f"Basic {_pair(f'x:{key}')}",
    ]
    for form in forms:
        assert _ask(client, "GET", "/v1/signals", form(client.key or ""), b"").startswith(b"HTTP/1.1 200 ")


@pytest.mark.torture
def test_no_kind_of_bad_key_takes_noticeably_longer(client: Client) -> None:
    """Medians of many: a key that never was, a revoked one, one that differs from a good one in its secret. The bound
    is far above what a network's noise hides, far below what a walk over all keys would take."""
    revoked = _key(client, {"name": "revoked"})
    assert client.call("DELETE", f"/v1/keys/{revoked['id']}").status == 204
    kinds = {"unknown": new_key(), "revoked": revoked["key"], "unknown too": new_key(), "malformed": "sk_x"}
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(2000):
        for kind, key in kinds.items():
            began = time.perf_counter()
            answer = client.send("GET", "/v1/signals", [("Authorization", f"Bearer {key}")])
            taken[kind].append(time.perf_counter() - began)
            assert answer.status == 401
    medians = {kind: sorted(times)[len(times) // 2] for kind, times in taken.items()}
    print({kind: f"{median * 1e6:.0f} us" for kind, median in medians.items()})
    assert max(medians.values()) - min(medians.values()) < 0.002
