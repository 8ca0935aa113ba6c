"""What the figures were taken on, what processes use (from /proc), and what the bare disk does."""

import os
import platform
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
KIB, MIB = 1 << 10, 1 << 20
AHEAD = 64 * MIB
"""The room that writes go over and over when it is there beforehand."""
PACKAGES = ("uvicorn", "httptools", "uvloop", "msgspec", "fastapi", "pydantic", "chdb", "apsw")


def conditions(directory: Path, packages: Sequence[str] = ()) -> dict[str, Any]:
    """The machine, and what runs on it. `directory`: where the servers keep their data; `packages`: that take part,
    beside headwater's own."""
    load = os.getloadavg()[0]
    return {
        "cores": os.cpu_count(),
        "processor": _after("/proc/cpuinfo", "model name"),
        "memory_gib": round(int(_after("/proc/meminfo", "MemTotal").split()[0]) / MIB, 1),
        "kernel": platform.release(),
        "filesystem": _filesystem(directory),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in (*PACKAGES, *packages)},
        "wrk": _wrk(),
        "load_average_before": round(load, 2),
        "quiet": load <= 0.5,
    }


def _after(path: str, name: str) -> str:
    lines = Path(path).read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "unknown")


def _filesystem(directory: Path) -> str:
    command = ["df", "--output=fstype", str(directory)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]


def _wrk() -> str:
    said = subprocess.run(["wrk", "-v"], capture_output=True, text=True).stdout.split()
    return said[1] if len(said) > 1 else "unknown"


def session(leader: int) -> dict[int, list[str]]:
    """The processes of a session, with their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if int(_stat(entry)[3]) == leader:
                    found[int(entry.name)] = (entry / "cmdline").read_text().split("\0")[:-1]
            except OSError:
                continue
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads so far, to the hundredth."""
    fields = _stat(Path(f"/proc/{pid}"))
    return (int(fields[11]) + int(fields[12])) / TICKS


def tree_seconds(root: int) -> float:
    """CPU seconds of a process, its children that live, and theirs; and of those of its children that have ended."""
    while True:
        waited = _stat(Path(f"/proc/{root}"))[13:15]
        with suppress(OSError):  # a child has ended meanwhile: what it took is its parent's now
            return sum(int(ticks) for ticks in waited) / TICKS + sum(map(cpu_seconds, tree(root)))


def tree(root: int) -> Iterator[int]:
    """A process and all that come from it, itself first."""
    yield root
    for thread in Path(f"/proc/{root}/task").iterdir():
        for child in (thread / "children").read_text().split():
            yield from tree(int(child))


def _stat(entry: Path) -> list[str]:
    """From the third field on: state, parent, group, session, …"""
    return (entry / "stat").read_text().rpartition(")")[2].split()


def memory_mib(pid: int) -> dict[str, float]:
    """Resident, and resident with shared pages divided among those who share them."""
    lines = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    sizes = {words[0]: int(words[1]) for words in lines}
    return {"rss": sizes["Rss:"] / KIB, "pss": sizes["Pss:"] / KIB}


def peak_mib(pid: int) -> float:
    """The most it ever had resident."""
    return int(_after(f"/proc/{pid}/status", "VmHWM").split()[0]) / KIB


def bare_disk(directory: Path, size: int, seconds: float, ahead: bool = False) -> dict[str, float]:
    """Writes `size` bytes at a time to a file there, each followed by fdatasync, as fast as one thread can: appends; or
    over bytes that are there (`ahead`), so that the file system has nothing of its own to write down."""
    path, piece = directory / "bare", os.urandom(size)
    room = max(AHEAD // size, 1) * size
    fd, waits = os.open(path, os.O_WRONLY | os.O_CREAT | (0 if ahead else os.O_APPEND), 0o600), []
    try:
        if ahead:
            os.pwrite(fd, bytes(room), 0)
            os.fsync(fd)
        cpu, end = time.process_time(), time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            os.pwrite(fd, piece, len(waits) * size % room)  # where it is: Linux appends all the same
            os.fdatasync(fd)
            waits.append(time.perf_counter() - began)
        cpu = time.process_time() - cpu
    finally:
        os.close(fd)
        path.unlink()
    waits.sort()
    return {
        "size": size,
        "per_s": len(waits) / sum(waits),
        "cpu_us": cpu / len(waits) * 1e6,
        "p50_ms": waits[len(waits) // 2] * 1e3,
        "max_ms": waits[-1] * 1e3,
    }


def disk_bytes(directory: Path) -> int:
    """What the files below take on disk; files may come and go meanwhile."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total
