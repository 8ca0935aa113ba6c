"""`Headwater-Backfill` in both dialects: who joins, who is refused and how, and where `isMigration` goes without it."""

from typing import Any

import pytest

from harness import Server, until
from headwater.clock import now_ms, to_iso
from wire.client import Answer, Client
from wire.languages import BIGMIND, BIK, SIGNAL, Language
from wire.workspaces import new_workspace

OLD = {"bik": {"createdAt": "2019-05-06T07:08:09Z"}, "bigmind": {"timestamp": "2019-05-06T07:08:09Z"}}


@pytest.fixture(autouse=True)
def signal(client: Client) -> None:
    assert client.call("POST", "/v1/signals", {"name": SIGNAL, "type": "event", "rate_limit": None}).status == 201


def create(client: Client, name: str = "load", **more: Any) -> dict[str, Any]:
    answer = client.call("POST", "/v1/backfills", {"name": name, **more})
    assert answer.status == 201, answer
    return dict(answer.json)


def send(client: Client, language: Language, body: bytes, *ids: str, path: str = "") -> Answer:
    headers = [("Authorization", f"Bearer {client.key}"), ("Content-Type", "application/json")]
    headers += [("Headwater-Backfill", id) for id in ids]
    return client.send("POST", path or language.batch, headers, body)


def stored(client: Client, answer: Answer) -> list[dict[str, Any]]:
    """The batch's events, once all have an outcome."""
    assert answer.status == 200, answer

    def settled() -> list[dict[str, Any]] | None:
        found = client.call("GET", f"/v1/batches/{answer.headers['headwater-batch']}")
        events = found.json["data"] if found.status == 200 else []
        return events if events and all(event["status"] != "pending" for event in events) else None

    return until(settled, 60)


def nothing_came(client: Client) -> None:
    assert client.call("GET", "/v1/events").json["data"] == []


def test_all_of_a_request_join_and_migrate(client: Client, language: Language) -> None:
    id = create(client)["id"]
    old = language.event(**OLD[language.name])
    for body, path in (
        (language.batch_of(old, language.event()), language.batch),
        (language.batch_of(old)[len(b'{"events": [') : -2], language.single),
    ):
        events = stored(client, send(client, language, body, id, path=path))
        assert {(event["backfill_id"], event["lane"], event["status"]) for event in events} == {
            (id, "migration", "processed")
        }
    until(lambda: client.call("GET", f"/v1/backfills/{id}").json["events"] == 3)


def test_an_id_that_is_not_ones_own_is_unknown(client: Client, server: Server, language: Language) -> None:
    other = new_workspace(server)
    theirs = create(other)["id"]
    for wrong in (theirs, "bf_unknown0", "load", "", "x" * 4000, "bf_%00", "ä"):
        answer = send(client, language, language.batch_of(language.event()), wrong)
        assert answer.status == 404, answer
        assert "Headwater-Backfill" in language.refusal(answer)
    nothing_came(client)
    nothing_came(other)
    other.close()


def test_two_at_once_are_refused(client: Client, language: Language) -> None:
    ids = [create(client, name)["id"] for name in ("one", "two")]
    answer = send(client, language, language.batch_of(language.event()), *ids)
    assert answer.status == 404, answer
    assert all(id in language.refusal(answer) for id in ids)
    nothing_came(client)


@pytest.mark.parametrize("verb", ["close", "revert"])
def test_one_that_ended_takes_no_more(client: Client, language: Language, verb: str) -> None:
    id = create(client)["id"]
    assert client.call("POST", f"/v1/backfills/{id}/{verb}").status in (200, 202)
    answer = send(client, language, language.batch_of(language.event()), id)
    assert answer.status == 409, answer
    assert verb in language.refusal(answer) and id in language.refusal(answer)
    nothing_came(client)


def test_of_a_held_one_events_wait(client: Client, language: Language) -> None:
    id = create(client, hold=True)["id"]
    answer = send(client, language, language.batch_of(language.event()), id)
    assert answer.status == 200, answer
    until(lambda: client.call("GET", f"/v1/backfills/{id}").json["events"] == 1)
    (event,) = client.call("GET", "/v1/events").json["data"]
    assert (event["status"], event["backfill_id"]) == ("pending", id)
    assert client.call("POST", f"/v1/backfills/{id}/release").status == 202
    assert client.call("GET", f"/v1/events/{event['id']}").json["status"] == "processed"


def test_migration_without_the_header_joins_the_days_own(client: Client) -> None:
    mixed = BIK.batch_of(BIK.event(isMigration=True, **OLD["bik"]), BIK.event())
    days = {to_iso(now_ms())[:10]}
    events = stored(client, send(client, BIK, mixed))
    days.add(to_iso(now_ms())[:10])
    (standing,) = client.call("GET", "/v1/backfills").json["data"]
    assert standing["day"] in days and standing["name"] == f"migration {standing['day']}"
    assert sorted((event["lane"], event["backfill_id"]) for event in events if event["backfill_id"]) == [
        ("migration", standing["id"])
    ]
    assert [event["lane"] for event in events if not event["backfill_id"]] == ["realtime"]
    assert client.call("POST", f"/v1/backfills/{standing['id']}/revert").status == 202
    stored(client, send(client, BIK, mixed))
    names = [each["name"] for each in client.call("GET", "/v1/backfills").json["data"]]
    assert names == [f"{standing['name']} (2)", standing["name"]] or standing["day"] != to_iso(now_ms())[:10]
    audit = client.call("GET", "/v1/audit").json["data"]
    assert ("gateway", "backfill.create", standing["id"]) in {
        (row["actor"], row["action"], row["target"]) for row in audit
    }


def test_late_events_of_bigmind_join_none(client: Client) -> None:
    (event,) = stored(client, send(client, BIGMIND, BIGMIND.batch_of(BIGMIND.event(**OLD["bigmind"]))))
    assert (event["lane"], event["backfill_id"]) == ("migration", None)
    assert client.call("GET", "/v1/backfills").json["data"] == []


def test_a_key_that_may_send_may_send_into_one(client: Client, language: Language) -> None:
    id = create(client)["id"]
    sender = Client(
        f"http://{client.host}:{client.port}",
        client.call("POST", "/v1/keys", {"scopes": ["ingest"]}).json["key"],
    )
    assert send(sender, language, language.batch_of(language.event()), id).status == 200
    assert sender.call("POST", f"/v1/backfills/{id}/revert").status == 403
    sender.close()
