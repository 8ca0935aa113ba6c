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


class Growth:
    """Bytes of a process: at first, and at most so far."""

    def __init__(self, pid: int) -> None:
        self.before = self.highest = resident(pid)

    @property
    def mib(self) -> int:
        """What it took more, MiB."""
        return (self.highest - self.before) // MEBIBYTE


@contextmanager
def growth_below(pid: int, most: int) -> Iterator[Growth]:
    """Fails when the process takes `most` bytes more at any moment of the context than at its beginning."""
    growth, over = Growth(pid), threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            growth.highest = max(growth.highest, resident(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield growth
    finally:
        over.set()
        watcher.join()
    print(f"memory: {growth.before / MEBIBYTE:.0f} MiB before, {growth.highest / MEBIBYTE:.0f} MiB at most")
    assert growth.highest - growth.before < most, f"{growth.mib} MiB more"
