"""Webhooks as their receivers meet them: sent by a real headwater to a real HTTP server, and verified by a library that
is not ours."""

import time
from collections.abc import Iterator, Mapping
from threading import Event
from typing import Any
from uuid import uuid4

import httpx
import pytest
from standardwebhooks import WebhookVerificationError

from harness import Server, Workspace, running, until
from headwater.clock import now_ms, to_iso
from receiving import Got, Receiver, receiving

BATCH = "/integrations/bikPlatformFunctions-events/sendEvents"
BUYERS = {
    "subject": "person",
    "where": {"all": [{"performed": "ordered"}, {"not": {"performed": "optedOut"}}]},
}
CHANGES = ["cohort.entered", "cohort.left"]


@pytest.fixture(scope="module")
def allowing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A headwater that may send to this machine."""
    options = ("--webhooks-allow", "127.0.0.0/8", "--webhooks-digest-seconds", "1")
    with running(Server(tmp_path_factory.mktemp("webhooks") / "data", *options)) as started:
        yield started


@pytest.fixture
def shop(allowing: Server) -> Iterator[Workspace]:
    with allowing.client() as operator:
        made = operator.post("/v1/workspaces", json={"name": f"shop-{uuid4().hex[:8]}"}).json()
    with allowing.client(made["api_key"]) as client:
        yield Workspace(allowing, made["id"], made["api_key"], client)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def made(client: httpx.Client, receiver: Receiver, events: list[str], **more: Any) -> dict[str, Any]:
    answer = client.post("/v1/webhooks", json={"url": receiver.url, "events": events} | more)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def cohort(client: httpx.Client, name: str = "buyers") -> str:
    answer = until(lambda: _ready(client.post("/v1/cohorts", json={"name": name, "definition": BUYERS})), 60)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _ready(answer: httpx.Response) -> httpx.Response | None:
    return None if answer.status_code == 503 else answer


def send(client: httpx.Client, *who: str, name: str = "ordered", **more: Any) -> str:
    """The id of the first event."""
    events = [{"email": each, "eventName": name, "eventProperties": {"orderId": "1"}} | more for each in who]
    answer = client.post(BATCH, json={"events": events})
    assert answer.status_code == 200, answer.text
    return str(client.get(f"/v1/batches/{answer.headers['headwater-batch']}").json()["data"][0]["id"])


def log(client: httpx.Client, webhook: str, **asked: Any) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/webhooks/{webhook}/deliveries", params=asked)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def test_who_enters_and_leaves_is_told_and_signed(shop: Workspace, receiver: Receiver) -> None:
    client, id_ = shop.client, cohort(shop.client)
    other = cohort(client, "others")
    webhook = made(client, receiver, CHANGES, cohorts=[id_], description="CRM")
    event = send(client, "ada@x.example")
    (entered,) = until(lambda: receiver.got("cohort.entered"), 30, "Ada entered")
    found = entered.verified(webhook["secret"])
    assert found["data"]["cohort"] == {"id": id_, "name": "buyers"} != {"id": other, "name": "others"}
    assert found["data"]["profile"]["identities"] == [{"type": "email", "id": "ada@x.example"}]
    assert found["data"]["event_id"] == event and found["data"]["kind"] == "event"
    with pytest.raises(WebhookVerificationError):
        entered._replace(body=entered.body + b" ").verified(webhook["secret"])
    send(client, "ada@x.example", name="optedOut")
    (left,) = until(lambda: receiver.got("cohort.left"), 30, "Ada left")
    assert left.verified(webhook["secret"])["data"]["profile"] == found["data"]["profile"]

    until(lambda: [each["status"] for each in log(client, webhook["id"])] == ["delivered", "delivered"], 10)
    shown = client.get(f"/v1/webhooks/{webhook['id']}/deliveries/{entered.id}").json()
    assert shown["body"] == found and shown["event_id"] == event
    (attempt,) = shown["log"]
    assert (attempt["status"], attempt["error"], attempt["answer"]) == (200, None, "ok")
    steps = client.get(f"/v1/events/{event}/trace").json()["steps"]
    (step,) = [each for each in steps if each["step"] == "webhook"]
    assert step["facts"]["id"] == webhook["id"] and step["facts"]["status"] == 200
    assert "secret" not in client.get(f"/v1/webhooks/{webhook['id']}").json()
    _is_nobodys_elses(shop.server, webhook["id"], entered.id)


def _is_nobodys_elses(server: Server, webhook: str, message: str) -> None:
    path = f"/v1/webhooks/{webhook}"
    asked = (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/deliveries"), ("GET", f"/deliveries/{message}"))
    asked += (("POST", "/test"), ("POST", "/rotate"), ("POST", "/resume"), ("POST", f"/deliveries/{message}/replay"))
    with server.client() as stranger:
        for method, rest in asked:
            body = {"json": {}} if method == "PATCH" else {}
            assert stranger.request(method, path + rest, **body).status_code == 404, (method, rest)
        assert stranger.post(f"{path}/replay", json={"since": "2026-01-01"}).status_code == 404
        assert stranger.get("/v1/webhooks").json()["data"] == []


def test_a_flood_of_rejected_events_makes_few_requests(shop: Workspace, receiver: Receiver) -> None:
    webhook = made(shop.client, receiver, ["events.rejected"])
    people = [f"{number}@x.example" for number in range(100)]
    for _ in range(5):
        send(shop.client, *people, createdAt="2020-01-01T00:00:00Z")
    told = until(lambda: _all_told(receiver, webhook["secret"], 500), 30, "500 rejections")
    assert {(kind["signal"], kind["reason"]) for kind in told} == {("ordered", "outside_realtime_window")}
    assert all(0 < len(kind["samples"]) <= 5 and kind["hint"] for kind in told)
    assert shop.client.get(f"/v1/events/{told[0]['samples'][0]}").json()["status"] == "rejected"
    assert len(receiver.got()) <= 6, "at most one for each request that came in"


def _all_told(receiver: Receiver, secret: str, events: int) -> list[dict[str, Any]] | None:
    digests = {each.id: each for each in receiver.got("events.rejected")}  # each may come twice
    found = [each.verified(secret)["data"] for each in digests.values()]
    assert sum(each["events"] for each in found) <= events
    return (
        [kind for each in found for kind in each["kinds"]] if sum(each["events"] for each in found) == events else None
    )


def test_a_backfill_is_told_once_all_of_it_is_stored_and_again_when_it_is_reverted(
    shop: Workspace, receiver: Receiver
) -> None:
    client = shop.client
    before = client.post("/v1/backfills", json={"name": "before"}).json()["id"]
    client.post(f"/v1/backfills/{before}/close")
    webhook = made(client, receiver, ["backfill.finished"])
    backfill = client.post("/v1/backfills", json={"name": "orders of 2025"}).json()["id"]
    event = {"email": "ada@x.example", "eventName": "ordered", "eventProperties": {"orderId": "1"}}
    answer = client.post(BATCH, json={"events": [event] * 20}, headers={"headwater-backfill": backfill})
    assert answer.status_code == 200
    client.post(f"/v1/backfills/{backfill}/close")
    (closed,) = until(lambda: receiver.got("backfill.finished"), 30, "it is finished")
    found = closed.verified(webhook["secret"])["data"]
    assert (found["id"], found["status"], found["events"]) == (backfill, "closed", 20)
    client.post(f"/v1/backfills/{backfill}/revert")
    _, reverted = until(lambda: _both(receiver.got("backfill.finished")), 30, "it is reverted")
    assert (reverted.json["data"]["id"], reverted.json["data"]["status"]) == (backfill, "reverted")


def _both(got: list[Got]) -> list[Got] | None:
    return got if len(got) == 2 else None


def test_redirects_are_not_followed_gone_rests_and_what_failed_is_replayed(shop: Workspace, receiver: Receiver) -> None:
    client, path = shop.client, ""
    with receiving() as elsewhere:
        webhook = made(client, receiver, ["events.rejected"])
        path = f"/v1/webhooks/{webhook['id']}"
        receiver.answer = lambda _: (302, {"location": elsewhere.url}, b"")
        assert client.post(f"{path}/test").status_code == 202
        (failed,) = until(lambda: log(client, webhook["id"], status="failed"), 10)
        (attempt,) = client.get(f"{path}/deliveries/{failed['id']}").json()["log"]
        assert attempt["status"] == 302 and "not followed" in attempt["error"]
        assert not elsewhere.got() and client.get(path).json()["failing_since"] is None, "it was a ping"
    receiver.answer = lambda _: (410, {}, b"")
    assert client.post(f"{path}/deliveries/{failed['id']}/replay").status_code == 202
    until(lambda: client.get(path).json()["paused"] == "gone", 10, "it rests")
    figures = client.get("/metrics").text
    assert 'headwater_webhooks{state="paused"} 1.0' in figures
    assert 'headwater_webhook_attempts_total{outcome="failure"}' in figures
    receiver.answer = lambda _: (200, {}, b"")
    assert client.post(f"{path}/resume").json()["status"] == "active"
    answer = client.post(f"{path}/replay", json={"since": to_iso(now_ms() - 60_000)})
    assert (answer.status_code, answer.json()) == (202, {"replayed": 1})
    (again,) = until(lambda: log(client, webhook["id"], status="delivered"), 10)
    assert again["id"] == failed["id"] and {each.id for each in receiver.got()} == {failed["id"]}
    audited = {entry["action"] for entry in client.get("/v1/audit").json()["data"]}
    assert {"webhook.create", "webhook.test", "webhook.replay", "webhook.resume"} <= audited


def test_both_secrets_sign_after_a_rotation(shop: Workspace, receiver: Receiver) -> None:
    webhook = made(shop.client, receiver, ["events.rejected"])
    path = f"/v1/webhooks/{webhook['id']}"
    rotated = shop.client.post(f"{path}/rotate", json={"overlap_hours": 1}).json()
    assert rotated["secret"] != webhook["secret"] and rotated["old_secret_until"]
    shop.client.post(f"{path}/test")
    (got,) = until(lambda: receiver.got("ping"), 10)
    assert got.verified(webhook["secret"]) == got.verified(rotated["secret"])
    last = shop.client.post(f"{path}/rotate", json={"overlap_hours": 0}).json()
    shop.client.post(f"{path}/test")
    _, got = until(lambda: _both(receiver.got("ping")), 10)
    assert got.verified(last["secret"])
    with pytest.raises(WebhookVerificationError):
        got.verified(rotated["secret"])


def test_a_pause_loses_nothing_and_a_skip_all_of_it(shop: Workspace, receiver: Receiver) -> None:
    client = shop.client
    cohort(client)
    webhook = made(client, receiver, CHANGES)
    path = f"/v1/webhooks/{webhook['id']}"

    def changed(who: str) -> None:
        send(client, who)
        until(lambda: client.get(f"/v1/profiles/email:{who}").json().get("cohorts"), 30)

    assert client.patch(path, json={"paused": True}).json()["paused"] == "by_hand"
    changed("ada@x.example")
    assert client.patch(path, json={"paused": False}).json()["status"] == "active"
    until(lambda: _people(receiver) == ["ada@x.example"], 30)
    client.patch(path, json={"paused": True})
    changed("bob@x.example")
    client.post(f"{path}/resume", json={"skip": True})
    changed("eve@x.example")
    until(lambda: "eve@x.example" in _people(receiver), 30)
    assert _people(receiver) == ["ada@x.example", "eve@x.example"]


def _people(receiver: Receiver) -> list[str]:
    return [each.json["data"]["profile"]["identities"][0]["id"] for each in receiver.got("cohort.entered")]


def test_a_slow_receiver_hinders_no_other(shop: Workspace, receiver: Receiver) -> None:
    client, release = shop.client, Event()
    cohort(client)
    with receiving() as slow:

        def waiting(_: Got) -> tuple[int, Mapping[str, str], bytes]:
            release.wait(15)
            return 200, {}, b""

        slow.answer = waiting
        made(client, slow, CHANGES)
        made(client, receiver, CHANGES)
        people = {f"{number}@x.example" for number in range(20)}
        send(client, *people)
        until(lambda: set(_people(receiver)) == people, 12, "the other one has all")
        assert 0 < len(slow.got()) <= 4
        release.set()
        until(lambda: set(_people(slow)) == people, 30, "and then the slow one, too")


def test_a_killed_engine_loses_no_delivery_and_what_failed_comes_again(shop: Workspace, receiver: Receiver) -> None:
    client = shop.client
    cohort(client)
    webhook = made(client, receiver, CHANGES)

    def slowly(_: Got) -> tuple[int, Mapping[str, str], bytes]:
        if len(receiver.got()) == 1:
            return 503, {"retry-after": "1"}, b""
        time.sleep(0.05)  # so that the kill finds some on their way
        return 200, {}, b""

    receiver.answer = slowly
    send(client, "ada@x.example")
    (first,) = until(receiver.got, 30, "the first one")
    until(lambda: client.get(f"/v1/webhooks/{webhook['id']}").json()["failing_since"], 30, "it is known that it failed")
    people = {f"{number}@x.example" for number in range(60)}
    send(client, *people)
    until(lambda: len(receiver.got()) >= 5, 30, "it has begun")
    shop.server.kill_engine()
    shop.server.wait_engine()
    until(lambda: set(_people(receiver)) == people | {"ada@x.example"} and _again(receiver, first), 60, "all were told")
    bodies: dict[str, set[bytes]] = {}
    for each in receiver.got():
        bodies.setdefault(each.id, set()).add(each.body)
    assert len(bodies) == len(people) + 1 and all(len(found) == 1 for found in bodies.values())
    again = _again(receiver, first)[0]
    assert again.verified(webhook["secret"]) == first.verified(webhook["secret"])
    assert int(again.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"])
    until(lambda: not log(client, webhook["id"], status="pending"), 30, "all is written down")
    assert log(client, webhook["id"])[-1]["attempts"] == 2
    assert client.get(f"/v1/webhooks/{webhook['id']}").json()["failing_since"] is None


def _again(receiver: Receiver, first: Got) -> list[Got]:
    return [each for each in receiver.got() if each.id == first.id][1:]
