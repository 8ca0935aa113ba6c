"""Whether a 200 is behind a sync: requests one after the other, and the syncs that strace sees meanwhile."""

import re
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from bodies import Kind
from servers import Server, ServerFailed

CALLS = ("fsync", "fdatasync", "msync", "sync_file_range", "syncfs")
ATTACH_SECONDS = 20.0
SEEN = re.compile(rf"\b({'|'.join(CALLS)})\(")


def watched(server: Server, kind: Kind, count: int) -> dict[str, Any]:
    """Sends `count` requests, each after the answer to the last, so that no two can share a sync. Gives how many were
    acknowledged and which syncs there were; or the `reason` why nobody could look."""
    if shutil.which("strace") is None:
        return {"reason": "strace is not installed"}
    found = kind.bodies(kind.events * (count + 1), 99)
    headers = {"content-type": "application/json", "authorization": server.authorization}
    with httpx.Client(base_url=server.url, headers=headers, timeout=30, trust_env=False) as client:
        _post(client, kind, next(found))
        with tempfile.NamedTemporaryFile(prefix="hw-strace-") as told:
            strace = _attached(server.syncing(), told.name)
            if strace is None:
                return {"reason": "strace may not look here"}
            try:
                for _ in range(count):
                    _post(client, kind, next(found))
            finally:
                strace.terminate()
                strace.wait(30)
            calls = Counter(SEEN.findall(Path(told.name).read_text(errors="replace")))
    return {"requests": count, "syncs": calls.total(), "calls": dict(calls)}


def _post(client: httpx.Client, kind: Kind, body: bytes) -> None:
    answer = client.post(kind.path, content=body)
    if answer.status_code != 200:
        raise ServerFailed(f"{answer.status_code} while strace looked: {answer.text[:500]}")


def _attached(pids: list[int], path: str) -> "subprocess.Popen[bytes] | None":
    """A strace that looks at all threads of these; None where that is not allowed."""
    command = ["strace", "-f", "-qq", "-e", f"trace={','.join(CALLS)}", "-e", "signal=none", "-o", path]
    strace = subprocess.Popen([*command, *(part for pid in pids for part in ("-p", str(pid)))], stderr=subprocess.PIPE)
    deadline = time.monotonic() + ATTACH_SECONDS
    while time.monotonic() < deadline and strace.poll() is None:
        if all(_traced(pid) for pid in pids):
            return strace
        time.sleep(0.05)
    strace.kill()
    strace.wait()
    return None


def _traced(pid: int) -> bool:
    """Whether somebody looks at all of its threads."""
    return all(
        "TracerPid:\t0\n" not in (thread / "status").read_text() for thread in Path(f"/proc/{pid}/task").iterdir()
    )
