"""`headwater demo` as its users run it: into a workspace of a running server, and with a server of its own."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness import Server, Workspace, until
from headwater.clock import now_ms
from headwater.demo.definitions import SIGNALS, cohorts

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("HEADWATER_")}
EVENTS = 3000


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "headwater", "demo", "--events", str(EVENTS), *arguments]


def run(*arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """`headwater demo …`; fails unless it ends with `code`."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=120, env=CLEAN | environment, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def here(workspace: Workspace) -> dict[str, str]:
    """The environment of somebody who works in that workspace."""
    return {"HEADWATER_URL": workspace.server.url, "HEADWATER_KEY": workspace.key}


def outcomes(workspace: Workspace) -> Counter[str]:
    """How many of the workspace's events were processed, and how many rejected for each reason."""
    answer = workspace.client.get("/v1/events/export")
    assert answer.status_code == 200
    rows = [json.loads(line) for line in answer.text.splitlines()]
    return Counter(row["reason"] or row["status"] for row in rows)


def test_it_fills_a_workspace_as_it_says(workspace: Workspace, here: dict[str, str]) -> None:
    told = json.loads(run("--json", **here).stdout)
    assert told["events"] == EVENTS == sum(told["outcomes"].values())
    assert outcomes(workspace) == told["outcomes"]
    signals = workspace.client.get("/v1/signals", params={"limit": 1000}).json()["data"]
    assert {body["name"] for body in SIGNALS} <= {each["name"] for each in signals}
    listed = {each["name"]: each["size"] for each in workspace.client.get("/v1/cohorts").json()["data"]}
    assert listed == {each["cohort"]: each["size"] for each in told["cohorts"]}
    assert listed.keys() == cohorts(now_ms()).keys()
    assert sum(size > 0 for size in listed.values()) >= 6


def test_a_second_time_has_to_be_asked_for(workspace: Workspace, here: dict[str, str]) -> None:
    first = json.loads(run("--json", **here).stdout)
    assert "--again" in run(code=1, **here).stderr
    assert outcomes(workspace).total() == EVENTS
    shown = run("--again", "--seed", "saffron", **here).stdout
    assert f"{EVENTS:,} events" in shown and "Big spenders" in shown
    assert outcomes(workspace).total() == 2 * EVENTS
    assert len(workspace.client.get("/v1/cohorts").json()["data"]) == len(first["cohorts"])


def test_another_signal_of_that_name_is_left_alone(workspace: Workspace, here: dict[str, str]) -> None:
    answer = workspace.client.post("/v1/signals", json={"name": "API calls", "type": "event"})
    assert answer.status_code == 201
    assert "api-calls" in run(code=1, **here).stderr
    assert outcomes(workspace).total() == 0


def test_it_needs_the_preset(server: Server) -> None:
    with server.client() as operator:
        made: dict[str, Any] = operator.post("/v1/workspaces", json={"name": "demo without", "preset": None}).json()
    assert "ecommerce" in run("--url", server.url, "--key", made["api_key"], code=1).stderr


def test_without_a_server_it_starts_one_and_ends_with_it(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    told = json.loads(run("--data-dir", str(data_dir), "--port", "0", "--exit", "--json").stdout)
    assert told["events"] == EVENTS and told["url"].startswith("http://127.0.0.1:")
    assert (data_dir / "credentials.json").exists() and not (data_dir / "serve.json").exists()


def test_its_server_serves_on_until_it_is_interrupted(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with subprocess.Popen(
        command("--data-dir", str(data_dir), "--port", "0"), stdout=subprocess.PIPE, text=True, env=CLEAN
    ) as process:
        assert process.stdout is not None
        said = next(line for line in process.stdout if "until Ctrl+C" in line)
        assert json.loads((data_dir / "serve.json").read_text())["url"] in said
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    until(lambda: not (data_dir / "serve.json").exists(), 10, "its server has ended")


def test_a_server_that_cannot_start_is_told(tmp_path: Path, server: Server) -> None:
    done = run("--data-dir", str(tmp_path / "data"), "--port", str(server.port), "--exit", code=1)
    assert "server ended" in done.stderr


def test_nothing_is_started_for_a_url(tmp_path: Path) -> None:
    done = run("--data-dir", str(tmp_path), "--url", "http://127.0.0.1:9", "--key", "sk_x", code=1)
    assert "nothing answers" in done.stderr and not list(tmp_path.iterdir())
