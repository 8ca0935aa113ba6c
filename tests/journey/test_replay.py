"""Replays while roles are killed: every event that passes is stored once more, once, under its own id."""

import json
import os
import random
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

import httpx
import pytest

from figures import Section, tell
from harness import Server, until
from tools import often
from wire.languages import BIGMIND, BIK

KILLS = int(os.environ.get("HEADWATER_TEST_REPLAY_KILLS", "4"))
MANY = int(os.environ.get("HEADWATER_TEST_MANY_REPLAY_KILLS", "40"))
EVENTS = 3_000
PASSING = 2_500
"""Of those that are rejected: the others stay so."""


def prepare(server: Server) -> set[str]:
    """Events of both dialects, all rejected, of which some fit the schema that is published then; their ids."""
    with server.client() as client:
        signal = {"name": "seen", "type": "event", "rate_limit": None}
        assert client.post("/v1/signals", json=signal).status_code == 201
        definition = {"subject": "person", "where": {"performed": "seen"}}
        assert client.post("/v1/cohorts", json={"name": "seen", "definition": definition}).status_code == 201
        publish(client, {"required": ["never"]})
        for start in range(0, EVENTS, 100):
            numbers = range(start, start + 100)
            if start % 200:
                events = [BIGMIND.event(signal="seen", data={"n": n}, identity=whose(n)) for n in numbers]
                body, path = BIGMIND.batch_of(*events), BIGMIND.batch
            else:
                events = [
                    BIK.event(eventName="seen", eventProperties={"n": n}, email=f"{n}@x.example") for n in numbers
                ]
                body, path = BIK.batch_of(*events), BIK.batch
            answer = client.post(path, content=body)
            assert answer.status_code == 200, answer.text
        server.wait_drained()
        publish(client, {"properties": {"n": {"maximum": PASSING - 1}}})
        return {event["id"] for event in exported(client)}


def whose(n: int) -> dict[str, str]:
    return {"type": "email", "id": f"{n}@x.example"}


def publish(client: httpx.Client, schema: Any) -> None:
    assert client.post("/v1/signals/seen/versions", json={"schema": schema}).status_code == 201


def replayed(client: httpx.Client) -> dict[str, Any] | None:
    """What a replay of everything comes to; None while a role is away."""
    answer = client.post("/v1/rejected/replay", json={"filter": {}})
    assert answer.status_code in (200, 503), answer.text
    return dict(answer.json()) if answer.status_code == 200 else None


def size(client: httpx.Client) -> int | None:
    """Of the one cohort; None while the engine cannot say."""
    answer = client.get("/v1/cohorts")
    return int(answer.json()["data"][0]["size"] or 0) if answer.status_code == 200 else None


def exported(client: httpx.Client) -> list[dict[str, Any]]:
    return [json.loads(line) for line in client.get("/v1/events/export").text.splitlines()]


def ask(server: Server, stop: threading.Event) -> None:
    """Replays again and again, in slices, whatever is answered."""
    chance = random.Random()
    while not stop.is_set():
        with suppress(httpx.HTTPError, ValueError), server.client() as client:
            cursor: str | None = None
            while not stop.is_set():
                body = {"filter": {}, "limit": chance.randint(100, 1_500)} | ({"cursor": cursor} if cursor else {})
                answer = client.post("/v1/rejected/replay", json=body)
                if answer.status_code != 200:
                    assert answer.status_code == 503, answer.text
                    break
                cursor = answer.json()["next"]
                if cursor is None:
                    break
        time.sleep(0.01)


def replays_under_kills(server: Server, times: int) -> None:
    seed = time.time_ns()
    chance, ids, stop = random.Random(seed), prepare(server), threading.Event()
    askers = [threading.Thread(target=ask, args=(server, stop)) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(times):
            time.sleep(chance.uniform(0, 0.6))
            match chance.choice(["engine", "gateway", "all"]):
                case "engine":
                    server.kill_engine()
                case "gateway":
                    server.kill_gateway()
                case _:
                    server.kill_group()
                    server.start(wait=False)
        server.wait_ready()
        server.wait_engine()
    finally:
        stop.set()
        for asker in askers:
            asker.join()
    with server.client() as client:
        outcome = until(lambda: replayed(client), what="the engine says which events are rejected")
        assert outcome["matched"] - outcome["would_pass"] == EVENTS - PASSING, (seed, outcome)
        server.wait_drained()
        events = until(lambda: exported(client))
        assert len(events) == EVENTS and {event["id"] for event in events} == ids, seed
        for event in events:
            passed = event["data"]["n"] < PASSING
            assert (event["status"], event["schema_version"]) == (("processed", 2) if passed else ("rejected", 1)), seed
        assert client.get("/v1/rejected/summary").json()["events"] == EVENTS - PASSING
        assert client.get("/v1/profiles/email:7@x.example").json()["events"] == 1
        until(lambda: size(client) == PASSING, what=f"whoever was seen is in the cohort ({seed})")
    command = [sys.executable, "-m", "headwater", "doctor", "--json", "--data-dir", str(server.data_dir)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=120).stdout)
    checks = {check["name"]: check for check in found["checks"]}
    assert not [check for check in found["checks"] if check["verdict"] == "fault"], (seed, found)
    assert checks["store.twins"]["figures"] == {"events": EVENTS, "replayed": PASSING}, seed
    tell(Section.KILLS, "roles while rejected events are replayed", seed, kills=times, of=EVENTS, replayed_once=PASSING)


@pytest.mark.timeout(300)
def test_replays_while_roles_are_killed(fresh_server: Server) -> None:
    replays_under_kills(fresh_server, KILLS)


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_many_kills_during_replays(fresh_server: Server) -> None:
    replays_under_kills(fresh_server, often(MANY))
