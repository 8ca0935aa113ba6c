"""The way in to the dashboard: `headwater dashboard`, and what `headwater serve` prints about it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from harness import Server, guarded, running, until
from installs import PAGE, installed

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("HEADWATER_")}


def run(*arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """`headwater dashboard …`; fails unless it ends with `code`."""
    command = [sys.executable, "-m", "headwater", "dashboard", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=CLEAN | environment)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def who(url: str) -> str:
    """The workspace that a link signs in to."""
    base, _, token = url.partition("/ui/sign-in#")
    answer = httpx.post(f"{base}/v1/session", json={"link": token}, trust_env=False)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["workspace"]["name"])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("built")
    with running(Server(folder / "data", environment=installed(folder, PAGE))) as started:
        yield started


def test_a_link_is_printed_alone(built: Server) -> None:
    printed = run("--data-dir", str(built.data_dir)).stdout
    assert re.fullmatch(re.escape(built.url) + r"/ui/sign-in#[\w-]{43}\n", printed)
    assert who(printed.strip()) == "default"


def test_a_link_leads_where_the_command_was_led(built: Server) -> None:
    other = built.url.replace("127.0.0.1", "localhost")
    made = json.loads(run("--json", "--url", other, "--key", built.key).stdout)
    assert made["url"].startswith(f"{other}/ui/sign-in#") and made["expires_at"]


def test_it_opens_a_browser(built: Server, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    printed = run("--open", "--data-dir", str(built.data_dir), BROWSER=str(browser)).stdout
    assert until(lambda: (tmp_path / "opened").exists() and (tmp_path / "opened").read_text()) == printed.strip()


def test_who_may_not_read_gets_none(built: Server) -> None:
    with built.client() as client:
        sender = client.post("/v1/keys", json={"scopes": ["ingest"]}).json()["key"]
    assert "scope `read`" in run("--url", built.url, "--key", sender, code=1).stderr


def test_without_a_server_it_says_so(tmp_path: Path) -> None:
    assert "nothing answers" in run("--url", "http://127.0.0.1:9", "--key", "sk_a", code=1).stderr
    assert "credentials.json" in run("--data-dir", str(tmp_path), code=1).stderr


def test_where_it_was_left_out(tmp_path: Path) -> None:
    with running(Server(tmp_path / "data", environment=installed(tmp_path, {}))) as server:
        refused = run("--data-dir", str(server.data_dir), code=1).stderr
        assert "left out" in refused and "make install" in refused and "`" not in refused.split("run ")[0]
        until(lambda: "Dashboard: left out of this installation. Install Node 20.19 or later" in server.log())


def test_the_first_start_prints_a_link(built: Server) -> None:
    (url,) = until(lambda: re.findall(r"^Dashboard: (\S+)$", built.log(), re.M))
    assert who(url) == "default"


@contextmanager
def terminal(server: Server) -> Iterator[int]:
    """The server's command on a terminal; gives what reads it."""
    reading, writing = os.openpty()
    command = [sys.executable, "-m", "headwater", "serve", "--port", "0", "--data-dir", str(server.data_dir)]
    environment = CLEAN | {"PYTHONPATH": server._environment["PYTHONPATH"]}
    with server.log_path.open("ab") as log:
        process = subprocess.Popen(command, stdout=writing, stderr=log, env=environment, start_new_session=True)
    guarded(process.pid)
    try:
        yield reading
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(writing)
        os.close(reading)


def printed_line(reading: int) -> str:
    """The line about the dashboard."""
    found = b""
    while not (line := re.search(rb"^Dashboard: (\S+)\r?\n", found, re.M)):
        found += os.read(reading, 4096)
    return line[1].decode()


def test_a_terminal_gets_a_link_at_every_start(tmp_path: Path) -> None:
    with running(Server(tmp_path / "data", environment=installed(tmp_path, PAGE))) as server:
        server.stop()
        with terminal(server) as reading:
            assert who(printed_line(reading)) == "default"
        (server.data_dir / "credentials.json").write_text("{")
        with terminal(server) as reading:
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/ui/", printed_line(reading)), (
                "there is no key to sign in with"
            )


def test_a_link_is_for_the_workspace_of_the_key(built: Server) -> None:
    with built.client() as operator:
        made = operator.post("/v1/workspaces", json={"name": "apart"}).json()
    assert who(run("--url", built.url, "--key", made["api_key"]).stdout.strip()) == "apart"
