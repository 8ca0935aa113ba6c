"""Events by the hour, and what is left of the limits, over HTTP: a running headwater."""

from collections import Counter
from typing import Any

import pytest

from harness import Workspace, keyed, until
from headwater import activity as asked
from headwater import clock
from headwater.web import activity as web
from headwater.web import limits

SEND = "/v1/events/batch"
NARROW = {"type": "object", "required": ["n"]}


def made(workspace: Workspace, slug: str, **fields: Any) -> None:
    answer = workspace.client.post(
        "/v1/signals", json={"name": slug, "slug": slug, "type": "event", "rate_limit": None} | fields
    )
    assert answer.status_code == 201, answer.text


def sent(workspace: Workspace, signal: str, *data: dict[str, Any], headers: Any = None, **fields: Any) -> list[str]:
    events = [{"signal": signal, "identity": {"type": "account", "id": "1"}, "data": each, **fields} for each in data]
    answer = workspace.client.post(SEND, json={"events": events}, headers=headers or {})
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["data"]]


def stored(workspace: Workspace, *args: Any, **kwargs: Any) -> list[str]:
    ids = sent(workspace, *args, **kwargs)
    workspace.server.wait_processed(ids, workspace.key)
    return ids


def told(workspace: Workspace, hours: int = 24) -> dict[str, tuple[int, int]]:
    """Sums by signal, processed and rejected."""
    answer = workspace.client.get("/v1/activity", params={"hours": hours})
    assert answer.status_code == 200, answer.text
    found = web.ActivityAnswer.model_validate(answer.json())
    assert found.step_seconds == 3600
    from_ms = clock.parse_iso(found.from_)
    assert from_ms is not None and from_ms % clock.HOUR_MS == 0
    assert 0 <= clock.now_ms() - from_ms - (hours - 1) * clock.HOUR_MS < clock.HOUR_MS + 5_000
    for each in found.data:
        assert len(each.processed) == len(each.rejected) == hours
    assert [each.signal for each in found.data] == sorted(each.signal for each in found.data)
    return {each.signal: (sum(each.processed), sum(each.rejected)) for each in found.data}


def becomes(workspace: Workspace, expected: dict[str, tuple[int, int]], hours: int = 24) -> None:
    """Within the seconds that an answer is given again."""
    until(lambda: told(workspace, hours) == expected, asked.KEPT_SECONDS + 30, f"{told(workspace, hours)} {expected}")


def test_events_count_by_what_became_of_them(workspace: Workspace) -> None:
    assert told(workspace) == {}
    made(workspace, "a")
    made(workspace, "b")
    made(workspace, "quiet")
    stored(workspace, "a", {}, {}, {})
    stored(workspace, "b", {}, timestamp="2020-01-01T00:00:00Z")  # received now, whenever it occurred
    assert workspace.client.post("/v1/signals/a/versions", json={"schema": NARROW}).status_code == 201
    stored(workspace, "a", {}, {"n": 1}, {})
    becomes(workspace, {"a": (4, 2), "b": (1, 0)})
    becomes(workspace, {"a": (4, 2), "b": (1, 0)}, 1)
    by_list = Counter[tuple[str, str]]()
    for event in workspace.client.get("/v1/events").json()["data"]:
        by_list[event["signal"], event["status"]] += 1
    assert by_list == {("a", "processed"): 4, ("a", "rejected"): 2, ("b", "processed"): 1}
    newest = max(event["received_at"] for event in workspace.client.get("/v1/events?signal=a").json()["data"])
    assert workspace.client.get("/v1/activity").json()["data"][0]["last_received_at"] == newest
    assert workspace.client.post("/v1/signals/a/versions", json={"schema": {}}).status_code == 201
    outcome = workspace.client.post("/v1/rejected/replay", json={"filter": {}}).json()
    assert outcome["replayed"] == 2
    becomes(workspace, {"a": (6, 0), "b": (1, 0)})
    gone = workspace.client.delete("/v1/profiles/account%3A1")
    assert gone.status_code == 202, gone.text
    becomes(workspace, {})


def test_held_and_reverted_backfills_do_not_count(workspace: Workspace) -> None:
    made(workspace, "a")
    backfill = workspace.client.post("/v1/backfills", json={"name": "old", "hold": True}).json()["id"]
    ids = sent(workspace, "a", {}, {}, headers={"Headwater-Backfill": backfill}, timestamp="2020-01-01T00:00:00Z")
    stored(workspace, "a", {})
    becomes(workspace, {"a": (1, 0)})
    assert workspace.client.post(f"/v1/backfills/{backfill}/close").is_success
    assert workspace.client.post(f"/v1/backfills/{backfill}/release").is_success
    workspace.server.wait_processed(ids, workspace.key)
    becomes(workspace, {"a": (3, 0)})
    assert workspace.client.post(f"/v1/backfills/{backfill}/revert").is_success
    becomes(workspace, {"a": (1, 0)})


@pytest.mark.parametrize(
    ("query", "path"),
    [("hours=0", "hours"), ("hours=169", "hours"), ("hours=x", "hours"), ("hours=1&hours=2", "hours"), ("h=1", "h")],
)
def test_a_wrong_parameter_is_named(workspace: Workspace, query: str, path: str) -> None:
    answer = workspace.client.get(f"/v1/activity?{query}")
    assert (answer.status_code, answer.json().get("path")) == (400, path), answer.text


def test_limits_take_no_parameter(workspace: Workspace) -> None:
    answer = workspace.client.get("/v1/limits?x=1")
    assert (answer.status_code, answer.json().get("path")) == (400, "x"), answer.text
    assert "'x' is no parameter here; there are none" in answer.text


@pytest.mark.parametrize("path", ["/v1/activity", "/v1/limits"])
def test_both_need_the_scope_read(workspace: Workspace, path: str) -> None:
    key = workspace.client.post("/v1/keys", json={"scopes": ["ingest"]}).json()["key"]
    with keyed(workspace.server.url, key) as sender:
        assert sender.get(path).status_code == 403
    assert workspace.client.post(path, json={}).status_code == 405


def left(workspace: Workspace) -> dict[str, tuple[int, int, int]]:
    answer = workspace.client.get("/v1/limits")
    assert answer.status_code == 200, answer.text
    found = limits.LimitsAnswer.model_validate(answer.json()).data
    assert [each.signal for each in found] == sorted(each.signal for each in found)
    for each in found:
        resets_ms = clock.parse_iso(each.resets_at)
        assert resets_ms is not None and resets_ms % clock.MINUTE_MS == 0
        assert -1_000 < resets_ms - clock.now_ms() <= clock.MINUTE_MS
    return {each.signal: (each.limit, each.used, each.remaining) for each in found}


def test_limits_are_those_of_this_minute(workspace: Workspace) -> None:
    made(workspace, "free")
    made(workspace, "b", rate_limit=3)
    made(workspace, "a", rate_limit=100)
    made(workspace, "archived", rate_limit=5)
    assert workspace.client.delete("/v1/signals/archived").status_code == 204

    def in_one_minute() -> bool:
        before = clock.now_ms() // clock.MINUTE_MS
        unused = left(workspace)
        sent(workspace, "a", {}, {})
        sent(workspace, "b", {}, {}, {}, {}, {})  # two of them are over the limit
        sent(workspace, "free", {})
        found = left(workspace)
        if clock.now_ms() // clock.MINUTE_MS != before:
            return False
        used = unused["a"][1]
        assert unused == {"a": (100, used, 100 - used), "b": (3, 0, 3)}
        assert found == {"a": (100, used + 2, 98 - used), "b": (3, 3, 0)}
        assert workspace.client.patch("/v1/signals/b", json={"rate_limit": 1}).status_code == 200
        assert left(workspace)["b"] in ((1, 3, 0), (1, 0, 1))  # more than the limit, where the minute goes on
        assert workspace.client.patch("/v1/signals/b", json={"rate_limit": 3}).status_code == 200
        return True

    if clock.now_ms() % clock.MINUTE_MS > 45_000:
        until(lambda: clock.now_ms() % clock.MINUTE_MS < 5_000, 30)
    assert in_one_minute()
