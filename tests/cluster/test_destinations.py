"""Whoever leads delivers: each event is in the files once, though the leader is killed in the middle of it."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clustered import START_SECONDS, Cluster, Role
from harness import until

pytestmark = pytest.mark.cluster

FILE = """
[[destination]]
name = "lake"
kind = "parquet"
settings = { path = "lake", window_seconds = 1 }
"""
LEADS = "this engine leads"
SENT = "/integrations/bikPlatformFunctions-events/sendEvents"


def sent(cluster: Cluster, number: int) -> None:
    event = {"email": f"{number}@x.y", "eventName": "keywordSearched", "eventProperties": {"keyword": "k"}}
    with cluster.client(number % 2) as client:
        assert client.post(SENT, json={"events": [event] * 10}).status_code == 200


def in_lake(folder: Path) -> list[str]:
    files = (folder / "lake").rglob("*.parquet")
    return sorted(each for path in files for each in pq.ParquetFile(path).read(["id"]).column("id").to_pylist())


def in_store(cluster: Cluster) -> list[str]:
    with cluster.client() as client:
        return sorted(json.loads(line)["id"] for line in client.get("/v1/events/export", timeout=60).text.splitlines())


def leader(cluster: Cluster) -> Role:
    (found,) = [role for role in cluster.engines if LEADS in role.log()]
    return found


@pytest.mark.timeout(600)
def test_the_files_have_each_event_once_though_the_leader_is_killed(
    make_cluster: Callable[..., Cluster], tmp_path: Path
) -> None:
    (tmp_path / "destinations.toml").write_text(FILE)
    cluster = make_cluster("delivering", DESTINATIONS=tmp_path / "destinations.toml")
    for number in range(30):
        sent(cluster, number)
    until(lambda: in_lake(tmp_path), START_SECONDS, "the first file")
    for number in range(30, 60):
        sent(cluster, number)
    killed = leader(cluster)
    (other,) = [role for role in cluster.engines if role is not killed]
    killed.kill()
    for number in range(60, 90):
        sent(cluster, number)
    killed.start()
    until(lambda: LEADS in other.log() or killed.log().count(LEADS) > 1, START_SECONDS, "an engine leads again")
    cluster.wait_drained()
    stored = in_store(cluster)
    assert len(stored) == 900
    until(lambda: in_lake(tmp_path) == stored, START_SECONDS, "all arrived")
    with cluster.client() as client:
        (lake,) = client.get("/v1/destinations").json()["data"]
        assert lake["status"] == "running" and not lake["error"]
