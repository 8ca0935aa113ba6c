"""What all connections may take together: places, bytes of bodies, descriptors."""

import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.crowd import Crowd, Kind
from edge.steady import PATH
from harness import Server, running
from wire.client import Client, parse, receive
from wire.languages import BIK

PLACES = 40
BYTES = 1_000_000
GOOD = BIK.batch_of(BIK.event())


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A headwater that has few places and little room."""
    options = ("--max-connections", str(PLACES), "--max-bodies", str(BYTES), "--max-body", str(BYTES))
    with running(Server(tmp_path_factory.mktemp("tight") / "data", *options)) as server:
        yield server


def head(server: Server, *lines: str) -> bytes:
    told = [f"POST {PATH} HTTP/1.1", "Host: headwater", f"Authorization: Bearer {server.key}", *lines]
    return "\r\n".join(told).encode() + b"\r\n\r\n"


def arrives(server: Server) -> bool:
    """Whether a good client's request on a fresh connection is taken."""
    client = Client(server.url, server.key, timeout=10)
    try:
        return client.post(PATH, GOOD).status == 200
    finally:
        client.close()


@pytest.mark.parametrize("first", [b"", b"POST / HTTP/1.1\r\n", b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"], ids=str)
def test_idle_connections_make_room(tight: Server, first: bytes) -> None:
    with Crowd(tight.url) as crowd:
        crowd.join(Kind("idle", first), 3 * PLACES)
        deadline = time.monotonic() + 20
        while len(crowd.left) > PLACES and time.monotonic() < deadline:
            crowd.stay(0.5)
        assert len(crowd.left) <= PLACES
        assert arrives(tight)


def test_requests_under_way_are_not_given_up_for_a_newcomer(tight: Server) -> None:
    length = f"Content-Length: {len(GOOD)}"
    with ExitStack() as stack:
        address = ("127.0.0.1", tight.port)
        senders = [stack.enter_context(socket.create_connection(address, timeout=10)) for _ in range(PLACES)]
        for sender in senders:
            sender.sendall(head(tight, length) + GOOD[:-1])
        time.sleep(0.3)
        newcomer = stack.enter_context(socket.create_connection(address, timeout=10))
        refusal = receive(newcomer)
        assert refusal.status == 503 and "retry-after" in refusal.headers, refusal
        assert newcomer.recv(1) == b""
        for sender in senders:
            sender.sendall(GOOD[-1:])
            assert receive(sender).status == 200
    assert arrives(tight)


def test_bodies_are_bounded_together(tight: Server) -> None:
    """Over the bound: 503 in the dialect's shape, and the connection ends; room comes back with those who have gone."""
    size = 300_000
    with ExitStack() as stack:
        senders = []
        for _ in range(4):
            sender = stack.enter_context(socket.create_connection(("127.0.0.1", tight.port), timeout=10))
            sender.sendall(head(tight, f"Content-Length: {size}") + b" " * (size - 1))
            senders.append(sender)
        time.sleep(0.5)
        answers = [_at_hand(sender) for sender in senders]
        refused = [parse(answer) for answer in answers if answer]
        assert len(refused) == 1, answers
        assert refused[0].status == 503 and "retry-after" in refused[0].headers, refused
        assert refused[0].headers["connection"] == "close"
        BIK.refusal(refused[0])
        assert arrives(tight)
    time.sleep(0.5)
    client = Client(tight.url, tight.key)
    assert client.post(PATH, GOOD + b" " * 900_000).status == 200
    client.close()


def test_a_promised_body_takes_no_room(tight: Server) -> None:
    with ExitStack() as stack:
        for _ in range(20):
            sender = stack.enter_context(socket.create_connection(("127.0.0.1", tight.port), timeout=10))
            sender.sendall(head(tight, "Content-Length: 5000000"))
        time.sleep(0.3)
        assert arrives(tight)


def test_without_descriptors(tight: Server) -> None:
    """Those who are there are served, the others not yet; the gateway neither ends nor spins, and recovers."""
    gateway = tight.pids()["gateway"]
    client = Client(tight.url, tight.key, timeout=10)
    assert client.post(PATH, GOOD).status == 200
    soft, hard = resource.prlimit(gateway, resource.RLIMIT_NOFILE)
    resource.prlimit(gateway, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{gateway}/fd")), hard))
    try:
        with Crowd(tight.url) as crowd:
            crowd.join(Kind("too many"), 10)
            before = _processor_seconds(gateway)
            crowd.stay(2)
            assert _processor_seconds(gateway) - before < 1
            assert client.post(PATH, GOOD).status == 200
    finally:
        resource.prlimit(gateway, resource.RLIMIT_NOFILE, (soft, hard))
    client.close()
    assert arrives(tight)
    assert tight.pids()["gateway"] == gateway


def _at_hand(connection: socket.socket) -> bytes:
    connection.settimeout(0.2)
    try:
        return connection.recv(65536)
    except TimeoutError:
        return b""


def _processor_seconds(pid: int) -> float:
    figures = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(figures[11]) + int(figures[12])) / os.sysconf("SC_CLK_TCK")
