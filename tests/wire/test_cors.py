"""CORS: what a browser needs to let a page of another origin call, and nothing for other origins."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Server, running
from wire.client import Answer, Client, parse, raw
from wire.cors_page import Pages
from wire.languages import LANGUAGES, Language

SHOP = "https://shop.example"
APP = "http://localhost:3000"
STRANGER = "https://stranger.example"

PREFLIGHT = [
    ("Access-Control-Request-Method", "POST"),
    ("Access-Control-Request-Headers", "authorization,content-type"),
]
EXPOSED = {
    "headwater-batch",
    "idempotency-replayed",
    "retry-after",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
}
ACCEPTED = {"authorization", "content-type", "content-encoding", "prefer", "idempotency-key", "headwater-backfill"}

PATHS = [path for language in LANGUAGES for path in (language.batch, language.single)]


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that pages of two origins may call, by option and with a small body limit."""
    options = ("--cors-origin", SHOP, "--cors-origin", APP, "--max-body", "100000")
    with running(Server(tmp_path_factory.mktemp("cors") / "data", *options)) as server:
        yield server


@pytest.fixture
def page(open_server: Server) -> Iterator[Client]:
    client = Client(open_server.url, open_server.key)
    yield client
    client.close()


def words(answer: Answer, header: str) -> set[str]:
    return {word.strip().lower() for word in answer.headers[header].split(",")}


def readable_by(answer: Answer, origin: str) -> bool:
    return answer.headers.get("access-control-allow-origin") in (origin, "*")


def closed(answer: Answer) -> bool:
    return not any(name.startswith("access-control-") for name in answer.headers)


@pytest.mark.parametrize("origin", [SHOP, APP])
@pytest.mark.parametrize("path", [*PATHS, "/v1/signals", "/v1/keys/key_00000000"])
def test_preflight_needs_no_key(page: Client, path: str, origin: str) -> None:
    answer = page.send("OPTIONS", path, [("Origin", origin), *PREFLIGHT])
    assert answer.status == 204 and answer.body == b""
    assert answer.headers["access-control-allow-origin"] == origin
    assert words(answer, "access-control-allow-headers") == ACCEPTED
    assert {"get", "post", "patch", "delete"} <= words(answer, "access-control-allow-methods")
    assert int(answer.headers["access-control-max-age"]) > 0
    assert words(answer, "vary") == {"origin"}
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin", [STRANGER, "null", SHOP + ".evil.example", SHOP + ":444", SHOP.upper(), "http" + SHOP[5:]]
)
def test_other_origins_get_nothing(page: Client, origin: str) -> None:
    path = LANGUAGES[0].batch
    refused = page.send("OPTIONS", path, [("Origin", origin), *PREFLIGHT])
    assert refused.status == 405 and closed(refused)
    assert words(refused, "vary") == {"origin"}
    assert page.send("OPTIONS", "/v1/signals", [("Origin", origin), *PREFLIGHT]).status == 401
    assert closed(page.send("GET", "/v1/signals", [("Origin", origin), ("Authorization", f"Bearer {page.key}")]))


def test_options_that_is_no_preflight(page: Client) -> None:
    assert page.send("OPTIONS", LANGUAGES[0].batch, [("Origin", SHOP)]).status == 405
    assert page.send("OPTIONS", LANGUAGES[0].batch, PREFLIGHT).status == 405
    assert page.send("OPTIONS", "/readyz", [("Origin", SHOP), *PREFLIGHT]).status == 405


@pytest.mark.parametrize("language", LANGUAGES, ids=str)
def test_answers_can_be_read(page: Client, language: Language) -> None:
    signal = {"name": "visits", "slug": "visits", "type": "event", "rate_limit": 2}
    assert page.call("POST", "/v1/signals", signal).status in (201, 409)
    bearer = ("Authorization", f"Bearer {page.key}")
    good = language.batch_of(language.event())
    sent: dict[int, list[tuple[list[tuple[str, str]], bytes]]] = {
        200: [([bearer], good)],
        401: [([], good), ([("Authorization", "Bearer sk_x")], good)],
        400: [([bearer], b"{")],
        413: [([bearer], b"x" * 200_000), ([bearer, ("Content-Encoding", "gzip")], gzip.compress(b" " * 200_000))],
        415: [([bearer, ("Content-Encoding", "br")], good)],
    }
    for status, requests in sent.items():
        for headers, body in requests:
            answer = page.send("POST", language.batch, [*headers, ("Origin", SHOP)], body)
            assert answer.status == status, answer
            assert readable_by(answer, SHOP), answer
            assert words(answer, "access-control-expose-headers") == EXPOSED
            assert words(answer, "vary") == {"origin"}


def test_a_rate_limit_can_be_read(page: Client) -> None:
    signal = {"name": "rare", "slug": "rare", "type": "event", "rate_limit": 1}
    assert page.call("POST", "/v1/signals", signal).status == 201
    body = json.dumps({"events": [{"signal": "rare", "identity": {"type": "account", "id": "1"}}] * 2}).encode()
    headers = [("Authorization", f"Bearer {page.key}"), ("Origin", SHOP)]
    for _ in range(3):  # the minute may turn in between
        answer = page.send("POST", "/v1/events/batch", headers, body)
        if answer.status == 429:
            break
    assert answer.status == 429 and readable_by(answer, SHOP)
    assert "x-ratelimit-reset" in answer.headers


def test_a_503_can_be_read(open_server: Server, page: Client) -> None:
    headers = [("Authorization", f"Bearer {page.key}"), ("Origin", SHOP)]
    assert page.send("GET", "/v1/pipelines", headers).status == 200
    open_server.kill_engine()
    answer = page.send("GET", "/v1/pipelines", headers)
    assert answer.status == 503 and readable_by(answer, SHOP), answer
    open_server.wait_engine()


BROKEN = {
    "two Hosts": ["Host: a", "Host: b"],
    "header too long": ["Host: a", "X-Long: " + "x" * 40_000],
    "unclear length": ["Host: a", "Content-Length: 5", "Transfer-Encoding: chunked"],
}


@pytest.mark.parametrize("lines", BROKEN.values(), ids=BROKEN)
def test_refusals_of_the_protocol_can_be_read(page: Client, lines: list[str]) -> None:
    head = [f"POST {LANGUAGES[0].batch} HTTP/1.1", f"Origin: {SHOP}", *lines]
    answer = parse(raw(f"http://{page.host}:{page.port}", "\r\n".join(head).encode() + b"\r\n\r\n", timeout=5))
    assert answer.status in (400, 431), answer
    assert readable_by(answer, SHOP), answer


def test_a_slow_request_s_408_can_be_read(page: Client) -> None:
    head = f"POST {LANGUAGES[0].batch} HTTP/1.1\r\nHost: a\r\nOrigin: {SHOP}\r\nX-Slow: "
    answer = parse(raw(f"http://{page.host}:{page.port}", head.encode()))
    assert answer.status == 408 and readable_by(answer, SHOP), answer


def test_off_by_default(client: Client) -> None:
    preflight = client.send("OPTIONS", LANGUAGES[0].batch, [("Origin", SHOP), *PREFLIGHT])
    assert preflight.status == 405 and closed(preflight)
    answer = client.send("GET", "/v1/signals", [("Origin", SHOP), ("Authorization", f"Bearer {client.key}")])
    assert answer.status == 200 and closed(answer) and "vary" not in answer.headers


@pytest.mark.torture
def test_a_page_in_a_real_browser(tmp_path: Path, server: Server) -> None:
    """It reads answers and errors where its origin is listed or every one is, and nothing anywhere else."""
    pages = Pages()
    readable = ["sent 200 batch true", "lenient 200 batch true", "refused 400 none true", "nokey 401 none true"]
    readable += ["toolarge 413 none true", "read 200 none true", "odd blocked"]
    try:
        for number, origin in enumerate((pages.origin, "*")):
            listed = Server(tmp_path / f"data{number}", "--cors-origin", origin, "--max-body", "100000")
            try:
                listed.start()
                assert pages.visit(listed.url, listed.key, tmp_path / f"profile{number}") == readable
            finally:
                listed.kill_group()
        assert {line.split()[1] for line in pages.visit(server.url, server.key, tmp_path / "closed")} == {"blocked"}
    finally:
        pages.close()
