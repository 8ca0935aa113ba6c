"""kill -9, again and again, under load: what was acknowledged is there, once."""

import os
import random
import time

import pytest

from harness import Server
from journey.load import Ledger, check, load, look_up, pause, prepare
from tools import often

FEW = int(os.environ.get("HEADWATER_TEST_KILLS", "5"))
MANY = int(os.environ.get("HEADWATER_TEST_MANY_KILLS", "50"))


def kills_at_random(server: Server, times: int) -> None:
    """Kills the whole process group `times` times, at random moments of running, starting and catching up."""
    seed = time.time_ns()
    chance, ledger = random.Random(seed), Ledger()
    prepare(server)
    for _ in range(times):
        with load(server, ledger):
            pause(chance)
            server.kill_group()
            server.start(wait=chance.random() < 0.8)
            pause(chance, 0.5)
        server.wait_ready()
        look_up(server, ledger, 20)
    acknowledged = check(server, ledger)
    look_up(server, ledger)
    assert acknowledged > 100 * times
    print(f"\n{times} kills at random: {acknowledged} events acknowledged, each there once (seed {seed})")


@pytest.mark.timeout(300)
def test_kill_the_whole_group_at_random_moments(fresh_server: Server) -> None:
    kills_at_random(fresh_server, FEW)


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_kill_the_whole_group_at_many_random_moments(fresh_server: Server) -> None:
    kills_at_random(fresh_server, often(MANY))


def probed(server: Server, probe: str) -> Server:
    """Another headwater on the same data and port that kills itself at the probe's moment."""
    other = Server(server.data_dir, environment={"HEADWATER_PROBE": probe})
    other.port = server.port
    return other


def kills_between_insert_and_commit(server: Server, times: int) -> None:
    """Kills the whole group when a block is in the store and the cursor does not know it yet, `times` times."""
    chance, ledger = random.Random(times), Ledger()
    prepare(server)
    server.kill_group()
    for _ in range(times):
        doomed = probed(server, f"inserted:kill:{chance.randint(1, 6)}").start(wait=False)
        with load(server, ledger, senders=3):
            returncode = doomed.process.wait(60)
        assert returncode == -9, f"it should have been killed: {returncode}\n{doomed.log()}"
        doomed.wait_gone()
    server.start()
    acknowledged = check(server, ledger)
    look_up(server, ledger)
    print(f"\n{times} kills between insert and commit: {acknowledged} events acknowledged, each there once")


@pytest.mark.timeout(300)
def test_kill_between_insert_and_commit(fresh_server: Server) -> None:
    kills_between_insert_and_commit(fresh_server, FEW)


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_many_kills_between_insert_and_commit(fresh_server: Server) -> None:
    kills_between_insert_and_commit(fresh_server, often(MANY))


@pytest.mark.timeout(300)
def test_kill_the_engine_alone(fresh_server: Server) -> None:
    """Five times, under load: not one ingest request fails."""
    chance, ledger = random.Random(5), Ledger()
    prepare(fresh_server)
    with load(fresh_server, ledger):
        for _ in range(5):
            pause(chance)
            fresh_server.kill_engine()
            pause(chance, 1)
            fresh_server.wait_engine()
    assert not ledger.in_doubt and not ledger.refused, (ledger.in_doubt, ledger.refused)
    print(f"\n5 kills of the engine: {check(fresh_server, ledger)} events acknowledged, none refused")


@pytest.mark.timeout(300)
def test_kill_the_gateway_alone(fresh_server: Server) -> None:
    """The supervisor keeps the port open: requests wait for the next gateway instead of being refused."""
    chance, ledger = random.Random(6), Ledger()
    prepare(fresh_server)
    with load(fresh_server, ledger):
        for _ in range(5):
            pause(chance)
            fresh_server.kill_gateway()
            fresh_server.wait_ready()
    assert not ledger.refused, ledger.refused
    print(f"\n5 kills of the gateway: {check(fresh_server, ledger)} events acknowledged, each there once")
