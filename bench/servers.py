"""The servers that race: each in a session of its own, started once, asked for its CPU and memory from outside."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

import machine
from bodies import create_signals
from headwater.log.files import FilesReader

HERE = Path(__file__).parent
START_SECONDS = 60.0
DRAIN_SECONDS = 300.0
AT_REST = 0.08
"""Cores that a server at rest may use: two hundredths of a second in a quarter, as coarse as the kernel counts."""
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class ServerFailed(SystemExit):
    """A server did not start, ended, or did not do what it is asked for: ends the bench unless that can go on."""


def unbound() -> None:
    """In the server, before it runs: it may use every core, and ends with the race."""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def launched(command: list[str], log: Path, stdout: int = subprocess.PIPE) -> "subprocess.Popen[bytes]":
    """A process in a session of its own, without headwater's settings of this machine."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HEADWATER_")}
    with log.open("wb") as errors:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=errors,
            env=environment,
            start_new_session=True,
            preexec_fn=unbound,
        )


class Server:
    """One server of the race. The small ones print their port on a line of its own."""

    authorization = "Bearer none"

    def __init__(self, name: str, command: list[str], directory: Path) -> None:
        self.name = name
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.log = directory / "server.log"
        self.process = launched([sys.executable, *command], self.log)
        self.port = self._ready()
        self._pids = self._found_pids()

    def _ready(self) -> int:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.strip().isdigit():
            raise ServerFailed(f"{self.name} did not start:\n{self.log.read_text()}")
        return int(line)

    def _found_pids(self) -> dict[str, list[int]]:
        """By role; there may be several of one."""
        found: dict[str, list[int]] = {}
        for pid, command in machine.session(self.process.pid).items():
            found.setdefault(self._role(command), []).append(pid)
        return found

    def _role(self, command: list[str]) -> str:
        return "server"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pids(self) -> dict[str, int]:
        """Its processes, by role; a second one of a role has its number."""
        found = {}
        for role, pids in self._members().items():
            found |= {f"{role} {number}" if number > 1 else role: pid for number, pid in enumerate(pids, 1)}
        return found

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by role. Fails when a process was restarted: figures would be wrong."""
        return self._summed(machine.cpu_seconds)

    def memory(self) -> dict[str, dict[str, float]]:
        """MiB by role, resident and proportional."""
        resident = self._summed(lambda pid: machine.memory_mib(pid)["rss"])
        proportional = self._summed(lambda pid: machine.memory_mib(pid)["pss"])
        return {role: {"rss": resident[role], "pss": proportional[role]} for role in resident}

    def peaks(self) -> dict[str, float]:
        return self._summed(machine.peak_mib)

    def syncing(self) -> list[int]:
        """The processes whose syncs a 200 waits for."""
        return [pid for pids in self._members().values() for pid in pids]

    def _members(self) -> dict[str, list[int]]:
        """Its processes now, by role."""
        return self._pids

    def _summed(self, figure: Callable[[int], float]) -> dict[str, float]:
        try:
            return {role: sum(map(figure, pids)) for role, pids in self._members().items()}
        except (FileNotFoundError, ProcessLookupError):
            raise ServerFailed(f"a process of {self.name} ended:\n{self.log.read_text()[-5000:]}") from None

    def versions(self) -> dict[str, str]:
        """Of what no Python package tells."""
        return {}

    def commits(self) -> int | None:
        """Durable commits so far; None where they are not counted."""
        return None

    def log_bytes(self) -> int:
        """Bytes ever appended to its log; 0 for who has none."""
        return 0

    def drain(self) -> None:
        """Returns when everything acknowledged can be queried."""

    def settle(self, seconds: float = 10.0, quiet: float = 0.25) -> None:
        """Returns when its processes were at rest for `quiet` seconds, or after `seconds`."""
        deadline, used = time.monotonic() + seconds, sum(self.cpu().values())
        while time.monotonic() < deadline:
            time.sleep(quiet)
            before, used = used, sum(self.cpu().values())
            if used - before <= AT_REST * quiet:
                return

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def finish(self, seconds: float) -> dict[str, Any] | None:
        """Ends it, after at most so many seconds of its own tidying; what it has stored: `rows` and `bytes` on disk."""
        self.stop()
        return None


class Headwater(Server):
    """A real `headwater serve`, with the signals of the bodies in its workspace `default`, without limits."""

    def __init__(self, name: str, directory: Path, *options: str) -> None:
        self.data = directory / "data"
        command = ["-m", "headwater", "serve", "--port", "0", "--data-dir", str(self.data), "--log-level", "warning"]
        super().__init__(name, [*command, *options], directory)
        self._prepare()
        self._log: FilesReader | None = None

    def _ready(self) -> int:
        def told() -> int | None:
            if self.process.poll() is not None:
                raise ServerFailed(f"headwater did not start:\n{self.log.read_text()}")
            try:
                port = int(json.loads((self.data / "serve.json").read_text())["port"])
                key = json.loads((self.data / "credentials.json").read_text())["api_key"]
                answer = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5, trust_env=False)
            except (OSError, ValueError, KeyError, httpx.HTTPError):
                return None
            self.authorization = f"Bearer {key}"
            return port if answer.status_code == 200 else None

        try:
            return until(told, START_SECONDS, "headwater is ready")
        except SystemExit as error:
            self.stop()
            raise ServerFailed(f"{error}\n{self.log.read_text()[-5000:]}") from None

    def _found_pids(self) -> dict[str, int]:
        """Of each role the oldest: what a process has just forked looks like itself for a moment."""
        found: dict[str, int] = {}
        for pid, command in sorted(machine.session(self.process.pid).items()):
            if command[1:3] == ["-m", "headwater"]:
                found.setdefault(self._role(command), pid)
        return found

    def _role(self, command: list[str]) -> str:
        role = command[3] if len(command) > 3 else "?"
        return "supervisor" if role == "serve" else role

    def _prepare(self) -> None:
        self.client = httpx.Client(
            base_url=self.url, headers={"authorization": self.authorization}, timeout=60, trust_env=False
        )
        create_signals(self.client)

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        lines = self.client.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    def commits(self) -> int | None:
        return int(self.metric("headwater_log_commits_total"))

    def log_bytes(self) -> int:
        """The log's durable position: it counts bytes, trimmed ones too."""
        if self._log is None:
            self._log = FilesReader(self.data / "log")
        return self._log.durable()

    def backlog(self) -> int:
        """Events acknowledged and not queryable yet."""
        answer = self.client.get("/v1/pipelines")
        answer.raise_for_status()
        return sum(lane["events"] for lane in answer.json()["data"])

    def drain(self) -> None:
        until(lambda: self.backlog() == 0 or None, DRAIN_SECONDS, "headwater has drained")

    def syncing(self) -> list[int]:
        """The store's own syncs, the engine's, are on nobody's way."""
        return self._pids.get("gateway") or super().syncing()

    def finish(self, seconds: float) -> dict[str, Any]:
        """Its store opens for one process only, and is looked at when its merges have come to rest."""
        self.drain()
        self.settle(seconds, quiet=2)
        self.stop()
        told = subprocess.run(
            [sys.executable, str(HERE / "stored.py"), str(self.data / "store")],
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(told.stdout.splitlines()[-1])


def until(probe: Callable[[], Any], seconds: float, what: str, pause: float = 0.1) -> Any:
    deadline = time.monotonic() + seconds
    while (found := probe()) is None:
        if time.monotonic() > deadline:
            raise ServerFailed(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause)
    return found
