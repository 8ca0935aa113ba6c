"""Load with a memory: senders of both dialects and lanes, and a ledger of what was acknowledged to them."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from harness import Server
from journey.journal import Journal, answers
from wire.client import Answer, Client
from wire.languages import BIGMIND, BIK

SIGNAL = "load"
PAUSE = 0.02
"""Seconds, at most, between a sender's requests: pressure without drowning the checks in events."""


class Ledger:
    """What the senders know. Every event carries a token of its own in its data.

    With a `journal` each request is on the disk before it is sent, and so is its answer before it counts.
    """

    def __init__(self, journal: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._journal = Journal(journal) if journal else None
        self.acknowledged: dict[str, str | None] = {}
        """Token to event id; BIK's answers have none."""
        self.in_doubt: list[list[str]] = []
        """Tokens of requests whose answer never came."""
        self.refused: list[tuple[list[str], Answer]] = []
        self.requests = 0

    @classmethod
    def read(cls, journal: Path) -> "Ledger":
        """What a journal tells, with nothing but the file to go by."""
        told = cls()
        for tokens, status, ids in answers(journal):
            if status == 0:
                told.doubt(tokens)
            elif status == 200:
                told.acknowledge(tokens, ids)
            else:
                told.refuse(tokens, Answer(status, {}, b""))
        return told

    def send(self, tokens: list[str]) -> None:
        """Before a request is sent."""
        if self._journal:
            self._journal.sent(tokens)

    def acknowledge(self, tokens: list[str], ids: list[str | None]) -> None:
        if self._journal:
            self._journal.answered(tokens, 200, ids)
        with self._lock:
            self.acknowledged.update(zip(tokens, ids, strict=True))
            self.requests += 1

    def doubt(self, tokens: list[str]) -> None:
        with self._lock:
            self.in_doubt.append(tokens)

    def refuse(self, tokens: list[str], answer: Answer) -> None:
        if self._journal:
            self._journal.answered(tokens, answer.status)
        with self._lock:
            self.refused.append((tokens, answer))


class Sender(threading.Thread):
    """Sends batches of one to a hundred events until it is told to stop; a dead server is waited for."""

    def __init__(
        self,
        server: Server,
        ledger: Ledger,
        number: int,
        most: int = 100,
        signals: Sequence[str] = (SIGNAL,),
        pause: float = PAUSE,
    ) -> None:
        super().__init__(daemon=True)
        self.server, self.ledger, self.number, self.most = server, ledger, number, most
        self.signals, self.pause = signals, pause
        self.stopping = threading.Event()
        self.chance = Random(number)
        self.client = Client(server.url, server.key)
        self.sent = 0

    def run(self) -> None:
        while not self.stopping.is_set():
            tokens = [f"{self.number}-{self.sent + n}" for n in range(self.chance.randint(1, self.most))]
            self.sent += len(tokens)
            bik = self.chance.random() < 0.5
            body = self._bik(tokens) if bik else self._bigmind(tokens)
            self.ledger.send(tokens)
            try:
                answer = self.client.post(BIK.batch if bik else BIGMIND.batch, body)
            except (OSError, http.client.HTTPException):
                self.ledger.doubt(tokens)
                self.stopping.wait(0.05)
                continue
            self._note(tokens, answer, bik)
            self.stopping.wait(self.chance.random() * self.pause)

    def _note(self, tokens: list[str], answer: Answer, bik: bool) -> None:
        if answer.status != 200:
            self.ledger.refuse(tokens, answer)
            self.stopping.wait(0.05)
        elif bik:
            self.ledger.acknowledge(tokens, [None] * len(tokens))
        else:
            self.ledger.acknowledge(tokens, [event["id"] for event in answer.json["data"]])

    def _bik(self, tokens: list[str]) -> bytes:
        return BIK.batch_of(*[self._bik_event(token) for token in tokens])

    def _bik_event(self, token: str) -> dict[str, Any]:
        kind = self.chance.randrange(4)
        old = {"createdAt": "2024-11-15"}
        extra: list[dict[str, Any]] = [{}, old, {"isMigration": True}, {"isMigration": True, **old}]
        name = self.chance.choice(self.signals)
        return BIK.event(eventName=name, eventProperties=self._data(token), email=self._email(), **extra[kind])

    def _bigmind(self, tokens: list[str]) -> bytes:
        return BIGMIND.batch_of(*[self._bigmind_event(token) for token in tokens])

    def _bigmind_event(self, token: str) -> dict[str, Any]:
        identity = {"type": "email", "id": self._email()}
        when = datetime.now(UTC) + timedelta(hours=self.chance.choice([0, -1, -30, 2]))
        signal, data = self.chance.choice(self.signals), self._data(token)
        return BIGMIND.event(signal=signal, identity=identity, data=data, timestamp=when.isoformat())

    def _data(self, token: str) -> dict[str, Any]:
        return {"token": token, "n": self.chance.randrange(1000)}

    def _email(self) -> str:
        return f"{self.chance.randrange(500)}@load.example"


def prepare(server: Server) -> None:
    """Makes the senders' signal."""
    client = Client(server.url, server.key)
    answer = client.call("POST", "/v1/signals", {"name": SIGNAL, "slug": SIGNAL, "type": "event", "rate_limit": None})
    assert answer.status == 201, answer
    client.close()


@contextmanager
def load(server: Server, ledger: Ledger, senders: int = 4, most: int = 100, **how: Any) -> Iterator[list[Sender]]:
    """Load for as long as the block lasts; `how` is a sender's."""
    first = ledger.requests * 1000 + len(ledger.in_doubt) + 1
    threads = [Sender(server, ledger, first + n, most, **how) for n in range(senders)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for thread in threads:
            thread.stopping.set()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), "a request hangs"


def export(server: Server) -> Iterator[dict[str, Any]]:
    """Every event of the default workspace, one after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    connection.request("GET", "/v1/events/export", headers={"Authorization": f"Bearer {server.key}"})
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    yield from map(json.loads, answer)
    connection.close()


def check(server: Server, ledger: Ledger, signals: Sequence[str] | None = None) -> int:
    """Once everything is processed: each acknowledged event is there exactly once, others at most once and by batch.

    `signals`: the senders', where others sent events of their own. Returns the count of acknowledged events.
    """
    server.wait_drained(300)
    found: Counter[str] = Counter()
    ids = set()
    for event in export(server):
        if signals is not None and event["signal"] not in signals:
            continue
        _check_event(event, ledger)
        found[event["data"]["token"]] += 1
        ids.add(event["id"])
    lost = [token for token in ledger.acknowledged if not found[token]]
    doubled = [token for token, times in found.items() if times > 1]
    assert not lost, f"{len(lost)} of {len(ledger.acknowledged)} acknowledged events are lost: {lost[:5]}"
    assert not doubled, f"{len(doubled)} events are stored twice: {doubled[:5]}"
    assert len(ids) == found.total(), "an id is there twice"
    _check_doubtful(found, ledger)
    return len(ledger.acknowledged)


def _check_event(event: dict[str, Any], ledger: Ledger) -> None:
    assert event["status"] in {"processed", "rejected"}, event
    assert (event["status"] == "rejected") == (event["reason"] is not None), event
    wanted = ledger.acknowledged.get(event["data"]["token"])
    assert wanted is None or wanted == event["id"], event


def _check_doubtful(found: Counter[str], ledger: Ledger) -> None:
    for tokens in ledger.in_doubt:
        stored = sum(found[token] for token in tokens)
        assert stored in (0, len(tokens)), f"{stored} of {len(tokens)} events of one request are stored"
    for tokens, answer in ledger.refused:
        assert not any(found[token] for token in tokens), f"stored, but refused: {answer}"


def look_up(server: Server, ledger: Ledger, most: int = 200) -> None:
    """Asks for some acknowledged events by id, each its own request."""
    ids = [each for each in list(ledger.acknowledged.values()) if each]  # more may come in meanwhile
    client = Client(server.url, server.key)
    for event_id in Random(1).sample(ids, min(most, len(ids))):
        answer = client.call("GET", f"/v1/events/{event_id}")
        assert answer.status == 200 and answer.json["id"] == event_id, answer
    client.close()


def pause(chance: Random, longest: float = 2.5) -> None:
    """A random while, for a kill at a random moment."""
    time.sleep(0.1 + chance.random() * longest)
