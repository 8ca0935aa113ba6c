"""Metrics and states over HTTP, all the way: a running headwater, both dialects."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from harness import Workspace, keyed, until
from headwater.clock import now_ms, to_iso
from headwater.outcomes import Reason
from headwater.web import measures as web

SEND, BIK = "/v1/events/batch", "/integrations/bikPlatformFunctions-events/sendEvents"
OLD = "2026-01-05T10:00:00Z"


def made(workspace: Workspace, **fields: Any) -> str:
    answer = workspace.client.post("/v1/signals", json={"rate_limit": None} | fields)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["slug"])


def sent(workspace: Workspace, signal: str, *data: dict[str, Any], id: str = "42", **fields: Any) -> list[Any]:
    """Sends an event for each `data` about one account, as Bigmind; what became of each, in order."""
    identity = {"type": "account", "id": id}
    events = [{"signal": signal, "identity": identity, "data": each, **fields} for each in data]
    answer = workspace.client.post(SEND, json={"events": events})
    assert answer.status_code == 200, answer.text
    return workspace.server.wait_processed([each["id"] for each in answer.json()["data"]], workspace.key)


def sent_by_bik(workspace: Workspace, *events: dict[str, Any]) -> list[Any]:
    answer = workspace.client.post(BIK, json={"events": list(events)})
    assert answer.status_code == 200, answer.text
    batch = workspace.client.get(f"/v1/batches/{answer.headers['headwater-batch']}").json()["data"]
    return workspace.server.wait_processed([each["id"] for each in batch], workspace.key)


def metric(workspace: Workspace, slug: str, **params: Any) -> list[tuple[str, Any]]:
    answer = workspace.client.get(f"/v1/signals/{slug}/metrics", params=params)
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["data", "next"]
    return [(each["period_start"], each["value"]) for each in answer.json()["data"]]


def refused(answer: httpx.Response, status: int, path: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert answer.json().get("path") == path


def test_a_metric_from_the_event_to_its_period(workspace: Workspace) -> None:
    slug = made(workspace, name="API calls", type="metric", aggregation="sum", period="week", value="usage.calls")
    sent(workspace, slug, {"usage": {"calls": 1}}, {"usage": {"calls": 2.5, "other": "x"}}, timestamp=OLD)
    sent(workspace, slug, {"usage": {"calls": 100}}, timestamp="2026-01-11T23:59:59.999Z", id="43")
    sent(workspace, slug, {"usage": {"calls": -1}}, timestamp="2026-01-12T00:00:00Z")
    weeks = ["2026-01-05T00:00:00.000Z", "2026-01-12T00:00:00.000Z"]
    assert metric(workspace, slug) == [(weeks[0], 103.5), (weeks[1], -1)]
    assert metric(workspace, slug, identity="account:42") == [(weeks[0], 3.5), (weeks[1], -1)]
    assert metric(workspace, slug, identity="account:43") == [(weeks[0], 100)]
    assert metric(workspace, slug, identity="account:44") == []
    assert metric(workspace, slug, **{"from": "2026-01-12"}) == [(weeks[1], -1)]
    assert metric(workspace, slug, to="2026-01-11T23:59:59.999Z") == [(weeks[0], 3.5)]
    first = workspace.client.get(f"/v1/signals/{slug}/metrics", params={"limit": 1}).json()
    assert [each["period_start"] for each in first["data"]] == weeks[:1]
    assert metric(workspace, slug, limit=1, cursor=first["next"]) == [(weeks[1], -1)]


def test_numbers_are_written_out_exactly(workspace: Workspace) -> None:
    slug = made(workspace, name="cents", type="metric", aggregation="sum", period="day", value="n")
    sent(workspace, slug, {"n": 0.1}, {"n": 0.2}, {"n": 999_999_999_999_999}, {"n": 1e-9}, timestamp=OLD)
    answer = workspace.client.get(f"/v1/signals/{slug}/metrics")
    assert answer.text == (
        '{"data":[{"period_start":"2026-01-05T00:00:00.000Z","value":999999999999999.300000001}],"next":null}'
    )


@pytest.mark.parametrize("enforcement", ["quarantine", "reject"])
@pytest.mark.parametrize("aggregation", ["sum", "count"])
def test_an_event_without_its_number_is_rejected_and_kept(
    workspace: Workspace, aggregation: str, enforcement: str
) -> None:
    fields = {"type": "metric", "aggregation": aggregation, "period": "day", "value": "n", "enforcement": enforcement}
    slug = made(workspace, name="number", **fields)
    wrong = [{}, {"n": None}, {"n": "7"}, {"n": True}, {"n": [7]}, {"n": 1e15}, {"n": -(2**80)}, {"m": 7}]
    for event in sent(workspace, slug, *wrong, timestamp=OLD):
        assert (event["status"], event["reason"]) == ("rejected", "metric_value_missing")
        assert event["detail"] == "data.n must be a number below 10^15"
        assert event["profile_id"] is None
    assert metric(workspace, slug) == []
    (good,) = sent(workspace, slug, {"n": 0}, timestamp=OLD)
    assert (good["status"], good["reason"], good["detail"]) == ("processed", None, None)
    assert metric(workspace, slug) == [("2026-01-05T00:00:00.000Z", 1 if aggregation == "count" else 0)]
    rejected = workspace.client.get("/v1/events", params={"status": "rejected"}).json()["data"]
    assert len(rejected) == len(wrong)


def test_a_count_without_a_path_takes_every_event(workspace: Workspace) -> None:
    slug = made(workspace, name="logins", type="metric", aggregation="count", period="month")
    sent(workspace, slug, {}, {"n": None}, {"n": "x"}, timestamp=OLD)
    assert metric(workspace, slug) == [("2026-01-01T00:00:00.000Z", 3)]


def test_a_metric_in_biks_dialect_is_one_persons_by_either_identity(workspace: Workspace) -> None:
    slug = made(workspace, name="points", type="metric", aggregation="avg", period="hour", value="n")
    base = {"eventName": slug, "isMigration": True, "createdAt": OLD}
    sent_by_bik(
        workspace,
        base | {"email": "Ada@Example.com", "eventProperties": {"n": 1}},
        base | {"email": "ada@example.com", "phoneNumber": "+19494572000", "eventProperties": {"n": 2}},
        base | {"phoneNumber": "+19494572000", "eventProperties": {"n": 4}},
    )
    (wrong,) = sent_by_bik(workspace, base | {"email": "ada@example.com", "eventProperties": {"n": "4"}})
    assert (wrong["reason"], wrong["detail"]) == (
        "metric_value_missing",
        "eventProperties.n must be a number below 10^15",
    )
    for identity in ("email:ADA@example.com ", "phone:+19494572000"):
        assert metric(workspace, slug, identity=identity) == [("2026-01-05T10:00:00.000Z", 7 / 3)]


def test_a_state_is_the_newest_by_its_time(workspace: Workspace) -> None:
    slug = made(workspace, name="Health score", type="state", value="health.score")
    path, whose = f"/v1/signals/{slug}/state", {"identity": "account:42"}
    refused(workspace.client.get(path, params=whose), 404)
    times = ["2026-01-05T10:00:00Z", "2026-01-07T10:00:00Z", "2026-01-06T10:00:00Z", "2026-01-07T10:00:00Z"]
    values: Sequence[Any] = ["good", {"b": [1, None], "a": 0.5}, "bad", False]
    ids = [
        sent(workspace, slug, {"health": {"score": value}}, timestamp=time)[0]["id"]
        for time, value in zip(times, values, strict=True)
    ]
    answer = workspace.client.get(path, params=whose)
    assert answer.json() == {"value": values[1], "since": "2026-01-07T10:00:00.000Z", "event_id": ids[1]}
    assert '"value":{"a":0.5,"b":[1,null]}' in answer.text
    history, cursor = list[Any](), {}
    while True:
        page = workspace.client.get(f"{path}/history", params=whose | {"limit": "1"} | cursor).json()
        history += page["data"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert [each["event_id"] for each in history] == [ids[1], ids[3], ids[2], ids[0]]
    web.StateAnswer.model_validate(history[0])
    inside = workspace.client.get(f"{path}/history", params=whose | {"from": "2026-01-06", "to": "2026-01-07"}).json()
    assert [each["value"] for each in inside["data"]] == ["bad"]


def test_a_state_without_a_value_is_rejected(workspace: Workspace) -> None:
    slug = made(workspace, name="score", type="state", value="s")
    for event in sent(workspace, slug, {}, {"s": None}, {"t": 1}):
        assert (event["status"], event["reason"]) == ("rejected", "state_value_missing")
        assert event["detail"] == "data.s must be there, and not null"
    assert {Reason.STATE_VALUE_MISSING, Reason.METRIC_VALUE_MISSING} < set(Reason)
    refused(workspace.client.get(f"/v1/signals/{slug}/state?identity=account:42"), 404)


def test_a_state_nested_deeply_is_taken_or_refused(workspace: Workspace) -> None:
    slug = made(workspace, name="deep", type="state", value="s")
    path, told = f"/v1/signals/{slug}/state?identity=account:42", set()
    for depth in (10, 500, *range(900, 1100, 20), 100_000):
        deep = '{"a":' * depth + "1" + "}" * depth
        event = f'{{"signal":"{slug}","identity":{{"type":"account","id":"42"}},"data":{{"s":{deep}}}}}'
        answer = workspace.client.post(SEND, content=f'{{"events":[{event}]}}')
        assert answer.status_code in (200, 400), answer.text
        told.add(answer.status_code)
        if answer.status_code == 200:
            until(lambda deep=deep: f'"value":{deep},' in workspace.client.get(path).text)
    assert told == {200, 400}


def test_a_schema_violation_is_told_before_a_missing_value(workspace: Workspace) -> None:
    slug = made(workspace, name="n", type="metric", aggregation="sum", period="day", value="n")
    schema = {"type": "object", "required": ["m"]}
    assert workspace.client.post(f"/v1/signals/{slug}/versions", json={"schema": schema}).status_code == 201
    events = sent(workspace, slug, {}, {"m": 1}, {"n": 1}, {"m": 1, "n": 1})
    told = [event["reason"] for event in events]
    assert told == ["schema_violation", "metric_value_missing", "schema_violation", None]


def test_a_change_of_the_signal_changes_nothing_taken(workspace: Workspace) -> None:
    slug = made(workspace, name="n", type="metric", aggregation="sum", period="day", value="a")
    sent(workspace, slug, {"a": 1, "b": 10}, timestamp=OLD)
    assert workspace.client.patch(f"/v1/signals/{slug}", json={"value": "b"}).status_code == 200
    sent(workspace, slug, {"a": 2, "b": 20}, timestamp=OLD)
    assert metric(workspace, slug) == [("2026-01-05T00:00:00.000Z", 21)]
    assert workspace.client.patch(f"/v1/signals/{slug}", json={"aggregation": "max"}).status_code == 200
    assert metric(workspace, slug) == [("2026-01-05T00:00:00.000Z", 20)]


def test_an_event_of_now_counts_in_the_period_that_runs(workspace: Workspace) -> None:
    slug = made(workspace, name="n", type="metric", aggregation="min", period="month", value="n")
    sent(workspace, slug, {"n": 3}, {"n": -2})
    assert metric(workspace, slug) == [(to_iso(now_ms())[:8] + "01T00:00:00.000Z", -2)]


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("?identity=nobody", "identity"),
        ("?identity=email:x", "identity"),
        ("?identity=account:1&identity=account:2", "identity"),
        ("?from=yesterday", "from"),
        ("?to=%00", "to"),
        ("?limit=0", "limit"),
        ("?limit=1001", "limit"),
        ("?cursor=x", "cursor"),
        ("?status=processed", "status"),
        ("?signal=a", "signal"),
    ],
)
@pytest.mark.parametrize("what", ["metrics", "state/history"])
def test_a_wrong_parameter_is_named(workspace: Workspace, what: str, query: str, path: str) -> None:
    fields = {"type": "metric", "aggregation": "sum", "period": "day", "value": "n"}
    made(workspace, name="a", **(fields if what == "metrics" else {"type": "state", "value": "n"}))
    refused(workspace.client.get(f"/v1/signals/a/{what}{query}"), 400, path)


@pytest.mark.parametrize("what", ["state", "state/history"])
def test_a_state_is_somebodys(workspace: Workspace, what: str) -> None:
    made(workspace, name="a", type="state", value="n")
    refused(workspace.client.get(f"/v1/signals/a/{what}"), 400, "identity")
    refused(workspace.client.get(f"/v1/signals/a/{what}?limits=1"), 400, "limits")


@pytest.mark.parametrize("what", ["metrics", "state", "state/history"])
def test_what_is_not_there_is_not_found(workspace: Workspace, what: str) -> None:
    for slug in ("nothing", "addToCart", "a%2Fb", "%27%20OR%201=1"):
        refused(workspace.client.get(f"/v1/signals/{slug}/{what}?identity=account:1"), 404)


def test_other_ways_to_ask(workspace: Workspace) -> None:
    made(workspace, name="a", type="metric", aggregation="count", period="day")
    assert workspace.client.head("/v1/signals/a/metrics").status_code == 200
    refused(workspace.client.post("/v1/signals/a/metrics", json={}), 405)
    assert workspace.client.get("/v1/signals/a").json()["slug"] == "a", "signals themselves are the gateway's"
    with keyed(workspace.server.url, "sk_nobody") as nobody:
        refused(nobody.get("/v1/signals/a/metrics"), 401)
    key = workspace.client.post("/v1/keys", json={"scopes": ["ingest"]}).json()["key"]
    with keyed(workspace.server.url, key) as sender:
        refused(sender.get("/v1/signals/a/metrics"), 403)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"type": "metric", "period": "day", "value": "n"}, "aggregation"),
        ({"type": "metric", "aggregation": "sum", "value": "n"}, "period"),
        ({"type": "metric", "aggregation": "avg", "period": "day"}, "value"),
        ({"type": "metric", "aggregation": "sum", "period": "day", "value": "a..b"}, "value"),
        ({"type": "state"}, "value"),
        ({"type": "state", "value": "v", "period": "day"}, "period"),
        ({"type": "event", "value": "v"}, "value"),
    ],
)
def test_a_definition_that_cannot_be_measured_is_refused(
    workspace: Workspace, fields: dict[str, str], path: str
) -> None:
    refused(workspace.client.post("/v1/signals", json={"name": "a", **fields}), 400, path)


def test_both_are_documented(workspace: Workspace) -> None:
    paths = workspace.client.get("/openapi.json").json()["paths"]
    for path in ("metrics", "state", "state/history"):
        described = paths[f"/v1/signals/{{slug}}/{path}"]["get"]
        assert {"200", "400", "401", "403", "404", "503"} <= set(described["responses"])
        assert "identity" in {each["name"] for each in described["parameters"]}
        assert "headwater-workspace" not in {each["name"] for each in described["parameters"]}
