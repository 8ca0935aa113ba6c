"""Two gateways and two engines on real services: one installation."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

import services
from clustered import Cluster
from harness import until
from receiving import Receiver, receiving

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def cluster(make_cluster: Callable[..., Cluster]) -> Cluster:
    return make_cluster("cluster", WEBHOOKS_ALLOW="127.0.0.1", WEBHOOKS_DIGEST_SECONDS=1)


def ordered(number: int) -> dict[str, Any]:
    return {
        "email": f"{number}@example.com",
        "eventName": "keywordSearched",
        "eventProperties": {"keyword": f"k{number}"},
    }


def test_what_any_gateway_took_is_stored_once(cluster: Cluster) -> None:
    for batch in range(40):
        with cluster.client(batch % 2) as client:
            body = {"events": [ordered(batch * 100 + number) for number in range(100)]}
            answer = client.post("/integrations/bikPlatformFunctions-events/sendEvents", json=body)
            assert answer.status_code == 200, answer.text
    cluster.wait_drained()
    with cluster.client(1) as client:
        rows = client.get("/v1/events/export?signal=keywordSearched", timeout=60).text.splitlines()
    assert len(rows) == 4_000


def test_a_signal_made_at_one_gateway_is_known_at_the_other(cluster: Cluster) -> None:
    with cluster.client(0) as one, cluster.client(1) as other:
        for number in range(10):
            made = one.post("/v1/signals", json={"name": f"visited {number}", "type": "event", "rate_limit": 25})
            assert made.status_code == 201, made.text
            event = {"signal": f"visited-{number}", "identity": {"type": "account", "id": "1"}, "data": {}}
            assert other.post("/v1/events/batch", json={"events": [event]}).status_code == 200
            made = one.post("/v1/keys", json={"name": "guest", "scopes": ["read"]}).json()
            with cluster.client(1, made["key"]) as guest:
                assert guest.get("/v1/signals").status_code == 200
                assert one.delete(f"/v1/keys/{made['id']}").status_code == 204
                assert guest.get("/v1/signals").status_code == 401


def test_a_cohort_follows_events_of_all_partitions(cluster: Cluster) -> None:
    with cluster.client(0) as one, cluster.client(1) as other:
        body = {"name": "searchers", "definition": {"subject": "person", "where": {"performed": "productViewed"}}}
        made = until(lambda: (found := one.post("/v1/cohorts", json=body)).status_code == 201 and found, 60).json()
        for number in range(30):
            event = {
                "email": f"viewer{number}@example.com",
                "eventName": "productViewed",
                "eventProperties": {"productId": "p", "variantId": "v"},
            }
            client = (one, other)[number % 2]
            path = "/integrations/bikPlatformFunctions-events/sendEvents"
            assert client.post(path, json={"events": [event]}).status_code == 200
        until(lambda: other.get(f"/v1/cohorts/{made['id']}").json()["size"] == 30, 30, "all are in it")


def test_a_webhook_is_told_what_any_gateway_and_engine_did(cluster: Cluster) -> None:
    path = "/integrations/bikPlatformFunctions-events/sendEvents"
    with cluster.client(0) as one, cluster.client(1) as other, receiving() as receiver:
        definition = {"subject": "person", "where": {"performed": "pageViewed"}}
        cohort = {"name": "viewers", "definition": definition}
        until(lambda: one.post("/v1/cohorts", json=cohort).status_code in (201, 409), 60)
        events = ["cohort.entered", "events.rejected", "backfill.finished"]
        secret = one.post("/v1/webhooks", json={"url": receiver.url, "events": events}).json()["secret"]
        backfill = one.post("/v1/backfills", json={"name": "told"}).json()["id"]
        for number in range(20):
            client = (one, other)[number % 2]
            event = {"email": f"v{number}@example.com", "eventName": "pageViewed", "eventProperties": {}}
            rejected = event | {"createdAt": "2020-01-01T00:00:00Z"}
            assert client.post(path, json={"events": [event, rejected]}).status_code == 200
            headers = {"headwater-backfill": backfill}
            assert client.post(path, json={"events": [rejected]}, headers=headers).status_code == 200
        one.post(f"/v1/backfills/{backfill}/close")
        until(lambda: len({each.id for each in receiver.got("cohort.entered")}) == 20, 60, "all who entered")
        closed, *_ = until(lambda: receiver.got("backfill.finished"), 60, "the backfill")  # it may come twice
        assert closed.verified(secret)["data"]["events"] == 20
        until(lambda: _rejections(receiver) == 20, 60, "all that were rejected")


def _rejections(receiver: Receiver) -> int:
    digests = {each.id: each.json["data"] for each in receiver.got("events.rejected")}  # each may come twice
    return sum(each["events"] for each in digests.values())


def test_an_operator_without_a_key_makes_one_that_every_gateway_takes(cluster: Cluster, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "headwater", "keys", "create", "found", "--offline", "--json"]

    def create(data_dir: Path) -> subprocess.CompletedProcess[str]:
        asked = [*command, "--data-dir", str(data_dir)]
        return subprocess.run(asked, env=cluster.environment, capture_output=True, text=True, timeout=60)

    made = create(cluster.folder / cluster.gateways[0].name)
    assert made.returncode == 0, made.stderr
    headers = {"Authorization": f"Bearer {json.loads(made.stdout)['key']}"}
    for number in range(len(cluster.gateways)):
        answer = httpx.get(f"{cluster.url(number)}/v1/keys", headers=headers, timeout=30, trust_env=False)
        assert answer.status_code == 200 and "found" in answer.text
    without = create(tmp_path)
    assert without.returncode == 1 and "key-secret is missing" in without.stderr, without.stderr


def test_no_key_is_made_where_no_gateway_was(cluster: Cluster, postgres: services.Postgres) -> None:
    """Or the catalog would be bound to whatever secret lies in that directory."""
    url, folder = postgres.database(), cluster.folder / cluster.gateways[0].name
    command = [sys.executable, "-m", "headwater", "keys", "create", "--offline", "--data-dir", str(folder)]
    done = subprocess.run([*command, "--database-url", url], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "its first gateway makes one" in done.stderr, done.stderr
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT FROM pg_namespace WHERE nspname = 'headwater'").fetchone() is None
