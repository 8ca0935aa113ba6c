"""Clients that we did not write, unchanged but for host and key: what they send is read back."""

import datetime
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
import rudderstack.analytics.client
import segment.analytics.client
from cloudevents.core.bindings import http as binding
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1.conversion import to_binary, to_structured
from cloudevents.v1.http import CloudEvent as EarlierEvent

from harness import Workspace, until
from tools import lack

NODE = Path(__file__).parent / "node"
KINDS = ("identify", "page", "screen", "group", "alias")


@pytest.fixture
def shop(workspace: Workspace) -> Workspace:
    """A workspace that knows one event; the other calls need nobody to make anything."""
    made = workspace.client.post("/v1/signals", json={"name": "Item Purchased", "type": "event"})
    assert made.status_code == 201, made.text
    return workspace


def stored(workspace: Workspace, count: int, **filters: str) -> list[dict[str, Any]]:
    """The workspace's events once there are so many that are processed."""

    def found() -> list[dict[str, Any]] | None:
        events: list[dict[str, Any]] = workspace.client.get("/v1/events", params=filters).json()["data"]
        done = [event for event in events if event["status"] != "pending"]
        return done if len(done) >= count else None

    events = until(found, what=f"{count} events are stored")
    assert len(events) == count and {event["status"] for event in events} == {"processed"}, events
    return events


def profile(workspace: Workspace, identity: str) -> dict[str, Any]:
    answer = workspace.client.get(f"/v1/profiles/{quote(identity, safe='')}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def names(about: dict[str, Any]) -> set[str]:
    return {f"{each['type']}:{each['id']}" for each in about["identities"]}


def send_by(client: Any, user: str, device: str) -> None:
    """All calls of a Python SDK; one message twice."""
    when = datetime.datetime.now(datetime.UTC)
    client.identify(user, {"name": "Ada", "email": f"Ada@{user}.example", "plan": "gold"}, anonymous_id=device)
    for _ in range(2):
        client.track(user, "Item Purchased", {"itemPrice": 18.5}, timestamp=when, message_id=f"{user}-once")
    client.page(None, None, "Home", {"path": "/"}, anonymous_id=device)
    client.screen(user, None, "Cart")
    client.group(user, "acme", {"seats": 5})
    client.alias(f"{user}-before", user)
    client.flush()
    client.shutdown()


def check(shop: Workspace, user: str, device: str) -> None:
    """What any of the SDKs sent is there, each message once, and about one person."""
    events = stored(shop, 6)
    assert Counter(event["signal"] for event in events) == Counter((*KINDS, "item-purchased"))
    assert {event["dialect"] for event in events} == {"segment"}
    by_signal = {event["signal"]: event for event in events}
    bought = by_signal["item-purchased"]
    assert (bought["data"]["itemPrice"], bought["reference"]) == (18.5, f"{user}-once")
    assert bought["data"]["context"]["library"]["name"]
    assert by_signal["identify"]["data"]["plan"] == "gold"
    assert by_signal["page"]["data"]["path"] == "/" and by_signal["page"]["data"]["name"] == "Home"
    assert by_signal["group"]["data"]["groupId"] == "acme" and by_signal["group"]["data"]["seats"] == 5
    before = {f"user:{user}-before", f"anonymous:{user}-before"}
    everything = {f"user:{user}", f"anonymous:{device}", f"email:ada@{user}.example"} | before
    # An event is seen a moment before what it links: the store is written first.
    person = until(lambda: (found := profile(shop, f"user:{user}")) and names(found) == everything and found)
    assert (person["name"], person["events"]) == ("Ada", 6)
    assert {profile(shop, name)["id"] for name in names(person)} == {person["id"]}


Client = Callable[[Workspace, list[Any]], Any]


def segment_client(workspace: Workspace, errors: list[Any], **options: Any) -> Any:
    told = lambda error, _: errors.append(error)  # noqa: E731
    return segment.analytics.client.Client(workspace.key, host=workspace.server.url, on_error=told, **options)


def rudder_client(workspace: Workspace, errors: list[Any]) -> Any:
    told = lambda error, _: errors.append(error)  # noqa: E731
    return rudderstack.analytics.client.Client(workspace.key, host=workspace.server.url, on_error=told)


def gzip_client(workspace: Workspace, errors: list[Any]) -> Any:
    return segment_client(workspace, errors, gzip=True)


@pytest.mark.parametrize("client", [segment_client, gzip_client, rudder_client])
def test_python_sdks(shop: Workspace, client: Client) -> None:
    user, device, errors = f"u{uuid4().hex[:8]}", str(uuid4()), list[Any]()
    send_by(client(shop, errors), user, device)
    assert not errors
    check(shop, user, device)


def test_an_sdk_that_sends_a_message_again(shop: Workspace) -> None:
    """As after an answer that got lost; and with a clock that goes a day wrong."""
    errors: list[Any] = []
    for _ in range(2):
        client = segment_client(shop, errors)
        client.track("ada", "Item Purchased", message_id="m-1")
        client.flush()
        client.shutdown()
    (event,) = stored(shop, 1)
    assert not errors and event["reference"] == "m-1"


@pytest.mark.parametrize("client", [segment_client, rudder_client])
def test_what_an_sdk_tells_of_a_refusal(shop: Workspace, client: Client) -> None:
    errors: list[Any] = []
    sender = client(shop, errors)
    sender.track("ada", "Nobody Knows")
    sender.flush()
    sender.shutdown()
    (error,) = errors
    assert (error.status, error.code) == (400, "bad_request")
    assert error.message == "batch[0].event is not a known event: 'Nobody Knows'"
    wrong = client(shop._replace(key="sk_wrong"), errors)
    wrong.track("ada", "Item Purchased")
    wrong.flush()
    wrong.shutdown()
    assert (errors[1].status, errors[1].code) == (401, "unauthorized")
    assert not shop.client.get("/v1/events").json()["data"]


@pytest.fixture(scope="session")
def node_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a script that has its dependencies, by the lock file."""
    if not shutil.which("npm"):
        lack("Node is not installed: see .ci/tools")
    folder = tmp_path_factory.mktemp("node")
    for file in NODE.iterdir():
        shutil.copy(file, folder)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True, timeout=300)
    return folder


def test_node_sdk(shop: Workspace, node_client: Path) -> None:
    user, device = f"u{uuid4().hex[:8]}", str(uuid4())
    command = ["node", "send.mjs", shop.server.url, shop.key, user, device]
    told = subprocess.run(command, cwd=node_client, capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    check(shop, user, device)


def events_of(count: int, **attributes: Any) -> Iterator[CloudEvent]:
    for number in range(count):
        about = {"type": "item-purchased", "source": "/shop", "subject": "user:ada", "extension": "é", **attributes}
        yield CloudEvent(about | {"id": str(number)}, {"itemPrice": number, "source": "mine"})


@pytest.mark.parametrize("to_http", [binding.to_binary_event, binding.to_structured_event])
def test_cloudevents_sdk(shop: Workspace, to_http: Callable[[CloudEvent], binding.HTTPMessage]) -> None:
    (event,) = events_of(1)
    message = to_http(event)
    answers = [shop.client.post("/v1/cloudevents", content=message.body, headers={**message.headers}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    first, again = (answer.json()["data"] for answer in answers)
    assert again == [first[0] | {"duplicate": True}]
    (found,) = stored(shop, 1)
    assert found["id"] == first[0]["id"] and found["reference"] == "/shop 0"
    assert (found["data"]["itemPrice"], found["data"]["source"]) == (0, "mine")
    assert found["data"]["cloudevent"]["extension"] == "é"
    assert names(profile(shop, "user:ada")) == {"user:ada"}


@pytest.mark.parametrize("to_http", [to_binary, to_structured])
def test_the_earlier_cloudevents_sdk(shop: Workspace, to_http: Any) -> None:
    attributes = {"type": "item-purchased", "source": "https://shop.example/x", "subject": "ada@shop.example"}
    headers, body = to_http(EarlierEvent(attributes, {"itemPrice": 1}))
    answer = shop.client.post("/v1/cloudevents", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    (found,) = stored(shop, 1)
    assert found["data"]["itemPrice"] == 1
    assert names(profile(shop, "email:ada@shop.example")) == {"email:ada@shop.example"}


def test_a_batch_of_cloudevents(shop: Workspace) -> None:
    bodies = [binding.to_structured_event(event).body for event in events_of(100)]
    headers = {"Content-Type": "application/cloudevents-batch+json; charset=utf-8"}

    def post(some: list[bytes]) -> httpx.Response:
        return shop.client.post("/v1/cloudevents", content=b"[" + b",".join(some) + b"]", headers=headers)

    over = post([*bodies, bodies[0]])
    assert over.status_code == 400 and "at most 100 events" in over.json()["detail"]
    assert over.headers["content-type"] == "application/problem+json"
    signal = shop.client.patch("/v1/signals/item-purchased", json={"rate_limit": None})
    assert signal.status_code == 200
    assert post(bodies).status_code == 200
    assert {event["data"]["itemPrice"] for event in stored(shop, 100, limit="200")} == set(range(100))
