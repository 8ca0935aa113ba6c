"""The migration lane yields: a real-time event does not wait behind a mountain of history."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from harness import Server, until
from wire.client import Client
from wire.languages import BIK

BACKLOG = int(os.environ.get("HEADWATER_TEST_BACKLOG", "200000"))
OLD = BIK.event(isMigration=True, createdAt="2024-11-15T10:30:00Z", eventProperties={"note": "x" * 200})


def waiting(client: Client) -> dict[str, int]:
    """Events without an outcome, by lane."""
    answer = client.call("GET", "/v1/pipelines")
    assert answer.status == 200, answer
    return {lane["lane"]: lane["events"] for lane in answer.json["data"]}


def pour(server: Server, batches: int) -> None:
    """Sends batches of old events on one connection."""
    client = Client(server.url, server.key)
    body = BIK.batch_of(*[OLD] * 100)
    for _ in range(batches):
        answer = client.post(BIK.batch, body)
        assert answer.status == 200, answer
    client.close()


@contextmanager
def held(server: Server) -> Iterator[None]:
    """The engine stands still for as long as the block lasts: what is sent meanwhile waits."""
    engine = until(lambda: server.pids().get("engine"))
    os.kill(engine, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(engine, signal.SIGCONT)


@pytest.mark.timeout(600)
def test_realtime_overtakes_the_migration_backlog(fresh_server: Server) -> None:
    """A real-time event is sent when all of the backlog is there, and is through when most of that is not.

    Only a block that was under way already may come before it.
    """
    client = Client(fresh_server.url, fresh_server.key)
    with held(fresh_server):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: pour(fresh_server, BACKLOG // 400), range(4)))
        batch = client.post(BIK.batch, BIK.batch_of(BIK.event())).headers["headwater-batch"]
    began = time.monotonic()
    while client.call("GET", f"/v1/batches/{batch}").json["data"][0]["status"] != "processed":
        assert time.monotonic() - began < 60, "the real-time event waits for the backlog"
    left = waiting(client)["migration"]
    print(f"\nprocessed after {time.monotonic() - began:.3f} s, {left} of {BACKLOG} old events still waiting")
    assert left >= BACKLOG // 2, "the real-time event was not processed before the backlog was half gone"
    fresh_server.wait_drained(300)
    with fresh_server.client() as asker:
        assert asker.get("/v1/events?lane=realtime").json()["data"][0]["status"] == "processed"
    client.close()


def test_pipelines_count_from_acknowledgement_to_outcome(fresh_server: Server) -> None:
    """The figures are exact: nothing waits at first, what waits is what was sent, nothing in the end."""
    client = Client(fresh_server.url, fresh_server.key)
    assert waiting(client) == {"realtime": 0, "migration": 0}
    answer = client.post(BIK.batch, BIK.batch_of(*[OLD] * 60, *[BIK.event()] * 40))
    assert answer.status == 200, answer
    now = waiting(client)
    assert now["migration"] in (0, 60) and now["realtime"] in (0, 40), now
    fresh_server.wait_drained()
    lanes = client.call("GET", "/v1/pipelines").json["data"]
    assert {lane["lane"]: lane["events"] for lane in lanes} == {"realtime": 0, "migration": 0}
    assert all(set(lane) >= {"lane", "events", "bytes", "age_seconds"} for lane in lanes), lanes
    client.close()
