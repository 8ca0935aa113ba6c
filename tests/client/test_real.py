"""The client and a real headwater, in both dialects; and whether the fake answers as that does."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from harness import Workspace, until
from headwater_client import AsyncClient, Client, Dropped, Refused, Settings, bik, signal
from headwater_client.events import PATHS, Event
from headwater_client.testing import FakeHeadwater

QUICK = Settings(interval=0.05, backoff_first=0.01)
ACCOUNT = ("account", "1")


def made(workspace: Workspace, slug: str, **more: Any) -> str:
    answer = workspace.client.post("/v1/signals", json={"name": slug, "type": "event", "rate_limit": None, **more})
    assert answer.status_code == 201, answer.text
    return slug


def stored(workspace: Workspace, count: int) -> list[dict[str, Any]]:
    """All events of the workspace, once there are so many and none is pending."""

    def settled() -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = workspace.client.get("/v1/events?limit=1000").json()["data"]
        assert len(found) <= count
        return found if len(found) == count and all(each["status"] != "pending" for each in found) else None

    return until(settled, 30, f"{count} events are stored")


def test_both_dialects_arrive(workspace: Workspace) -> None:
    made(workspace, "visits")
    with Client(workspace.server.url, workspace.key, QUICK) as client:
        client.track(signal("visits", ACCOUNT, {"page": "/docs"}, reference="evt-1"))
        client.track(bik("addToCart", {"productId": "p", "variantId": "v"}, email="Ann@Example.com", name="Ann"))
        assert client.flush(30)
    crm, shop = sorted(stored(workspace, 2), key=lambda event: event["dialect"])
    assert (crm["signal"], crm["reference"], crm["data"]) == ("visits", "evt-1", {"page": "/docs"})
    assert crm["identities"] == [{"type": "account", "id": "1"}]
    assert (shop["signal"], shop["identities"]) == ("addToCart", [{"type": "email", "id": "ann@example.com"}])
    assert {crm["status"], shop["status"]} == {"processed"} and {crm["lane"], shop["lane"]} == {"realtime"}


def test_tasks_send_as_threads_do(workspace: Workspace) -> None:
    made(workspace, "visits")

    async def send() -> None:
        async with AsyncClient(workspace.server.url, workspace.key, QUICK) as client:
            for number in range(250):
                await client.track(signal("visits", ACCOUNT, {"number": number}))
            assert await client.flush(30)

    asyncio.run(send())
    assert sorted(event["data"]["number"] for event in stored(workspace, 250)) == list(range(250))


def test_refused_events_are_told_and_the_others_are_stored(workspace: Workspace) -> None:
    made(workspace, "visits")
    told: list[Refused] = []
    with Client(workspace.server.url, workspace.key, QUICK, on_refused=told.append) as client:
        for event in (
            signal("visits", ACCOUNT),
            signal("nowhere", ACCOUNT),
            signal("visits", ("email", "no-address")),
            signal("visits", ACCOUNT, {"x": "y" * 300_000}),
            bik("addToCart", {"productId": "p"}, email="a@example.com"),
            bik("pageViewed", email="a@example.com"),
        ):
            assert client.track(event)
        assert client.flush(30)
        assert (client.figures().refused, client.figures().delivered) == (4, 2)
    found = {(each.event.name, each.code, each.path) for each in told}
    assert found == {
        ("nowhere", "unknown_signal", "signal"),
        ("visits", "identity", "identity.id"),
        ("visits", "too_large", ""),
        ("addToCart", "schema", "eventProperties.variantId"),
    }
    assert all(each.message and each.hint for each in told)
    assert len(stored(workspace, 2)) == 2


def test_a_batch_of_which_nothing_can_be_taken(workspace: Workspace) -> None:
    told: list[Refused] = []
    with Client(workspace.server.url, workspace.key, QUICK, on_refused=told.append) as client:
        for number in range(3):
            client.track(signal(f"nowhere-{number}", ACCOUNT))
            client.track(bik(f"nothing-{number}", email="a@example.com"))
        assert client.flush(30)
    assert {each.code for each in told} == {"unknown_signal"} and len(told) == 6


@pytest.mark.parametrize("dialect", ["bigmind", "bik"])
def test_only_what_was_over_a_limit_waits(workspace: Workspace, dialect: str) -> None:
    made(workspace, "few", rate_limit=2)
    told: list[Dropped] = []
    settings = Settings(interval=3600)
    client = Client(workspace.server.url, workspace.key, settings, on_dropped=told.append)
    for number in range(5):
        data = {"number": number}
        client.track(signal("few", ACCOUNT, data) if dialect == "bigmind" else bik("few", data, email="a@example.com"))
    until(lambda: client.flush(0.05) or client.figures().limited)
    figures = client.figures()
    assert figures.delivered in (2, 4) and figures.limited >= 1 and figures.delivered + figures.waiting == 5
    assert not client.close(0)
    late = [each.event.fields.get("data", each.event.fields.get("eventProperties"))["number"] for each in told]
    assert sorted(late) == list(range(figures.delivered, 5)), "the first are taken, the others wait"
    stored(workspace, figures.delivered)


def test_a_key_that_is_revoked_loses_nothing(workspace: Workspace) -> None:
    made(workspace, "visits")
    fake: list[Dropped] = []
    client = Client(workspace.server.url, "hw_wrong", Settings(interval=0.05), on_dropped=fake.append)
    client.track(signal("visits", ACCOUNT))
    until(lambda: client.figures().problem == "HTTP 401")
    assert client.figures().waiting == 1 and not fake
    client.close(0)


# --- the fake ------------------------------------------------------------------------------------------------------


def shape(value: Any) -> Any:
    """What a client can rely on: names and types."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return type(value).__name__


GOOD = signal("visits", ACCOUNT, reference="good")
BAD = signal("nowhere", ACCOUNT, reference="bad")
CASES: dict[str, list[list[Event]]] = {
    "taken": [[GOOD]],
    "taken in part": [[GOOD, BAD]],
    "refused": [[BAD]],
    "limited in part": [[signal("few", ACCOUNT, reference=str(number)) for number in range(4)]],
    "bik taken": [[bik("pageViewed", email="a@example.com")]],
    "bik taken in part": [[bik("nowhere", email="a@example.com"), bik("pageViewed", email="a@example.com")]],
    "bik refused": [[bik("nowhere", email="a@example.com")]],
    "bik limited in part": [[bik("few", {"n": number}, email="a@example.com") for number in range(4)]],
    "bik limited": [[bik("few", {"n": number}, email="a@example.com") for number in range(4)]] * 2,
    "again": [[GOOD], [GOOD]],
    "the key of another": [[GOOD], [GOOD, BAD]],
}


@pytest.mark.parametrize("name", CASES)
def test_the_fake_answers_as_headwater_does(workspace: Workspace, name: str) -> None:
    made(workspace, "visits")
    made(workspace, "few", rate_limit=2)
    fake = FakeHeadwater()
    fake.refuse(lambda event: "nowhere" in (event.get("signal"), event.get("eventName")), code="unknown_signal")
    fake.limit("few", 2)
    with httpx2.Client(transport=fake) as faked, httpx2.Client(trust_env=False) as direct:
        for number, events in enumerate(CASES[name]):
            body = b'{"events":[%s]}' % b",".join(event.body for event in events)
            key = f"{name}-{number if 'limited' in name else ''}".replace(" ", "-")
            headers = {"Authorization": f"Bearer {workspace.key}", "Prefer": "handling=lenient"}
            headers["Idempotency-Key"] = key
            url = workspace.server.url + PATHS[events[0].dialect]
            answers = [client.post(url, content=body, headers=headers) for client in (direct, faked)]
    first, second = answers
    assert first.status_code == second.status_code
    assert first.headers.get("idempotency-replayed") == second.headers.get("idempotency-replayed")
    assert ("retry-after" in first.headers) == ("retry-after" in second.headers)
    told, faked_ = json.loads(first.content), json.loads(second.content)
    for each in (*told.get("errors", ()), *faked_.get("errors", ())):
        each.pop("path", None)  # of a body as a whole there is none, or one
    assert shape(told) == shape(faked_)
