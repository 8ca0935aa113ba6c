"""The engine's part in a backup, over real parts: what it keeps, and when it gives that up."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from harness import until
from headwater import pipeline
from headwater.backup import keeping
from headwater.backup.keeping import Keeper
from headwater.errors import ConflictError
from parts import Parts, Sent, new_workspace, running_parts


@contextmanager
def storing(parts: Parts) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=parts.pipeline.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def keeper_of(parts: Parts, directory: Path, room: threading.Event) -> Keeper:
    databases = [directory / "state.db", directory / "cohorts.db"]
    return Keeper(
        directory / ".backup", parts.pipeline, parts.store, databases, threading.RLock(), lambda _: room.is_set()
    )


def positions(path: Path) -> set[int]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    return {position for (position,) in connection.execute("SELECT position FROM cursors")}


def test_what_is_kept_stays_as_it_was_and_goes_when_nobody_wants_it(tmp_path: Path) -> None:
    room, workspace = threading.Event(), new_workspace()
    room.set()
    with running_parts(tmp_path) as parts, storing(parts):
        (tmp_path / ".backup").mkdir()  # of a time before a crash
        keeper = keeper_of(parts, tmp_path, room)
        assert not keeper.folder.exists()
        parts.send(workspace, Sent(1000))
        until(lambda: not any(lag.events for lag in parts.tail.backlogs()))
        kept = keeper.keep()
        assert kept.ready.wait(30), kept.failure
        before = positions(keeper.folder / "state.db")
        files = {path for path in (keeper.folder / "store").rglob("*") if path.is_file()}
        parts.send(workspace, Sent(2000), Sent(3000))
        until(lambda: not any(lag.events for lag in parts.tail.backlogs()))
        assert positions(keeper.folder / "state.db") == before != positions(tmp_path / "state.db")
        assert {path for path in (keeper.folder / "store").rglob("*") if path.is_file()} == files
        kept.end()
        until(lambda: not keeper.folder.exists(), 10)
        again = keeper.keep()
        assert again.ready.wait(30), again.failure
        again.end()
        until(lambda: not keeper.folder.exists(), 10)


def test_one_moment_at_a_time_and_none_when_the_disk_fills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "PATIENCE", 0.1)
    room = threading.Event()
    room.set()
    with running_parts(tmp_path) as parts, storing(parts):
        keeper = keeper_of(parts, tmp_path, room)
        kept = keeper.keep()
        assert kept.ready.wait(30), kept.failure
        with pytest.raises(ConflictError, match="another backup"):
            keeper.keep()
        room.clear()
        until(lambda: kept.failure, 10)
        assert "nearly full" in kept.failure
        assert (keeper.folder / "store").exists(), "whoever copies hears of it before anything goes"
        kept.end()
        until(lambda: not keeper.folder.exists(), 1)


def test_nothing_is_written_where_there_is_no_room_for_it(tmp_path: Path) -> None:
    asked: list[int] = []

    def spare(size: int) -> bool:
        asked.append(size)
        return size == 0

    with running_parts(tmp_path) as parts, storing(parts):
        databases = [tmp_path / "state.db", tmp_path / "cohorts.db"]
        keeper = Keeper(tmp_path / ".backup", parts.pipeline, parts.store, databases, threading.RLock(), spare)
        kept = keeper.keep()
        until(lambda: kept.failure, 10)
        assert "nearly full" in kept.failure and asked == [sum(path.stat().st_size for path in databases)]
        assert [*keeper.folder.iterdir()] == []
        kept.end()


def test_an_engine_that_stores_nothing_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "BETWEEN_SECONDS", 0.2)
    with running_parts(tmp_path) as parts:
        room = threading.Event()
        room.set()
        kept = keeper_of(parts, tmp_path, room).keep()
        until(lambda: kept.failure, 10)
        assert "nothing is being stored" in kept.failure and not kept.ready.is_set()
        kept.end()
