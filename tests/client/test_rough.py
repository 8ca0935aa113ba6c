"""Events through a rough network, from a process that may be killed: each stored once, in bounded memory."""

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from client import sender
from client.rough import Rough, rough
from figures import Section, tell
from harness import Server, Workspace, guarded, until
from tools import often

SETTINGS = {"max_events": 2_000, "when_full": "block", "concurrency": 4, "backoff_first": 0.01, "backoff_most": 2.0}
MOST_KIB = 64 * 1024
"""By how much the sender's memory may grow, however many events it sends."""


def prepare(client: Any) -> None:
    for slug, limit in ((sender.OPEN, None), (sender.LIMITED, sender.LIMIT)):
        answer = client.post("/v1/signals", json={"name": slug, "slug": slug, "type": "event", "rate_limit": limit})
        assert answer.status_code == 201, answer.text


def begin(proxy: Rough, key: str, ledger: Path, run: str, **told: Any) -> subprocess.Popen[bytes]:
    """A sender."""
    about = {"url": f"http://127.0.0.1:{proxy.port}", "key": key, "run": run, "ledger": str(ledger)}
    about |= {"settings": SETTINGS, "limited": 0, "count": 0} | told
    command = [sys.executable, sender.__file__, json.dumps(about)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    guarded(process.pid)
    return process


def ended(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What a sender says in the end."""
    said, _ = process.communicate(timeout=1500)
    assert process.returncode == 0
    told: dict[str, Any] = json.loads(said)
    assert told["done"], told
    return told


def stored(server: Server, key: str) -> Counter[str]:
    """How often each token is there."""
    server.wait_drained(300)
    with server.client(key) as client, client.stream("GET", "/v1/events/export") as answer:
        assert answer.status_code == 200
        events = [json.loads(line) for line in answer.iter_lines()]
    assert {event["status"] for event in events} == {"processed"}
    return Counter(event["data"]["token"] for event in events)


def through(server: Server, key: str, ledger: Path, count: int, limited: int) -> None:
    """`count` events, `limited` of them over a limit, arrive once each."""
    settings = SETTINGS | {"batch_events": 20 if count < 20_000 else 100}  # enough requests for every fate
    with rough(server.port, seed=(seed := time.time_ns() % 1_000_000)) as proxy:
        told = ended(begin(proxy, key, ledger, "only", count=count, limited=limited, settings=settings))
    assert len(proxy.fates) == len(proxy.FATES), f"seed {seed}: {proxy.fates}"
    figures = told["figures"]
    assert figures["accepted"] == figures["delivered"] == count == len(sender.accepted(ledger)), told
    assert (figures["refused"], figures["dropped"], figures["waiting"]) == (0, 0, 0), told
    assert told["most_events"] <= SETTINGS["max_events"], told
    assert told["grown_kib"] < MOST_KIB, told
    found = stored(server, key)
    assert found.keys() == set(sender.accepted(ledger)) and set(found.values()) == {1}, f"seed {seed}"
    grown = {"grown_kib": told["grown_kib"], **proxy.fates}
    tell(Section.CLIENTS, "the Python client through a proxy that loses", seed, events_once_each=count, **grown)


def killed(server: Server, key: str, folder: Path, kills: int, every: int) -> None:
    """kill -9 of the sender, `kills` times, each within `every` events; the next one goes on with what it left."""
    seed = time.time_ns() % 1_000_000
    random, ledger = Random(seed), folder / "ledger"
    settings = SETTINGS | {"spool": str(folder / "spool"), "segment_bytes": 64 * 1024}
    with rough(server.port, seed=seed) as proxy:
        for run in range(kills):
            goal = len(sender.accepted(ledger)) + random.randrange(every)
            process = begin(proxy, key, ledger, str(run), count=10**9, settings=settings)
            until(lambda goal=goal: len(sender.accepted(ledger)) > goal, 120, "it has tracked some")  # type: ignore[misc]
            process.kill()
            process.communicate()
        left = ended(begin(proxy, key, ledger, "last", settings=settings))["figures"]
    assert left["adopted"] > 0 and not list((folder / "spool").iterdir())
    accepted, found = set(sender.accepted(ledger)), stored(server, key)
    assert not accepted - found.keys(), f"seed {seed}: {len(accepted - found.keys())} of {len(accepted)} are lost"
    assert set(found.values()) == {1}, f"seed {seed}: some are doubled"
    assert len(found.keys() - accepted) <= kills  # killed before it noted down that one
    counted = {"kills": kills, "accepted": len(accepted), "lost": 0, "doubled": 0}
    tell(Section.KILLS, "the Python client", seed, **counted, sent_by_the_last=left["adopted"])


@pytest.mark.timeout(120)
def test_each_event_arrives_once(workspace: Workspace, tmp_path: Path) -> None:
    prepare(workspace.client)
    through(workspace.server, workspace.key, tmp_path / "ledger", 3_000, limited=0)


@pytest.mark.timeout(120)
def test_a_killed_sender_loses_nothing(workspace: Workspace, tmp_path: Path) -> None:
    prepare(workspace.client)
    killed(workspace.server, workspace.key, tmp_path, kills=3, every=600)


@pytest.mark.torture
@pytest.mark.timeout(2400)
def test_each_of_many_events_arrives_once(fresh_server: Server, tmp_path: Path) -> None:
    with fresh_server.client() as client:
        prepare(client)
    through(fresh_server, fresh_server.key, tmp_path / "ledger", often(100_000), limited=often(250))


@pytest.mark.torture
@pytest.mark.timeout(2400)
def test_a_sender_killed_many_times_loses_nothing(fresh_server: Server, tmp_path: Path) -> None:
    with fresh_server.client() as client:
        prepare(client)
    killed(fresh_server, fresh_server.key, tmp_path, kills=often(40), every=3_000)
