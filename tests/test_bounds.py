"""The bounds over a real log and a real ballast file: when they hold, when they let go."""

import asyncio
from collections.abc import Iterator
from errno import EFBIG, ENOSPC
from pathlib import Path

import pytest

from batches import make_batch
from headwater.ballast import Ballast
from headwater.bounds import Bounds, Room, room_of
from headwater.config import Settings
from headwater.errors import LogUnavailableError
from headwater.log.files import FilesAppender, FilesReader

FAR_FUTURE = 1 << 47
MIB = 1 << 20


class Scene:
    """A log, a ballast and the bounds over both; the disk is as big as `free` says."""

    def __init__(self, directory: Path, bound: int = 0, ballast: int = MIB) -> None:
        self.directory = directory
        self.log = FilesAppender(directory / "log", segment_bytes=10_000)
        self.reader = FilesReader(directory / "log")
        self.ballast = Ballast(directory / "ballast", ballast)
        self.free = 100 * MIB
        settings = Settings(data_dir=directory, max_backlog_bytes=bound)
        self.bounds = Bounds(self.log, self.ballast, Room(0, ballast, 2 * ballast), settings)
        self.bounds.free = lambda: self.free  # type: ignore[method-assign]

    def append(self) -> bool:
        async def run() -> None:
            await self.log.append(make_batch(10))

        try:
            asyncio.run(run())
        except LogUnavailableError:
            return False
        return True

    def look(self) -> str:
        self.bounds.look()
        return self.log.status().why

    def close(self) -> None:
        self.reader.close()
        self.log.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path, bound=20_000)
    yield made
    made.close()


def test_the_backlog_is_what_lies_behind_what_is_stored(scene: Scene) -> None:
    while scene.log.status().backlog < 20_000:
        assert not scene.look() and scene.append()
    assert "over the bound of 19.5 KiB, since 20" in scene.look()
    assert not scene.append()
    durable = scene.reader.durable()
    scene.reader.mark(durable - 18_000)
    assert scene.look(), "it lets go some way below where it took hold"
    scene.reader.mark(durable - 17_000)
    assert not scene.look() and scene.append()


def test_what_is_trimmed_is_no_backlog_whoever_trimmed_it(scene: Scene) -> None:
    while scene.log.status().backlog < 20_000:
        scene.append()
    (scene.directory / "log" / "stored").unlink(missing_ok=True)
    begins = sorted(scene.directory.glob("log/*.log"))
    begins[0].unlink()
    assert scene.log.status().backlog == scene.reader.durable() - int(begins[1].stem)


def test_a_ballast_is_made_given_up_and_made_anew(scene: Scene) -> None:
    assert not scene.look() and scene.ballast.is_there
    assert scene.ballast.path.stat().st_blocks * 512 >= MIB, "real blocks, not a hole"
    scene.free = MIB // 8 - 1
    assert "no room for the ballast" in scene.look() and not scene.ballast.path.exists()
    assert not scene.append()
    scene.free = 3 * MIB - 1
    assert "1.0 MiB" not in scene.look() and not scene.append(), "not before there is room for more than the ballast"
    scene.free = 3 * MIB
    assert not scene.look() and scene.ballast.is_there and scene.append()


def test_a_ballast_that_another_process_gave_up_holds_the_log(scene: Scene) -> None:
    scene.look()
    scene.free = 2 * MIB
    scene.ballast.drop()
    assert "ballast" in scene.look() and not scene.append()


@pytest.mark.parametrize(("number", "held"), [(ENOSPC, True), (EFBIG, False)])
def test_where_no_ballast_can_be_made_it_is_gone_on_without(
    scene: Scene, number: int, held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(scene.ballast, "make", fails)
    assert bool(scene.look()) == held == (not scene.append())


def test_a_ballast_of_another_size_is_made_anew(scene: Scene) -> None:
    scene.look()
    smaller = Ballast(scene.ballast.path, 4096)
    assert not smaller.is_there
    smaller.make()
    assert smaller.is_there and scene.ballast.path.stat().st_size == 4096


def test_without_bounds_nothing_is_held(tmp_path: Path) -> None:
    scene = Scene(tmp_path, bound=0, ballast=0)
    scene.free = 0
    assert not scene.look() and scene.append()
    assert list(tmp_path.glob("ballast*")) == []
    scene.close()


def test_a_small_disk_gives_a_small_share(tmp_path: Path) -> None:
    huge = Settings(data_dir=tmp_path, reserve_bytes=1 << 60, ballast_bytes=1 << 60)
    room = room_of(huge)
    assert room.ballast == room.reserve // 2 and room.resume == room.reserve + room.ballast
    assert room_of(Settings(data_dir=tmp_path, reserve_bytes=0, ballast_bytes=MIB)) == Room(0, MIB, 2 * MIB)
