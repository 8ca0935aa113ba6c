"""A server's process for tests: killed, paused, restarted on demand, and gone when the tests are, however they end."""

import atexit
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, ClassVar

from harness import until

START_SECONDS = 90.0


class Service(ABC):
    """One process of a server: a port and a directory that stay the same however often it is started."""

    running: ClassVar[list["Service"]] = []
    """All that were started and not stopped, in that order."""

    port: int

    def __init__(self, name: str, folder: Path, user: str | None = None) -> None:
        self.name, self.folder = name, folder
        self.log_path = folder / "server.log"
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None
        self._paused = False

    @abstractmethod
    def command(self) -> list[str]:
        """What runs it in the foreground."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers."""

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    def start(self, wait: bool = True) -> None:
        """Starts it if it does not run; with `wait` returns when it answers."""
        if not self.alive:
            with self.log_path.open("ab") as log:
                self._process = subprocess.Popen(
                    self.command(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                    env=_environment(),
                    user=self._user,
                    group=self._user and _group(self._user),
                    extra_groups=self._user and [],
                    start_new_session=True,
                )
            _guarded(f"kill {self._process.pid}")
            if self not in self.running:
                self.running.append(self)
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        until(self._ready, seconds, f"{self.name} is ready: {self.log()}")

    def _ready(self) -> bool:
        assert self.alive, f"{self.name} ended with {self._process and self._process.returncode}:\n{self.log()}"
        return self.ready()

    def stop(self) -> None:
        """Ends it in order, as an operator would; kills it if that takes more than 30 s."""
        if self.alive:
            self.resume()
            os.kill(self.pid, self.stop_signal)
            assert self._process is not None
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        if self in self.running:
            self.running.remove(self)

    stop_signal: signal.Signals = signal.SIGTERM

    def kill(self) -> None:
        """SIGKILL to all of its processes: what it had not given to the kernel is lost."""
        if self.alive:
            _kill_tree(self.pid)
            assert self._process is not None
            self._process.wait(30)
        self._paused = False

    def restart(self) -> None:
        """kill -9, and up again on the same port with the same data."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Stops all of its processes where they are: connections stay open, nothing is answered."""
        self._paused = True
        for pid in _tree(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a paused one go on."""
        if self.alive and self._paused:
            for pid in _tree(self.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        self._paused = False

    def log(self, last: int = 6000) -> str:
        """The end of what it printed, in bytes at most `last`."""
        if not self.log_path.exists():
            return ""
        return self.log_path.read_bytes()[-last:].decode(errors="replace")


def mend() -> None:
    """Everything that was started runs again, whatever a test did to it."""
    broken = [each for each in Service.running if not each.alive or each._paused]
    for service in broken:
        service.resume()
        service.start(wait=False)
    for service in broken:
        service.wait_ready()


def free_port() -> int:
    """A port nothing listens on, and below those that outgoing connections get: a client that tries again and again to
    reach a server that is down would otherwise be given that server's port, and keep it."""
    while True:
        port = _RANDOM.randrange(12_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


_RANDOM = random.SystemRandom()  # two runs at once must not try the same ones


def workplace(name: str, user: str | None = None) -> Path:
    """A new directory, that user's, gone after the tests. Not in pytest's own, which only its user may enter."""
    made = Path(tempfile.mkdtemp(prefix=f"headwater-{name}-"))
    if user is not None:
        shutil.chown(made, user, _group(user))
    _guarded(f"remove {made}")
    return made


def run(command: list[str], folder: Path, user: str | None = None) -> None:
    """Runs a command to its end; an AssertionError shows what it said."""
    group, extra = user and _group(user), user and []
    done = subprocess.run(
        command, cwd=folder, env=_environment(), user=user, group=group, extra_groups=extra, capture_output=True
    )
    assert done.returncode == 0, f"{command}: {done.stdout.decode()}{done.stderr.decode()}"


def _environment() -> dict[str, str]:
    """No settings of the machine's own for these servers."""
    return {name: os.environ[name] for name in ("PATH", "LANG", "JAVA_HOME", "TZ") if name in os.environ}


def unprivileged(preferred: str) -> str | None:
    """Another user to be when this one is root."""
    import pwd

    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return preferred if preferred in names else "nobody"


def _group(user: str) -> str:
    import grp
    import pwd

    return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name


def _tree(root: int) -> list[int]:
    """A process and all that come from it, itself first (Linux)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def _kill_tree(root: int) -> None:
    """Stops the root first, so that it makes no more children meanwhile."""
    with suppress(ProcessLookupError):
        os.kill(root, signal.SIGSTOP)
    for pid in reversed(_tree(root)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@cache
def _guard() -> IO[str]:
    """Does what it was told, one order a line, when this process has ended, however it did."""
    process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdin is not None
    atexit.register(process.wait, 30)  # so that nothing is left when the tests have ended
    atexit.register(process.stdin.close)
    return process.stdin


def _guarded(order: str) -> None:
    print(order, file=_guard(), flush=True)


def _clean_up(orders: Iterable[str]) -> None:
    """Waits for the end of the tests' process; kills what it started and what still runs, then removes directories."""
    given = [line.split() for line in orders]
    for pid in [int(subject) for verb, subject in given if verb == "kill"]:
        if _ours(pid):
            _kill_tree(pid)
    for folder in [subject for verb, subject in given if verb == "remove"]:
        shutil.rmtree(folder, ignore_errors=True)


def _ours(pid: int) -> bool:
    """Whether that process is one of these servers, and not another that has its number now: by where it works."""
    with suppress(OSError):
        return any(part.startswith("headwater-") for part in Path(f"/proc/{pid}/cwd").readlink().parts)
    return False


if __name__ == "__main__":
    _clean_up(sys.stdin)
