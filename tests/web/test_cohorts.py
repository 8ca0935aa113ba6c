"""Cohorts over HTTP: statuses, shapes and scopes, asked of the engine's own routes."""

import asyncio
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest
from fastapi import FastAPI

from headwater import clock
from headwater.cohorts import Cohorts
from headwater.errors import UnavailableError
from headwater.rules import membership
from headwater.state.cohorts import Change, Cohort, Rename
from headwater.state.cohorts_sqlite import SqliteMemberships
from headwater.web import cohort_models, openapi, problems
from headwater.web.cohorts import router
from remembered import ADA, BOB, ORDERED, SIGNALS, WORKSPACE, Remembered, connected

READER = {"headwater-workspace": WORKSPACE, "headwater-scopes": "ingest,read"}
ADMIN = {"headwater-workspace": WORKSPACE, "headwater-scopes": "admin"}
WRONG: Any = {"subject": "person", "where": {"all": [ORDERED["where"], {"performed": "ordered", "within": "soon"}]}}


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[SqliteMemberships]:
    kept = SqliteMemberships(tmp_path / "cohorts.db")
    yield kept
    kept.close()


@pytest.fixture
def live(kept: SqliteMemberships) -> Remembered:
    return Remembered(kept)


class Asking:
    """Requests to an application in this process, one after the other."""

    def __init__(self, app: FastAPI) -> None:
        self._loop = asyncio.Runner()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://engine", headers=ADMIN)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._loop.run(self._client.request(method, path, **options))

    def close(self) -> None:
        self._loop.run(self._client.aclose())
        self._loop.close()


@pytest.fixture
def client(kept: SqliteMemberships, live: Remembered) -> Iterator[Asking]:
    app = FastAPI(redirect_slashes=False)
    problems.install(app)
    app.include_router(router(Cohorts(kept, live, lambda workspace: SIGNALS, connected)))
    client = Asking(app)
    yield client
    client.close()


@pytest.fixture
def made(client: Asking) -> dict[str, Any]:
    answer = client.ask("POST", "/v1/cohorts", json={"name": "Regulars", "definition": ORDERED})
    assert answer.status_code == 201, answer.text
    cohort: dict[str, Any] = answer.json()
    return cohort


def check_problem(answer: Any, status: int, path: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().get("path") == path and answer.json()["detail"]


def test_a_cohorts_life(client: Asking, made: dict[str, Any]) -> None:
    where = f"/v1/cohorts/{made['id']}"
    assert made == made | {"name": "Regulars", "size": 1, "definition": ORDERED, "as_of": "1970-01-01T00:00:02.000Z"}
    assert client.ask("GET", where).json() == made
    assert client.ask("GET", "/v1/cohorts").json() == {"data": [made], "next": None}
    assert client.ask("PATCH", where, json={"name": "Others"}).json() == made | {"name": "Others"}
    check_problem(client.ask("POST", "/v1/cohorts", json={"name": "Others", "definition": ORDERED}), 409)
    answer = client.ask("DELETE", where)
    assert (answer.status_code, answer.content) == (204, b"")
    for path in ("", "/members", f"/members/{ADA}", "/changes", "/export"):
        check_problem(client.ask("GET", where + path), 404)
    check_problem(client.ask("DELETE", where), 404)


def test_a_full_disk_is_503_and_no_fault_of_ours(client: Asking, made: dict[str, Any], kept: SqliteMemberships) -> None:
    kept._write.execute("PRAGMA max_page_count = 1")  # that is: what it has now
    where = {"subject": "person", "where": {"performed": "ordered", "filter": {"a": {"in": ["x" * 1_000] * 50}}}}
    answer = client.ask("POST", "/v1/cohorts", json={"name": "Others", "definition": where})
    check_problem(answer, 503)
    assert answer.headers["retry-after"]
    kept._write.execute("PRAGMA max_page_count = 4294967294")
    assert client.ask("GET", "/v1/cohorts").json() == {"data": [made], "next": None}
    assert client.ask("POST", "/v1/cohorts", json={"name": "Others", "definition": where}).status_code == 201


def test_members_explanations_and_changes(client: Asking, made: dict[str, Any], kept: SqliteMemberships) -> None:
    where = f"/v1/cohorts/{made['id']}"
    page = client.ask("GET", f"{where}/members").json()
    assert len(page["data"]) == 1 and page["next"] is None and page["as_of"] == made["as_of"]
    told = client.ask("GET", f"{where}/members/{quote(ADA, safe='')}").json()
    assert told["member"] and told["explain"][0]["condition"] == ORDERED["where"]
    assert client.ask("GET", f"{where}/members/phone%3A%2B19494572000").json() == told
    never = client.ask("GET", f"{where}/members/account%3Aa%2Fb%3Ac").json()
    assert not never["member"] and never["identities"] == [{"type": "account", "id": "a/b:c"}]
    kept.apply([Change(made["id"], "account:1", n, bool(n % 2), "clock") for n in range(1, 8)])
    first = client.ask("GET", f"{where}/changes", params={"limit": 4}).json()
    rest = client.ask("GET", f"{where}/changes", params={"limit": 4, "cursor": first["next"]}).json()
    assert [each["at"][-2] for each in first["data"] + rest["data"]] == list("7654321") and rest["next"] is None
    assert client.ask("GET", f"{where}/changes", params={"identity": ADA}).json()["data"] == []


def test_a_preview_needs_only_read_and_keeps_nothing(client: Asking) -> None:
    answer = client.ask("POST", "/v1/cohorts/preview", json={"definition": ORDERED}, headers=READER)
    assert answer.status_code == 200 and answer.json()["size"] == 1
    assert client.ask("GET", "/v1/cohorts").json()["data"] == []


def test_who_may_only_read_changes_nothing(client: Asking, made: dict[str, Any]) -> None:
    where = f"/v1/cohorts/{made['id']}"
    check_problem(client.ask("POST", "/v1/cohorts", json={"name": "x", "definition": ORDERED}, headers=READER), 403)
    check_problem(client.ask("PATCH", where, json={"name": "x"}, headers=READER), 403)
    check_problem(client.ask("DELETE", where, headers=READER), 403)
    assert client.ask("GET", where, headers=READER).json() == made
    for path in ("/members", "/changes", "/export", f"/members/{ADA}"):
        assert client.ask("GET", where + path, headers=READER).status_code == 200


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"name": "x", "definition": WRONG}, "definition.where.all[1].within"),
        ({"name": "x", "definition": {"subject": "person"}}, "definition.where"),
        ({"name": "x", "definition": []}, "definition"),
        ({"name": "x"}, "definition"),
        ({"definition": ORDERED}, "name"),
        ({"name": "", "definition": ORDERED}, "name"),
        ({"name": "x" * 201, "definition": ORDERED}, "name"),
        ({"name": 7, "definition": ORDERED}, "name"),
        ({"name": "a\x00b", "definition": ORDERED}, "name"),
        ({"name": "x", "definition": ORDERED, "color": "red"}, "color"),
    ],
)
def test_a_wrong_body_is_told_its_place(client: Asking, body: Any, path: str) -> None:
    check_problem(client.ask("POST", "/v1/cohorts", json=body), 400, path)
    if "name" not in path and "color" not in path:
        check_problem(client.ask("POST", "/v1/cohorts/preview", json={"definition": body.get("definition")}), 400, path)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"definition": ' + b"[" * 200_000, b'{"definition": {"subject": "\\ud800"}}', b"\xff"],
)
def test_a_body_that_cannot_be_read_is_refused(client: Asking, body: bytes) -> None:
    answer = client.ask("POST", "/v1/cohorts/preview", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400 and answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "parameters", "named"),
    [
        ("", {"limit": 0}, "limit"),
        ("", {"limit": 1001}, "limit"),
        ("", {"cursor": "***"}, "cursor"),
        ("", {"size": 1}, "size"),
        ("/{}/members", {"cursor": "é"}, "cursor"),
        ("/{}/members", {"identity": ADA}, "identity"),
        ("/{}/changes", {"cursor": "eA"}, "cursor"),
        ("/{}/changes", {"identity": "ada"}, "identity"),
        ("/{}/changes", {"idenity": ADA}, "idenity"),
        ("/{}/export", {"format": "xlsx"}, "format"),
        ("/{}/export", {"limit": 1}, "limit"),
        ("/{}/members/ada", {}, "identity"),
    ],
)
def test_a_wrong_parameter_is_named(
    client: Asking, made: dict[str, Any], path: str, parameters: dict[str, Any], named: str
) -> None:
    check_problem(client.ask("GET", "/v1/cohorts" + path.format(made["id"]), params=parameters), 400, named)


def test_exports_are_files(client: Asking, made: dict[str, Any], live: Remembered) -> None:
    where = f"/v1/cohorts/{made['id']}/export"
    sheet = client.ask("GET", where)
    assert sheet.headers["content-type"] == "text/csv; charset=utf-8"
    assert sheet.headers["content-disposition"] == f'attachment; filename="{made["id"]}.csv"'
    head, row = csv.reader(io.StringIO(sheet.text, newline=""))
    assert dict(zip(head, row, strict=True))["phone"] == "+19494572000"
    lines = client.ask("GET", where, params={"format": "ndjson"})
    assert lines.headers["content-type"] == "application/x-ndjson"
    members = client.ask("GET", f"/v1/cohorts/{made['id']}/members").json()["data"]
    assert [msgspec.json.decode(line) for line in lines.content.splitlines()] == members


def test_an_engine_that_catches_up_says_so(client: Asking, live: Remembered) -> None:
    live.fails = UnavailableError("catching up", retry_after=3)
    answer = client.ask("POST", "/v1/cohorts", json={"name": "x", "definition": ORDERED})
    check_problem(answer, 503)
    assert answer.headers["retry-after"] == "3"


def test_answers_are_as_the_models_tell(client: Asking, made: dict[str, Any], kept: SqliteMemberships) -> None:
    where = f"/v1/cohorts/{made['id']}"
    kept.apply([Change(made["id"], "account:1", 1, True, "clock")])
    cohort_models.CohortPage.model_validate(client.ask("GET", "/v1/cohorts").json())
    cohort_models.MemberPage.model_validate(client.ask("GET", f"{where}/members").json())
    cohort_models.ChangePage.model_validate(client.ask("GET", f"{where}/changes").json())
    cohort_models.ExplainAnswer.model_validate(client.ask("GET", f"{where}/members/{ADA}").json())
    preview = client.ask("POST", "/v1/cohorts/preview", json={"definition": ORDERED}).json()
    cohort_models.PreviewAnswer.model_validate(preview)
    for name in ("Cohort", "Member", "Sample", "Preview", "Condition", "Explain", "Change"):
        model, struct = getattr(cohort_models, f"{name}Answer"), getattr(membership, f"{name}Answer")
        assert list(model.model_fields) == list(struct.__struct_fields__)
    for page in ("CohortPage", "MemberPage", "ChangePage"):
        model, struct = getattr(cohort_models, page), getattr(membership, page)
        assert list(model.model_fields) == list(struct.__struct_fields__)


def test_every_route_is_documented() -> None:
    nobody: Any = None
    paths = openapi.document(router(nobody).routes)["paths"]
    calls = {(path, method) for path, item in paths.items() if "/cohorts" in path for method in item}
    assert len(calls) == 11
    for path, method in calls:
        call = paths[path][method]
        assert call["tags"] == ["Cohorts"] and call["summary"] and "403" in call["responses"]
        assert not any(each["name"].startswith("headwater-") for each in call.get("parameters", []))


def test_the_scopes_are_read_as_a_list(client: Asking) -> None:
    for scopes in ("", "read", "administrator", "read,superadmin"):
        headers = ADMIN | {"headwater-scopes": scopes}
        check_problem(
            client.ask("POST", "/v1/cohorts", json={"name": "x", "definition": ORDERED}, headers=headers), 403
        )


HOUR = 3_600_000
NOON = 1_795_348_800_000
"""2026-11-22T12:00:00Z"""


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch, kept: SqliteMemberships) -> str:
    """A cohort that was made a day and a half before noon, with what happened to it; its path."""
    monkeypatch.setattr(clock, "now_ms", lambda: NOON + HOUR // 2)
    kept.add(Cohort("coh_noon", WORKSPACE, "noon", ORDERED, NOON - 36 * HOUR))
    kept.fill("coh_noon", [ADA, BOB], NOON - 36 * HOUR)
    kept.apply([Change("coh_noon", ADA, NOON - 2 * HOUR, False, "clock")])
    kept.apply([Change("coh_noon", "account:1", NOON - 2 * HOUR + 1, True, "event")])
    kept.apply([Change("coh_noon", "account:2", NOON + 1, True, "event")])
    kept.apply([Change("coh_noon", "account:3", NOON + HOUR, True, "event")])  # the clock was set back after that
    kept.apply([], [Rename("coh_noon", "account:2", "account:1", NOON + 2)])
    return "/v1/cohorts/coh_noon/history"


def steps(client: Asking, path: str, **params: str) -> list[tuple[str, int, int, int]]:
    answer = client.ask("GET", path, params=params)
    assert answer.status_code == 200, answer.text
    data = cohort_models.HistoryAnswer.model_validate(answer.json()).data
    return [(each.at[5:16], each.entered, each.left, each.size) for each in data]


def test_the_size_of_a_cohort_over_time(client: Asking, noon: str, live: Remembered) -> None:
    day = steps(client, noon)
    assert len(day) == 24 and day[0] == ("11-21T13:00", 0, 0, 2)
    assert day[-4:] == [
        ("11-22T09:00", 0, 0, 2),
        ("11-22T10:00", 1, 1, 2),
        ("11-22T11:00", 0, 0, 2),
        ("11-22T12:00", 2, 0, 3),
    ]
    assert day[-1][3] == live.size("coh_noon")
    known = [("11-21T00:00", 0, 0, 2), ("11-22T00:00", 3, 1, 3)]
    assert steps(client, noon, step="day") == steps(client, noon, step="day", **{"from": "1970-01-01"}) == known
    assert len(steps(client, noon, **{"from": "2000-01-01"})) == 37
    some = {"from": "2026-11-22T10:59:59Z", "to": "2026-11-22T11:00:01Z"}
    assert steps(client, noon, **some) == day[-3:-1]
    assert steps(client, noon, **some | {"to": "2026-11-22T11:00:00Z"}) == day[-3:-2]
    assert steps(client, noon, to="2026-11-22T11:00:00Z")[-1] == day[-3]
    assert steps(client, noon, to="2099-01-01") == day
    assert steps(client, noon, to="2026-01-01") == steps(client, noon, **{"from": "2099-01-01"}) == []


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("step=week", "step"),
        ("from=yesterday", "from"),
        ("to=x", "to"),
        ("from=2026-11-22&to=2026-11-22", "from"),
        ("limit=1", "limit"),
        ("step=day&step=hour", "step"),
    ],
)
def test_a_wrong_question_about_history_is_refused(client: Asking, noon: str, query: str, path: str) -> None:
    check_problem(client.ask("GET", f"{noon}?{query}"), 400, path)


def test_a_history_has_a_thousand_steps_at_most(client: Asking, noon: str, kept: SqliteMemberships) -> None:
    kept.add(Cohort("coh_old", WORKSPACE, "old", ORDERED, 0))
    kept.fill("coh_old", [ADA], 0)
    old = "/v1/cohorts/coh_old/history"
    assert len(steps(client, old, **{"from": "2026-11-22", "to": "2027-01-01"})) == 13
    assert len(steps(client, old, **{"from": "2026-01-01", "to": "2026-02-11T16:00:00Z"})) == 1000
    check_problem(client.ask("GET", f"{old}?from=2026-01-01&to=2026-02-11T16:00:01Z"), 400, "from")
    check_problem(client.ask("GET", f"{old}?step=day&from=1970-01-01"), 400, "from")
    check_problem(client.ask("GET", "/v1/cohorts/coh_none/history"), 404)
    kept.add(Cohort("coh_new", WORKSPACE, "new", ORDERED, 0))
    check_problem(client.ask("GET", "/v1/cohorts/coh_new/history"), 503)


def test_a_history_ends_with_who_is_in_whatever_happened(
    client: Asking, noon: str, kept: SqliteMemberships, live: Remembered
) -> None:
    chance = Random(7)
    for at_ms in sorted(chance.randrange(NOON - 30 * HOUR, NOON) for _ in range(300)):
        identity = f"account:{chance.randrange(9)}"
        if chance.random() < 0.2:
            kept.apply([], [Rename("coh_noon", identity, f"account:{chance.randrange(9)}", at_ms)])
        kept.apply([Change("coh_noon", identity, at_ms, chance.random() < 0.5, "event")])
    for step in ("hour", "day"):
        found = steps(client, noon, step=step, **{"from": "2026-11-01"})
        assert found[-1][3] == live.size("coh_noon")
        assert sum(entered for _, entered, _, _ in found) == sum(
            change.entered for _, change in kept.changes("coh_noon", None, 1000)
        )
        assert found[0][3] - found[0][1] + found[0][2] <= 2 and all(size >= 0 for *_, size in found)
