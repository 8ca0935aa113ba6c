"""Directories of every earlier version, opened by today's server: all that was acknowledged is there, and fits."""

import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import chdb
import pytest

from catalog.older import KEY
from cli.test_backup import backup, clean, restored, serving
from harness import Server, until
from headwater.clock import to_iso
from older import COHORT, GENERATIONS, Generation, Past, make

named = pytest.mark.parametrize("generation", GENERATIONS, ids=lambda each: "-".join(map(str, each)))


def answers(server: Server, past: Past, generation: Generation) -> None:
    """What an earlier version stored, and what waited in its log, answers as if today's had taken it."""
    server.wait_drained()
    with server.client(KEY) as client:
        for event_id, reason in (past.stored | past.waiting).items():
            event = client.get(f"/v1/events/{event_id}").json()
            assert (event["status"], event["reason"]) == ("rejected" if reason else "processed", reason or None), event
            assert event["backfill_id"] in (None, "") and event["received_at"]
        page = client.get("/v1/events", params={"limit": 100}).json()["data"]
        assert {event["id"] for event in page} == past.stored.keys() | past.waiting.keys() and len(page) == 12
        profile = client.get("/v1/profiles/phone%3A%2B14155550100").json()
        assert len(profile["identities"]) == 4, "one phone, three addresses: linked by events of before and after"
        assert profile["events"] == 3 * 2
        day = to_iso(past.day_ms)[:10]
        answer = client.get("/v1/signals/calls/metrics", params={"identity": "phone:+14155550100"}).json()["data"]
        if generation.store > 1:  # before, nobody wrote down what a metric measures
            assert [(each["period_start"][:10], each["value"]) for each in answer] == [(day, 12)]
        if generation.cohorts:
            found = until(lambda: client.get(f"/v1/cohorts/{COHORT}").json().get("size"), 60, "the cohort is ready")
            assert found == 1


@named
def test_an_earlier_directory_answers_and_fits(tmp_path: Path, generation: Generation) -> None:
    past = make(tmp_path / "data", generation)
    with serving(tmp_path / "data") as server:
        answers(server, past, generation)
        clean(server.data_dir)
        assert server.stop() == 0
    clean(tmp_path / "data")
    with serving(tmp_path / "data") as server:  # a second start finds nothing more to bring up to date
        answers(server, past, generation)


@named
def test_a_backup_of_an_earlier_directory_is_restored_and_brought_up_to_date(
    tmp_path: Path, generation: Generation
) -> None:
    past = make(tmp_path / "data", generation)
    path = backup(tmp_path / "data", tmp_path / "backups")
    shutil.rmtree(tmp_path / "data")
    with serving(restored(path, tmp_path / "back")) as server:
        answers(server, past, generation)
        clean(server.data_dir)


def a_newer_state(data_dir: Path) -> None:
    _version(data_dir / "state.db")


def a_newer_catalog(data_dir: Path) -> None:
    _version(data_dir / "catalog.db")


def newer_cohorts(data_dir: Path) -> None:
    _version(data_dir / "cohorts.db")


def newer_webhooks(data_dir: Path) -> None:
    _version(data_dir / "webhooks.db")


def newer_destinations(data_dir: Path) -> None:
    _version(data_dir / "destinations.db")


def newer_claims(data_dir: Path) -> None:
    _version(data_dir / "claims.db")


def a_newer_store(data_dir: Path) -> None:
    handle = chdb.connect(str(data_dir / "store"))
    handle.query("INSERT INTO migrations (number, name) VALUES (99, '099_later.sql')")
    handle.close()


def _version(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 99)
    connection.close()


@pytest.mark.parametrize(
    ("harm", "role"),
    [
        (a_newer_state, "engine"),
        (a_newer_store, "engine"),
        (newer_cohorts, "engine"),
        (newer_webhooks, "engine"),
        (newer_destinations, "engine"),
        (a_newer_catalog, "gateway"),
        (newer_claims, "gateway"),
    ],
)
def test_what_a_newer_headwater_wrote_is_refused_by_name(
    tmp_path: Path, harm: Callable[[Path], None], role: str
) -> None:
    make(tmp_path / "data", GENERATIONS[-1])
    harm(tmp_path / "data")
    server = Server(tmp_path / "data")
    try:
        server.start(wait=False)
        if role == "gateway":
            assert server.process.wait(60) != 0
        else:
            until(lambda: "newer headwater" in server.log(), 60)
            assert server.process.poll() is None, "the gateway takes events all the same"
        assert "newer headwater" in server.log(), server.log()
    finally:
        server.kill_group()
