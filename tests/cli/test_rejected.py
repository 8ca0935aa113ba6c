"""`headwater rejected` and `headwater events trace`, as their users run them."""

import json
from typing import Any

from cli.test_commands import run
from harness import Workspace


def prepare(workspace: Workspace) -> list[str]:
    """Twelve rejected events, of which ten pass once the schema is mended."""
    client = workspace.client
    signal = {"name": "seen", "type": "event", "rate_limit": None}
    assert client.post("/v1/signals", json=signal).status_code == 201
    publish(workspace, {"required": ["never"]})
    identity = {"type": "account", "id": "42"}
    events = [{"signal": "seen", "identity": identity, "data": {"n": n}, "reference": f"r{n}"} for n in range(12)]
    ids = [each["id"] for each in client.post("/v1/events/batch", json={"events": events}).json()["data"]]
    workspace.server.wait_processed(ids, workspace.key)
    return ids


def publish(workspace: Workspace, schema: Any) -> None:
    assert workspace.client.post("/v1/signals/seen/versions", json={"schema": schema}).status_code == 201


def test_from_the_list_to_the_replay(workspace: Workspace) -> None:
    here = {"HEADWATER_URL": workspace.server.url, "HEADWATER_KEY": workspace.key}
    ids = prepare(workspace)
    listed = json.loads(run("rejected", "list", "--reason", "schema_violation", "--json", **here).stdout)
    assert {each["id"] for each in listed} == set(ids) and listed[0]["path"] == "data.never"
    assert "data.never is required" in run("rejected", "list", "--limit", "1", **here).stdout
    shown = run("rejected", "summary", **here).stdout
    assert "schema_violation" in shown and "12" in shown and "Publish a schema version" in shown
    assert json.loads(run("rejected", "summary", "--signal", "other", "--json", **here).stdout)["events"] == 0

    publish(workspace, {"properties": {"n": {"maximum": 9}}})
    told = run("rejected", "replay", "--dry-run", **here).stdout
    assert "Of 12 rejected events, 10 would pass now: 10 into the realtime lane" in told
    assert "Would not pass:" in told and "data.n must be at most 9" in told
    one = json.loads(run("rejected", "replay", ids[0], "--lane", "migration", "--json", **here).stdout)
    assert (one["matched"], one["replayed"], one["lanes"]) == (1, 1, {"realtime": 0, "migration": 1})
    told = run("rejected", "replay", "--signal", "seen", **here).stdout
    assert "9 were replayed: 9 into the realtime lane" in told and "Did not pass:" in told
    workspace.server.wait_drained()
    assert "Of 2 rejected events, 0 were replayed" in run("rejected", "replay", **here).stdout

    assert "reason" in run("rejected", "list", "--reason", "because", code=1, **here).stderr
    assert "lane" in run("rejected", "replay", "--lane", "fast", code=1, **here).stderr


def test_many_calls_are_one_replay(workspace: Workspace, monkeypatch: Any) -> None:
    """In this process, so that a call can be made smaller."""
    from typer.testing import CliRunner

    from headwater.cli import rejected

    prepare(workspace)
    publish(workspace, {"properties": {"n": {"maximum": 9}}})
    monkeypatch.setattr(rejected, "_AT_ONCE", 5)
    where = ["--url", workspace.server.url, "--key", workspace.key, "--json"]
    done = CliRunner().invoke(rejected.app, ["replay", *where])
    assert done.exit_code == 0, done.output
    outcome = json.loads(done.stdout)
    assert (outcome["matched"], outcome["replayed"], outcome["failing"][0]["events"]) == (12, 10, 2)


def test_a_trace(workspace: Workspace) -> None:
    here = {"HEADWATER_URL": workspace.server.url, "HEADWATER_KEY": workspace.key}
    ids = prepare(workspace)
    shown = run("events", "trace", ids[3], **here).stdout
    assert ids[3] in shown and "rejected with schema_violation: data.never is required" in shown
    assert "Publish a schema version" in shown and "stored in block" in shown
    assert run("events", "trace", "--reference", "r3", **here).stdout == shown
    (found,) = json.loads(run("events", "trace", "--reference", "r3", "--json", **here).stdout)
    assert found == json.loads(run("events", "trace", ids[3], "--json", **here).stdout)
    assert len(json.loads(run("events", "list", "--reference", "r3", "--json", **here).stdout)) == 1
    for wrong in ((), (ids[0], "--reference", "r0"), ("--reference", "nobody's"), ("x",)):
        assert run("events", "trace", *wrong, code=1, **here).stderr
