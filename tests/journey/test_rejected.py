"""Rejected events of a real server: listed with place and hint, replayed by their owner, and the way of each traced."""

import json
from typing import Any

import pytest

from harness import Workspace, until
from headwater.outcomes import Reason
from headwater.rules.hints import hint_of
from wire.languages import BIGMIND, BIK

BAD = Reason.SCHEMA_VIOLATION
NUMBER = {"type": "object", "properties": {"n": {"type": "number"}}}


def prepare(workspace: Workspace, slug: str = "seen", **fields: Any) -> None:
    signal = {"name": slug, "slug": slug, "type": "event", "rate_limit": None} | fields
    assert workspace.client.post("/v1/signals", json=signal).status_code == 201


def publish(workspace: Workspace, schema: Any, slug: str = "seen") -> None:
    assert workspace.client.post(f"/v1/signals/{slug}/versions", json={"schema": schema}).status_code == 201


def send(workspace: Workspace, *events: dict[str, Any]) -> list[str]:
    answer = workspace.client.post(BIGMIND.batch, content=BIGMIND.batch_of(*events))
    assert answer.status_code == 200, answer.text
    ids = [each["id"] for each in answer.json()["data"]]
    workspace.server.wait_processed(ids, workspace.key)
    return ids


def seen(n: Any, **fields: Any) -> dict[str, Any]:
    return BIGMIND.event(signal="seen", data={"n": n}, **fields)


def replay(workspace: Workspace, **body: Any) -> dict[str, Any]:
    workspace.server.wait_drained()  # candidates are of blocks that are committed
    answer = workspace.client.post("/v1/rejected/replay", json={"filter": {}} | body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def get(workspace: Workspace, path: str) -> dict[str, Any]:
    answer = workspace.client.get(path)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_listed_with_place_and_hint_and_counted_by_kind(workspace: Workspace) -> None:
    prepare(workspace)
    publish(workspace, NUMBER)
    ids = send(workspace, seen("x"), seen(1), seen("y"), seen(1, timestamp="2099-01-01"))
    page = get(workspace, f"/v1/rejected?reason={BAD}&limit=1")
    (first,) = page["data"]
    event = get(workspace, f"/v1/events/{first['id']}")
    assert first == event | {"path": "data.n", "hint": hint_of(BAD)}
    rest = get(workspace, f"/v1/rejected?reason={BAD}&limit=9&cursor={page['next']}")
    assert {first["id"], *(each["id"] for each in rest["data"])} == {ids[0], ids[2]} and rest["next"] is None
    summary = get(workspace, "/v1/rejected/summary")
    assert summary["events"] == 3
    kinds = {each["reason"]: (each["events"], each["signal"], each["path"], each["sample"]) for each in summary["data"]}
    assert kinds == {BAD: (2, "seen", "data.n", ids[2]), "timestamp_in_future": (1, "seen", "timestamp", ids[3])}
    assert get(workspace, "/v1/rejected?from=2098-01-01")["data"][0]["id"] == ids[3]
    assert get(workspace, "/v1/rejected?signal=other")["data"] == []


def test_a_bik_event_out_of_its_window_goes_to_the_migration_lane(workspace: Workspace) -> None:
    old = BIK.event(createdAt="2024-01-01", email="old@x.example")
    batch = workspace.client.post(BIK.batch, content=BIK.batch_of(old)).headers["headwater-batch"]
    workspace.server.wait_drained()  # candidates are of blocks that are committed
    (listed,) = get(workspace, "/v1/rejected")["data"]
    assert (listed["reason"], listed["path"]) == ("outside_realtime_window", "createdAt")
    assert replay(workspace, lane="realtime")["failing"][0]["reason"] == "outside_realtime_window"
    told = replay(workspace, lane="migration")
    assert (told["replayed"], told["lanes"]) == (1, {"realtime": 0, "migration": 1})
    (event,) = until(lambda: get(workspace, "/v1/events?status=processed")["data"])
    assert (event["id"], event["lane"], event["occurred_at"]) == (listed["id"], "migration", "2024-01-01T00:00:00.000Z")
    assert event["profile_id"] == get(workspace, "/v1/profiles/email:old@x.example")["id"]
    assert [each["id"] for each in get(workspace, f"/v1/batches/{batch}")["data"]] == [listed["id"]]
    assert get(workspace, "/v1/rejected") == {"data": [], "next": None}


def test_a_dry_run_tells_what_a_replay_then_does(workspace: Workspace) -> None:
    prepare(workspace)
    publish(workspace, NUMBER)
    ids = send(workspace, *(seen(str(n)) for n in range(9)), seen([]))
    publish(workspace, {"properties": {"n": {"type": "string"}}})
    dry = replay(workspace, dry_run=True)
    assert (dry["matched"], dry["would_pass"], dry["replayed"]) == (10, 9, 0)
    (failing,) = dry["failing"]
    assert (failing["reason"], failing["sample"], failing["detail"]) == (BAD, ids[9], "data.n must be a string")
    assert replay(workspace) == dry | {"replayed": 9}
    workspace.server.wait_drained()
    assert replay(workspace)["matched"] == 1
    assert len(get(workspace, "/v1/events?status=processed")["data"]) == 9
    assert sum(each["events"] for each in get(workspace, "/v1/pipelines")["data"]) == 0
    (change,) = [each for each in get(workspace, "/v1/audit")["data"] if each["action"] == "rejected.replay"]
    assert change["target"] == "9 events"


def test_limits_and_cursors(workspace: Workspace) -> None:
    prepare(workspace)
    publish(workspace, NUMBER)
    send(workspace, *(seen(str(n)) for n in range(10)))
    cursor, matched, calls = None, 0, 0
    while calls == 0 or cursor:
        told = replay(workspace, dry_run=True, limit=4, **({"cursor": cursor} if cursor else {}))
        cursor, matched, calls = told["next"], matched + told["matched"], calls + 1
    assert (matched, calls) == (10, 3)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "filter"),
        ({"filter": None}, "filter"),
        ({"filter": {"reson": BAD}}, "filter.reson"),
        ({"filter": {"reason": "because"}}, "filter.reason"),
        ({"filter": {"signal": ""}}, "signal"),
        ({"filter": {"from": "yesterday"}}, "from"),
        ({"filter": {"ids": []}}, "filter.ids"),
        ({"filter": {"ids": ["1"]}}, "ids[0]"),
        ({"filter": {"signal": "\ud800"}}, "signal"),
        ({"filter": {"backfill": "\udfff"}}, "backfill"),
        ({"filter": {}, "lane": "fast"}, "lane"),
        ({"filter": {}, "dry_run": "yes"}, "dry_run"),
        ({"filter": {}, "limit": 0}, "limit"),
        ({"filter": {}, "cursor": "x"}, "cursor"),
        ({"filter": {}, "cursor": "eHl6"}, "cursor"),
    ],
)
def test_what_cannot_be_asked_for_is_named(workspace: Workspace, body: Any, path: str) -> None:
    content = json.dumps(body)  # of half a surrogate pair, too
    answer = workspace.client.post("/v1/rejected/replay", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["path"]) == (400, path), answer.text


@pytest.mark.parametrize(
    "query", ["reason=because", "status=rejected", "signal=", "limit=0", "cursor=x", "reason=a&reason=b"]
)
def test_a_list_says_what_it_does_not_know(workspace: Workspace, query: str) -> None:
    assert workspace.client.get(f"/v1/rejected?{query}").status_code == 400
    assert workspace.client.get(f"/v1/rejected/summary?{query}").status_code == 400


def test_who_may_read_may_not_replay(workspace: Workspace) -> None:
    for scopes, may_read in ((["read"], 200), (["ingest"], 403)):
        key = workspace.client.post("/v1/keys", json={"name": "k", "scopes": scopes}).json()["key"]
        with workspace.server.client(key) as client:
            assert client.get("/v1/rejected").status_code == may_read
            assert client.post("/v1/rejected/replay", json={"filter": {}}).status_code == 403


def test_the_engines_own_question_is_out_of_reach(workspace: Workspace) -> None:
    asked = {"which": {}, "after": "00000000-0000-0000-0000-000000000000", "most": 5}
    for path in ("/replay/candidates", "/v1/../replay/candidates", "/v1/rejected/../../replay/candidates"):
        assert workspace.client.post(path, json=asked).status_code in (404, 405)


def test_a_replay_takes_no_quota(workspace: Workspace) -> None:
    prepare(workspace, rate_limit=3)
    publish(workspace, NUMBER)
    send(workspace, seen("1"), seen("2"))
    publish(workspace, {})
    assert replay(workspace)["replayed"] == 2
    answer = workspace.client.post(BIGMIND.batch, content=BIGMIND.batch_of(seen(1)))
    assert (answer.status_code, answer.headers["x-ratelimit-remaining"]) == (200, "0")


# --- traces ----------------------------------------------------------------------------------------------------------


def steps(trace: dict[str, Any]) -> list[str]:
    return [each["step"] for each in trace["steps"]]


def facts(trace: dict[str, Any], step: str) -> dict[str, Any]:
    return dict(next(each["facts"] for each in trace["steps"] if each["step"] == step))


def test_the_way_of_an_event_and_what_it_led_to(workspace: Workspace) -> None:
    prepare(workspace, "calls", type="metric", aggregation="sum", period="day", value="n")
    prepare(workspace, "health", type="state", value="score")
    definition = {"subject": "account", "where": {"performed": "calls"}}
    cohort = workspace.client.post("/v1/cohorts", json={"name": "Callers", "definition": definition}).json()
    identity = {"type": "account", "id": "42"}
    calls = BIGMIND.event(signal="calls", identity=identity, data={"n": 3}, reference="r/1")
    older = BIGMIND.event(signal="health", identity=identity, data={"score": "low"}, timestamp="2026-01-05T10:00:00Z")
    newer = BIGMIND.event(signal="health", identity=identity, data={"score": "high"})
    ids = send(workspace, calls, older, newer)
    path = f"/v1/events/{ids[0]}/trace"
    trace = until(lambda: found if "cohort" in steps(found := get(workspace, path)) else None)
    assert trace["event"] == get(workspace, f"/v1/events/{ids[0]}")
    assert steps(trace) == ["received", "validated", "stored", "profile", "metric", "cohort"]
    assert facts(trace, "received")["reference"] == "r/1"
    assert facts(trace, "profile") == {"profile_id": trace["event"]["profile_id"], "identities": [identity]}
    period = get(workspace, "/v1/signals/calls/metrics")["data"][0]["period_start"]
    assert facts(trace, "metric") == {
        "signal": "calls",
        "aggregation": "sum",
        "period": "day",
        "period_start": period,
        "value": 3,
    }
    entered = facts(trace, "cohort")
    assert (entered["id"], entered["name"], entered["entered"], entered["identity"]) == (
        cohort["id"],
        "Callers",
        True,
        identity,
    )
    assert get(workspace, "/v1/events/trace?reference=r/1") == {"data": [trace], "next": None}
    told = [facts(get(workspace, f"/v1/events/{id_}/trace"), "state") for id_ in ids[1:]]
    assert told == [
        {"signal": "health", "value": "low", "is_state": False},
        {"signal": "health", "value": "high", "is_state": True},
    ]


def test_the_way_of_an_event_that_was_replayed(workspace: Workspace) -> None:
    prepare(workspace)
    publish(workspace, NUMBER)
    (id_,) = send(workspace, seen("x", timestamp="2026-01-05T10:00:00Z"))
    trace = get(workspace, f"/v1/events/{id_}/trace")
    assert steps(trace) == ["received", "rejected", "stored", "backfill"][: len(trace["steps"])]
    assert facts(trace, "rejected") == {
        "reason": BAD,
        "detail": "data.n must be a number",
        "path": "data.n",
        "hint": hint_of(BAD),
    }
    publish(workspace, {})
    assert replay(workspace)["replayed"] == 1
    trace = get(workspace, f"/v1/events/{id_}/trace")
    assert "replayed" in steps(trace), "also while it waits to be stored"
    workspace.server.wait_drained()
    trace = get(workspace, f"/v1/events/{id_}/trace")
    assert steps(trace)[:6] == ["received", "rejected", "stored", "replayed", "validated", "stored"]
    assert steps(trace)[-1] == "profile" and trace["event"]["status"] == "processed"
    assert facts(trace, "validated")["schema_version"] == 2


def test_a_backfill_in_the_way_of_its_events(workspace: Workspace) -> None:
    prepare(workspace)
    made = workspace.client.post("/v1/backfills", json={"name": "history", "hold": True}).json()
    body = BIGMIND.batch_of(seen(1, timestamp="2025-01-01"))
    answer = workspace.client.post(BIGMIND.batch, content=body, headers={"Headwater-Backfill": made["id"]})
    id_ = answer.json()["data"][0]["id"]
    workspace.server.wait_drained()
    trace = get(workspace, f"/v1/events/{id_}/trace")
    assert trace["event"]["status"] == "pending" and "profile" not in steps(trace)
    assert facts(trace, "backfill") == {"id": made["id"], "name": "history", "status": "open", "held": True}
    assert get(workspace, f"/v1/events?backfill={made['id']}")["data"][0]["id"] == id_
    assert workspace.client.post(f"/v1/backfills/{made['id']}/revert").status_code == 202
    until(lambda: get(workspace, f"/v1/events/{id_}")["status"] == "reverted")
    assert facts(get(workspace, f"/v1/events/{id_}/trace"), "backfill")["status"] == "reverted"


def test_what_is_replayed_of_a_held_backfill_waits_with_the_others(workspace: Workspace) -> None:
    prepare(workspace)
    publish(workspace, NUMBER)
    made = workspace.client.post("/v1/backfills", json={"name": "history", "hold": True}).json()
    body = BIGMIND.batch_of(seen("x", timestamp="2025-01-01"), seen(1, timestamp="2025-01-01"))
    answer = workspace.client.post(BIGMIND.batch, content=body, headers={"Headwater-Backfill": made["id"]})
    ids = [each["id"] for each in answer.json()["data"]]
    workspace.server.wait_drained()
    assert [get(workspace, f"/v1/events/{id_}")["status"] for id_ in ids] == ["rejected", "pending"]
    publish(workspace, {})
    assert workspace.client.post(f"/v1/backfills/{made['id']}/close").status_code == 200
    told = workspace.client.post("/v1/rejected/replay", json={"filter": {"backfill": made["id"]}}).json()
    assert (told["replayed"], told["lanes"]["migration"]) == (1, 1)
    workspace.server.wait_drained()
    events = [get(workspace, f"/v1/events/{id_}") for id_ in ids]
    assert [(event["status"], event["backfill_id"]) for event in events] == [("pending", made["id"])] * 2
    found = get(workspace, f"/v1/backfills/{made['id']}")
    assert (found["events"], found["rejected"]) == (2, 0)
    assert workspace.client.post(f"/v1/backfills/{made['id']}/release").status_code == 202
    until(lambda: all(get(workspace, f"/v1/events/{id_}")["status"] == "processed" for id_ in ids))


def test_what_cannot_be_traced(workspace: Workspace) -> None:
    assert workspace.client.get("/v1/events/trace").status_code == 400
    assert workspace.client.get("/v1/events/trace?reference=").status_code == 400
    assert workspace.client.get("/v1/events/trace?reference=a&limit=21").status_code == 400
    assert get(workspace, "/v1/events/trace?reference=nobody%20used%20it") == {"data": [], "next": None}
    for id_ in ("trace", "x", "01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e01"):
        assert workspace.client.get(f"/v1/events/{id_}/trace").status_code == 404


def test_events_by_reference(workspace: Workspace) -> None:
    prepare(workspace)
    ids = send(workspace, *(seen(n, reference=f"r{n % 2}") for n in range(4)))
    found = get(workspace, "/v1/events?reference=r1")["data"]
    assert {each["id"] for each in found} == {ids[1], ids[3]}
    exported = workspace.client.get("/v1/events/export?reference=r0").text.splitlines()
    assert len(exported) == 2
    assert workspace.client.get("/v1/events?reference=").status_code == 400
