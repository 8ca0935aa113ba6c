"""Request smuggling: what two implementations could read in two ways is refused, or read in the one way that is told.

Behind every shape follows a canary: a good request that would be swallowed, answered out of turn, or found where there
is none, if this server's reading lost its place.
"""

import json
import re
import socket

import pytest

from wire.client import Client, parse
from wire.languages import BIK
from wire.shapes import CANARY, CHUNKED, HOST, KEY, LENGTH, PATH, SHAPES, Shape, chunks, request


@pytest.mark.parametrize("piece", [65536, 1], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shape(client: Client, shape: Shape, piece: int) -> None:
    received = _exchange(client, (shape.data + CANARY).replace(KEY, str(client.key).encode()), piece)
    assert _statuses(received) == shape.statuses, received
    assert _stored(client) == shape.stored
    if shape.statuses == (400,) and b"POST %b " % PATH in shape.data:
        BIK.refusal(parse(received))
    if len(shape.statuses) == 1:
        assert b"\r\nconnection: close\r\n" in received


def test_answer_before_the_body_ends_the_connection(client: Client) -> None:
    """What comes then could be the body or the next request: neither is read."""
    head = request(HOST, LENGTH, body=b"").replace(KEY, b"wrong")
    received = _exchange(client, head, 65536, CANARY.replace(KEY, str(client.key).encode()))
    assert _statuses(received) == (401,)
    assert b"\r\nconnection: close\r\n" in received
    assert _stored(client) == ()


def test_nothing_is_asked_for_that_will_be_refused(client: Client) -> None:
    head = request(HOST, LENGTH, b"Expect: 100-continue", body=b"").replace(KEY, b"wrong")
    received = _exchange(client, head, 65536)
    assert received.startswith(b"HTTP/1.1 401 ")


def test_body_that_was_waited_for_is_asked_for(client: Client) -> None:
    whole = request(HOST, LENGTH, b"Expect: 100-continue", b"Connection: close").replace(KEY, str(client.key).encode())
    head, _, body = whole.partition(b"\r\n\r\n")
    received = _exchange(client, head + b"\r\n\r\n", 65536, body)
    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


BROKEN_BODIES = {
    "chunk": request(HOST, CHUNKED, body=chunks(size=b"x")),
    "chunk, much of it read": request(HOST, CHUNKED, body=b"2000\r\n" + b" " * 0x2000 + b"\r\nx"),
    "trailer": request(HOST, CHUNKED, body=chunks(last=b"0\r\nX A\r\n\r\n")),
}


@pytest.mark.parametrize("broken", BROKEN_BODIES.values(), ids=BROKEN_BODIES)
def test_pending_answers_are_not_overtaken_by_a_refusal(client: Client, broken: bytes) -> None:
    data = (request(HOST, LENGTH) * 3 + broken + CANARY).replace(KEY, str(client.key).encode())
    assert _statuses(_exchange(client, data, 65536)) == (200, 200, 200, 400)
    assert _stored(client) == ("first",) * 3


def test_refusal_can_be_read_by_who_is_still_sending(client: Client) -> None:
    """Closed at once, the connection would be reset, and the answer lost."""
    size = 20 * 1024 * 1024
    data = request(HOST, b"Content-Length: %d" % size, body=b" " * size).replace(KEY, str(client.key).encode())
    assert _statuses(_exchange(client, data, 1024 * 1024)) == (413,)


def test_requests_in_one_read_are_bounded(client: Client) -> None:
    """What is sent, and begins with P, is parsed ahead, so only so far; questions are parsed when they can be begun."""
    last = b"GET /livez HTTP/1.1\r\nHost: headwater\r\nConnection: close\r\n\r\n"
    received = _exchange(client, b"PUT /livez HTTP/1.1\r\nHost: headwater\r\n\r\n" * 5000 + last, 1024 * 1024)
    statuses = _statuses(received)
    assert set(statuses[:-1]) == {405} and statuses[-1] == 503
    assert 100 <= len(statuses) < 1000
    asked = b"GET /livez HTTP/1.1\r\nHost: headwater\r\n\r\n" * 5000
    assert _statuses(_exchange(client, asked + last, 1024 * 1024)) == (200,) * 5001


def test_extensions_of_chunks_are_bounded(client: Client) -> None:
    data = request(HOST, CHUNKED, body=b"1;" + b"x" * 4_000_000).replace(KEY, str(client.key).encode())
    received = _exchange(client, data, 65536)
    assert _statuses(received) == (400,)
    BIK.refusal(parse(received))


def test_small_chunks_are_no_offence(client: Client) -> None:
    body = b"".join(b"1\r\n \r\n" for _ in range(100_000)) + chunks(last=b"0\r\n\r\n")
    data = request(HOST, CHUNKED, body=body) + CANARY
    assert _statuses(_exchange(client, data.replace(KEY, str(client.key).encode()), 1024 * 1024)) == (200, 200)


def test_header_line_without_an_end(client: Client) -> None:
    data = b"POST %b HTTP/1.1\r\nX-Long: " % PATH + b"x" * 10_000_000
    received = _exchange(client, data, 65536)
    assert _statuses(received) == (431,)
    BIK.refusal(parse(received))


def test_more_headers_than_anyone_needs(client: Client) -> None:
    received = _exchange(client, request(HOST, *[b"a:"] * 101), 65536)
    assert _statuses(received) == (431,)
    BIK.refusal(parse(received))


def test_lines_of_one_header_are_one_list(client: Client) -> None:
    """RFC 9110 5.3: here, that the second line of Prefer counts as the first does."""
    body = BIK.batch_of(BIK.event(name="first"), BIK.event(eventName="unknown"))
    lines = (b"Prefer: wait=1", b"Prefer: handling=lenient", b"Connection: close", b"Content-Length: %d" % len(body))
    received = _exchange(client, request(HOST, *lines, body=body).replace(KEY, str(client.key).encode()), 65536)
    assert parse(received).status == 200
    assert [error["index"] for error in json.loads(parse(received).body)["errors"]] == [1]


def _exchange(client: Client, data: bytes, piece: int, later: bytes = b"") -> bytes:
    """Everything that comes back until the server closes, and it does. `later` is sent when something has come."""
    received = b""
    with socket.create_connection((client.host, client.port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for at in range(0, len(data), piece):
                connection.sendall(data[at : at + piece])
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            while some := connection.recv(65536):
                received += some
                if later:
                    connection.sendall(later)
                    later = b""
        except (BrokenPipeError, ConnectionResetError):
            pass
    return received


def _statuses(received: bytes) -> tuple[int, ...]:
    return tuple(int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", received) if status != b"100")


def _stored(client: Client) -> tuple[str, ...]:
    return tuple(sorted(event["name"] for event in client.call("GET", "/v1/events").json["data"]))
