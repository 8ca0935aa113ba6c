"""Schemas tried on events that are there, over HTTP: a running headwater, both dialects."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from harness import Workspace, keyed
from headwater.web import checks as web

SEND, BIK = "/v1/events/batch", "/integrations/bikPlatformFunctions-events/sendEvents"
NARROW = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "minimum": 0}}}


def made(workspace: Workspace, slug: str) -> None:
    fields = {"name": slug, "slug": slug, "type": "event", "rate_limit": None}
    assert workspace.client.post("/v1/signals", json=fields).status_code == 201


def sent(workspace: Workspace, signal: str, *data: dict[str, Any]) -> list[Any]:
    identity = {"type": "account", "id": "42"}
    events = [
        {"signal": signal, "identity": identity, "data": each, "timestamp": f"2026-01-05T10:00:{number:02}Z"}
        for number, each in enumerate(data)
    ]
    answer = workspace.client.post(SEND, json={"events": events})
    assert answer.status_code == 200, answer.text
    return workspace.server.wait_processed([each["id"] for each in answer.json()["data"]], workspace.key)


def check(workspace: Workspace, slug: str, schema: Any, **more: Any) -> httpx.Response:
    return workspace.client.post(f"/v1/signals/{slug}/versions/check", json={"schema": schema, **more})


def told(workspace: Workspace, slug: str, schema: Any, **more: Any) -> web.CheckAnswer:
    answer = check(workspace, slug, schema, **more)
    assert answer.status_code == 200, answer.text
    found = web.CheckAnswer.model_validate(answer.json())
    assert found.checked == found.passed + found.failed
    assert len(found.faults) == min(found.failed, 20)
    return found


def test_a_schema_says_what_ingest_will_say(workspace: Workspace) -> None:
    made(workspace, "a")
    assert told(workspace, "a", NARROW).checked == 0
    wrong = [{}, {"n": "x"}, {"n": -1}, {"n": None}]
    before = sent(workspace, "a", *wrong, {"n": 1}, {"n": 0, "m": []})
    found = told(workspace, "a", NARROW)
    assert (found.passed, found.failed) == (2, 4)
    assert [fault.event_id for fault in found.faults] == [event["id"] for event in before[3::-1]]
    assert {fault.status for fault in found.faults} == {"processed"}
    assert found.faults[0].occurred_at == "2026-01-05T10:00:03.000Z"
    assert workspace.client.get("/v1/signals/a").json()["latest_version"] is None, "nothing was published"
    assert workspace.client.post("/v1/signals/a/versions", json={"schema": NARROW}).status_code == 201
    rejected = sent(workspace, "a", *wrong)
    details = [event["detail"] for event in reversed(rejected)]
    assert [fault.message for fault in found.faults] == details
    paths = {each["id"]: each["path"] for each in workspace.client.get("/v1/rejected").json()["data"]}
    assert [fault.path for fault in found.faults] == [paths[event["id"]] for event in reversed(rejected)]
    both = told(workspace, "a", NARROW)
    assert (both.checked, both.failed) == (10, 8)
    assert sorted(fault.status for fault in both.faults) == ["processed"] * 4 + ["rejected"] * 4
    assert told(workspace, "a", {}).failed == 0 and told(workspace, "a", NARROW, sample=3).checked == 3


def test_biks_null_is_as_if_it_were_absent(workspace: Workspace) -> None:
    made(workspace, "a")
    events = [{"eventName": "a", "email": "a@x.example", "eventProperties": {"n": None}}]
    answer = workspace.client.post(BIK, json={"events": events})
    batch = workspace.client.get(f"/v1/batches/{answer.headers['headwater-batch']}").json()["data"]
    workspace.server.wait_processed([each["id"] for each in batch], workspace.key)
    assert told(workspace, "a", {"properties": {"n": {"type": "integer"}}}).passed == 1
    (fault,) = told(workspace, "a", NARROW).faults
    assert (fault.path, fault.message) == ("eventProperties.n", "eventProperties.n is required")


def test_replayed_and_reverted_events(workspace: Workspace) -> None:
    made(workspace, "a")
    assert workspace.client.post("/v1/signals/a/versions", json={"schema": NARROW}).status_code == 201
    sent(workspace, "a", {}, {"n": 1})
    assert workspace.client.post("/v1/signals/a/versions", json={"schema": {}}).status_code == 201
    assert workspace.client.post("/v1/rejected/replay", json={"filter": {}}).json()["replayed"] == 1
    workspace.server.wait_drained()
    found = told(workspace, "a", NARROW)
    assert (found.checked, [fault.status for fault in found.faults]) == (2, ["processed"]), "each event once"
    backfill = workspace.client.post("/v1/backfills", json={"name": "old"}).json()["id"]
    event = {"signal": "a", "identity": {"type": "account", "id": "1"}, "data": {}, "timestamp": "2020-01-01T00:00:00Z"}
    answer = workspace.client.post(SEND, json={"events": [event]}, headers={"Headwater-Backfill": backfill})
    workspace.server.wait_processed([answer.json()["data"][0]["id"]], workspace.key)
    assert told(workspace, "a", NARROW).checked == 3
    for verb in ("close", "revert"):
        assert workspace.client.post(f"/v1/backfills/{backfill}/{verb}").is_success
    assert told(workspace, "a", NARROW).checked == 2


DEEP: Any = {}
for _ in range(120):
    DEEP = {"not": DEEP}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "obje"},
        {"properties": {"a": {"type": 7}}},
        {"$ref": "https://example.com/x.json"},
        {"$ref": "file:///etc/passwd"},
        {"properties": {"a": {"pattern": "(?=a)"}}},
        {"properties": {"a": {"pattern": "(a{1000}){1000}"}}},
        {"enum": ["x" * 70_000]},
        DEEP,
        [],
        "object",
        None,
        True,
    ],
)
def test_what_is_no_schema_is_refused_as_publishing_it_is(workspace: Workspace, schema: Any) -> None:
    made(workspace, "a")
    published = workspace.client.post("/v1/signals/a/versions", json={"schema": schema})
    checked = check(workspace, "a", schema)
    assert published.status_code == 400
    assert (checked.status_code, checked.json()) == (400, published.json())


def test_a_schema_that_asks_for_endless_work_is_answered(workspace: Workspace) -> None:
    made(workspace, "a")
    tangle = {
        "$defs": {"t": {"anyOf": [{"properties": {"c": {"$ref": "#/$defs/t"}}, "required": ["c"]}] * 8}},
        "$ref": "#/$defs/t",
    }
    value: Any = {"c": 1}
    for _ in range(30):
        value = {"c": value}
    sent(workspace, "a", *[{"c": value}] * 5)
    published = workspace.client.post("/v1/signals/a/versions", json={"schema": tangle}, timeout=60)
    answer = workspace.client.post("/v1/signals/a/versions/check", json={"schema": tangle}, timeout=60)
    assert (answer.status_code == 400) == (published.status_code == 400), answer.text


SLOW = {
    "arrays": {"allOf": [{"not": {"enum": [[n], -n - 5]}} for n in range(1_200)]},
    "numbers": {"not": {"enum": [-n - 0.5 for n in range(6_000)]}},
}


@pytest.mark.parametrize("items", SLOW.values(), ids=SLOW)
def test_one_event_that_takes_for_ever_holds_up_nobody(workspace: Workspace, items: Any) -> None:
    made(workspace, "a")
    sent(workspace, "a", {"n": [n + 0.25 for n in range(25_000)]})
    sent(workspace, "a", {"n": 1})
    schema = {"properties": {"n": {"items": items}}}
    with ThreadPoolExecutor() as threads:
        begun = time.monotonic()
        asked = [threads.submit(check, workspace, "a", schema) for _ in range(3)]
        worst = 0.0
        while not all(each.done() for each in asked):
            before = time.monotonic()
            assert workspace.client.get("/v1/pipelines").status_code == 200
            worst = max(worst, time.monotonic() - before)
        assert time.monotonic() - begun < 10
    assert worst < 2, "the engine answers others meanwhile"
    answers = sorted((each.result() for each in asked), key=lambda answer: answer.status_code)
    assert [answer.status_code for answer in answers] == [200, 503, 503]
    assert answers[0].json() == {"checked": 1, "passed": 1, "failed": 0, "faults": []}, "the newest, then the end"
    assert answers[1].headers["retry-after"] == "5"
    assert told(workspace, "a", NARROW).checked == 2, "and then others are tried"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "schema"),
        ({"schema": {}, "sample": 0}, "sample"),
        ({"schema": {}, "sample": 10_001}, "sample"),
        ({"schema": {}, "sample": "7"}, "sample"),
        ({"schema": {}, "samples": 1}, "samples"),
    ],
)
def test_a_wrong_body_is_refused(workspace: Workspace, body: Any, path: str) -> None:
    made(workspace, "a")
    answer = workspace.client.post("/v1/signals/a/versions/check", json=body)
    assert (answer.status_code, answer.json().get("path")) == (400, path), answer.text


def test_whose_signal_and_by_whom(workspace: Workspace) -> None:
    made(workspace, "a")
    for slug in ("nothing", "a%2Fb", "%27%20OR%201=1"):
        assert check(workspace, slug, {}).status_code == 404
    assert workspace.client.delete("/v1/signals/a").status_code == 204
    assert check(workspace, "a", {}).status_code == 404, "archived, as for publishing"
    made(workspace, "b")
    for scopes, status in ((["read"], 200), (["ingest"], 403)):
        key = workspace.client.post("/v1/keys", json={"scopes": scopes}).json()["key"]
        with keyed(workspace.server.url, key) as other:
            assert other.post("/v1/signals/b/versions/check", json={"schema": {}}).status_code == status
            assert other.post("/v1/signals/b/versions", json={"schema": {}}).status_code == 403
    assert workspace.client.get("/v1/signals/b/versions/check").status_code == 400, "no number"
