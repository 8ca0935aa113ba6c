"""A limit is exact, however many ask at once, and outlives the gateway."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import Server
from wire.client import Client
from wire.languages import BIGMIND, BIK
from wire.scene import leave_room_in_minute

CLIENTS = 24
LIMIT = 250


def limited(client: Client, slug: str, limit: int) -> None:
    signal = {"name": slug, "slug": slug, "type": "event", "rate_limit": limit}
    assert client.call("POST", "/v1/signals", signal).status == 201


def race(client: Client, one: Callable[[Client, int], int]) -> int:
    """Lets 24 connections loose at the same moment; returns how many events were granted to all of them."""
    start = threading.Barrier(CLIENTS)

    def run(number: int) -> int:
        mine = Client(f"http://{client.host}:{client.port}", client.key)
        assert mine.call("GET", "/livez").status == 200
        start.wait(30)
        granted = one(mine, number)
        mine.close()
        return granted

    leave_room_in_minute(20)
    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(run, range(CLIENTS)))


def test_24_clients_race_for_250(client: Client) -> None:
    """Batches of one to seven, so that some are granted in part: exactly 250 are acknowledged, and stored."""
    limited(client, "race", LIMIT)

    def one(mine: Client, number: int) -> int:
        granted = 0
        for turn in range(10):
            size = 1 + (number + turn) % 7
            answer = mine.post(BIGMIND.batch, BIGMIND.batch_of(*[BIGMIND.event(signal="race")] * size))
            assert answer.status in {200, 429}, answer
            taken = len(answer.json["data"]) if answer.status == 200 else 0
            left = len(answer.json.get("rate_limited", ())) if answer.status == 200 else size
            assert taken + left == size, answer
            granted += taken
        return granted

    assert race(client, one) == LIMIT
    assert stored(client) == LIMIT


def test_24_clients_race_all_or_nothing(client: Client) -> None:
    """BIK's batches of three are granted whole or not at all: 83 of them fit, and one event more."""
    limited(client, "race", LIMIT)
    event = BIK.event(eventName="race")

    def one(mine: Client, number: int) -> int:
        granted = 0
        for _ in range(10):
            answer = mine.post(BIK.batch, BIK.batch_of(event, event, event))
            assert answer.status in {200, 429}, answer
            granted += 3 if answer.status == 200 else 0
        return granted

    assert race(client, one) == LIMIT - 1
    assert client.post(BIK.batch, BIK.batch_of(event)).status == 200
    assert client.post(BIK.batch, BIK.batch_of(event)).status == 429
    assert stored(client) == LIMIT


def stored(client: Client) -> int:
    return len(client.call("GET", "/v1/events?limit=1000").json["data"])


def test_windows_are_apart(client: Client) -> None:
    """The race for one signal takes nothing from another."""
    limited(client, "race", LIMIT)
    limited(client, "other", 1)
    race(client, lambda mine, _: mine.post(BIGMIND.single, b'{"signal":"race"}').status)
    answer = client.post(BIGMIND.batch, BIGMIND.batch_of(BIGMIND.event(signal="other")))
    assert answer.status == 200 and answer.headers["x-ratelimit-remaining"] == "0"


def remaining(server: Server, count: int) -> int:
    client = Client(server.url, server.key)
    answer = client.post(BIGMIND.batch, BIGMIND.batch_of(*[BIGMIND.event(signal="kept")] * count))
    client.close()
    assert answer.status == 200, answer
    return int(answer.headers["x-ratelimit-remaining"])


def kill_gateway(server: Server) -> None:
    server.kill_gateway()
    server.wait_ready()


def kill_all_once_stored(server: Server) -> None:
    """The engine is through with the log: what it may trim must still be counted."""
    server.wait_drained()
    server.kill_group()
    server.start()


def stop(server: Server) -> None:
    assert server.stop() == 0
    server.start()


@pytest.mark.parametrize("restart", [kill_gateway, kill_all_once_stored, stop])
def test_quota_outlives_the_gateway(fresh_server: Server, restart: Callable[[Server], None]) -> None:
    """What was granted this minute is counted again from the log."""
    client = Client(fresh_server.url, fresh_server.key)
    limited(client, "kept", 100)
    client.close()
    leave_room_in_minute(30)
    assert remaining(fresh_server, 10) == 90
    restart(fresh_server)
    assert remaining(fresh_server, 3) == 87
