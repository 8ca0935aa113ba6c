"""Events that name no signal, where a workspace wants drafts made of them: nothing counts, and nothing is lost."""

from functools import partial
from typing import Any

import httpx
import pytest

from harness import Workspace, settled, until
from headwater.drafts import MOST_DRAFTS

BIK = "/integrations/bikPlatformFunctions-events/sendEvents"


@pytest.fixture
def drafting(workspace: Workspace) -> Workspace:
    changed = workspace.client.patch("/v1/workspace", json={"unknown_signals": "draft"})
    assert changed.status_code == 200 and changed.json()["unknown_signals"] == "draft"
    return workspace


def track(client: httpx.Client, *names: str, **fields: Any) -> httpx.Response:
    batch = [{"type": "track", "userId": "ada", "event": name, **fields} for name in names]
    return client.post("/v1/batch", json={"batch": batch})


def bigmind(client: httpx.Client, signal: str, **fields: Any) -> httpx.Response:
    return client.post("/v1/events", json={"signal": signal, "identity": {"type": "user", "id": "ada"}, **fields})


def drafts(client: httpx.Client) -> list[str]:
    return [each["slug"] for each in client.get("/v1/signals", params={"draft": True, "limit": 1000}).json()["data"]]


def events(workspace: Workspace, slug: str, count: int) -> list[dict[str, Any]]:
    def found() -> list[dict[str, Any]] | None:
        listed: list[dict[str, Any]] = workspace.client.get("/v1/events", params={"signal": slug}).json()["data"]
        return listed if len(listed) == count and all(each["status"] != "pending" for each in listed) else None

    return until(found, what=f"{count} events of {slug}")


def test_by_default_an_unknown_name_is_refused_in_each_dialects_words(workspace: Workspace) -> None:
    client = workspace.client
    assert client.get("/v1/workspace").json()["unknown_signals"] == "refuse"
    assert bigmind(client, "nobody").json() == {"success": False, "error": "Signals not found: nobody"}
    sent = {"events": [{"email": "a@b.c", "eventName": "nobody", "eventProperties": {}}]}
    assert client.post(BIK, json=sent).json()["errors"][0]["message"] == "'eventName' is not a known event: 'nobody'"
    told = track(client, "Nobody").json()
    assert (told["code"], told["path"]) == ("bad_request", "batch[0].event")
    cloud = {"id": "1", "source": "s", "type": "nobody", "specversion": "1.0"}
    headers = {"Content-Type": "application/cloudevents+json"}
    problem = client.post("/v1/cloudevents", json=cloud, headers=headers).json()
    assert problem["detail"] == "type is not a known event: 'nobody'"
    assert drafts(client) == []


def test_what_waited_is_taken_at_the_approval(drafting: Workspace) -> None:
    client = drafting.client
    answers = [bigmind(client, "visited"), bigmind(client, "visited", timestamp="2024-01-01T00:00:00Z")]
    assert [answer.status_code for answer in answers] == [200, 200]
    signal = client.get("/v1/signals/visited").json()
    assert (signal["draft"], signal["type"], signal["rate_limit"]) == (True, "event", None)
    assert answers[0].json()["data"]["signal_id"] == signal["id"]
    waiting = events(drafting, "visited", 2)
    assert {(each["status"], each["reason"]) for each in waiting} == {("rejected", "signal_draft")}
    assert client.get("/v1/profiles/user:ada").status_code == 404
    (kind,) = client.get("/v1/rejected/summary").json()["data"]
    assert (kind["reason"], kind["events"], kind["detail"]) == ("signal_draft", 2, "'visited' waits for approval")
    dry = client.post("/v1/rejected/replay", json={"filter": {}, "dry_run": True}).json()
    assert dry["failing"][0]["reason"] == "signal_draft" and dry["would_pass"] == 0

    approved = client.post("/v1/signals/visited/approve").json()
    assert (approved["signal"]["draft"], approved["signal"]["id"]) == (False, signal["id"])
    assert approved["replay"]["replayed"] == 2
    for answer in answers:
        event = until(partial(_processed, client, answer.json()["data"]["id"]), what="it is processed")
        assert event["reason"] is None
    assert client.get("/v1/profiles/user:ada").json()["events"] == 2
    assert bigmind(client, "visited").status_code == 200
    assert client.post("/v1/signals/visited/approve").status_code == 409
    told = [each["action"] for each in client.get("/v1/audit").json()["data"]]
    assert told[:4] == ["rejected.replay", "signal.approve", "signal.create", "workspace.update"]


def _processed(client: httpx.Client, event_id: str) -> dict[str, Any] | None:
    event = settled(client, event_id)
    return event if event and event["status"] == "processed" else None


def test_a_draft_approved_as_a_metric_counts_what_waited(drafting: Workspace) -> None:
    client = drafting.client
    assert track(client, "Item Sold", properties={"price": 5}).json() == {"success": True}
    events(drafting, "item-sold", 1)
    about = {"type": "metric", "aggregation": "sum", "period": "day"}
    wrong = client.post("/v1/signals/item-sold/approve", json=about)
    assert (wrong.status_code, wrong.json()["path"]) == (400, "value")
    assert drafts(client) == ["item-sold"]
    approved = client.post("/v1/signals/item-sold/approve", json=about | {"value": "price"})
    assert approved.status_code == 200 and approved.json()["replay"]["replayed"] == 1, approved.text
    metrics = "/v1/signals/item-sold/metrics?identity=user:ada"
    assert until(lambda: client.get(metrics).json()["data"])[0]["value"] == 5


def test_names_that_mean_one_signal_make_one_draft(drafting: Workspace) -> None:
    client = drafting.client
    assert track(client, "Order Placed", "order-placed", "Order  placed!").status_code == 200
    assert track(client, "注文", "注文").status_code == 200
    assert bigmind(client, "Order Placed").status_code == 404, "there a name is a slug"
    found = drafts(client)
    assert len(found) == 2 and "order-placed" in found
    assert client.get(f"/v1/signals/{found[0]}").json()["name"] in {"注文", "Order Placed"}
    events(drafting, "order-placed", 3)


def test_all_dialects_make_them(drafting: Workspace) -> None:
    client = drafting.client
    sent = {"events": [{"email": "a@b.c", "eventName": "newName", "eventProperties": {}}]}
    assert client.post(BIK, json=sent).json() == {"status": 200, "success": True}
    cloud = {"id": "1", "source": "s", "type": "com.example/thing", "specversion": "1.0"}
    headers = {"Content-Type": "application/cloudevents+json"}
    assert client.post("/v1/cloudevents", json=cloud, headers=headers).status_code == 200
    assert drafts(client) == ["com-example-thing", "newName"]


def test_a_draft_that_was_archived_is_refused(drafting: Workspace) -> None:
    client = drafting.client
    assert bigmind(client, "typo").status_code == 200
    assert client.delete("/v1/signals/typo").status_code == 204
    assert bigmind(client, "typo").status_code == 404
    assert client.post("/v1/signals/typo/approve").status_code == 404


def test_a_refused_request_makes_none(drafting: Workspace) -> None:
    client = drafting.client
    answer = client.post("/v1/batch", json={"batch": [{"type": "track", "event": "new", "userId": "a"}, {"type": "x"}]})
    assert answer.status_code == 400 and drafts(client) == []
    assert track(client, "bad\u0000name").status_code == 400
    lenient = {"Prefer": "handling=lenient"}
    batch = {"batch": [{"type": "track", "event": "new", "userId": "a"}, {"type": "track", "event": "other"}]}
    taken = client.post("/v1/batch", json=batch, headers=lenient)
    assert taken.status_code == 200 and [each["index"] for each in taken.json()["errors"]] == [1]
    assert drafts(client) == ["new"]


def test_a_request_over_a_limit_makes_none(drafting: Workspace) -> None:
    client = drafting.client
    client.post("/v1/signals", json={"name": "rare", "type": "event", "rate_limit": 1}).raise_for_status()
    sent = [{"type": "track", "userId": "ada", "event": each} for each in ("rare", "rare", "new")]
    for _ in range(2):
        answer = client.post("/v1/batch", json={"batch": [*sent, {"type": "screen", "userId": "ada"}]})
        assert answer.status_code == 429
    assert drafts(client) == [] and client.get("/v1/signals/screen").status_code == 404
    lenient = track(client, "rare", "new")
    assert lenient.status_code == 200 and drafts(client) == ["new"], "nothing of the limit was used up"


def test_they_are_bounded(drafting: Workspace) -> None:
    client = drafting.client
    for start in range(0, MOST_DRAFTS, 100):
        assert track(client, *(f"garbage {n}" for n in range(start, start + 100))).status_code == 200
    over = track(client, "garbage 0", "garbage one more")
    assert over.status_code == 400 and over.json()["path"] == "batch[1].event"
    assert len(drafts(client)) == MOST_DRAFTS
    assert client.delete("/v1/signals/garbage-7").status_code == 204
    assert track(client, "garbage one more").status_code == 200


def test_who_may(drafting: Workspace, workspace: Workspace) -> None:
    assert bigmind(drafting.client, "visited").status_code == 200
    with drafting.server.client() as other:
        assert other.post("/v1/signals/visited/approve").status_code == 404
    reader = drafting.client.post("/v1/keys", json={"scopes": ["read", "ingest"]}).json()["key"]
    with drafting.server.client(reader) as client:
        assert client.post("/v1/signals/visited/approve").status_code == 403
        assert client.patch("/v1/workspace", json={"unknown_signals": "draft"}).status_code == 403
