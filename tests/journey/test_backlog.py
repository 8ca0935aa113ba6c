"""The bound of the backlog: an engine that does not keep up, or is away, stops intake before the disk does."""

import os
import signal
from functools import partial
from pathlib import Path

import httpx
import pytest

from figures import Section, tell
from harness import Server, until
from journey.load import Ledger, check, prepare
from wire.client import Client
from wire.languages import BIGMIND, BIK, LANGUAGES, Language

BOUND = 100_000


def event(language: Language, token: str) -> dict[str, object]:
    if language is BIK:
        return BIK.event(eventName="load", eventProperties={"token": token, "x": os.urandom(500).hex()})
    return BIGMIND.event(signal="load", data={"token": token, "x": os.urandom(500).hex()})


class Sender:
    """One event a request, in either dialect, with a ledger."""

    def __init__(self, server: Server) -> None:
        self.server, self.ledger, self.sent = server, Ledger(), 0
        self.client = Client(server.url, server.key)

    def send(self, language: Language = BIGMIND) -> bool:
        """Whether it was acknowledged; else it was refused as it must be."""
        self.sent += 1
        token = f"t-{self.sent}"
        answer = self.client.post(language.batch, language.batch_of(event(language, token)))
        if answer.status == 200:
            self.ledger.acknowledge([token], [answer.json["data"][0]["id"] if language is BIGMIND else None])
        else:
            assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1, answer
            assert language.refusal(answer)
            self.ledger.refuse([token], answer)
        return answer.status == 200

    def fill(self) -> int:
        """Sends until it is refused; bytes sent that are not compressed."""
        before = self.sent
        until(lambda: not self.send(), 60, "the bound holds")
        return (self.sent - before) * 1_000


def why(server: Server) -> str:
    return str(httpx.get(f"{server.url}/readyz", timeout=10, trust_env=False).json()["gateway"]["why"])


def figures(server: Server) -> dict[str, float]:
    lines = httpx.get(f"{server.url}/metrics", timeout=10, trust_env=False).text.splitlines()
    return {name: float(value) for name, _, value in (line.partition(" ") for line in lines) if name[0] != "#"}


@pytest.mark.timeout(200)
def test_intake_stops_at_the_bound_and_goes_on_by_itself(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", "--max-backlog-bytes", str(BOUND))
    try:
        server.start()
        server.wait_engine()
        prepare(server)
        sender = Sender(server)
        assert sender.send()
        engine = server.pids()["engine"]
        os.kill(engine, signal.SIGSTOP)
        assert sender.fill() > BOUND / 2
        assert not any(sender.send(language) for language in LANGUAGES)
        told = why(server)
        assert "over the bound of 97.7 KiB, since 20" in told and "HEADWATER_MAX_BACKLOG_BYTES" in told, told
        at = figures(server)
        assert at["headwater_log_backlog_bytes"] >= at["headwater_log_backlog_bound_bytes"] == BOUND

        sender.client.close()
        server.kill_gateway()  # its successor knows it, too, though no engine tells
        until(lambda: "gateway" in server.pids(), 10)
        until(partial(_refuses, server), 30, "the new gateway holds the bound")
        sender.client = Client(server.url, server.key)
        assert not any(sender.send(language) for language in LANGUAGES)

        os.kill(engine, signal.SIGCONT)
        until(sender.send, 30, "it is stored, so events are taken again")
        until(lambda: not why(server), 5)
        assert figures(server)["headwater_log_backlog_bytes"] < BOUND
        sender.client.close()
        told = {"acknowledged": check(server, sender.ledger), "lost": 0, "refused_requests": len(sender.ledger.refused)}
        tell(Section.LIMITS, "a backlog over its bound", **told)
    finally:
        server.kill_group()


def _refuses(server: Server) -> bool:
    try:
        return "over the bound" in why(server)
    except httpx.TransportError:
        return False
