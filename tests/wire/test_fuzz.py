"""Mutated bodies: whatever comes, the answer is one of the documented ones, in the dialect's shape."""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.felt import tell_of
from edge.steady import steady
from figures import Figure
from harness import Server
from tools import often
from wire.client import Client
from wire.languages import FREE, LANGUAGES, Language

ALLOWED = {200, 400, 401, 404, 413, 422, 429}
EXAMPLES = 2000

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        [
            "latest",
            "pageViewed",
            "visits",
            "account",
            "email",
            "+19494572000",
            "2024-11-15T10:30:00Z",
            "0001-01-01T00:00:00+14:00",
        ]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = {
    "bik": ["name", "phoneNumber", "email", "eventName", "eventProperties", "createdAt", "isMigration"],
    "bigmind": ["signal", "version", "identity", "data", "timestamp", "reference"],
}


def events(language: Language) -> st.SearchStrategy[Any]:
    """Events with any data that fits, others with some fields replaced or added, and anything at all."""
    data = st.dictionaries(st.text(max_size=8), VALUES, max_size=4)
    good = data.map(lambda value: language.event(**{FREE[language.name][0]: value}))
    changes = st.dictionaries(st.sampled_from(FIELDS[language.name]) | st.text(max_size=12), VALUES, max_size=3)
    return good | good | changes.map(lambda fields: language.event(**fields)) | VALUES


def bodies(language: Language) -> st.SearchStrategy[bytes]:
    """Batches of such events as JSON, then cut, repeated or with single bytes changed."""
    batch = st.lists(events(language), max_size=4).map(lambda items: {"events": items})
    text = (batch | events(language)).map(lambda value: json.dumps(value).encode())
    return st.builds(mutate, text, st.sampled_from([0, 0, 0, 1, 2, 3]), st.randoms(use_true_random=False))


def mutate(body: bytes, times: int, chance: random.Random) -> bytes:
    data = bytearray(body)
    for _ in range(times):
        place = chance.randrange(len(data) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            data[place:place] = bytes([chance.randrange(256)])
        elif kind == 1:
            del data[place : place + chance.randrange(1, 9)]
        elif kind == 2:
            data[place:place] = data[place : place + chance.randrange(1, 40)]
        else:
            data[place : place + 1] = bytes([chance.randrange(256)])
    return bytes(data)


@pytest.mark.parametrize("language", LANGUAGES, ids=str)
def test_mutated_bodies(server: Server, client: Client, language: Language) -> None:
    """Whatever was acknowledged reaches its outcome, too: no event may clog the pipeline."""
    signal = {"name": "visits", "slug": "visits", "type": "event", "rate_limit": None}
    assert client.call("POST", "/v1/signals", signal).status == 201

    acknowledged: list[str] = []

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(body=bodies(language), single=st.booleans())
    def check(body: bytes, single: bool) -> None:
        answer = client.post(language.single if single else language.batch, body)
        assert answer.status in ALLOWED, (body, answer)
        if answer.status == 200:
            acknowledged.append(answer.headers["headwater-batch"])
        else:
            language.refusal(answer)

    check()
    assert len(acknowledged) > EXAMPLES // 20
    server.wait_drained()
    events = [json.loads(line) for line in client.call("GET", "/v1/events/export").body.splitlines()]
    assert {event["id"][:-2] + "00" for event in events} == set(acknowledged)
    assert {event["status"] for event in events} <= {"processed", "rejected"}


def send_mutants(server: Server, client: Client, seed: int, requests: int) -> dict[str, dict[str, Any]]:
    """So many requests of each dialect, both at the same time; what came back, by dialect."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    began, running = time.monotonic(), {}
    for language in LANGUAGES:
        task = {"port": client.port, "key": client.key, "dialect": language.name, "seed": seed, "requests": requests}
        command = [sys.executable, str(Path(__file__).with_name("fuzzing.py"))]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        running[language.name] = process = subprocess.Popen(command, env=environment, **pipes)
        with process.stdin as told:  # it begins when this has ended
            json.dump(task, told)
    found = {name: json.load(process.stdout) for name, process in running.items()}
    assert not any(process.wait() for process in running.values())
    for name, told in found.items():
        print(name, dict(sorted(told["statuses"].items())), sum(told["batches"].values()), "events acknowledged")
    print(f"{time.monotonic() - began:.0f} s")
    return found


def check_mutants(server: Server, client: Client, seed: int, requests: int, rate: int = 0) -> None:
    """Every answer came and is a documented one; what was acknowledged is stored, each event once; nothing else is.

    With `rate` a good client sends so many batches a second meanwhile.
    """
    for slug, limit in (("visits", None), ("strict", None), ("rare", 30)):
        signal = {"name": slug, "slug": slug, "type": "event", "rate_limit": limit}
        assert client.call("POST", "/v1/signals", signal).status == 201
    schema = {"type": "object", "required": ["page"], "properties": {"page": {"type": "string"}}}
    assert client.call("POST", "/v1/signals/strict/versions", {"schema": schema}).status == 201
    pids, before = server.pids(), server.resident("gateway")

    began = time.monotonic()
    with steady(server.url, server.key, rate) if rate else nullcontext() as good:
        found = send_mutants(server, client, seed, requests)
    seconds = time.monotonic() - began
    faults = [fault for told in found.values() for fault in told["faults"]]
    assert not faults, "\n".join(faults)
    for told in found.values():
        assert sum(told["statuses"].values()) >= requests - 8
        assert told["statuses"]["200"] > requests // 20
    print("gateway MiB:", before, "to", server.resident("gateway"))
    assert server.resident("gateway") < before + 200
    assert server.pids() == pids, "a role died and was started again"
    assert "an ingest request failed" not in server.log(10_000_000)

    server.wait_drained()
    expected = Counter[str]()
    for told in found.values():
        expected.update(told["batches"])
    client.close()  # it has been idle for long, and the server may be about to close it
    lines = client.call("GET", "/v1/events/export").body.splitlines()
    events = [json.loads(line) for line in lines]
    assert len({event["id"] for event in events}) == len(events)
    stored = Counter(event["id"][:-2] + "00" for event in events)
    assert stored == expected
    assert {event["status"] for event in events} <= {"processed", "rejected"}
    answered = {name: sum(told["statuses"].values()) for name, told in found.items()}
    figures: dict[str, Figure] = {f"inputs, {name}": count for name, count in answered.items()}
    figures |= {"a second": sum(answered.values()) / seconds, "acknowledged events": len(events), "lost": 0, "5xx": 0}
    figures |= {"MiB more": server.resident("gateway") - before}
    if good:
        tell_of("mutated bodies of both dialects", good.outcome, True, seed, **figures)


def test_mutants(server: Server, client: Client) -> None:
    check_mutants(server, client, seed=1, requests=4000)


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_a_million_mutants(fresh_server: Server) -> None:
    """Half of them in each dialect, singles and batches, as fast as they are taken; a good client beside them."""
    with fresh_server.client() as operator:
        made = operator.post("/v1/workspaces", json={"name": "mutants"}).json()
    client = Client(fresh_server.url, made["api_key"], timeout=300)
    check_mutants(fresh_server, client, seed=20_261_122, requests=often(500_000), rate=50)
    client.close()
