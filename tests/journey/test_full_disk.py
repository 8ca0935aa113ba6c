"""A disk that becomes full, by others or by headwater: nothing acknowledged is lost, and it goes on by itself."""

import http.client
import random
import time
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from figures import Section, tell
from harness import Server, until
from journey.load import Ledger, check, load, look_up, prepare
from journey.small_disk import MIB, SmallDisk, server_on
from wire.client import Answer, Client
from wire.languages import BIGMIND, BIK

SIZE = 160 * MIB
DRY = "a disk without a byte left, and no reserve"
RECOVERED_SECONDS = 5.0
"""How soon after room was made events are taken again: the promise."""


def ready(server: Server) -> dict[str, Any]:
    """What `/readyz` says, whatever its status."""
    answer = httpx.get(f"{server.url}/readyz", timeout=10, trust_env=False)
    found: dict[str, Any] = answer.json()
    assert (answer.status_code == 200) == found["ready"], answer
    assert found["ready"] or answer.headers["retry-after"].isdigit(), answer.headers
    return found


def is_ready(server: Server) -> bool:
    """Asked at the port it had before: on a full disk a start cannot write down where it listens."""
    return bool(ready(server)["ready"])


def gateway_refuses(server: Server) -> str:
    """Why the gateway takes nothing; empty when it does."""
    return str(ready(server)["gateway"]["why"])


def figure(server: Server, name: str) -> float:
    lines = httpx.get(f"{server.url}/metrics", timeout=10, trust_env=False).text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


def check_refusals(ledger: Ledger, since: int = 0) -> int:
    """Each was a 503 in its dialect's own shape that says when to come again. Returns how many there are now."""
    for _, answer in ledger.refused[since:]:
        assert answer.status == 503, answer
        assert 1 <= int(answer.headers["retry-after"]) <= 5, answer
        (BIGMIND if "success" in answer.json else BIK).refusal(answer)
    return len(ledger.refused)


def post_one(client: Client, number: int) -> Answer:
    event = {"signal": "load", "identity": {"type": "account", "id": "1"}, "data": {"token": f"one-{number}"}}
    return client.post(BIGMIND.batch, BIGMIND.batch_of(event))


def taken_again(server: Server, ledger: Ledger) -> float:
    """Seconds until an event is acknowledged."""
    begun = time.monotonic()
    client = Client(server.url, server.key)

    def acknowledged() -> bool:
        number = len(ledger.acknowledged) + len(ledger.refused) + time.monotonic_ns()
        answer = post_one(client, number)
        if answer.status == 200:
            ledger.acknowledge([f"one-{number}"], [answer.json["data"][0]["id"]])
        else:
            ledger.refuse([f"one-{number}"], answer)
        return answer.status == 200

    until(acknowledged, 60, "events are taken again")
    client.close()
    return time.monotonic() - begun


def test_a_disk_filled_by_others_is_waited_for(tmp_path: Path) -> None:
    """The reserve: refused before the disk is full, so that what was taken is stored on it."""
    with server_on(tmp_path / "disk", SIZE) as (server, disk):
        ledger = Ledger()
        prepare(server)
        assert figure(server, "headwater_ballast_bytes") == SIZE // 40
        with load(server, ledger, senders=2):
            until(lambda: len(ledger.acknowledged) > 500)
            disk.fill(leave=SIZE // 20 - MIB)
            until(lambda: len(ledger.refused) > 20)
            why = until(partial(gateway_refuses, server))
            assert "nearly full (ENOSPC), since 20" in why and "Make room on the disk" in why, why
            assert figure(server, "headwater_log_ready") == 0
            assert figure(server, "headwater_disk_free_bytes") < figure(server, "headwater_disk_reserve_bytes")
            server.wait_drained(60)
            disk.relieve()
            seconds = taken_again(server, ledger)
        assert seconds < RECOVERED_SECONDS
        assert not gateway_refuses(server)
        check_refusals(ledger)
        server.kill_group()
        server.start()
        told = {"acknowledged": check(server, ledger), "lost": 0, "refused_requests": len(ledger.refused)}
        tell(Section.LIMITS, "a disk filled by others, and given back", **told, taken_again_after_s=seconds)


def manage(server: Server, number: int) -> int:
    """Makes a signal: taken, or told to come again. Returns the status."""
    client = Client(server.url, server.key)
    answer = client.call("POST", "/v1/signals", {"name": f"made {number}", "type": "event"})
    client.close()
    assert answer.status in (201, 503), answer
    if answer.status == 503:
        assert answer.headers["content-type"] == "application/problem+json", answer
        assert answer.headers["retry-after"].isdigit(), answer
    return answer.status


def fill_up(server: Server, disk: SmallDisk, ledger: Ledger, chance: random.Random, number: int, kill: bool) -> float:
    """Leaves the disk a few pages, then none, and gives the room back. Returns the seconds until events are taken."""
    refused = len(ledger.refused)
    with load(server, ledger, senders=2):
        until(lambda: len(ledger.acknowledged) > 300 * number)
        disk.fill(leave=chance.choice([0, 4096, 40_000, 300_000]))
        until(lambda: len(ledger.refused) > refused + 10)
        why = until(partial(gateway_refuses, server))
        assert "(ENOSPC)" in why or "ballast" in why, why
        statuses = {manage(server, 100 * number + each) for each in range(3)}
        disk.fill(leave=0)  # whoever fills a disk goes on
        time.sleep(chance.uniform(0, 2))
    if kill:
        server.kill_group()
        server.start(wait=False)
        time.sleep(chance.uniform(0, 3))
    disk.relieve()
    if kill:  # it may have waited to be started anew
        server = revived(server)
    seconds = taken_again(server, ledger)
    until(partial(is_ready, server), 30)
    manage(server, 100 * number + 50)
    print(f"\nround {number}: taken again after {seconds:.2f} s, kill={kill}, management said {statuses}, was {why}")
    return seconds


def revived(server: Server) -> Server:
    """A start without any room may have ended; then it is started again, as a service manager does."""
    until(lambda: server.process.poll() is not None or _answers(server), 60)
    if server.process.poll() is not None:
        server.start()
    until(partial(is_ready, server), 60)
    return server


def _answers(server: Server) -> bool:
    try:
        return httpx.get(f"{server.url}/livez", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def fill_up_often(mount: Path, times: int, seed: int) -> None:
    chance, ledger, waits = random.Random(seed), Ledger(), []
    with server_on(mount, SIZE, "--reserve-bytes", "0", "--segment-bytes", "1000000") as (server, disk):
        prepare(server)
        for number in range(1, times + 1):
            waits.append(fill_up(server, disk, ledger, chance, number, kill=number % 2 == 0))
        assert max(waits) < RECOVERED_SECONDS, waits
        check_refusals(ledger)
        look_up(server, ledger, 50)
        server.kill_group()
        server.start()
        told = {"acknowledged": check(server, ledger), "lost": 0, "refused_requests": len(ledger.refused)}
        kills, longest = times // 2, max(waits)
        tell(Section.LIMITS, DRY, seed, full_disks=times, kills=kills, **told, taken_again_after_s_at_most=longest)


def test_a_disk_without_a_byte_left_loses_nothing(tmp_path: Path) -> None:
    """Without a reserve: log, state, catalog and store all run into the wall."""
    fill_up_often(tmp_path / "disk", 2, 1)


@pytest.mark.torture
@pytest.mark.timeout(1200)
def test_a_disk_full_many_times_loses_nothing(tmp_path: Path) -> None:
    fill_up_often(tmp_path / "disk", 8, 2)


def test_a_disk_that_headwater_fills_by_itself(tmp_path: Path) -> None:
    """Nobody else takes room, and there is no reserve: the log, or the store beside it, is what fills the disk."""
    size = 24 * MIB
    with server_on(tmp_path / "disk", size, "--reserve-bytes", "0") as (server, disk):
        ledger, client, chance = Ledger(), Client(server.url, server.key), random.Random(3)
        prepare(server)
        sent = 0
        while len(ledger.refused) < 3 and sent < 600:
            sent += 1
            data = {"token": f"big-{sent}", "x": chance.randbytes(60_000).hex()}
            event = {"signal": "load", "identity": {"type": "account", "id": "1"}, "data": data}
            answer = client.post(BIGMIND.batch, BIGMIND.batch_of(event))
            if answer.status == 200:
                ledger.acknowledge([data["token"]], [answer.json["data"][0]["id"]])
            else:
                ledger.refuse([data["token"]], answer)
        client.close()
        assert len(ledger.acknowledged) > 20 and len(ledger.refused) == 3, sent
        check_refusals(ledger)
        assert until(partial(gateway_refuses, server))
        disk.grow(4 * size)
        assert taken_again(server, ledger) < RECOVERED_SECONDS
        until(partial(is_ready, server), 60)
        server.kill_group()
        server.start()
        told = {"acknowledged_until_it_was_full": check(server, ledger), "lost": 0}
        tell(Section.LIMITS, "a disk that headwater fills by itself, then a larger one", **told)


def test_a_server_that_starts_on_a_full_disk_comes_up_by_its_ballast(tmp_path: Path) -> None:
    """It refuses events, and says why; what waits is stored, and questions are answered."""
    with server_on(tmp_path / "disk", SIZE) as (server, disk):
        ledger = Ledger()
        prepare(server)
        with load(server, ledger, senders=1):
            until(lambda: len(ledger.acknowledged) > 300)
        server.stop()
        disk.fill(leave=0)
        server.start(wait=False)
        until(lambda: _is_up(server), 60, "the server answers")
        server.wait_engine()
        server.wait_drained(60)
        look_up(server, ledger, 20)
        why = gateway_refuses(server)
        assert "ballast" in why and "Make room" in why and "since 20" in why, why
        disk.relieve()
        assert taken_again(server, ledger) < RECOVERED_SECONDS
        until(partial(is_ready, server), 10)
        check(server, ledger)


def _is_up(server: Server) -> bool:
    """On a full disk `serve.json` may be missing, but the port is the same as before."""
    assert server.process.poll() is None, server.log()
    try:
        return _answers(server)
    except (OSError, http.client.HTTPException):
        return False
