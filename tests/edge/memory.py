"""How much memory a process takes (Linux)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEBIBYTE = 1024 * 1024


def resident(pid: int) -> int:
    """Bytes of a process in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


@contextmanager
def growth_below(pid: int, most: int) -> Iterator[None]:
    """Fails when the process takes `most` bytes more at any moment of the context than at its beginning."""
    before = highest = resident(pid)
    over = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not over.wait(0.05):
            highest = max(highest, resident(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    print(f"memory: {before / MEBIBYTE:.0f} MiB before, {highest / MEBIBYTE:.0f} MiB at most")
    assert highest - before < most, f"{(highest - before) / MEBIBYTE:.0f} MiB more"
