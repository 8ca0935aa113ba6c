"""kill -9 of the back half, again and again, while events come in: each is stored once in the end."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from batches import BOTH, make_batch
from figures import Section, tell
from headwater.events import Batch, Lane
from pumping import SETTINGS
from rig import Rig
from tools import often

NOVEMBER, DECEMBER = 1_795_000_000_000, 1_797_000_000_000
PUMP = Path(__file__).with_name("pumping.py")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path, **SETTINGS)
    rig.shut()
    yield rig
    rig.close()


class Pump:
    """The process under test."""

    def __init__(self, rig: Rig, *moment: str) -> None:
        command = [sys.executable, str(PUMP), str(rig.settings.data_dir), *moment]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def ready(self) -> None:
        """Unless it was killed before: recovering passes the moments too."""
        line = self.process.stdout.readline() if self.process.stdout else ""
        assert line in ("ready\n", "")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.ended()

    def ended(self) -> None:
        """By a kill, not by a fault of its own."""
        try:
            assert self.process.wait(180) == -signal.SIGKILL
        finally:
            self.process.kill()  # else it would outlive a test that fails
        if self.process.stdout:
            self.process.stdout.close()


class Load(threading.Thread):
    """Batches of both lanes and two months, appended until told to stop."""

    def __init__(self, rig: Rig, random: Random) -> None:
        super().__init__()
        self.rig, self.random, self.done = rig, random, threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.03):
            self.rig.append([self.batch() for _ in range(self.random.randrange(1, 6))])

    def batch(self) -> Batch:
        lanes = self.random.choice([BOTH, BOTH[:1], BOTH[1:]])
        return make_batch(self.random.randrange(1, 50), lanes, self.random.choice([NOVEMBER, DECEMBER]))

    def __enter__(self) -> "Load":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.join()


def check(rig: Rig) -> int:
    """Stores what is left, then compares; returns how many events there are."""
    rig.open()
    rig.pipeline.recover()
    rig.drain()
    rig.check()
    return sum(len(rig.sent[lane]) for lane in Lane)


def killed_at_random(rig: Rig, times: int) -> int:
    random = Random(times)
    with Load(rig, random):
        for _ in range(times):
            pump = Pump(rig)
            if random.random() < 0.8:
                pump.ready()
            time.sleep(random.random() * 0.4)
            pump.kill()
    return check(rig)


def killed_at(rig: Rig, moment: str, times: int) -> int:
    random = Random(times)
    with Load(rig, random):
        for _ in range(times):
            pump = Pump(rig, moment, str(random.randrange(1, 9)))
            pump.ended()
    return check(rig)


def test_killed_at_random(rig: Rig) -> None:
    assert killed_at_random(rig, 6) > 200


@pytest.mark.parametrize("moment", ["planned", "inserted", "committed"])
def test_killed_between_insert_and_commit(rig: Rig, moment: str) -> None:
    assert killed_at(rig, moment, 3) > 100


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_killed_at_random_fifty_times(rig: Rig) -> None:
    kills = often(50)
    tell(Section.KILLS, "the back half alone, at random", kills, kills=kills, stored_once=killed_at_random(rig, kills))


@pytest.mark.torture
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("moment", "times"), [("planned", 40), ("inserted", 100), ("committed", 40)])
def test_killed_between_insert_and_commit_many_times(rig: Rig, moment: str, times: int) -> None:
    kills = often(times)
    tell(Section.KILLS, f"the back half when {moment}", kills, kills=kills, stored_once=killed_at(rig, moment, kills))
