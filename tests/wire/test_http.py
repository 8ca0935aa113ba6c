"""HTTP itself on the ingest paths: methods, lengths, encodings, connections."""

import gzip
import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from wire.client import Client, parse, raw, receive
from wire.languages import BIK, LANGUAGES, MEBIBYTE, Language, gzipped, padded

PATHS = [(language, path) for language in LANGUAGES for path in (language.batch, language.single)]


@pytest.fixture
def ready(client: Client) -> Client:
    """A workspace with the signal of both languages' good events, without limits."""
    signal = {"name": "visits", "slug": "visits", "type": "event", "rate_limit": None}
    assert client.call("POST", "/v1/signals", signal).status == 201
    return client


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(("speech", "path"), PATHS, ids=str)
def test_wrong_method(client: Client, speech: Language, path: str, method: str) -> None:
    answer = client.send(method, path, [("Authorization", f"Bearer {client.key}")])
    assert answer.status == 405, answer
    assert "POST" in answer.headers["allow"]
    speech.refusal(answer)


@pytest.mark.parametrize("path", [BIK.batch, BIK.single])
def test_get_of_a_bik_path(client: Client, path: str) -> None:
    answer = client.send("GET", path, [("Authorization", f"Bearer {client.key}")])
    assert answer.status == 405, answer
    BIK.refusal(answer)


@pytest.mark.parametrize("path", ["", "/", "/sendevents", "/sendEvents/", "/sendEventss", "/a/b", "/sendEvents%2f"])
def test_unknown_path_under_the_bik_prefix(client: Client, path: str) -> None:
    answer = client.post("/integrations/bikPlatformFunctions-events" + path, BIK.batch_of(BIK.event()))
    assert answer.status == 404, answer
    BIK.refusal(answer)


def test_a_query_is_no_matter(ready: Client, language: Language) -> None:
    assert ready.post(language.batch + "?debug=1", language.batch_of(language.event())).status == 200


def test_100_events(ready: Client, language: Language) -> None:
    assert ready.post(language.batch, language.batch_of(*[language.event()] * 100)).status == 200


def test_gzip(ready: Client, language: Language) -> None:
    assert gzipped(ready, language, gzip.compress(language.batch_of(language.event()))).status == 200
    assert gzipped(ready, language, gzip.compress(language.batch_of(language.event())), "GZIP").status == 200


def test_identity_coding(ready: Client, language: Language) -> None:
    assert gzipped(ready, language, language.batch_of(language.event()), "identity").status == 200


def test_body_of_exactly_5_mebibytes(ready: Client, language: Language) -> None:
    body = language.batch_of(language.event())
    body += b" " * (5 * MEBIBYTE - len(body))
    assert ready.post(language.batch, body).status == 200
    assert gzipped(ready, language, gzip.compress(body)).status == 200


def test_event_of_exactly_256_kibibytes(ready: Client, language: Language) -> None:
    event = padded(language, 256 * 1024)
    assert ready.post(language.batch, language.batch_of(event)).status == 200
    assert ready.post(language.single, json.dumps(event).encode()).status == 200


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded", None]
)
def test_content_type_does_not_matter(ready: Client, language: Language, kind: str | None) -> None:
    headers = [("Authorization", f"Bearer {ready.key}")] + ([("Content-Type", kind)] if kind else [])
    assert ready.send("POST", language.batch, headers, language.batch_of(language.event())).status == 200


def request_head(client: Client, path: str, *lines: str) -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: headwater", f"Authorization: Bearer {client.key}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n"


def chunked(body: bytes, size: int = 65536) -> bytes:
    pieces = (body[n : n + size] for n in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def test_chunked_body(ready: Client, language: Language) -> None:
    body = language.batch_of(language.event())
    head = request_head(ready, language.batch, "Transfer-Encoding: chunked", "Connection: close")
    answer = parse(raw(url(ready), head + chunked(body, 7)))
    assert answer.status == 200, answer


def test_chunked_body_too_large(ready: Client, language: Language) -> None:
    head = request_head(ready, language.batch, "Transfer-Encoding: chunked", "Connection: close")
    answer = parse(raw(url(ready), head + chunked(b" " * (5 * MEBIBYTE + 1))))
    assert answer.status == 413, answer
    language.refusal(answer)


def test_declared_length_too_large_is_refused_at_once(ready: Client, language: Language) -> None:
    head = request_head(ready, language.batch, f"Content-Length: {10**12}", "Connection: close")
    answer = parse(raw(url(ready), head, timeout=5))
    assert answer.status == 413, answer
    language.refusal(answer)


def test_headers_too_large(ready: Client, language: Language) -> None:
    head = request_head(ready, language.batch, "X-Long: " + "x" * MEBIBYTE, "Content-Length: 0", "Connection: close")
    answer = parse(raw(url(ready), head))
    assert answer.status == 431, answer
    language.refusal(answer)


def test_connection_is_kept(ready: Client, language: Language) -> None:
    parts = urlsplit(url(ready))
    body = language.batch_of(language.event())
    request = request_head(ready, language.batch, f"Content-Length: {len(body)}") + body
    bad = request_head(ready, language.batch, "Content-Length: 2") + b"{}"
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        for sent, status in [(request, 200), (bad, 400), (request, 200)]:
            connection.sendall(sent)
            assert receive(connection).status == status


def test_pipelined_requests_are_answered_in_order(ready: Client, language: Language) -> None:
    body = language.batch_of(language.event())
    request = request_head(ready, language.batch, f"Content-Length: {len(body)}") + body
    bad = request_head(ready, language.batch, "Content-Length: 2", "Connection: close") + b"{}"
    received = raw(url(ready), request * 3 + bad)
    assert re.findall(rb"HTTP/1\.1 (\d+) ", received) == [b"200"] * 3 + [b"400"]


BROKEN_REQUESTS = {
    "no HTTP": b"GARBAGE\r\n\r\n",
    "a header too long": b"POST /v1/events HTTP/1.1\r\nX-Long: " + b"x" * MEBIBYTE + b"\r\n\r\n",
    "a header without a colon": b"POST /v1/events HTTP/1.1\r\nX Long\r\n\r\n",
}


@pytest.mark.parametrize("broken", BROKEN_REQUESTS.values(), ids=BROKEN_REQUESTS)
def test_broken_request_behind_a_good_one(ready: Client, language: Language, broken: bytes) -> None:
    """The good one's answer must not be taken over by the refusal: it is stored, so a 4xx would be a lie."""
    body = language.batch_of(language.event())
    request = request_head(ready, language.batch, f"Content-Length: {len(body)}") + body
    received = raw(url(ready), request + broken, timeout=5)
    stored = len(ready.call("GET", "/v1/events").json["data"])
    acknowledged = received.startswith(b"HTTP/1.1 200 ")
    assert acknowledged or not received or stored == 0, received[:200]
    assert not acknowledged or stored == 1


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: -1",),
        ("Content-Length: five",),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked, gzip",),
        (),
    ],
    ids=" + ".join,
)
def test_unclear_length(ready: Client, language: Language, lines: tuple[str, ...]) -> None:
    head = request_head(ready, language.batch, *lines, "Connection: close")
    answer = parse(raw(url(ready), head + b"hello\r\n\r\n", timeout=5))
    assert 400 <= answer.status < 500, answer
    language.refusal(answer)


def test_slow_head_is_answered_408(ready: Client) -> None:
    """Both paths at once, for it takes the server's patience."""
    heads = [request_head(ready, language.batch)[:-4] for language in LANGUAGES]
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda head: parse(raw(url(ready), head)), heads))
    for language, answer in zip(LANGUAGES, answers, strict=True):
        assert answer.status == 408, answer
        language.refusal(answer)


@pytest.mark.torture
def test_slow_body_is_answered_408(ready: Client, language: Language) -> None:
    head = request_head(ready, language.batch, "Content-Length: 100")
    answer = parse(raw(url(ready), head + b'{"events"', timeout=90))
    assert answer.status == 408, answer
    language.refusal(answer)


def test_client_that_goes_away_in_the_middle_of_a_body(ready: Client, language: Language) -> None:
    parts = urlsplit(url(ready))
    body = language.batch_of(language.event())
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(request_head(ready, language.batch, f"Content-Length: {len(body)}") + body[:-1])
    assert ready.call("GET", "/v1/events").json["data"] == []


def url(client: Client) -> str:
    return f"http://{client.host}:{client.port}"


@pytest.mark.parametrize("dots", ["..", ".", "%2e%2e", ".%2E", "%2e"])
@pytest.mark.parametrize("end", ["metrics", "readyz", "examine/parts/all_1_1_0", ""])
def test_no_path_leads_out_of_the_questions(client: Client, dots: str, end: str) -> None:
    """What the engine answers beside questions is for its own gateway, not for whoever has a key."""
    answer = client.send("GET", f"/v1/events/{dots}/{dots}/{end}", [("Authorization", f"Bearer {client.key}")])
    assert answer.status == 404, answer
    assert answer.headers["content-type"] == "application/problem+json" and b"headwater_" not in answer.body


def test_dots_within_a_name_are_no_path(client: Client) -> None:
    answer = client.call("GET", "/v1/profiles/account:a%2F..%2Fb")
    assert answer.status == 404 and "account:a/../b" in answer.json["detail"], answer
