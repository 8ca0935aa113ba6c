"""Power cuts, by seeds: whatever a disk forgets that was never synced, what was acknowledged is there afterwards, once.

A run is cut at a random call, started again on what is left and cut again, also while it recovers. The control is the
same with syncs that do nothing: it must lose, or the cuts would prove nothing.
"""

import math
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Protocol

import pytest

from figures import Section, tell
from power.calls import watched
from power.disk import Disk
from power.file_work import CatalogWork, ClaimsWork, StateWork
from power.log_work import LogWork, SqliteLogWork
from tools import often

WORKS = [LogWork, SqliteLogWork, CatalogWork, StateWork, ClaimsWork]
SEEDS, FEW = 200, 4
"""Of each work: a thousand in all."""
MOST_CUTS = 3


class Work(Protocol):
    name: str
    calls: int

    def run(self, root: Path, disk: Disk, chance: Random) -> None: ...

    def check(self, root: Path) -> object: ...


def cut(make: Callable[[], Work], folder: Path, seed: int, honest: bool = True) -> tuple[int, list[str]]:
    """How often the power went, and what was wrong at last."""
    chance, work = Random(seed), make()
    root = folder / f"{seed}-0"
    root.mkdir()
    for number in range(1, 1 + chance.randint(1, MOST_CUTS)):
        disk = Disk(root, chance, chance.randint(1, work.calls), honest)
        wrong: list[str] = []
        try:
            with watched(disk):
                work.run(root, disk, chance)
                disk.cut()
            root = laid_down(disk, folder / f"{seed}-{number}")
            wrong = checked(work, laid_down(disk, folder / f"{seed}-{number}-looked-at"))
        except Exception as error:
            wrong = [f"{type(error).__name__}: {error}"]
        if wrong:
            return number, wrong
    return number, []


def laid_down(disk: Disk, root: Path) -> Path:
    """What is left, as files."""
    root.mkdir()
    assert disk.image is not None
    for path, content in disk.image.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
        (root / path).chmod(0o600)
    return root


def checked(work: Work, root: Path) -> list[str]:
    """On a copy, so that the next start finds what the cut has left; without real syncs."""
    with watched(Disk(root, Random(0), last=math.inf)):  # type: ignore[arg-type]
        return list(work.check(root))  # type: ignore[call-overload]


def cut_often(make: Callable[[], Work], folder: Path, seeds: int) -> None:
    cuts, lost = 0, 0
    for seed in range(seeds):
        count, wrong = cut(make, folder, seed)
        assert not wrong, f"seed {seed}, cut {count}: {wrong}"
        cuts += count
    (control := folder / "control").mkdir()
    for seed in range(controls := max(4, seeds // 4)):
        lost += bool(cut(make, control, seed, honest=False)[1])
    assert lost, "the control lost nothing: the cuts prove nothing"
    told = {"seeds": seeds, "cuts": cuts, "lost": 0, "control_seeds": controls, "control_lost_in": lost}
    tell(Section.POWER, make().name, **told)


@pytest.mark.parametrize("make", WORKS)
def test_a_power_cut_takes_nothing_that_was_acknowledged(make: Callable[[], Work], tmp_path: Path) -> None:
    cut_often(make, tmp_path, FEW)


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("make", WORKS)
def test_many_power_cuts_take_nothing_that_was_acknowledged(make: Callable[[], Work], tmp_path: Path) -> None:
    cut_often(make, tmp_path, often(SEEDS))
