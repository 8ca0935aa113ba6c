"""A person is erased from a real headwater: over HTTP and by the command line, with the engine killed in it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from cli.test_doctor import look
from erasing import inside
from harness import Server, running, until
from headwater.cli.main import app

TOKEN, DIGITS = "qzx7731", "4915177317731"
MAIL, PHONE = f"{TOKEN}@example.com", f"+{DIGITS}"
BIK_BATCH, BIGMIND_BATCH = "/integrations/bikPlatformFunctions-events/sendEvents", "/v1/events/batch"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "data", "--log-keep-seconds", "1", "--segment-seconds", "600")
    with running(made) as started:
        yield started


def bik(email: str, phone: str, **fields: Any) -> dict[str, Any]:
    about = {"eventName": "purchasedAProduct", "eventProperties": {"productId": "p", "orderId": "o"}}
    return about | {"email": email, "phoneNumber": phone} | fields


def bigmind(signal: str, email: str, data: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"signal": signal, "identity": {"type": "email", "id": email}, "data": data, **fields}


def post(client: httpx.Client, path: str, events: list[dict[str, Any]], **headers: str) -> httpx.Response:
    answer = client.post(
        path, json={"events": events}, headers={name.replace("_", "-"): it for name, it in headers.items()}
    )
    assert answer.status_code == 200, answer.text
    return answer


def told(server: Server, client: httpx.Client, email: str, *paths: str) -> list[Any]:
    found = [client.get(f"/v1/profiles/email:{email}").json(), client.get(f"/v1/events?identity=email:{email}").json()]
    return found + [client.get(path).json() for path in paths]


def test_a_canary_is_nowhere_when_it_is_erased(server: Server) -> None:
    with server.client() as client:
        spend = {"name": "spend", "type": "metric", "aggregation": "sum", "period": "day", "value": "n"}
        for signal in (spend, {"name": "seen", "type": "event", "dedupe_by": "reference"}):
            assert client.post("/v1/signals", json=signal | {"rate_limit": None}).status_code == 201
        assert client.post("/v1/signals/seen/versions", json={"schema": {"required": ["n"]}}).status_code == 201
        load = client.post("/v1/backfills", json={"name": "load"}).json()["id"]
        definition = {"subject": "person", "where": {"performed": "purchasedAProduct"}}
        made = lambda: client.post("/v1/cohorts", json={"name": "buyers", "definition": definition})  # noqa: E731
        cohort = until(lambda: (it := made()).status_code == 201 and it.json(), 60, "cohorts are ready")["id"]

        hook = {"url": "https://hooks.invalid/", "events": ["cohort.entered"]}  # which nothing ever gets to
        log = f"/v1/webhooks/{client.post('/v1/webhooks', json=hook).json()['id']}/deliveries"

        other = "other@example.com"
        post(
            client, BIK_BATCH, [bik(MAIL, PHONE, customerName=TOKEN), bik(other, "+4930123456")], Idempotency_Key="one"
        )
        post(client, BIK_BATCH, [bik(MAIL, PHONE), bik(other, "+4930123456")], Headwater_Backfill=load)
        keyed = [
            bigmind("spend", MAIL, {"n": 5, "note": TOKEN}),
            bigmind("seen", MAIL, {"bad": TOKEN}, reference=f"ref-{TOKEN}"),
            bigmind("spend", other, {"n": 7}, reference="ref-other"),
        ]
        answer = post(client, BIGMIND_BATCH, keyed, Idempotency_Key="two")
        ids = [each["id"] for each in answer.json()["data"]]
        server.wait_processed(ids)
        server.wait_drained()
        until(lambda: client.get(f"/v1/cohorts/{cohort}").json()["size"] == 2, 30, "both are in")
        until(lambda: len(client.get(log).json()["data"]) == 2, 30, "the webhook is told of both")
        assert client.get(f"/v1/events/{ids[1]}").json()["status"] == "rejected"
        before = inside(server.data_dir, TOKEN, DIGITS)
        assert before[TOKEN] and before[DIGITS]
        others = told(server, client, other)

        options = ["--url", server.url, "--key", server.key]
        asked = client.delete(f"/v1/profiles/email:{MAIL}")
        assert (asked.status_code, asked.json()["status"]) == (202, "erasing")
        erasure = asked.json()["id"]
        until(
            lambda: client.get(f"/v1/erasures/{erasure}").json().get("step") not in (None, "drain"), 30, "it is begun"
        )
        server.kill_engine()
        server.wait_engine()
        again = CliRunner().invoke(app, ["profiles", "erase", f"phone:{PHONE}", "--yes", "--wait", "--json", *options])
        assert again.exit_code == 0, again.output
        assert json.loads(again.stdout)["status"] == "done"
        until(lambda: client.get(f"/v1/erasures/{erasure}").json().get("status") == "done", 120, "it is done")

        assert client.get(f"/v1/profiles/email:{MAIL}").status_code == 404
        assert [client.get(f"/v1/events/{each}").status_code for each in ids] == [404, 404, 200]
        assert told(server, client, other) == others
        assert client.get(f"/v1/cohorts/{cohort}").json()["size"] == 1
        assert sorted(each["status"] for each in client.get(log).json()["data"]) == ["erased", "pending"]
        assert [each["id"] for each in client.get("/v1/erasures").json()["data"]][1] == erasure
        assert "profile.erase" in client.get("/v1/audit").text
        retried = client.post(BIGMIND_BATCH, json={"events": keyed}, headers={"Idempotency-Key": "two"})
        assert retried.status_code == 410, retried.text
    until(lambda: inside(server.data_dir, TOKEN, DIGITS) == {TOKEN: [], DIGITS: []}, 10, "nothing is left of them")
    assert look(server.data_dir).of("fault") == set()
    assert TOKEN not in server.log(1 << 20)
    server.stop()
    assert inside(server.data_dir, TOKEN, DIGITS) == {TOKEN: [], DIGITS: []}
    assert look(server.data_dir).of("fault") == set()
