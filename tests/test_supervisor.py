"""The supervisor over stand-in roles: real processes that misbehave in ways the real roles hardly do."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from harness import group, guarded, until
from headwater.errors import StartError
from headwater.supervisor import EXIT_START, EXIT_STAY_DOWN, REPEAT_SECONDS, listen

SERVES = """
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(str(os.getpid()).encode())
    def log_message(self, *_): pass
server = http.server.HTTPServer(("", 0), Ready, bind_and_activate=False)
server.socket = sock
server.serve_forever()
"""
SLEEPS = "time.sleep(600)"
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


class Supervised:
    """A running `supervised.py`; `lines` are what it has logged so far."""

    def __init__(self, path: Path, gateway: str, engine: str, port: int = 0) -> None:
        self.log = path / "log"
        command = [sys.executable, str(Path(__file__).with_name("supervised.py")), str(port)]
        command.append(json.dumps({"gateway": gateway, "engine": engine}))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        guarded(self.process.pid)

    @property
    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def matches(self, pattern: str) -> list[re.Match[str]]:
        return [match for line in self.lines if (match := re.search(pattern, line))]

    def wait(self, pattern: str, times: int = 1) -> re.Match[str]:
        def probe() -> re.Match[str] | None:
            found = self.matches(pattern)
            return found[times - 1] if len(found) >= times else None

        return until(probe, 20, f"{pattern} in {self.lines}")

    def pid(self, role: str) -> int:
        return int(self.wait(rf"{role} started pid=(\d+)")[1])

    @property
    def url(self) -> str:
        port = self.wait(r"^(\d+)$")[1]
        return f"http://127.0.0.1:{port}"


@contextmanager
def running(path: Path, gateway: str = SERVES, engine: str = SLEEPS) -> Iterator[Supervised]:
    supervised = Supervised(path, gateway, engine)
    try:
        yield supervised
    finally:
        with suppress(ProcessLookupError):
            os.killpg(supervised.process.pid, signal.SIGKILL)
        supervised.process.wait()


def test_a_dead_role_is_started_again_with_growing_delays(tmp_path: Path) -> None:
    with running(tmp_path, engine="sys.exit(3)") as supervised:
        supervised.wait("engine ended", times=5)
        delays = [match[1] for match in supervised.matches(r"engine ended code=3 .*restart_in=([0-9.]+)")]
        assert delays[:5] == ["0.1", "0.2", "0.4", "0.8", "1.6"]


def test_connections_wait_while_the_gateway_restarts(tmp_path: Path) -> None:
    with running(tmp_path) as supervised:
        supervised.wait("ready")
        before = httpx.get(supervised.url, trust_env=False).text
        os.kill(int(before), signal.SIGKILL)
        after = httpx.get(supervised.url, trust_env=False, timeout=10).text
        assert after != before
        assert supervised.matches("gateway ended signal=SIGKILL")


def test_the_gateway_ends_before_the_engine(tmp_path: Path) -> None:
    says = "signal.signal(signal.SIGTERM, lambda *_: (print('{0} ends', flush=True), time.sleep(0.3), os._exit(0)));"
    gateway = says.format("gateway") + SERVES
    with running(tmp_path, gateway, says.format("engine") + "print('armed', flush=True);" + SLEEPS) as supervised:
        supervised.wait("ready")
        supervised.wait("armed")
        supervised.process.terminate()
        assert supervised.process.wait(10) == 0
        assert [match[1] for match in supervised.matches(r"^(\w+) ends")] == ["gateway", "engine"]


def test_ctrl_c_reaches_the_whole_group_and_only_the_supervisor_acts(tmp_path: Path) -> None:
    with running(tmp_path) as supervised:
        supervised.wait("ready")
        supervised.pid("engine")
        os.killpg(supervised.process.pid, signal.SIGINT)
        assert supervised.process.wait(10) == 0
        assert not supervised.matches("KeyboardInterrupt|SIGINT|killed")


def test_a_second_signal_kills(tmp_path: Path) -> None:
    with running(tmp_path, engine=STUBBORN) as supervised:
        supervised.wait("ready")
        supervised.wait("deaf")
        supervised.process.terminate()
        supervised.wait("stopping")
        supervised.process.terminate()  # at once: `timeout` and `make` send one signal twice
        time.sleep(REPEAT_SECONDS + 0.2)
        assert supervised.process.poll() is None
        supervised.process.send_signal(signal.SIGINT)
        assert supervised.process.wait(10) == 0
        assert supervised.matches("engine is killed: asked twice")
        assert not group(supervised.process.pid)


def test_an_engine_that_found_corruption_stays_down_and_the_gateway_goes_on(tmp_path: Path) -> None:
    with running(tmp_path, engine=f"sys.exit({EXIT_STAY_DOWN})") as supervised:
        supervised.wait("ready")
        supervised.wait(f"engine stays down code={EXIT_STAY_DOWN}")
        time.sleep(0.5)
        assert len(supervised.matches("engine started")) == 1
        assert httpx.get(supervised.url, trust_env=False).status_code == 200
        supervised.process.terminate()
        assert supervised.process.wait(10) == 0


def test_an_engine_whose_lock_is_taken_tries_again(tmp_path: Path) -> None:
    with running(tmp_path, engine=f"sys.exit({EXIT_START})") as supervised:
        supervised.wait("engine started", times=3)


@pytest.mark.parametrize("code", [EXIT_START, EXIT_STAY_DOWN])
def test_a_gateway_that_cannot_start_ends_it_all(tmp_path: Path, code: int) -> None:
    with running(tmp_path, gateway=f"print('no room here', flush=True); sys.exit({code})") as supervised:
        assert supervised.process.wait(10) == code
        assert supervised.matches("no room here")
        assert not group(supervised.process.pid)


def test_killing_the_supervisor_ends_its_children(tmp_path: Path) -> None:
    with running(tmp_path, engine=STUBBORN) as supervised:
        supervised.wait("ready")
        supervised.wait("deaf")
        supervised.process.kill()
        supervised.process.wait()
        until(lambda: not group(supervised.process.pid), 5, "the children have ended")


def test_killing_the_supervisor_at_any_moment_of_a_start_leaves_no_child(tmp_path: Path) -> None:
    for moment in range(12):
        with running(tmp_path) as supervised:
            time.sleep(moment * 0.03)
            supervised.process.kill()
            supervised.process.wait()
            until(lambda: not group(supervised.process.pid), 10, "the children have ended")


def test_a_taken_port_is_waited_for() -> None:
    held = listen("127.0.0.1", 0)
    port = held.getsockname()[1]
    code = f"from headwater.supervisor import listen; s = listen('127.0.0.1', {port}, 20); print(s.getsockname()[1])"
    waiting = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(1)
    held.close()
    assert int(waiting.communicate(timeout=10)[0]) == port


def test_a_port_that_stays_taken_is_named() -> None:
    with listen("127.0.0.1", 0) as held:
        port = held.getsockname()[1]
        with pytest.raises(StartError, match=rf"127\.0\.0\.1 port {port}: Address already in use"):
            listen("127.0.0.1", port, wait_seconds=0.2)


def test_a_host_that_is_none_is_named() -> None:
    with pytest.raises(StartError, match=r"nowhere\.invalid port 80"):
        listen("nowhere.invalid", 80, wait_seconds=0)
