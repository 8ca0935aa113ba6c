"""Many requests in one read, and answers that nobody reads."""

import re
import socket
import time
from contextlib import suppress
from pathlib import Path

from edge.memory import MEBIBYTE, growth_below
from edge.steady import PATH
from harness import Server, until
from wire.client import raw

LAST = b"GET /livez HTTP/1.1\r\nHost: headwater\r\nConnection: close\r\n\r\n"


def asking(path: str, id_: int = 0) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: headwater\r\nX-Request-Id: asked-{id_}\r\n\r\n".encode()


def sending(server: Server, body: bytes = b"{}") -> bytes:
    key = f"Authorization: Bearer {server.key}\r\nContent-Length: {len(body)}\r\n"
    return f"POST {PATH} HTTP/1.1\r\nHost: headwater\r\n{key}\r\n".encode() + body


def test_any_number_in_one_read_is_answered_in_order(attacked: Server) -> None:
    wanted = [str(number) for number in range(500)]
    received = raw(attacked.url, b"".join(asking("/livez", number) for number in range(500)) + LAST)
    assert re.findall(rb"HTTP/1\.1 (\d+) ", received) == [b"200"] * 501
    assert re.findall(r"x-request-id: asked-(\d+)", received.decode()) == wanted


def test_heads_and_bodies_of_all_sizes_in_one_read_are_told_apart(attacked: Server) -> None:
    """Bodies that look like heads, chunks, an upgrade, and a fault as the last."""
    body = b'{"events": []}' + b" " * 3_000 + b"\r\n\r\nGET / HTTP/1.1\r\n\r\n" * 9
    key = f"Authorization: Bearer {attacked.key}\r\n"
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(body[at : at + 100]), body[at : at + 100]) for at in range(0, len(body), 100)
    )
    chunked = f"POST {PATH} HTTP/1.1\r\nHost: headwater\r\n{key}Transfer-Encoding: chunked\r\n\r\n".encode()
    upgrade = b"GET /livez HTTP/1.1\r\nHost: headwater\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    some = [asking("/livez")] * 6 + [
        sending(attacked, body),
        upgrade,
        chunked + chunks + b"0\r\n\r\n",
        asking("/livez"),
    ]
    received = raw(attacked.url, b"".join(some * 5) + b"GARBAGE\r\n\r\n")
    answers = [b"200"] * 6 + [b"400", b"200", b"400", b"200"]
    assert re.findall(rb"HTTP/1\.1 (\d+) ", received) == answers * 5 + [b"400"]


def test_who_goes_before_his_answers_leaves_nothing(attacked: Server) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", attacked.port), 30) as connection:
            connection.sendall(asking("/livez") * 300)
    assert raw(attacked.url, LAST).startswith(b"HTTP/1.1 200 ")


def test_the_kernel_holds_little_for_who_does_not_read(attacked: Server) -> None:
    """What it takes is memory that nobody counts, and time: megabytes a connection, were it left to it."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        connection.connect(("127.0.0.1", attacked.port))
        connection.sendall(asking("/openapi.json") * 20)
        port = f":{connection.getsockname()[1]:04X}"

        def held() -> int:
            """Bytes that the server's socket has and the client's has not, as the kernel tells."""
            rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            return sum(int(row[4].split(":")[0], 16) for row in rows if row[2].endswith(port))

        until(lambda: held() > 50_000, 20, "the answer begins")
        time.sleep(1)  # in which it would grow to all of the 7 MB that fit
        assert held() < 300_000


def test_who_has_said_all_gets_an_answer(attacked: Server) -> None:
    """As `nc -N` does: it asks, and closes its half at once."""
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", attacked.port), 30) as connection:
            connection.sendall(asking("/livez"))
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_flood_behind_a_question_that_lasts_is_not_kept(attacked: Server) -> None:
    gateway = attacked.pids()["gateway"]
    stream = f"GET /v1/live HTTP/1.1\r\nHost: headwater\r\nAuthorization: Bearer {attacked.key}\r\n\r\n".encode()
    with growth_below(gateway, 30 * MEBIBYTE), socket.create_connection(("127.0.0.1", attacked.port), 30) as connection:
        connection.sendall(stream + asking("/livez") * 50)
        assert connection.recv(12) == b"HTTP/1.1 200"
        connection.settimeout(1)
        with suppress(OSError):  # it is not read, or cut
            for _ in range(100):
                connection.sendall(asking("/livez") * 15_000)
    assert raw(attacked.url, LAST).startswith(b"HTTP/1.1 200 ")
