"""A store on a disk that takes no file beyond 100 kB: python cutting.py DIRECTORY insert|merge|snapshot|pipeline.

In a process of its own, for the limit is one of the process. Exits with 0 when nothing was lost.
"""

import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

import pytest

from blocks import batch_of_rows, block_of
from harness import until
from headwater.events import Batch, Lane
from headwater.store.clickhouse import ChdbStore
from rig import Rig

NOVEMBER, DECEMBER = 1_795_000_000_000, 1_797_000_000_000
RANDOM = Random(5)


def batches(count: int, ms: int = NOVEMBER, size: int = 1_000) -> list[Batch]:
    """Of one event each; what they hold cannot be compressed."""
    return [batch_of_rows([["account:1"]], ms, data={"x": RANDOM.randbytes(size).hex()}) for _ in range(count)]


@contextmanager
def full_disk() -> Iterator[None]:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, -1))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))


def totals(store: ChdbStore) -> tuple[int, int]:
    """Rows and bytes of data, read through and through; nothing may lie set aside."""
    with store._reader() as client:
        assert client.query("SELECT name FROM system.detached_parts").result_rows == []
        rows, size = client.query("SELECT count(), sum(length(data)) FROM events").first_row
        return int(rows), int(size)


def reopened(store: ChdbStore, directory: Path) -> ChdbStore:
    store.close()
    return ChdbStore(directory)


def insert(directory: Path) -> None:
    """A block of two months of which the disk takes one."""
    store = ChdbStore(directory)
    store.insert(block_of(batches(50), 1))
    block = block_of(batches(3, DECEMBER) + batches(200, NOVEMBER), 2)
    with full_disk():
        for _ in range(3):
            with pytest.raises(OSError, match="could not be written"):
                store.insert(block)
            assert store.counts(Lane.REALTIME, 2).get(202611) is None
    assert store.counts(Lane.REALTIME, 1) == {202611: 50}
    assert store.counts(Lane.REALTIME, 2) == {202612: 3 * 3}
    store = reopened(store, directory)
    store.insert(block_of(batches(200), 3))
    assert totals(store) == (259, 259 * 2008)
    store.close()


def merge(directory: Path) -> None:
    store = ChdbStore(directory)
    store._writer.query("SYSTEM STOP MERGES")
    for number in range(1, 6):
        store.insert(block_of(batches(40), number))
    with full_disk():
        store._writer.query("SYSTEM START MERGES")
        store._writer.query("OPTIMIZE TABLE events")
    broken = store._merged.broken(merged=True)
    assert len(broken) == 1, broken
    store._mend(broken)
    assert totals(store) == (200, 200 * 2008)
    assert [store.counts(Lane.REALTIME, number) for number in range(1, 6)] == [{202611: 40}] * 5
    store._writer.query("OPTIMIZE TABLE events FINAL")
    assert store._merged.broken(merged=True) == []
    store = reopened(store, directory)
    assert totals(store) == (200, 200 * 2008)
    store.close()


def snapshot(directory: Path) -> None:
    """Taken right after a merge whose part was cut short, which nobody has looked at yet."""
    store = ChdbStore(directory)
    store._writer.query("SYSTEM STOP MERGES")
    for number in range(1, 6):
        store.insert(block_of(batches(40), number))
    with full_disk():
        store._writer.query("SYSTEM START MERGES")
        store._writer.query("OPTIMIZE TABLE events")
    copy = directory.with_name("copy")
    copy.mkdir()
    store.snapshot(copy)
    store.close()
    opened = [sys.executable, __file__, str(copy / directory.name), "taken"]  # a process has one store
    subprocess.run(opened, check=True, timeout=60)


def taken(directory: Path) -> None:
    store = ChdbStore(directory)
    assert totals(store) == (200, 200 * 2008)
    store.close()


def pipeline(directory: Path) -> None:
    """Log and state on the same full disk."""
    rig = Rig(directory, block_events=300, segment_bytes=50_000)
    stop = threading.Event()
    loop = threading.Thread(target=rig.pipeline.run, args=(stop,))
    rig.append(batches(200, DECEMBER, 100) + batches(200, NOVEMBER, 1_000))
    with full_disk():
        loop.start()
        until(lambda: rig.pipeline.status().failures > 3 or None)
    until(lambda: rig.pipeline.status().lanes[Lane.REALTIME].events >= 400 or None)
    stop.set()
    loop.join()
    rig.check()
    assert totals(rig.store)[0] == 400
    rig.close()


if __name__ == "__main__":
    {"insert": insert, "merge": merge, "snapshot": snapshot, "taken": taken, "pipeline": pipeline}[sys.argv[2]](
        Path(sys.argv[1])
    )
