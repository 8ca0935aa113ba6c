"""What the golden files cannot say of Segment's and CloudEvents' dialects: many messages, restarts, and any body."""

import gzip
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialects.test_open_doors import clouds, messages, values
from harness import Server, Workspace, until
from tools import often

BATCHED = {"Content-Type": "application/cloudevents-batch+json"}


def page(number: int, **fields: Any) -> dict[str, Any]:
    return {"type": "page", "userId": "ada", "messageId": f"m-{number}", **fields}


def cloud(number: int, **fields: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "type": "t", "source": "/s", "id": str(number), "subject": "user:ada", **fields}


def send(client: httpx.Client, messages: list[Any], events: list[Any]) -> list[httpx.Response]:
    return [
        client.post("/v1/batch", json={"batch": messages}),
        client.post("/v1/cloudevents", content=json.dumps(events), headers=BATCHED),
    ]


def count(client: httpx.Client, at_least: int) -> int:
    """The events of the one user, once none is pending."""

    def found() -> list[Any] | None:
        asked = {"identity": "user:ada", "limit": "1000"}
        listed: list[Any] = client.get("/v1/events", params=asked).json()["data"]
        return listed if len(listed) >= at_least and all(each["status"] == "processed" for each in listed) else None

    return len(until(found, what=f"{at_least} events"))


def test_a_message_is_taken_once_across_a_kill(fresh_server: Server) -> None:
    with fresh_server.client() as client:
        client.post("/v1/signals", json={"name": "t", "type": "event", "rate_limit": None}).raise_for_status()
        assert [each.status_code for each in send(client, [page(1), page(2)], [cloud(1)])] == [200, 200]
    fresh_server.kill_group()
    fresh_server.start()
    fresh_server.wait_engine()
    with fresh_server.client() as client:
        segment, events = send(client, [page(2), page(3), page(1), page(3)], [cloud(1), cloud(2)])
        assert segment.json() == {"success": True}
        assert [each.get("duplicate") for each in events.json()["data"]] == [True, None]
        assert count(client, 5) == 5


def test_more_than_a_hundred_are_refused_whole(workspace: Workspace) -> None:
    client = workspace.client
    client.post("/v1/signals", json={"name": "t", "type": "event", "rate_limit": None}).raise_for_status()
    over = send(client, [page(n) for n in range(101)], [cloud(n) for n in range(101)])
    assert [each.status_code for each in over] == [400, 400]
    assert over[0].json()["path"] == "batch" and "100 messages" in over[0].json()["message"]
    assert "100 events" in over[1].json()["detail"]
    full = send(client, [page(n) for n in range(100)], [cloud(n) for n in range(100)])
    assert [each.status_code for each in full] == [200, 200]
    assert count(client, 200) == 200


def test_an_attribute_is_told_once(workspace: Workspace) -> None:
    """Which of two ids is meant nobody knows."""
    client = workspace.client
    client.post("/v1/signals", json={"name": "t", "type": "event"}).raise_for_status()
    attributes = [("ce-specversion", "1.0"), ("ce-type", "t"), ("ce-source", "/s"), ("ce-id", '"A"')]
    assert client.post("/v1/cloudevents", headers=attributes).status_code == 200
    assert [each["reference"] for each in client.get("/v1/events").json()["data"]] == ["/s A"]
    twice = client.post("/v1/cloudevents", headers=[*attributes, ("ce-id", "B")])
    assert (twice.status_code, twice.json()["detail"]) == (400, "Duplicate header ce-id")


def test_a_message_that_comes_again_is_not_rejected_again(workspace: Workspace) -> None:
    client = workspace.client
    client.patch("/v1/workspace", json={"unknown_signals": "draft"}).raise_for_status()

    def rejected() -> int:
        text = httpx.get(f"{workspace.server.url}/metrics", trust_env=False).text
        name = 'headwater_ingest_rejected_events_total{reason="signal_draft"} '
        return int(float(next(line for line in text.splitlines() if line.startswith(name)).removeprefix(name)))

    before, message = rejected(), {"type": "track", "event": "New", "userId": "ada", "messageId": "m"}
    for _ in range(2):
        assert client.post("/v1/batch", json={"batch": [message, message]}).status_code == 200
    assert rejected() == before + 1


def test_large_and_inflated_bodies(workspace: Workspace) -> None:
    client = workspace.client
    body = json.dumps({"batch": [page(1)]}).encode()
    packed = {"Content-Encoding": "gzip"}
    assert client.post("/v1/import", content=gzip.compress(body), headers=packed).status_code == 200
    assert client.post("/v1/batch", content=gzip.compress(b" " * 6_000_000), headers=packed).status_code == 413
    large = client.post("/v1/batch", json={"batch": [page(2), page(3, properties={"x": "y" * 300_000})]})
    assert (large.status_code, large.json()["path"]) == (400, "batch[1]")
    event = cloud(2, data={"x": "y" * 300_000})
    (_, large) = send(client, [page(4)], [cloud(1), event])
    assert large.status_code == 400 and {each["path"] for each in large.json()["errors"]} >= {"[1]"}
    assert client.post("/v1/batch", content=b'{"batch": ' + b"[" * 100_000).status_code == 400


def test_sdks_of_both_kinds_and_our_own_dialects_name_one_person(workspace: Workspace) -> None:
    client = workspace.client
    client.post("/v1/signals", json={"name": "t", "type": "event"}).raise_for_status()
    identify = {"type": "identify", "userId": "ada", "traits": {"email": "Ada@Example.com"}}
    (answer, other) = send(client, [identify], [cloud(1, subject="ada@example.com")])
    assert (answer.status_code, other.status_code) == (200, 200)
    own = {"signal": "t", "identity": {"type": "email", "id": "ADA@example.com"}}
    assert client.post("/v1/events", json=own).status_code == 200
    profile = "/v1/profiles/user:ada"
    assert until(lambda: client.get(profile).json().get("events") == 3 and client.get(profile).json())[
        "identities"
    ] == [
        {"type": "email", "id": "ada@example.com"},
        {"type": "user", "id": "ada"},
    ]


def test_a_cohort_by_a_trait_and_by_a_property(workspace: Workspace) -> None:
    """Loaded from what is stored, and followed live."""
    client = workspace.client
    client.post("/v1/signals", json={"name": "Item Sold", "type": "event"}).raise_for_status()

    def comes(user: str) -> None:
        about = {"userId": user, "context": {"traits": {"email": f"{user}@shop.example"}}}
        identify = {"type": "identify", "traits": {"plan": "gold", "email": f"{user}@shop.example"}}
        sold = {"type": "track", "event": "Item Sold", "properties": {"price": 5}}
        sent = client.post("/v1/batch", json={"batch": [about | identify, about | sold]})
        assert sent.status_code == 200, sent.text

    comes("ada")
    assert count(client, 2) == 2
    where = {"all": [{"attribute": "plan", "=": "gold"}, {"performed": "item-sold", "filter": {"price": {">=": 5}}}]}
    made = client.post("/v1/cohorts", json={"name": "gold", "definition": {"subject": "person", "where": where}})
    assert made.status_code == 201, made.text
    cohort = f"/v1/cohorts/{made.json()['id']}"
    until(lambda: client.get(cohort).json()["size"] == 1, what="who is stored is in it")
    comes("bob")
    until(lambda: client.get(cohort).json()["size"] == 2, what="who comes enters it")
    assert client.get("/v1/profiles/user:bob").json()["attributes"] == {"plan": "gold", "email": "bob@shop.example"}


@pytest.fixture(scope="module")
def fuzzed(server: Server) -> Any:
    with server.client() as operator:
        made = operator.post("/v1/workspaces", json={"name": "fuzzed doors", "preset": "segment"}).json()
    with server.client(made["api_key"]) as client:
        client.patch("/v1/workspace", json={"unknown_signals": "draft"}).raise_for_status()
        yield client


def whatever(client: httpx.Client, examples: int) -> None:
    """Any body is taken, or refused in its dialect's words."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(messages | messages | values, max_size=3), st.lists(clouds | clouds | values, max_size=3))
    def check(messages: list[Any], events: list[Any]) -> None:
        for answer, word in zip(send(client, messages, events), ("message", "detail"), strict=True):
            assert answer.status_code in (200, 400), answer.text
            assert answer.status_code == 200 or answer.json()[word]

    check()


def test_whatever_comes(fuzzed: httpx.Client) -> None:
    whatever(fuzzed, 60)


@pytest.mark.torture
def test_whatever_comes_at_length(fuzzed: httpx.Client) -> None:
    whatever(fuzzed, often(4000))
