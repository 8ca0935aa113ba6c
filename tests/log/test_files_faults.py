"""What the log of files does when the disk fails, a write is torn, a process is killed."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from threading import Event

import pytest

from batches import BOTH, everything, make_batch
from headwater.clock import now_ms
from headwater.errors import CorruptionError, LogUnavailableError, StartError
from headwater.events import Batch, Lane, Part, new_batch_id
from headwater.log.files import Disk, FilesAppender, FilesReader
from headwater.log.published import Published

HERE = Path(__file__).parent


class FaultyDisk(Disk):
    """A real disk whose calls fail as long as their name is in `failing`."""

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.half = False

    def write(self, fd: int, buffers: Sequence[bytes | memoryview], offset: int) -> int:
        if "write" in self.failing:
            super().write(fd, [b"".join(buffers)[:-5]], offset)
            raise OSError(28, "No space left on device")
        if self.half:
            return super().write(fd, [b"".join(buffers)[:37]], offset)
        return super().write(fd, buffers, offset)

    def sync(self, fd: int) -> None:
        super().sync(fd)
        self._maybe_fail("sync")

    def truncate(self, fd: int, size: int) -> None:
        self._maybe_fail("truncate")
        super().truncate(fd, size)

    def create(self, path: Path) -> int:
        self._maybe_fail("create")
        return super().create(path)

    def _maybe_fail(self, name: str) -> None:
        if name in self.failing:
            raise OSError(5, "Input/output error")


@pytest.fixture
def opened() -> Iterator[Callable[..., FilesAppender]]:
    """Opens appenders and closes them at the end."""
    appenders: list[FilesAppender] = []

    def open_(directory: Path, disk: Disk | None = None, **options: int) -> FilesAppender:
        appenders.append(FilesAppender(directory, disk=disk, wait_seconds=1, **options))
        return appenders[-1]

    yield open_
    for appender in appenders:
        appender.close()


Opened = Callable[..., FilesAppender]


def append(appender: FilesAppender, *batches: Batch) -> list[bool]:
    """All at once; which of them were acknowledged."""

    async def run() -> list[bool]:
        outcomes = await asyncio.gather(*[appender.append(batch) for batch in batches], return_exceptions=True)
        assert all(outcome is None or isinstance(outcome, LogUnavailableError) for outcome in outcomes), outcomes
        return [outcome is None for outcome in outcomes]

    return asyncio.run(run())


def wait_ready(appender: FilesAppender) -> None:
    deadline = time.monotonic() + 10
    while not appender.status().ready:
        assert time.monotonic() < deadline, appender.status()
        time.sleep(0.005)


def ids(directory: Path) -> list[bytes]:
    """The batches a reader sees, of either lane, in order."""
    reader = FilesReader(directory)
    heads = [head.batch for head in reader.heads(0)]
    seen = {record.batch for lane in Lane for record in everything(reader, lane)}
    assert seen == set(heads) and len(seen) == len(heads)
    reader.close()
    return heads


def newest(directory: Path) -> Path:
    return max(directory.glob("*.log"))


def set_durable(directory: Path, position: int) -> None:
    """As after a power cut: the published end is older than the log."""
    published = Published(directory, writable=True)
    published.durable = position
    published.close()


@pytest.fixture
def three(tmp_path: Path) -> tuple[Path, list[bytes], list[int]]:
    """A log of three records, of which the first is known to be durable: its directory, ids and positions' ends."""
    directory = tmp_path / "log"
    appender = FilesAppender(directory)
    for _ in range(3):
        append(appender, Batch(new_batch_id(now_ms()), "ws_abcdefgh", "bik", (Part(Lane.REALTIME, 1, 0, 0, b"[1]\n"),)))
    appender.close()
    ends = [head.end for head in FilesReader(directory).heads(0)]
    set_durable(directory, ends[0])
    return directory, ids_before(directory), ends


def ids_before(directory: Path) -> list[bytes]:
    position = Published(directory, writable=True)
    durable, position.durable = position.durable, newest(directory).stat().st_size
    found = ids(directory)
    position.durable = durable
    position.close()
    return found


Three = tuple[Path, list[bytes], list[int]]


def test_a_tail_cut_anywhere_leaves_the_whole_records_before_it(three: Three, tmp_path: Path, opened: Opened) -> None:
    directory, batches, ends = three
    whole = newest(directory).read_bytes()
    for size in range(ends[0], len(whole) + 1):
        copy = shutil.copytree(directory, tmp_path / str(size))
        newest(copy).write_bytes(whole[:size])
        appender, extra = opened(copy), make_batch(1)
        expected = batches[: sum(end <= size for end in ends)]
        assert ids(copy) == expected
        assert append(appender, extra) == [True]
        appender.close()
        assert ids(copy) == [*expected, extra.id]


def test_a_damaged_byte_anywhere_ends_the_log_there(three: Three, tmp_path: Path, opened: Opened) -> None:
    directory, batches, ends = three
    whole = newest(directory).read_bytes()
    for at in range(ends[0], len(whole)):
        copy = shutil.copytree(directory, tmp_path / str(at))
        newest(copy).write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        opened(copy).close()
        assert ids(copy) == batches[: sum(end <= at for end in ends)]


@pytest.mark.parametrize("junk", [b"\0" * 5000, b"HWR1" + b"\xff" * 300, b"H", Random(1).randbytes(70_000)])
def test_junk_behind_the_end_is_cut(three: Three, opened: Opened, junk: bytes) -> None:
    directory, batches, _ = three
    with newest(directory).open("ab") as file:
        file.write(junk)
    appender, extra = opened(directory), make_batch(1)
    assert append(appender, extra) == [True]
    assert ids(directory) == [*batches, extra.id]
    assert newest(directory).stat().st_size == FilesReader(directory).durable()


def test_damage_to_what_was_acknowledged_stops_the_start_and_changes_nothing(three: Three, opened: Opened) -> None:
    directory, batches, ends = three
    set_durable(directory, ends[2])
    whole = newest(directory).read_bytes()
    newest(directory).write_bytes(whole[:-1])
    with pytest.raises(CorruptionError, match="acknowledged"):
        opened(directory)
    assert newest(directory).read_bytes() == whole[:-1]
    (directory / "durable").unlink()
    opened(directory)
    assert ids(directory) == batches[:2]


def test_a_log_whose_files_are_gone_does_not_start_at_nought(three: Three, opened: Opened) -> None:
    directory, _, _ = three
    newest(directory).unlink()
    with pytest.raises(CorruptionError):
        opened(directory)


def test_a_reader_stops_at_damage_in_what_is_durable(three: Three) -> None:
    directory, _, ends = three
    set_durable(directory, ends[2])
    whole = newest(directory).read_bytes()
    reader = FilesReader(directory)
    for at in range(ends[1], ends[2]):
        newest(directory).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(CorruptionError):
            reader.read(Lane.REALTIME, 0, 100)
        assert reader.read(Lane.REALTIME, 0, 100, ends[1]).count == 2
    reader.close()


FAILURES = [{"write"}, {"sync"}, {"sync", "truncate"}, {"write", "truncate", "create"}, {"sync", "truncate", "create"}]


@pytest.mark.parametrize("failing", FAILURES, ids=lambda each: "+".join(sorted(each)))
@pytest.mark.parametrize("durable_before", [0, 2])
def test_what_a_failed_commit_left_is_never_read(
    tmp_path: Path, opened: Opened, failing: set[str], durable_before: int
) -> None:
    """Not while the log is out of order, not after it is in order again, nor after a kill at any of these moments."""
    directory, disk = tmp_path / "log", FaultyDisk()
    appender = opened(directory, disk)
    good = [make_batch(lanes=BOTH) for _ in range(durable_before)]
    append(appender, *good)
    disk.failing = set(failing)
    assert append(appender, *[make_batch() for _ in range(5)]) == [False] * 5
    assert append(appender, make_batch()) == [False]
    assert not appender.status().ready and "(E" in appender.status().why
    assert ids(directory) == [batch.id for batch in good]
    broken = shutil.copytree(directory, tmp_path / "killed while out of order")
    disk.failing.clear()
    wait_ready(appender)
    mended = shutil.copytree(directory, tmp_path / "killed when in order again")
    later = [make_batch() for _ in range(3)]
    assert append(appender, *later) == [True] * 3
    gone_on = shutil.copytree(directory, tmp_path / "killed later")
    appender.close()
    opened(directory).close()
    expected = [batch.id for batch in good]
    for killed in (broken, mended):
        opened(killed).close()
        assert ids(killed) == expected
    opened(gone_on).close()
    expected += [batch.id for batch in later]
    assert ids(gone_on) == ids(directory) == expected


def test_a_log_that_fails_while_it_rolls_goes_on(tmp_path: Path, opened: Opened) -> None:
    directory, disk = tmp_path / "log", FaultyDisk()
    appender = opened(directory, disk, segment_bytes=1000)
    kept = []
    for n in range(40):
        disk.failing = {"create"} if n % 5 == 3 else set()
        batch = make_batch()
        if append(appender, batch) == [True]:
            kept.append(batch.id)
        disk.failing.clear()
        wait_ready(appender)
    assert 20 < len(kept) < 40
    appender.close()
    assert ids(directory) == kept


class HalfMade(Disk):
    """A disk that makes a file and then fails to say so, once."""

    def __init__(self) -> None:
        self.fails = False

    def create(self, path: Path) -> int:
        fd = super().create(path)
        if self.fails:
            self.fails = False
            os.close(fd)
            raise OSError(24, "Too many open files")
        return fd


def test_a_segment_that_was_half_begun_is_where_the_log_goes_on(tmp_path: Path, opened: Opened) -> None:
    directory, disk = tmp_path / "log", HalfMade()
    appender = opened(directory, disk)
    kept = []
    for _ in range(3):
        batch = make_batch()
        assert append(appender, batch) == [True]
        kept.append(batch.id)
        disk.fails = True
        appender.roll(0)
        while disk.fails:
            time.sleep(0.01)
        assert ids(directory) == kept
    last = make_batch()
    assert append(appender, last) == [True]
    assert ids(directory) == [*kept, last.id]
    appender.close()
    assert append(opened(directory), make_batch()) == [True]
    assert ids(directory)[:4] == [*kept, last.id]


def test_a_short_write_is_completed(tmp_path: Path, opened: Opened) -> None:
    disk = FaultyDisk()
    disk.half = True
    batches = [make_batch() for _ in range(5)]
    assert append(opened(tmp_path, disk), *batches) == [True] * 5
    assert ids(tmp_path) == [batch.id for batch in batches]


def test_a_disk_that_is_nearly_full_is_left_alone_until_there_is_room(tmp_path: Path, opened: Opened) -> None:
    class SmallDisk(Disk):
        left = 100

        def free(self, fd: int) -> int:
            return min(self.left, super().free(fd))

    disk = SmallDisk()
    appender = opened(tmp_path, disk, reserve_bytes=1000)
    assert append(appender, make_batch()) == [False]
    assert "nearly full (ENOSPC)" in appender.status().why
    disk.left = 2000
    wait_ready(appender)
    assert append(appender, make_batch()) == [True]


def test_after_a_full_disk_there_must_be_more_room_than_the_reserve(tmp_path: Path, opened: Opened) -> None:
    """Or it would come and go; a passing fault of another kind is over at once."""

    class SmallDisk(FaultyDisk):
        left = 2_000

        def free(self, fd: int) -> int:
            return self.left

    disk = SmallDisk()
    appender = opened(tmp_path, disk, reserve_bytes=1_000, resume_bytes=3_000)
    assert append(appender, make_batch(1)) == [True]
    disk.failing = {"sync"}
    assert append(appender, make_batch(1)) == [False]
    disk.failing = set()
    wait_ready(appender)
    disk.left = 999
    time.sleep(0.15)  # it is asked ten times a second
    assert append(appender, make_batch(1)) == [False]
    disk.left = 2_999
    time.sleep(0.3)
    assert append(appender, make_batch(1)) == [False] and "must be free" in appender.status().why
    disk.left = 3_000
    wait_ready(appender)
    disk.left = 2_000
    assert append(appender, make_batch(1)) == [True]


def test_the_disk_is_not_asked_for_its_room_at_every_commit(tmp_path: Path, opened: Opened) -> None:
    """But what is written counts: it never comes below the reserve."""

    class CountingDisk(Disk):
        asked, left = 0, 100_000

        def free(self, fd: int) -> int:
            self.asked += 1
            return self.left

        def write(self, fd: int, buffers: Sequence[bytes | memoryview], offset: int) -> int:
            written = super().write(fd, buffers, offset)
            self.left -= written
            return written

    disk = CountingDisk()
    appender = opened(tmp_path, disk, reserve_bytes=50_000)
    taken, begun = 0, time.monotonic()
    while append(appender, make_batch(10)) == [True]:
        taken += 1
    spent = time.monotonic() - begun
    assert taken > 50 and 50_000 <= disk.left < 60_000
    assert disk.asked <= 20 + spent / 0.1


class LyingDisk(FaultyDisk):
    """Its last sync failed, and of what was durable before, the disk has something else than the page cache."""

    heals = True

    def __init__(self) -> None:
        super().__init__()
        self.lies = False

    def forget(self, fd: int) -> None:
        if self.lies:
            size = os.fstat(fd).st_size
            os.pwrite(fd, b"\xff", size - 1)
        self.lies = self.lies and not self.heals


def lied_to(directory: Path, disk: LyingDisk, opened: Opened) -> tuple[FilesAppender, list[bytes]]:
    """A log with a few records, a failed sync behind them, and what was acknowledged."""
    appender = opened(directory, disk)
    good = [make_batch() for _ in range(5)]
    assert append(appender, *good) == [True] * 5
    disk.failing, disk.lies = {"sync"}, True
    assert append(appender, make_batch()) == [False]
    disk.failing = set()
    return appender, [batch.id for batch in good]


def test_what_a_failed_sync_damaged_is_written_again(tmp_path: Path, opened: Opened) -> None:
    appender, good = lied_to(tmp_path, LyingDisk(), opened)
    wait_ready(appender)
    extra = make_batch()
    assert append(appender, extra) == [True]
    assert ids(tmp_path) == [*good, extra.id]
    appender.close()
    opened(tmp_path).close()
    assert ids(tmp_path) == [*good, extra.id]


def test_nothing_is_taken_on_a_disk_that_cannot_give_back_what_was_acknowledged(tmp_path: Path, opened: Opened) -> None:
    disk = LyingDisk()
    disk.heals = False
    appender, _ = lied_to(tmp_path, disk, opened)
    time.sleep(0.5)
    assert append(appender, make_batch()) == [False]
    why = appender.status().why
    assert "acknowledged records at positions 0 to" in why and "cannot be read back" in why, why


def test_a_close_while_out_of_order_does_not_wait_for_better_days(tmp_path: Path, opened: Opened) -> None:
    disk = FaultyDisk()
    appender = opened(tmp_path, disk)
    disk.failing = {"write", "create"}
    assert append(appender, make_batch()) == [False]
    time.sleep(0.5)  # the pauses between its tries have grown
    started = time.monotonic()
    appender.close()
    assert time.monotonic() - started < 0.2
    assert ids(tmp_path) == []


def test_a_close_waits_for_those_who_wait_for_a_slow_disk(tmp_path: Path, opened: Opened) -> None:
    class SlowDisk(Disk):
        def __init__(self) -> None:
            self.go = Event()

        def sync(self, fd: int) -> None:
            assert self.go.wait(10)
            super().sync(fd)

    disk = SlowDisk()
    appender = opened(tmp_path, disk)

    async def run() -> list[None]:
        tasks = [asyncio.ensure_future(appender.append(make_batch())) for _ in range(5)]
        await asyncio.sleep(0.05)  # the first is being written, the others wait
        tasks += [asyncio.ensure_future(appender.append(make_batch())) for _ in range(5)]
        await asyncio.sleep(0.05)
        closing = asyncio.create_task(asyncio.to_thread(appender.close))
        await asyncio.sleep(0.05)
        with pytest.raises(LogUnavailableError, match="closing"):
            await appender.append(make_batch())
        disk.go.set()
        await asyncio.wait_for(closing, 10)
        return await asyncio.gather(*tasks)

    assert asyncio.run(run()) == [None] * 10
    assert len(ids(tmp_path)) == 10


def test_a_start_without_room_says_so(tmp_path: Path, opened: Opened) -> None:
    disk = FaultyDisk()
    disk.failing = {"create"}
    with pytest.raises(StartError, match="Input/output error"):
        opened(tmp_path, disk)
    disk.failing.clear()
    assert append(opened(tmp_path, disk), make_batch()) == [True]


def run_filling(directory: Path, errno: str, relief: str, wrap: Sequence[str] = ()) -> None:
    """Runs `filling.py`, which checks what it sees; `wrap` is a command to run it in."""
    command = [*wrap, sys.executable, str(HERE / "filling.py"), str(directory), errno, relief]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_files_that_may_not_grow_further_are_followed_by_others(tmp_path: Path) -> None:
    run_filling(tmp_path, "EFBIG", "none")


def can_mount() -> bool:
    """Whether an unprivileged mount is possible here; where not, RLIMIT_FSIZE is the only full disk."""
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "t", "/mnt"]
    return bool(shutil.which("unshare")) and not subprocess.run(command, capture_output=True, check=False).returncode


SMALL_DISK = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=300k t "$3" && exec "$@"', "sh"]


@pytest.mark.parametrize("wrap", [SMALL_DISK] if can_mount() else [], ids=lambda _: "tmpfs")
def test_a_full_disk_refuses_until_the_log_is_trimmed(tmp_path: Path, wrap: list[str]) -> None:
    run_filling(tmp_path, "ENOSPC", "trim", wrap)


def killed_child(directory: Path, seed: int, seconds: float) -> list[str]:
    """Lets a child append, kills it in the middle, returns what it said."""
    command = [sys.executable, str(HERE / "appending.py"), str(directory), str(seed)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert child.stdout
    while (line := child.stdout.readline()) != "R\n":
        assert line.startswith("S"), f"the child ended: {line!r}"
    timer = time.monotonic() + seconds
    said: list[str] = []
    while time.monotonic() < timer:
        said.append(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    said += child.stdout.readlines()
    child.wait()
    child.stdout.close()
    return said


@pytest.mark.parametrize("seed", [1, 2])
def test_kills_at_random_moments_on_a_failing_disk_lose_and_double_nothing(tmp_path: Path, seed: int) -> None:
    random, acknowledged, refused = Random(seed), set(), set()
    for n in range(12):
        for line in killed_child(tmp_path, seed * 1000 + n, random.uniform(0.0, 0.35)):
            kind, _, batch = line.strip().partition(" ")
            (acknowledged if kind == "A" else refused).add(batch)
    FilesAppender(tmp_path).close()
    seen = [batch.hex() for batch in ids(tmp_path)]
    assert len(seen) == len(set(seen))
    assert acknowledged <= set(seen)
    assert not refused & set(seen)
    assert len(acknowledged) > 50 and refused
