"""Clients that hold a connection and bring or take nothing: sent away within 30 s, and nobody else notices."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from edge.crowd import Crowd, Kind
from edge.felt import tell_of
from edge.memory import MEBIBYTE, growth_below
from edge.steady import PATH, steady
from harness import Server
from headwater.web.asking import EXPORTS
from wire.client import receive

MOST_SECONDS = 60
"""It is 30 on a machine that has the time; what it took is printed."""
MOST_GROWTH = 200 * MEBIBYTE


def kinds(server: Server) -> list[Kind]:
    """Every way of being slow that there is."""
    start = f"POST {PATH} HTTP/1.1\r\nHost: headwater\r\n"
    keyed = start + f"Authorization: Bearer {server.key}\r\n"
    question = "GET /openapi.json HTTP/1.1\r\nHost: headwater\r\n\r\n"
    export = f"GET /v1/events/export HTTP/1.1\r\nHost: headwater\r\nAuthorization: Bearer {server.key}\r\n\r\n"
    told: list[tuple[str, str, str, int | None]] = [
        ("silent", "", "", None),
        ("half a head", start, "", None),
        ("dripped head", start, "X-A: a\r\n", None),
        ("dripped header", start + "X-A: ", "a", None),
        ("dripped empty lines", "", "\r\n", None),
        ("no body", keyed + "Content-Length: 5000000\r\n\r\n", "", None),
        ("dripped body", keyed + "Content-Length: 5000000\r\n\r\n", " " * 100, None),
        ("dripped chunks", keyed + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n", None),
        ("dripped extension", keyed + "Transfer-Encoding: chunked\r\n\r\n1;", "x", None),
        ("dripped body without a key", start + "Content-Length: 5000000\r\n\r\n", " " * 100, None),
        ("unread answer", question, "", 0),
        ("slowly read answer", question, "", 10),
        ("slowly read last answer", question.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"), "", 10),
        ("slowly read answers", question * 50, "", 10),
        ("slowly read export", export, "", 10),
    ]
    return [Kind(name, first.encode(), drip.encode(), reads) for name, first, drip, reads in told]


def fill(server: Server) -> None:
    """Enough events that an export of them fits no buffer."""
    event = {"email": "a@bik.ai", "eventName": "pageViewed", "eventProperties": {"text": "x" * 10_000}}
    body = json.dumps({"events": [event] * 100}).encode()
    with server.client() as client:
        for _ in range(12):
            assert client.post(PATH, content=body).status_code == 200
    server.wait_drained()


def mobile(server: Server) -> int:
    """A sender on a slow line: 1,500 bytes a second for 20 s. The status of its answer."""
    body = json.dumps({"events": [{"email": "slow@bik.ai", "eventName": "pageViewed", "eventProperties": {}}]}).encode()
    body += b" " * (30_000 - len(body))
    head = f"POST {PATH} HTTP/1.1\r\nHost: headwater\r\nAuthorization: Bearer {server.key}\r\n"
    data = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        for at in range(0, len(data), 750):
            connection.sendall(data[at : at + 750])
            time.sleep(0.5)
        return receive(connection).status


def held_off(server: Server, each: int, rate: int, full: bool = False) -> None:
    """Comes with so many of each kind, and a good client beside them."""
    fill(server)
    with (
        growth_below(server.pids()["gateway"], MOST_GROWTH) as growth,
        steady(server.url, server.key, rate) as good,
        Crowd(server.url) as crowd,
        ThreadPoolExecutor() as pool,
    ):
        slow_but_good = [pool.submit(mobile, server) for _ in range(4)]
        for kind in kinds(server):
            crowd.join(kind, min(each, EXPORTS) if "export" in kind.name else each)
        crowd.stay(MOST_SECONDS + 10)
        assert not crowd.left and max(crowd.lived) < MOST_SECONDS
        assert all(crowd.received[kind].startswith(b"HTTP/1.1 408 ") for kind in ("half a head", "dripped body"))
        assert [each.result() for each in slow_but_good] == [200] * 4
    figures = {"ways": len(kinds(server)), "sent away": len(crowd.lived), "the last after s": max(crowd.lived)}
    tell_of("idle, dripping and unread connections", good.outcome, full, **figures, **{"MiB more": growth.mib})


@pytest.mark.timeout(200)
def test_a_few_of_each(attacked: Server) -> None:
    held_off(attacked, each=4, rate=50)


@pytest.mark.torture
@pytest.mark.timeout(300)
def test_many_of_each(attacked: Server) -> None:
    held_off(attacked, each=200, rate=200, full=True)
