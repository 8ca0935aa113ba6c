"""The two generators, on one core: wrk for what a server takes at most, `openloop.py` for latency at a fixed rate."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

from servers import HERE, Server, ServerFailed

MISSING = "wrk is not installed. On Debian and Ubuntu: apt-get install wrk; elsewhere see https://github.com/wg/wrk"


def pin() -> int:
    """Keeps this process and the generators it starts on the last core; servers may use all. Returns the core."""
    core = (os.cpu_count() or 1) - 1
    os.sched_setaffinity(0, {core})
    return core


def check_wrk() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit(MISSING)


def wrk(server: Server, path: str, bodies: Path, connections: int, seconds: float) -> "Running":
    """Closed loop: each connection sends its next request when the last was answered."""
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{max(round(seconds), 1)}s"]
    command += ["--latency", "--timeout", "10s", "--script", str(HERE / "load.lua"), server.url]
    return Running([*command, "--", str(bodies), path, server.authorization])


def open_loop(server: Server, path: str, bodies: Path, rate: float, seconds: float) -> "Running":
    """Open loop: `rate` requests/s, whatever the answers do."""
    command = [sys.executable, str(HERE / "openloop.py"), str(server.port), path, server.authorization, str(bodies)]
    return Running([*command, "--rate", str(rate), "--seconds", str(seconds)])


class Running:
    """A generator at work."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def result(self) -> dict[str, float]:
        """Waits for it, and gives what it printed last. Ends the race when it failed."""
        before = _children_cpu()
        said, _ = self.process.communicate()
        if self.process.returncode:
            raise ServerFailed(f"the generator failed ({self.process.returncode}): {said[-2000:]}")
        figures: dict[str, float] = json.loads(said.strip().splitlines()[-1])
        return {"generator_cpu": (_children_cpu() - before) / figures["seconds"], **figures}


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
