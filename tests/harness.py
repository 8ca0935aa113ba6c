"""A real headwater for tests: its own processes, its own data directory, one HTTP port, faults on demand."""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

import httpx

from headwater.events import Lane

T = TypeVar("T")

START_SECONDS = 60.0


def until(probe: Callable[[], T | None], seconds: float = 30.0, what: str = "") -> T:
    """Calls `probe` until it returns something true, and returns that; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds} s: {what or probe}")
        time.sleep(0.02)
    return found


def group(leader: int) -> dict[int, list[str]]:
    """The living processes of a process group, with their command lines (Linux).

    A killed process lives until its last thread is gone: files and locks are let go then, after the first has ended.
    """
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, members = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(members) == leader and (state != "Z" or len([*(entry / "task").iterdir()]) > 1):
                    found[int(entry.name)] = (entry / "cmdline").read_text().split("\0")[:-1]
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def keyed(url: str, key: str, **options: Any) -> httpx.Client:
    """A client that sends `key` as a bearer token, and retries nothing."""
    return httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30, trust_env=False, **options
    )


@cache
def _guard() -> IO[str]:
    """Takes the process groups that must not outlive this process, one a line, and kills them when it has ended."""
    command = [sys.executable, __file__]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdin is not None
    return process.stdin


def guarded(leader: int) -> None:
    """Sees to it that a process group ends with the tests, even if those are killed."""
    print(leader, file=_guard(), flush=True)


class Server:
    """`headwater serve` on a free port, in a process group of its own. After a restart the port is the same."""

    def __init__(
        self,
        data_dir: Path,
        *options: str,
        environment: Mapping[str, str] | None = None,
        ca: Path | None = None,
        wrap: Sequence[str] = (),
        inside: Path | None = None,
    ) -> None:
        """`ca`: the certificate to trust when the options say that it speaks TLS. `wrap`: a command to run it in;
        `inside`: what that calls the data directory."""
        self.data_dir = data_dir
        self._wrap, self._inside = tuple(wrap), inside or data_dir
        self.log_path = data_dir.with_name(data_dir.name + ".server.log")
        self.port = 0
        self._options = options
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("HEADWATER_")}
        self._environment |= environment or {}
        self._process: subprocess.Popen[bytes] | None = None
        self.verify = ssl.create_default_context(cafile=ca) if ca else True

    @property
    def url(self) -> str:
        return f"{'http' if self.verify is True else 'https'}://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        """The first key of the workspace `default`, with all scopes."""
        return str(self.credentials()["api_key"])

    def credentials(self) -> dict[str, str]:
        """`credentials.json` as it is now."""
        return dict(json.loads((self.data_dir / "credentials.json").read_bytes()))

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The supervisor's process."""
        assert self._process is not None, "the server was never started"
        return self._process

    def start(self, wait: bool = True) -> "Server":
        """Starts it; with `wait` returns when it is ready to take events."""
        command = [*self._wrap, sys.executable, "-m", "headwater", "serve", "--port", str(self.port)]
        command += ["--data-dir", str(self._inside), *self._options]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        guarded(self._process.pid)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Returns when `/readyz` answers 200."""
        until(self._ready, seconds, "the server is ready")

    def _ready(self) -> bool:
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.log()}"
        try:
            found = json.loads((self.data_dir / "serve.json").read_bytes())
            if found["pid"] != self.process.pid:
                return False
            self.port = found["port"]
            return httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False, verify=self.verify).status_code == 200
        except (FileNotFoundError, httpx.TransportError):
            return False

    def wait_engine(self, seconds: float = START_SECONDS) -> None:
        """Returns when questions are answered."""
        with self.client() as client:
            until(lambda: client.get("/v1/pipelines").status_code == 200, seconds, "the engine answers")

    def client(self, key: str | None = None, **options: Any) -> httpx.Client:
        """A client with the first key, or another; close it."""
        return keyed(self.url, key or self.key, verify=self.verify, **options)

    def pids(self) -> dict[str, int]:
        """The processes that run now: `supervisor`, `gateway`, `engine`."""
        found = {}
        for pid, command in group(self.process.pid).items():
            if command[1:3] == ["-m", "headwater"]:
                found["supervisor" if command[3] == "serve" else command[3]] = pid
        return found

    def resident(self, role: str) -> int:
        """MiB of memory that a role's process holds."""
        with open(f"/proc/{self.pids()[role]}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) // 1024

    def kill_group(self) -> None:
        """kill -9 of all of it at once, as a power cut would. Idempotent."""
        if self._process is not None and group(self._process.pid):
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self.wait_gone()

    def wait_gone(self, seconds: float = 10.0) -> None:
        """Returns when no process of it is left."""
        until(lambda: not group(self.process.pid), seconds, "every process has ended")

    def kill_engine(self) -> int:
        """kill -9 of the engine alone; returns its process id."""
        return self._kill("engine")

    def kill_gateway(self) -> int:
        """kill -9 of the gateway alone; returns its process id."""
        return self._kill("gateway")

    def _kill(self, role: str) -> int:
        pid = until(lambda: self.pids().get(role), what=f"the {role} runs")
        os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self, seconds: float = 40.0) -> int:
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(seconds)

    def log(self, most: int = 20_000) -> str:
        """The end of what the server printed."""
        return self.log_path.read_bytes()[-most:].decode(errors="replace") if self.log_path.exists() else ""

    def wait_processed(self, ids: Iterable[str], key: str | None = None, seconds: float = 60) -> list[dict[str, Any]]:
        """The events of these ids, once none of them is pending any more."""
        with self.client(key) as client:
            return [until(partial(settled, client, each), seconds, f"{each} has an outcome") for each in ids]

    def wait_drained(self, seconds: float = 120) -> None:
        """Returns when no event of any lane and workspace waits for its outcome."""
        time.sleep(0.3)  # what the gateway tells of the engine may be a quarter of a second old
        with self.client() as client:

            def drained() -> bool:
                figures = client.get("/metrics").text.splitlines()
                waiting = [line for line in figures if line.startswith("headwater_engine_backlog_events{")]
                return len(waiting) == len(Lane) and not any(float(line.split()[-1]) for line in waiting)

            until(drained, seconds, "both lanes are empty")


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """The server, ready to take events and answer questions; killed in the end."""
    try:
        server.start()
        server.wait_engine()
        yield server
    finally:
        server.kill_group()


class Workspace(NamedTuple):
    """A workspace of a running server, with its key and a client that uses it."""

    server: Server
    id: str
    key: str
    client: httpx.Client


def settled(client: httpx.Client, event_id: str) -> dict[str, Any] | None:
    """The event once it has an outcome; None while it is pending or the engine does not answer."""
    answer = client.get(f"/v1/events/{event_id}")
    if answer.status_code == 503:
        return None
    assert answer.status_code == 200, f"{event_id}: {answer.status_code} {answer.text}"
    found: dict[str, Any] = answer.json()
    return None if found["status"] == "pending" else found


def _kill_leftovers(leaders: Iterable[str]) -> None:
    """Reads process groups until the tests' process ends, however it does, then kills those that are ours still."""
    for leader in [int(line) for line in leaders]:
        if any("headwater" in " ".join(command) for command in group(leader).values()):
            os.killpg(leader, signal.SIGKILL)


if __name__ == "__main__":
    _kill_leftovers(sys.stdin)
