"""`headwater signals metrics` and `headwater signals state`, as their users run them."""

import json

from cli.test_commands import run
from harness import Workspace

OLD = ["2026-01-05T10:00:00Z", "2026-01-06T10:00:00Z"]


def test_metrics_and_states_from_the_command_line(workspace: Workspace) -> None:
    here = {"HEADWATER_URL": workspace.server.url, "HEADWATER_KEY": workspace.key}
    run(
        "signals",
        "create",
        "Calls",
        "--type",
        "metric",
        "--aggregation",
        "sum",
        "--period",
        "day",
        "--value",
        "n",
        **here,
    )
    run("signals", "create", "Health", "--type", "state", "--value", "score", **here)
    identity = {"type": "account", "id": "42"}
    events = [
        {"signal": slug, "identity": identity, "data": {"n": n, "score": {"level": n}}, "timestamp": time}
        for slug in ("calls", "health")
        for n, time in enumerate(OLD, 1)
    ]
    sent = workspace.client.post("/v1/events/batch", json={"events": events}).json()["data"]
    workspace.server.wait_processed([each["id"] for each in sent], workspace.key)

    days = ["2026-01-05T00:00:00.000Z", "2026-01-06T00:00:00.000Z"]
    shown = run("signals", "metrics", "calls", "--json", **here).stdout
    assert json.loads(shown) == [{"period_start": day, "value": n} for n, day in enumerate(days, 1)]
    assert days[1] in run("signals", "metrics", "calls", "--identity", "account:42", "--from", days[1], **here).stdout
    assert json.loads(run("signals", "metrics", "calls", "--to", days[0], "--json", **here).stdout) == []

    state = json.loads(run("signals", "state", "health", "--identity", "account:42", "--json", **here).stdout)
    assert (state["value"], state["since"], state["event_id"]) == (
        {"level": 2},
        "2026-01-06T10:00:00.000Z",
        sent[3]["id"],
    )
    history = run("signals", "state", "health", "--identity", "account:42", "--history", "--json", **here).stdout
    assert [each["value"] for each in json.loads(history)] == [{"level": 2}, {"level": 1}]
    table = run("signals", "state", "health", "--identity", "account:42", **here).stdout
    assert '{"level": 2}' in table

    assert "no state" in run("signals", "state", "health", "--identity", "account:1", code=1, **here).stderr
    assert "no signal" in run("signals", "metrics", "nothing", code=1, **here).stderr
