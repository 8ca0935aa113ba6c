"""Backfills and the audit at a real server that is killed: what was answered is so, and the audit says all of it."""

import json
from typing import Any

import httpx
from typer.testing import CliRunner

from harness import Server, until
from headwater.cli.main import app

SEND = "/integrations/bikPlatformFunctions-events/sendEvents"


def order(number: int) -> dict[str, Any]:
    return {"email": f"{number}@x.example", "eventName": "ordered", "eventProperties": {"orderId": str(number)}}


def load(client: httpx.Client, backfill_id: str, *numbers: int) -> None:
    body = {"events": [order(number) for number in numbers]}
    answer = client.post(SEND, json=body, headers={"Headwater-Backfill": backfill_id})
    assert answer.status_code == 200, answer.text


def create(client: httpx.Client, name: str, **more: Any) -> str:
    answer = client.post("/v1/backfills", json={"name": name, **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def turn(client: httpx.Client, backfill_id: str, verb: str) -> None:
    assert client.post(f"/v1/backfills/{backfill_id}/{verb}").status_code in (200, 202)


def shown(client: httpx.Client, backfill_id: str, status: str, events: int) -> dict[str, Any]:
    """The backfill once it is so; a server that starts is waited for."""

    def found() -> dict[str, Any] | None:
        try:
            answer = client.get(f"/v1/backfills/{backfill_id}")
        except httpx.TransportError:
            return None
        said = answer.json()
        return said if answer.status_code == 200 and (said["status"], said["events"]) == (status, events) else None

    return until(found, 90, f"{backfill_id} is {status} with {events} events")


def statuses(client: httpx.Client, backfill_id: str) -> set[str]:
    rows = client.get("/v1/events", params={"backfill": backfill_id, "limit": 1000}).json()["data"]
    return {row["status"] for row in rows}


def doctor(server: Server, *options: str) -> dict[str, dict[str, Any]]:
    done = CliRunner().invoke(app, ["doctor", "--data-dir", str(server.data_dir), "--json", *options])
    return {each["name"]: each for each in json.loads(done.stdout)["checks"]}


def test_what_was_answered_is_so_after_a_kill(fresh_server: Server) -> None:
    with fresh_server.client() as client:
        kept, gone, held = create(client, "kept"), create(client, "gone"), create(client, "held", hold=True)
        load(client, kept, *range(30))
        load(client, gone, *range(30, 80))
        load(client, held, *range(80, 90))
        turn(client, kept, "close")
        turn(client, gone, "revert")
        fresh_server.kill_group()
        fresh_server.start()
        fresh_server.wait_engine()
        shown(client, gone, "reverted", 50)
        shown(client, kept, "closed", 30)
        assert shown(client, held, "open", 10)["held"] is True
        found = {id: statuses(client, id) for id in (kept, gone, held)}
        assert found == {kept: {"processed"}, gone: {"reverted"}, held: {"pending"}}
        for id in (kept, gone):
            body = {"events": [order(1)]}
            assert client.post(SEND, json=body, headers={"Headwater-Backfill": id}).status_code == 409
        turn(client, held, "release")
        fresh_server.kill_engine()
        shown(client, held, "open", 10)
        assert statuses(client, held) == {"processed"}
        audit = client.get("/v1/audit").json()["data"]
        actions = sorted(row["action"] for row in audit if row["action"].startswith("backfill."))
        assert actions == ["backfill.close", *["backfill.create"] * 3, "backfill.release", "backfill.revert"]
        checks = doctor(fresh_server)
        assert {name for name, check in checks.items() if check["verdict"] == "fault"} == set(), checks
        assert checks["catalog.chain"]["verdict"] == "ok"


def test_the_engine_may_be_away_while_one_is_reverted(fresh_server: Server) -> None:
    with fresh_server.client() as client:
        id = create(client, "load")
        load(client, id, *range(20))
        shown(client, id, "open", 20)
        fresh_server.kill_engine()
        answer = client.post(f"/v1/backfills/{id}/revert")
        assert answer.status_code == 202 and answer.json()["status"] in ("reverting", "reverted"), answer.text
        shown(client, id, "reverted", 20)
        assert statuses(client, id) == {"reverted"}
        assert client.get("/v1/profiles/email%3A3%40x.example").status_code == 404


def test_who_changes_something_is_in_the_audit(fresh_server: Server) -> None:
    """By either role and from outside, each once; the chain runs through all of it."""
    with fresh_server.client() as client:
        made = client.post("/v1/keys", json={"name": "spare", "scopes": ["admin", "read", "ingest"]}).json()
        with fresh_server.client(made["key"]) as spare:
            spare.post("/v1/signals", json={"name": "seen", "type": "event", "dedupe_by": "reference"})
            spare.patch("/v1/signals/seen", json={"retention_days": 7})
            spare.patch("/v1/workspace", json={"max_identities": 50})
            id = create(spare, "load")
            load(spare, id, 1)
            definition = {"subject": "person", "where": {"performed": "ordered"}}
            body = {"name": "buyers", "definition": definition}
            cohort = until(lambda: (found := spare.post("/v1/cohorts", json=body)).status_code == 201 and found, 60)
            spare.patch(f"/v1/cohorts/{cohort.json()['id']}", json={"name": "customers"})
            spare.delete(f"/v1/cohorts/{cohort.json()['id']}")
            turn(spare, id, "revert")
        outside = ["keys", "create", "--offline", "--data-dir", str(fresh_server.data_dir)]
        assert CliRunner().invoke(app, outside).exit_code == 0
        client.delete(f"/v1/keys/{made['id']}")
        rows = client.get("/v1/audit").json()["data"][::-1]
        # A server's start makes a link to its dashboard, which is noted some time after.
        others = [row for row in rows if row["actor"] != "first-start" and row["action"] != "session.link"]
        said = [(row["action"], row["actor"] == made["id"]) for row in others]
        assert said == [
            ("key.create", False),
            ("signal.create", True),
            ("signal.update", True),
            ("workspace.update", True),
            ("backfill.create", True),
            ("cohort.create", True),
            ("cohort.update", True),
            ("cohort.delete", True),
            ("backfill.revert", True),
            ("key.create", False),
            ("key.revoke", False),
        ]
        check = doctor(fresh_server, "--quick")["catalog.chain"]
        assert (check["verdict"], check["figures"]["entries"]) == ("ok", len(rows))
