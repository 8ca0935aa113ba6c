"""`headwater backfills` and the settings of signals, against a real server."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from harness import Workspace, until
from headwater.cli.main import app

SEND = "/integrations/bikPlatformFunctions-events/sendEvents"


class Shell:
    """The command in a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.client = workspace.client
        self._environment = {"HEADWATER_URL": workspace.server.url, "HEADWATER_KEY": workspace.key, "COLUMNS": "240"}

    def __call__(self, *arguments: str, code: int = 0, stdin: str = "") -> str:
        """What `headwater …` said, on either stream; fails unless it ends with `code`."""
        done = CliRunner().invoke(app, arguments, input=stdin, env=self._environment)
        assert done.exit_code == code, done.output
        return done.output

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))

    def load(self, backfill_id: str, *emails: str) -> None:
        """An order of each, stored when this returns; one more is rejected."""
        events = [{"eventName": "calls", "eventProperties": {"n": 2}, "email": email} for email in emails]
        events.append({"eventName": "calls", "eventProperties": {"n": "many"}, "email": "bad@x.example"})
        before = self.json("backfills", "show", backfill_id)["events"]
        answer = self.client.post(SEND, json={"events": events}, headers={"Headwater-Backfill": backfill_id})
        assert answer.status_code == 200, answer.text
        until(lambda: self.json("backfills", "show", backfill_id)["events"] == before + len(events))


@pytest.fixture
def shell(workspace: Workspace) -> Shell:
    shell = Shell(workspace)
    metric = ("--type", "metric", "--aggregation", "sum", "--period", "day", "--value", "n")
    shell("signals", "create", "calls", *metric)
    return shell


def calls(shell: Shell) -> list[float]:
    return [row["value"] for row in shell.json("signals", "metrics", "calls")]


def test_a_backfills_life(shell: Shell) -> None:
    made = shell.json("backfills", "create", "orders of 2025")
    assert (made["name"], made["status"], made["events"]) == ("orders of 2025", "open", 0)
    shell.load(made["id"], "ada@x.example", "bob@x.example")
    assert calls(shell) == [4]
    (listed,) = shell.json("backfills", "list")
    assert (listed["id"], listed["events"], listed["rejected"]) == (made["id"], 3, 1)
    assert listed == shell.json("backfills", "show", "orders of 2025")
    assert "orders of 2025" in shell("backfills", "list")
    found = shell.json("backfills", "preview", "orders of 2025")
    assert [(day["signal"], day["events"], day["rejected"]) for day in found["days"]] == [("calls", 3, 1)]
    assert [(each["reason"], each["events"]) for each in found["rejects"]] == [("metric_value_missing", 1)]
    assert found["changes"]["profiles"] == {"named": 2, "new": 2, "joined": 0}
    assert found["changes"]["metrics"] == [{"signal": "calls", "aggregation": "sum", "with": 4, "without": 0}]
    text = shell("backfills", "preview", made["id"])
    assert all(word in text for word in ("profiles new", "days:", "rejects:", "metrics:", "metric_value_missing"))
    assert shell.json("backfills", "close", made["id"])["status"] == "closed"
    reverted = shell.json("backfills", "revert", "orders of 2025", "--yes", "--wait")
    assert (reverted["status"], reverted["events"]) == ("reverted", 3)
    assert calls(shell) == []
    assert {row["status"] for row in shell.json("events", "list")} == {"reverted"}
    actions = [row["action"] for row in shell.client.get("/v1/audit").json()["data"]]
    assert actions[:3] == ["backfill.revert", "backfill.close", "backfill.create"]


def test_a_held_one_is_released(shell: Shell) -> None:
    held = shell.json("backfills", "create", "held", "--hold")
    assert held["held"] is True
    shell.load(held["id"], "ada@x.example")
    assert calls(shell) == []
    found = shell.json("backfills", "preview", "held")
    assert (found["counts"], found["changes"]["metrics"][0]["with"]) == (False, 2)
    released = shell.json("backfills", "release", "held", "--wait")
    assert (released["status"], released["held"]) == ("open", False)
    assert calls(shell) == [2]


def test_a_revert_is_asked_for_twice(shell: Shell) -> None:
    id = shell.json("backfills", "create", "load")["id"]
    assert "'load' with 0 events, for good?" in shell("backfills", "revert", "load", code=1, stdin="n\n")
    assert shell.json("backfills", "show", id)["status"] == "open"
    shell("backfills", "revert", "load", stdin="y\n")
    assert shell.json("backfills", "show", id)["status"] in ("reverting", "reverted")


def test_what_cannot_be_is_told(shell: Shell) -> None:
    shell("backfills", "create", "load")
    assert "there is a backfill 'load' already" in shell("backfills", "create", "load", code=1)
    assert "there is no backfill 'none'" in shell("backfills", "show", "none", code=1)
    assert "404" in shell("backfills", "close", "bf_unknown0", code=1)
    assert "was not held" in shell("backfills", "release", "load", code=1)


def test_dedupe_and_retention_of_a_signal(shell: Shell) -> None:
    made = shell.json("signals", "create", "kept", "--dedupe-by", "reference", "--retention-days", "30")
    assert (made["dedupe_by"], made["retention_days"]) == ("reference", 30)
    changed = shell.json("signals", "set", "kept", "--inactive", "--rate-limit", "none", "--name", "Kept")
    assert changed == made | {"active": False, "rate_limit": None, "name": "Kept"}
    cleared = shell.json("signals", "set", "kept", "--dedupe-by", "none", "--retention-days", "none")
    assert cleared == changed | {"dedupe_by": None, "retention_days": None}
    assert "--retention-days must be" in shell("signals", "set", "kept", "--retention-days", "x", code=1)
    assert "retention_days" in shell("signals", "set", "kept", "--retention-days", "0", code=1)
