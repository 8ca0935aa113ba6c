"""What stands in a spool: whatever was torn, locked, forked or refused by the disk."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater_client import Event, Settings, SettingsError, signal
from headwater_client.answers import Again, Refusal, Split, Taken
from headwater_client.outbox import Batch, Item, Outbox
from headwater_client.spool import Found, Spool

ANY = float("inf")


def spool(folder: Path, **more: Any) -> Spool:
    return Spool(folder, **({"sync": False, "segment_bytes": 1 << 20} | more))


def event(number: int) -> Event:
    return signal("v", ("account", "1"), {"number": number}, reference=f"r{number}", timestamp="2026-01-01")


def names(items: Any) -> list[str]:
    return [item.event.reference for item in items]


def left(folder: Path) -> Found:
    """What the one file holds for whoever comes next."""
    found = spool(folder).adopt(ANY)
    assert found is not None
    found.file.release()
    return found


def left_by_a_kill(folder: Path) -> Found:
    """What would be left, if the process that has the one file were killed now."""
    (path,) = folder.glob("*.spool")
    with tempfile.TemporaryDirectory() as copy:
        shutil.copy(path, copy)
        return left(Path(copy))


def test_what_was_accepted_is_found_again(tmp_path: Path) -> None:
    mine = spool(tmp_path)
    items = [mine.write(event(number)) for number in range(7)]
    batches = [Batch(items[:2], "done", 1), Batch(items[2:4], "open", 2), Batch(items[4:6], "limited", 3)]
    for batch in batches:
        mine.begin(batch)
    mine.end(batches[0], ())
    mine.end(batches[2], items[5:6])
    mine.close()
    found = left(tmp_path)
    assert [(batch.key, names(batch.items), batch.formed) for batch in found.batches] == [("open", ["r2", "r3"], 2)]
    assert found.batches[0].body() == batches[1].body() and found.batches[0].unknown
    assert sorted(names(found.items)) == ["r5", "r6"]
    assert [item.event for item in found.items] == [event(6), event(5)]


def test_what_is_settled_leaves_no_file(tmp_path: Path) -> None:
    mine = spool(tmp_path, segment_bytes=2048)
    for number in range(100):
        batch = Batch((mine.write(event(number)),))
        mine.begin(batch)
        mine.end(batch, ())
        assert len(list(tmp_path.iterdir())) == 1
    mine.close()
    assert not list(tmp_path.iterdir())


def test_a_file_stays_until_its_last_event_is_settled(tmp_path: Path) -> None:
    mine = spool(tmp_path, segment_bytes=2048)
    batches = [Batch((mine.write(event(number)),)) for number in range(50)]
    assert len(list(tmp_path.iterdir())) > 3
    for batch in batches:
        mine.begin(batch)
    for batch in batches[:-1]:
        mine.end(batch, ())
    assert len(list(tmp_path.iterdir())) == 1
    mine.close()
    assert [names(batch.items) for batch in left(tmp_path).batches] == [["r49"]]


def test_a_living_process_keeps_its_files(tmp_path: Path) -> None:
    mine = spool(tmp_path)
    mine.write(event(1))
    assert spool(tmp_path).adopt(ANY) is None
    mine.close()
    first, second = spool(tmp_path), spool(tmp_path)
    assert first.adopt(ANY) is not None and second.adopt(ANY) is None, "by one, not by two"


def test_an_adopted_file_is_written_on(tmp_path: Path) -> None:
    mine = spool(tmp_path)
    mine.write(event(1))
    mine.close()
    second = spool(tmp_path)
    found = second.adopt(ANY)
    assert found is not None
    second.own(found.file)
    batch = Batch(found.items, "k", 5)
    second.begin(batch)
    second.close()
    third = spool(tmp_path)
    again = third.adopt(ANY)
    assert again is not None and [each.key for each in again.batches] == ["k"] and not again.items
    third.own(again.file)
    third.end(again.batches[0], ())
    assert not list(tmp_path.iterdir())


def test_a_file_is_left_alone_while_there_is_no_room(tmp_path: Path) -> None:
    mine = spool(tmp_path)
    for number in range(5):
        mine.write(event(number))
    mine.close()
    assert spool(tmp_path).adopt(4) is None
    assert spool(tmp_path).adopt(5) is not None


def test_each_torn_end_costs_no_line_before_it_and_none_after(tmp_path: Path) -> None:
    mine = spool(tmp_path)
    items = [mine.write(event(number)) for number in range(2)]
    mine.begin(Batch(items, "k", 1))
    mine.close()
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    ends = [index for index, byte in enumerate(whole) if byte == 10]
    for length in range(ends[1] + 1, len(whole) + 1):
        path.write_bytes(whole[:length])
        second = spool(tmp_path)
        found = second.adopt(ANY)
        assert found is not None
        pending = names(found.items) + [name for batch in found.batches for name in names(batch.items)]
        assert pending == ["r0", "r1"][: sum(end <= length for end in ends) - 1]
        if found.items:
            second.own(found.file)
            second.begin(Batch(found.items[:1], "after", 2))
            second.close()
            assert [batch.key for batch in left(tmp_path).batches] == ["after"]
        else:
            found.file.release()


@given(place=st.integers(0, 600), byte=st.integers(0, 255))
def test_a_byte_that_the_disk_changed_costs_its_own_line(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    mine = spool(folder)
    for number in range(5):
        mine.write(event(number))
    mine.close()
    (path,) = folder.iterdir()
    text = bytearray(path.read_bytes())
    text[place % len(text)] = byte
    path.write_bytes(text)
    kept = {name: item.event for item in left(folder).items for name in [item.event.reference]}
    assert len(kept) >= 3 and all(found == event(int(name[1:])) for name, found in kept.items())


def test_a_full_disk_accepts_nothing_and_spoils_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, real = spool(tmp_path), os.write
    mine.write(event(0))
    room = [10]

    def full(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(fd, data[: room[0]])
        room[0] -= written
        return written

    for most in (0, 1, 10, 30):
        room[0] = most
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="space"):
            mine.write(event(1))
        monkeypatch.undo()
        mine.write(event(2))
    mine.close()
    assert names(left(tmp_path).items) == ["r0", "r2", "r2", "r2", "r2"]


def full(*_: object, **__: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_a_batch_set_free_is_in_no_batch_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk did not take that it is free: until it does, no batch has it."""
    mine = spool(tmp_path)
    items = [mine.write(event(number)) for number in range(4)]
    first, second = Batch(items[:3], "first", 1), Batch(items[2:], "second", 2)
    mine.begin(first)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        mine.end(first, items[2:3])
        with pytest.raises(OSError, match="space"):
            mine.begin(second)
    between = left_by_a_kill(tmp_path)
    assert [(batch.key, names(batch.items)) for batch in between.batches] == [("first", ["r0", "r1", "r2"])]
    assert names(between.items) == ["r3"]
    mine.begin(second)
    found = left_by_a_kill(tmp_path)
    assert [(batch.key, names(batch.items)) for batch in found.batches] == [("second", ["r2", "r3"])]
    assert not found.items


def test_what_the_disk_did_not_take_is_written_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = spool(tmp_path)
    batch = Batch([mine.write(event(number)) for number in range(2)], "k", 1)
    mine.begin(batch)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        mine.end(batch, batch.items[1:])
    mine.close()
    found = left(tmp_path)
    assert not found.batches and names(found.items) == ["r1"]


@pytest.mark.parametrize("cut", [True, False])
def test_what_is_not_written_through_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: bool) -> None:
    """Nor is half a line, if what was written cannot be cut off."""
    mine, real = spool(tmp_path, sync=True), os.write
    mine.write(event(0))
    with monkeypatch.context() as patch:
        if cut:
            patch.setattr(os, "fsync", full)
        else:
            rooms = iter([50])
            patch.setattr(os, "write", lambda fd, data: real(fd, data[: next(rooms, 0) or full()]))
            patch.setattr(os, "ftruncate", full)
        with pytest.raises(OSError, match="space"):
            mine.write(event(1))
    assert names(left_by_a_kill(tmp_path).items) == ["r0"]
    mine.write(event(2))
    assert names(left_by_a_kill(tmp_path).items) == ["r0", "r2"]


def test_a_folder_that_cannot_be_made_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="spool"):
        spool(tmp_path / "file")
    mine = spool(tmp_path / "deep" / "spool")
    mine.write(event(1))
    assert {oct((tmp_path / "deep" / "spool").stat().st_mode & 0o777)} == {"0o700"}
    assert {oct(path.stat().st_mode & 0o777) for path in (tmp_path / "deep" / "spool").iterdir()} == {"0o600"}


def test_a_forked_child_leaves_its_parents_files_alone(tmp_path: Path) -> None:
    """The child closes them; the lock is the parent's still."""
    program = """
import os, sys
from pathlib import Path
from headwater_client import signal
from headwater_client.spool import Spool
folder = Path(sys.argv[1])
mine = Spool(folder, False, 1 << 20)
mine.write(signal("v", ("account", "1")))
child = os.fork()
if not child:
    mine.abandon()
    os._exit(0 if Spool(folder, False, 1 << 20).adopt(10) is None else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert Spool(folder, False, 1 << 20).adopt(10) is None
mine.abandon()
assert Spool(folder, False, 1 << 20).adopt(10) is not None
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=30)


@given(seed=st.integers(0, 2**32), steps=st.integers(0, 60))
def test_what_the_outbox_holds_is_what_a_spool_would_give_back(
    tmp_path_factory: pytest.TempPathFactory, seed: int, steps: int
) -> None:
    """At every moment a kill leaves on disk just the events that are not settled; sent batches with key and body."""
    random, folder = Random(seed), tmp_path_factory.mktemp("spool")
    mine, box = spool(folder, segment_bytes=1 << 30), Outbox(Settings(batch_events=3, interval=0, backoff_first=0))
    flying: list[Batch] = []
    sent: dict[str, bytes] = {}
    pending: set[str] = set()
    for number in range(steps):
        kind = random.choice(("add", "add", "take", "settle"))
        if kind == "add":
            box.add(mine.write(event(number)), number)
            pending.add(f"r{number}")
        elif kind == "take" and (batch := box.take(number, number + 1)):
            if not batch.begun:
                mine.begin(batch)
                batch.begun = True
            sent[batch.key] = batch.body()
            flying.append(batch)
        elif kind == "settle" and flying:
            batch = flying.pop()
            verdict = random.choice((Taken(), Taken(limited=(0,)), Split(Refusal(0, "", "", "")), Again("x")))
            back: Any = box.settle(batch, verdict, number)
            if isinstance(verdict, Again):
                continue
            mine.end(batch, back)
            del sent[batch.key]
            pending -= set(names(batch.items)) - set(names(back))
    mine.close()
    found = spool(folder).adopt(ANY)
    assert (found is None) == (not pending)
    if found is not None:
        assert {batch.key: batch.body() for batch in found.batches} == sent
        everything = names(found.items) + [name for batch in found.batches for name in names(batch.items)]
        assert len(everything) == len(pending) and set(everything) == pending


def test_items_of_two_files_are_in_no_batch_together() -> None:
    box = Outbox(Settings(interval=0))
    for number, home in enumerate("aabbb"):
        box.add(Item(event(number), home), 0)
    first, second = box.take(1, 1), box.take(1, 1)
    assert first is not None and second is not None
    assert [names(first.items), names(second.items)] == [["r0", "r1"], ["r2", "r3", "r4"]]
