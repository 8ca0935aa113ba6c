"""Identities with line breaks in paths: each is somebody, and nobody else. A running headwater, both dialects."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from harness import Server, Workspace, running, until

BIGMIND, BIK = "/v1/events/batch", "/integrations/bikPlatformFunctions-events/sendEvents"
BARE = "account:tail"
BROKEN = [
    "account:tail\n",
    "account:ta\nil",
    "account:tail\r",
    "account:tail\r\n",
    "account:\ntail",
    "account:tail\n\n",
]
ENDINGS = ["account:tail/events\n", "account:tail/connections\n", "account:tail\n/events"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One whose erasures do not wait for the log."""
    data = tmp_path_factory.mktemp("odd") / "data"
    with running(Server(data, "--log-keep-seconds", "1")) as started:
        yield started


def path(key: str, rest: str = "") -> str:
    return f"/v1/profiles/{quote(key, safe='')}{rest}"


def sent(workspace: Workspace, *keys: str) -> None:
    """One event of each, by the dialect that can name any identity."""
    events = []
    for key in keys:
        type_, _, id_ = key.partition(":")
        events.append({"signal": "seen", "identity": {"type": type_, "id": id_}, "data": {}})
    answer = workspace.client.post(BIGMIND, json={"events": events})
    assert answer.status_code == 200, answer.text
    workspace.server.wait_processed([each["id"] for each in answer.json()["data"]], workspace.key)


@pytest.fixture
def seen(workspace: Workspace) -> Workspace:
    fields = {"name": "seen", "slug": "seen", "type": "event", "rate_limit": None}
    assert workspace.client.post("/v1/signals", json=fields).status_code == 201
    sent(workspace, BARE, *BROKEN, *ENDINGS)
    return workspace


def asked(workspace: Workspace, where: str) -> Any:
    answer = workspace.client.get(where)
    assert answer.status_code == 200, f"{where}: {answer.text}"
    return answer.json()


def identities(told: Any) -> list[str]:
    return [f"{each['type']}:{each['id']}" for each in told["identities"]]


@pytest.mark.parametrize("key", [BARE, *BROKEN, *ENDINGS])
def test_each_is_asked_for_by_name(seen: Workspace, key: str) -> None:
    assert identities(asked(seen, path(key))) == [key]
    assert identities(asked(seen, path(key, "/connections"))) == [key]
    (event,) = asked(seen, path(key, "/events"))["data"]
    assert identities(event) == [key]


@pytest.mark.parametrize("key", BROKEN)
def test_an_unmerge_is_of_whom_it_names(seen: Workspace, key: str) -> None:
    answer = seen.client.post(path(key, "/unmerge"), json={"identity": key})
    assert answer.status_code == 409 and "connected with nothing" in answer.text, answer.text
    assert seen.client.post(path(key, "/unmerge"), json={"identity": BARE}).json().get("path") == "identity"
    assert seen.client.post(path(BARE, "/unmerge%0A"), json={"identity": BARE}).status_code == 405


def test_a_member_is_whom_it_names(seen: Workspace) -> None:
    body = {"name": "seen", "definition": {"subject": "account", "where": {"performed": "seen"}}}

    def made() -> httpx.Response | None:
        answer = seen.client.post("/v1/cohorts", json=body)
        return None if answer.status_code == 503 else answer

    cohort = until(made, 60, "cohorts are ready").json()["id"]
    for key in (BARE, *BROKEN, *ENDINGS):
        told = asked(seen, f"/v1/cohorts/{cohort}/members/{quote(key, safe='')}")
        assert (told["member"], identities(told)) == (True, [key])
    for key in ("account:tai\nl", "account:taill\n"):
        assert not asked(seen, f"/v1/cohorts/{cohort}/members/{quote(key, safe='')}")["member"]


def erased(workspace: Workspace, *keys: str) -> None:
    """Returns when nobody of them is told of any more; what lies on the disk takes longer."""
    answers = [workspace.client.delete(path(key)) for key in keys]
    for answer in answers:
        assert answer.status_code == 202, answer.text
        until(lambda: gone(workspace, answer.json()["id"]), 60, "it is deleted")  # noqa: B023  asked at once


def gone(workspace: Workspace, id_: str) -> bool:
    step = asked(workspace, f"/v1/erasures/{id_}")["step"]
    return step in ("claims", "purge", "log", "again", "forget", "close", None)


@pytest.mark.parametrize("key", [BROKEN[0], BROKEN[1], BROKEN[2], ENDINGS[0]])
def test_an_erasure_is_of_whom_it_names(seen: Workspace, key: str) -> None:
    erased(seen, key)
    for each in (BARE, *BROKEN, *ENDINGS):
        assert seen.client.get(path(each)).status_code == (404 if each == key else 200), each


def test_an_erasure_of_nobody_is_nobody_elses(seen: Workspace) -> None:
    strangers = ("account:tail\n\r", "account:t\nail", "account:tail\u2028")
    erased(seen, *strangers)
    for key in strangers:
        assert seen.client.get(path(key)).status_code == 404
    for key in (BARE, *BROKEN, *ENDINGS):
        assert identities(asked(seen, path(key))) == [key]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_an_address_is_trimmed_in_a_path_as_in_an_event(workspace: Workspace, end: str) -> None:
    fields = {"name": "a", "slug": "a", "type": "event", "rate_limit": None}
    assert workspace.client.post("/v1/signals", json=fields).status_code == 201
    event = {"eventName": "a", "email": f"ada@x.example{end}", "eventProperties": {}}
    answer = workspace.client.post(BIK, json={"events": [event]})
    assert answer.status_code == 200, answer.text
    batch = asked(workspace, f"/v1/batches/{answer.headers['headwater-batch']}")["data"]
    workspace.server.wait_processed([each["id"] for each in batch], workspace.key)
    for key in ("email:ada@x.example", f"email:ada@x.example{end}"):
        assert asked(workspace, path(key, "/events"))["data"][0]["identities"][0]["id"] == "ada@x.example"


def test_the_document_names_the_parameter(workspace: Workspace) -> None:
    paths = asked(workspace, "/openapi.json")["paths"]
    for where in ("/v1/profiles/{key}", "/v1/profiles/{key}/events", "/v1/cohorts/{id}/members/{key}"):
        assert where in paths, sorted(paths)
