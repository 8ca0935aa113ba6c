"""A process that sends one dialect's mutants over several kept-alive connections and tells what came back.

Takes its task as JSON on standard input, and prints what it found as JSON.
"""

import contextlib
import json
import socket
import sys
import zlib
from collections import Counter
from typing import Any

from wire.languages import LANGUAGES
from wire.mutations import Mutant, Mutator

ALLOWED = {200, 400, 404, 413, 415, 429}
SECONDS = 30
"""In which each answer must have come, though the machine has other things to do."""
AT_ONCE = 8


class Connection:
    """One kept-alive connection, opened anew whenever the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self._received = b""

    def send(self, request: bytes) -> None:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._received = b""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it answered before it had read it all
            self._socket.sendall(request)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Raises TimeoutError when the server hangs, ConnectionError when it does not answer at all."""
        assert self._socket is not None
        while b"\r\n\r\n" not in self._received:
            self._receive()
        head, _, _ = self._received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers["content-length"])
        while len(self._received) < len(head) + 4 + length:
            self._receive()
        body, self._received = self._received[len(head) + 4 :][:length], self._received[len(head) + 4 + length :]
        assert not self._received, f"more than was asked for: {self._received[:200]!r}"
        if headers.get("connection") == "close":
            self._socket.close()
            self._socket = None
        return int(first.split()[1]), headers, body

    def _receive(self) -> None:
        assert self._socket is not None
        piece = self._socket.recv(65536)
        if not piece:
            raise ConnectionError(f"closed after {self._received!r}")
        self._received += piece


class Tally:
    """What one dialect's requests led to."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.statuses: Counter[int] = Counter()
        self.batches: dict[str, int] = {}
        """Acknowledged batches and how many events each has."""
        self.faults: list[str] = []

    def take(self, mutant: Mutant, status: int, headers: dict[str, str], body: bytes) -> None:
        self.statuses[status] += 1
        if status == 200:
            self.batches[headers["headwater-batch"]] = self._count(mutant, json.loads(body))
        elif status not in ALLOWED or not self._is_refusal(status, headers, body):
            self.faults.append(f"{status} {body[:300]!r} to {mutant!r}"[:5000])

    def _count(self, mutant: Mutant, answer: Any) -> int:
        if mutant.single:
            return 1
        if self.dialect == "bigmind":
            return len(answer["data"])
        wrong = {error["index"] for error in answer.get("errors", ())}
        return len(json.loads(_plain(mutant.body))["events"]) - len(wrong)

    def _is_refusal(self, status: int, headers: dict[str, str], body: bytes) -> bool:
        said = json.loads(body)
        if "headwater-batch" in headers or not headers["content-type"].startswith("application/json"):
            return False
        if self.dialect == "bik":
            return said["status"] == status and all(error["message"] for error in said["errors"])
        if status == 429:
            return "data" in said or bool(said.get("error"))
        return said["success"] is False and bool(said["error"])


def _plain(body: bytes) -> bytes:
    """A body that was taken, inflated where it is gzip: some changes leave it valid, in its header above all."""
    text = b""
    while body.startswith(b"\x1f\x8b"):
        member = zlib.decompressobj(wbits=31)
        text, body = text + member.decompress(body), member.unused_data
    return text or body


def run(port: int, key: str, dialect: str, seed: int, requests: int) -> dict[str, Any]:
    language = next(each for each in LANGUAGES if each.name == dialect)
    mutator, tally = Mutator(dialect, seed), Tally(dialect)
    connections = [Connection(port) for _ in range(AT_ONCE)]
    for _ in range(requests // AT_ONCE):
        round_ = [(connection, mutator.next()) for connection in connections]
        for connection, mutant in round_:
            connection.send(_request(language.single if mutant.single else language.batch, key, mutant))
        for connection, mutant in round_:
            try:
                tally.take(mutant, *connection.answer())
            except (OSError, KeyError, TypeError, ValueError, AssertionError) as error:
                tally.faults.append(f"{error!r} to {mutant!r}"[:5000])
        if len(tally.faults) > 20:
            break
    return {"statuses": tally.statuses, "batches": tally.batches, "faults": tally.faults}


def _request(path: str, key: str, mutant: Mutant) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: headwater", f"Authorization: Bearer {key}"]
    lines += [f"Content-Length: {len(mutant.body)}"]
    if mutant.lenient:
        lines.append("Prefer: handling=lenient")
    if mutant.coding is not None:
        lines.append(f"Content-Encoding: {mutant.coding}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + mutant.body


if __name__ == "__main__":
    json.dump(run(**json.load(sys.stdin)), sys.stdout)
