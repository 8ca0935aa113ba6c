"""Batches sent with retries over a network that loses requests and answers, to a gateway that is killed meanwhile."""

import http.client
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any, NamedTuple

import pytest

from figures import Section, tell
from harness import Server
from journey.load import SIGNAL, export, prepare
from journey.lossy import Lossy, lossy
from wire.client import Answer, Client
from wire.languages import BIGMIND, BIK, Language

FEW = int(os.environ.get("HEADWATER_TEST_BATCHES", "200"))
MANY = int(os.environ.get("HEADWATER_TEST_MANY_BATCHES", "1000"))
SENDERS = 8
GIVE_UP = 120.0
"""Seconds after which a batch that is still not answered is a failure."""


class Sent(NamedTuple):
    """A batch, and the answer its sender got in the end."""

    key: str
    language: Language
    body: bytes
    tokens: list[str]
    answer: Answer
    tries: int


class Sender:
    """Sends its batches one after the other, each until it is answered."""

    def __init__(self, port: int, key: str, number: int, seed: int) -> None:
        self.client = Client(f"http://127.0.0.1:{port}", key, timeout=10)
        self.number = number
        self.random = Random(seed * 1000 + number)

    def run(self, batches: int) -> list[Sent]:
        return [self.one(f"{self.number}-{batch}") for batch in range(batches)]

    def one(self, name: str) -> Sent:
        language = self.random.choice((BIK, BIGMIND))
        tokens = [f"{name}-{n}" for n in range(self.random.randint(1, 30))]
        body = language.batch_of(*[_event(language, token) for token in tokens])
        key = f"key {name}".replace(" ", "-")
        deadline, tries = time.monotonic() + GIVE_UP, 0
        while time.monotonic() < deadline:
            tries += 1
            try:
                answer = post(self.client, language, body, key)
            except (OSError, http.client.HTTPException):
                continue
            if answer.headers.get("content-length") != str(len(answer.body)):
                continue  # cut off in its headers: the client takes that for their end
            if answer.status == 200:
                return Sent(key, language, body, tokens, answer, tries)
            assert answer.status in {409, 503}, answer  # under way still, or a gateway that ends
            time.sleep(0.05)
        raise AssertionError(f"{name} was not answered in {tries} tries")


def _event(language: Language, token: str) -> dict[str, Any]:
    data = {"token": token}
    if language is BIK:
        return BIK.event(eventName=SIGNAL, eventProperties=data)
    return BIGMIND.event(signal=SIGNAL, data=data, reference=token)


def post(client: Client, language: Language, body: bytes, key: str) -> Answer:
    about = [("Authorization", f"Bearer {client.key}"), ("Idempotency-Key", key)]
    return client.send("POST", language.batch, about, body)


def through_losses(server: Server, batches: int, kills: int) -> None:
    """`batches` in all, from several senders at once; meanwhile the gateway is killed now and then."""
    seed = time.time_ns() % 1_000_000
    prepare(server)
    with lossy(server.port, seed=seed) as proxy, ThreadPoolExecutor(SENDERS) as pool:
        done = threading.Event()
        killer = threading.Thread(target=_kill, args=(server, kills, done, Random(seed)))
        killer.start()
        senders = [Sender(proxy.port, server.key, number, seed) for number in range(SENDERS)]
        try:
            found = pool.map(lambda sender: sender.run(batches // SENDERS), senders)
            sent = [each for batches_of_one in found for each in batches_of_one]
        finally:
            done.set()
            killer.join()
    _check_stored(server, sent)
    _check_told_again(server, sent)
    server.kill_group()
    server.start()
    _check_told_again(server, sent)
    _check_stored(server, sent)
    _check_losses(proxy, sent)
    events, tries = sum(len(each.tokens) for each in sent), sum(each.tries for each in sent)
    told = {"kills": kills, "batches": len(sent), "requests": tries, "events_once_each": events}
    tell(Section.KILLS, "senders that try again through a proxy that loses", seed, **told, **proxy.fates)


def _kill(server: Server, kills: int, done: threading.Event, random: Random) -> None:
    """Until it has done its duty, or the senders have done theirs."""
    for _ in range(kills):
        if done.wait(0.3 + random.random()):
            return
        server.kill_gateway()
        server.wait_ready()


def _check_stored(server: Server, sent: list[Sent]) -> None:
    server.wait_engine()
    server.wait_drained(300)
    found: Counter[str] = Counter()
    ids: dict[str, str] = {}
    for event in export(server):
        found[event["data"]["token"]] += 1
        ids[event["data"]["token"]] = event["id"]
    tokens = {token for each in sent for token in each.tokens}
    assert found.keys() == tokens, f"{len(tokens - found.keys())} are lost, {len(found.keys() - tokens)} are nobody's"
    doubled = [token for token, times in found.items() if times > 1]
    assert not doubled, f"{len(doubled)} of {len(tokens)} events are stored twice: {doubled[:5]}"
    for each in sent:
        if each.language is BIGMIND:
            assert [event["id"] for event in each.answer.json["data"]] == [ids[token] for token in each.tokens]


def _check_told_again(server: Server, sent: list[Sent]) -> None:
    """Without any losses, each batch is answered as it was."""
    client = Client(server.url, server.key)
    for each in sent:
        answer = post(client, each.language, each.body, each.key)
        assert answer.status == 200 and answer.headers["idempotency-replayed"] == "true", answer
        assert answer.body == each.answer.body
        assert answer.headers["headwater-batch"] == each.answer.headers["headwater-batch"]
    client.close()


def _check_losses(proxy: Lossy, sent: list[Sent]) -> None:
    """The network was as bad as it was meant to be, and its losses mattered."""
    assert all(proxy.fates.values()) and len(proxy.fates) == 5, proxy.fates
    replayed = sum("idempotency-replayed" in each.answer.headers for each in sent)
    assert replayed > len(sent) // 20, f"{replayed} of {len(sent)} answers were first lost"


@pytest.mark.timeout(300)
def test_retries_over_a_lossy_network(fresh_server: Server) -> None:
    through_losses(fresh_server, FEW, kills=2)


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_a_thousand_batches_over_a_lossy_network(fresh_server: Server) -> None:
    through_losses(fresh_server, MANY, kills=12)


@pytest.mark.timeout(300)
def test_references_outlive_kills_of_the_whole_group(fresh_server: Server) -> None:
    """Many send the same events at once, each over its own connection, while all of it is killed and started again."""
    signal = {"name": "once", "slug": "once", "type": "event", "rate_limit": None, "dedupe_by": "reference"}
    client = Client(fresh_server.url, fresh_server.key)
    assert client.call("POST", "/v1/signals", signal).status == 201
    told: dict[str, set[str]] = {}
    lock, stopping = threading.Lock(), threading.Event()

    def one(number: int) -> int:
        mine, random, answered = Client(fresh_server.url, fresh_server.key, timeout=10), Random(number), 0
        while not stopping.is_set():
            picked = [f"ref-{random.randrange(300)}" for _ in range(10)]
            body = BIGMIND.batch_of(*[BIGMIND.event(signal="once", reference=each) for each in picked])
            found = _try(lambda body=body: mine.post(BIGMIND.batch, body))  # type: ignore[misc]
            if found is None or found.status != 200:
                time.sleep(0.05)
                continue
            answered += 1
            with lock:
                for event in found.json["data"]:
                    told.setdefault(event["reference"], set()).add(event["id"])
        return answered

    with ThreadPoolExecutor(SENDERS) as pool:
        senders = [pool.submit(one, number) for number in range(SENDERS)]
        try:
            for _ in range(3):
                time.sleep(1.5)
                fresh_server.kill_group()
                fresh_server.start()
            time.sleep(1)
        finally:
            stopping.set()
        assert all(sender.result(60) > 5 for sender in senders)
    assert len(told) == 300 and all(len(ids) == 1 for ids in told.values())
    fresh_server.wait_engine()
    fresh_server.wait_drained()
    found = [(event["reference"], event["id"]) for event in export(fresh_server)]
    assert sorted(found) == sorted((reference, *ids) for reference, ids in told.items())


def _try(call: Callable[[], Answer]) -> Answer | None:
    try:
        return call()
    except (OSError, http.client.HTTPException):
        return None
