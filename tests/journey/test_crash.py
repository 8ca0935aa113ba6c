"""kill -9, again and again, under load: what was acknowledged is there, once."""

import random
import time
from pathlib import Path

import pytest

from figures import Section, tell
from harness import Server
from journey.load import Ledger, check, load, look_up, pause, prepare
from journey.measured import SIGNALS, check_measures, prepare_measured
from tools import often

FEW, MANY = 5, 200
VICTIMS = ("group", "gateway", "engine")
"""In turns."""
KILLED = "whole group, gateway and engine in turns"


def killed(server: Server, victim: str, chance: random.Random) -> float | None:
    """kill -9; returns the seconds until it is as before, None when it is not waited for: the next kill may come
    while it starts or catches up."""
    began, waits = time.monotonic(), chance.random() < 0.8
    if victim == "group":
        server.kill_group()
        server.start(wait=waits)
    else:
        server.kill_gateway() if victim == "gateway" else server.kill_engine()
    if not waits:
        return None
    server.wait_ready()
    if victim != "gateway":
        server.wait_engine()
    return time.monotonic() - began


def kills_at_random(server: Server, journal: Path, times: int, longest: float, people: int) -> None:
    """Kills at random moments of running, starting and catching up; what counts in the end is the senders' journal."""
    seed = time.time_ns() % 1_000_000_000
    chance, ledger = random.Random(seed), Ledger(journal)
    prepare_measured(server)
    waits = []
    with load(server, ledger, most=50, signals=SIGNALS, pause=0.1):
        for number in range(times):
            pause(chance, longest)
            waits.append(killed(server, VICTIMS[number % len(VICTIMS)], chance))
        server.wait_ready()
    ledger = Ledger.read(journal)
    acknowledged = check(server, ledger)
    look_up(server, ledger)
    buckets, states = check_measures(server, people)
    assert acknowledged > 20 * times, seed
    seconds = sorted([each for each in waits if each is not None]) or [0.0]
    told = {"kills": times, "acknowledged": acknowledged, "lost": 0, "doubled": 0, "in_doubt": len(ledger.in_doubt)}
    counts = {"refused": len(ledger.refused), "buckets_right": buckets, "states_right": states}
    times_s = {"back_after_s_median": seconds[len(seconds) // 2], "back_after_s_at_most": seconds[-1]}
    tell(Section.KILLS, KILLED, seed, **told, **counts, **times_s)


@pytest.mark.timeout(300)
def test_kills_at_random_moments(fresh_server: Server, tmp_path: Path) -> None:
    kills_at_random(fresh_server, tmp_path / "journal", FEW, 2.5, people=10)


@pytest.mark.torture
@pytest.mark.timeout(7200)
def test_kills_at_many_random_moments(fresh_server: Server, tmp_path: Path) -> None:
    kills_at_random(fresh_server, tmp_path / "journal", often(MANY), 1.5, people=often(400))


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
    told = {"kills": times, "acknowledged": acknowledged, "lost": 0, "doubled": 0}
    tell(Section.KILLS, "whole group between store insert and log commit", times, **told)


@pytest.mark.timeout(300)
def test_kill_between_insert_and_commit(fresh_server: Server) -> None:
    kills_between_insert_and_commit(fresh_server, FEW)


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_many_kills_between_insert_and_commit(fresh_server: Server) -> None:
    kills_between_insert_and_commit(fresh_server, often(40))


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
    tell(Section.KILLS, "the engine alone", 5, kills=5, acknowledged=check(fresh_server, ledger), lost=0, refused=0)


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
    tell(Section.KILLS, "the gateway alone", 6, kills=5, acknowledged=check(fresh_server, ledger), lost=0, refused=0)
