"""`headwater webhooks` against a real server."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from harness import Workspace, until
from headwater.cli.main import app

HOOK = "https://hooks.invalid/headwater"  # a name that nobody can have: RFC 2606


class Shell:
    """The command in a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._environment = {"HEADWATER_URL": workspace.server.url, "HEADWATER_KEY": workspace.key, "COLUMNS": "240"}

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What `headwater webhooks …` said, on either stream; fails unless it ends with `code`."""
        done = CliRunner().invoke(app, ["webhooks", *arguments], env=self._environment)
        assert done.exit_code == code, done.output
        return done.output

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))


@pytest.fixture
def webhooks(workspace: Workspace) -> Shell:
    return Shell(workspace)


def test_a_webhooks_life(webhooks: Shell) -> None:
    made = webhooks.json("create", HOOK, "--event", "cohort.left", "--event", "events.rejected", "--description", "CRM")
    assert made["secret"].startswith("whsec_")
    id_ = made["id"]
    assert id_ in webhooks("list") and made["secret"] not in webhooks("show", id_)
    assert webhooks.json("update", id_, "--event", "cohort.entered")["events"] == ["cohort.entered"]
    assert webhooks.json("pause", id_)["status"] == "paused"
    assert webhooks.json("resume", id_, "--skip")["status"] == "active"
    rotated = webhooks.json("rotate", id_, "--overlap-hours", "2")
    assert rotated["secret"] != made["secret"] and rotated["old_secret_until"]
    ping = webhooks.json("test", id_)
    failed = until(lambda: webhooks.json("deliveries", id_, "--status", "failed"), 30, "the ping failed")
    assert [each["id"] for each in failed] == [ping["id"]]
    said = webhooks("delivery", id_, ping["id"])
    assert "cannot be resolved" in said and '"type": "ping"' in said
    assert webhooks.json("delivery", id_, ping["id"])["body"]["data"] == {"webhook_id": id_}
    assert webhooks.json("replay", id_, "--since", "2026-01-01")["replayed"] == 1
    assert webhooks.json("replay", id_, ping["id"])["status"] == "pending"
    assert "give a delivery's id, or --since" in webhooks("replay", id_, code=2)
    webhooks("delete", id_)
    assert webhooks.json("list") == []


def test_what_is_wrong_is_told_on_one_line(webhooks: Shell) -> None:
    said = webhooks("create", "https://127.0.0.1/", "--event", "cohort.left", code=1)
    assert "must lead to a public address" in said
    assert "There is no webhook 'wh_nobodys'" in webhooks("show", "wh_nobodys", code=1)
