"""Cohorts as their users meet them: over HTTP, of a real headwater, with events that come in and a clock that runs."""

import csv
import io
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from harness import Server, Workspace, until
from headwater.clock import now_ms, to_iso

ORDERED = {"subject": "person", "where": {"performed": "ordered"}}
ADA, BOB = {"email": "ada@x.example"}, {"email": "bob@x.example"}
BATCH = "/integrations/bikPlatformFunctions-events/sendEvents"


class Shop:
    """A workspace that sells things."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def send(self, *events: dict[str, Any]) -> None:
        """BIK events; `eventProperties` of an order when absent."""
        whole = [{"eventName": "ordered", "eventProperties": {"orderId": "1"}} | event for event in events]
        answer = self.client.post(BATCH, json={"events": whole})
        assert answer.status_code == 200, answer.text

    def make(self, definition: Any, name: str = "cohort") -> str:
        """The path of a new cohort; waits as long as the engine catches up."""

        def made() -> httpx.Response | None:
            answer = self.client.post("/v1/cohorts", json={"name": name, "definition": definition})
            return None if answer.status_code == 503 else answer

        answer = until(made, 60, "cohorts are ready")
        assert answer.status_code == 201, answer.text
        return f"/v1/cohorts/{answer.json()['id']}"

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self.client.get(path, params=parameters or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def settled(self, path: str) -> Any:
        """The answer once everything sent until now is in it."""
        self._drained()
        moment = to_iso(now_ms())

        def answered() -> Any:
            answer = self.client.get(path)
            return answer.json() if answer.status_code == 200 and answer.json()["as_of"] >= moment else None

        return until(answered, 30, f"{path} is as of {moment}")

    def _drained(self) -> None:
        until(lambda: not any(lane["events"] for lane in self.get("/v1/pipelines")["data"]), 30, "all is stored")

    def who(self, path: str) -> set[str]:
        """The e-mail addresses of a cohort's members."""
        members = self.settled(f"{path}/members")["data"]
        return {each["id"] for member in members for each in member["identities"] if each["type"] == "email"}


@pytest.fixture
def shop(workspace: Workspace) -> Shop:
    return Shop(workspace.client)


def test_somebody_enters_by_an_event_and_leaves_by_the_clock(shop: Shop) -> None:
    path = shop.make({"subject": "person", "where": {"performed": "ordered", "within": "8s"}})
    always = shop.make(ORDERED, "always")
    assert shop.get(path)["size"] == 0
    shop.send(ADA | {"phoneNumber": "+19494572000"}, BOB | {"eventName": "optedOut", "eventProperties": {}})
    (member,) = until(lambda: shop.get(f"{path}/members")["data"], 30, "Ada is in")
    profile = shop.get(f"/v1/profiles/{quote('email:ada@x.example', safe='')}")
    assert (member["profile_id"], member["identities"]) == (profile["id"], profile["identities"])
    until(lambda: shop.get(path)["size"] == 0, 30, "the window moves on")
    assert shop.who(always) == {"ada@x.example"}
    left, entered = shop.get(f"{path}/changes")["data"]
    assert [(each["change"], each["kind"]) for each in (left, entered)] == [("left", "clock"), ("entered", "event")]
    assert shop.get(f"/v1/events/{entered['event_id']}")["profile_id"] == profile["id"] == entered["profile_id"]
    assert left["event_id"] is None and entered["at"] == member["since"] < left["at"]
    assert shop.get(f"{path}/changes", identity="phone:+19494572000")["data"] == [left, entered]
    assert shop.get(f"{path}/changes", identity="email:bob@x.example")["data"] == []


def test_what_is_previewed_is_what_is_made_and_what_is_live(shop: Shop) -> None:
    """The same people, whether the cohort was there before the events or after them."""
    where = {
        "all": [
            {"performed": "ordered", "count": {">=": 2}, "filter": {"total": {">=": 50}}},
            {"not": {"performed": "optedOut"}},
        ]
    }
    definition = {"subject": "person", "where": where}
    before = shop.make(definition, "before")
    for total in (50, 60, 10):
        shop.send(*({"email": f"{n}@x.example"} | _order(total + n) for n in range(5)))
    shop.send({"email": "3@x.example", "eventName": "optedOut", "eventProperties": {}})
    wanted = {f"{n}@x.example" for n in (0, 1, 2, 4)}
    assert shop.who(before) == wanted
    preview = shop.client.post("/v1/cohorts/preview", json={"definition": definition}).json()
    assert preview["size"] == 4
    assert {each["identities"][0]["id"] for each in preview["sample"]} == wanted
    after = shop.make(definition, "after")
    assert shop.who(after) == wanted and shop.get(after)["size"] == shop.get(before)["size"] == 4
    assert len(shop.get(f"{before}/changes")["data"]) >= 4 and shop.get(f"{after}/changes")["data"] == []


def _order(total: float) -> dict[str, Any]:
    return {"eventProperties": {"orderId": "1", "total": total}}


def test_an_explanation_says_what_was_found(shop: Shop) -> None:
    where = {
        "any": [
            {"performed": "ordered", "count": {">=": 3}},
            {"performed": "ordered", "sum": {"of": "total", ">=": 100}},
            {"sequence": [{"performed": "addToCart"}, {"performed": "ordered"}], "gap": "7d"},
        ]
    }
    path = shop.make({"subject": "person", "where": where})
    shop.send(ADA | _order(10.5), ADA | _order(5.25))
    assert shop.settled(path)["size"] == 0
    told = shop.get(f"{path}/members/{quote('email:ada@x.example', safe='')}")
    assert not told["member"] and told["is_subject"] and told["since"] is None
    count, total, steps = told["explain"]
    assert [each["condition"] for each in told["explain"]] == where["any"]
    assert (count["holds"], count["observed"]) == (False, 2)
    assert (total["holds"], total["observed"]) == (False, 15.75)
    assert (steps["holds"], steps["observed"]) == (False, [])
    shop.send(ADA | _order(84.25))
    assert shop.settled(path)["size"] == 1
    told = shop.get(f"{path}/members/email:ada@x.example")
    assert told["member"] and [each["holds"] for each in told["explain"]] == [True, True, False]
    never = shop.get(f"{path}/members/email:never@x.example")
    assert not never["member"] and never["explain"][0]["observed"] == 0


def test_profiles_that_are_connected_are_one_member(shop: Shop) -> None:
    path = shop.make({"subject": "person", "where": {"performed": "ordered", "count": {">=": 2}}})
    phone = {"phoneNumber": "+19494572000"}
    shop.send(ADA, phone)
    assert shop.settled(path)["size"] == 0
    shop.send(ADA | phone | {"eventName": "pageViewed", "eventProperties": {}})
    assert shop.settled(path)["size"] == 1
    (member,) = shop.get(f"{path}/members")["data"]
    assert len(member["identities"]) == 2
    (entered,) = shop.get(f"{path}/changes")["data"]
    assert (entered["change"], entered["kind"]) == ("entered", "profile")


HOSTILE = "a'); DROP TABLE events; --"


def test_sql_in_a_definition_is_text(shop: Shop) -> None:
    data = {HOSTILE: HOSTILE, "{workspace:String}": "%(x)s", "`\\": "\0"}
    shop.send(ADA | {"eventProperties": {"orderId": "1"} | data}, BOB)
    for name, value in data.items():
        where = {"performed": "ordered", "filter": {name: {"=": value}}}
        assert shop.who(shop.make({"subject": "person", "where": where}, name)) == {"ada@x.example"}
        where = {"performed": "ordered", "filter": {name: {"!=": value}}}
        assert shop.who(shop.make({"subject": "person", "where": where}, f"not {name}")) == {"bob@x.example"}
    assert shop.who(shop.make(ORDERED, "all")) == {"ada@x.example", "bob@x.example"}


def _deep(levels: int) -> Any:
    where: Any = {"performed": "ordered"}
    for _ in range(levels):
        where = {"not": where}
    return {"subject": "person", "where": where}


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        ({"subject": "person", "where": {"performed": "nothing"}}, "definition.where.performed"),
        ({"subject": "person", "where": {"performed": HOSTILE}}, "definition.where.performed"),
        ({"subject": "person", "where": {"performed": "ordered", "within": "soon"}}, "definition.where.within"),
        ({"subject": "person", "where": {"performed": "ordered", "within": "0d"}}, "definition.where.within"),
        (
            {"subject": "person", "where": {"all": [{"performed": "ordered", "count": {">=": "3"}}]}},
            "definition.where.all[0].count.>=",
        ),
        ({"subject": "person", "where": {"state": "ordered", "is": 1}}, "definition.where.state"),
        ({"subject": "person", "where": {"performed": "ordered", "having": 1}}, "definition.where.having"),
        (_deep(200), "definition.where" + ".not" * 32),
        ({"subject": HOSTILE + ":", "where": {"performed": "ordered"}}, "definition.subject"),
        ([], "definition"),
    ],
)
def test_a_wrong_definition_is_told_its_place(shop: Shop, definition: Any, path: str) -> None:
    for route in ("/v1/cohorts", "/v1/cohorts/preview"):
        body = {"definition": definition} | ({"name": "x"} if route == "/v1/cohorts" else {})
        answer = shop.client.post(route, json=body)
        assert answer.status_code == 400, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["path"] == path, answer.text
    assert shop.get("/v1/cohorts")["data"] == []


@pytest.mark.parametrize("opening", [b"[", b'{"not":', b'{"definition":{"subject":"person","where":'])
def test_a_bottomless_body_is_refused_and_harms_nobody(workspace: Workspace, opening: bytes) -> None:
    engine = workspace.server.pids()["engine"]
    for size in (2_000, 200_000, 4_000_000):
        body = b'{"name":"x","definition":' + opening * (size // len(opening))
        for end in (b"", b"1" + b"}" * (size // len(opening) + 1)):
            if len(body + end) < 5_000_000:
                answer = workspace.client.post(
                    "/v1/cohorts", content=body + end, headers={"content-type": "application/json"}
                )
                assert 400 <= answer.status_code < 500, answer.text
    assert workspace.server.pids()["engine"] == engine


def test_a_key_does_what_its_scopes_allow(workspace: Workspace) -> None:
    shop = Shop(workspace.client)
    path = shop.make(ORDERED)
    keys = {
        scope: shop.client.post("/v1/keys", json={"name": scope, "scopes": [scope]}).json()["key"]
        for scope in ("ingest", "read", "admin")
    }
    asked = {
        "ingest": {"GET": 403, "POST": 403, "PATCH": 403, "DELETE": 403},
        "read": {"GET": 200, "POST": 403, "PATCH": 403, "DELETE": 403},
        "admin": {"GET": 200, "POST": 409, "PATCH": 200, "DELETE": 204},
    }
    body = {"name": "cohort", "definition": ORDERED}
    for scope, statuses in asked.items():
        with workspace.server.client(keys[scope]) as client:
            previewed = client.post("/v1/cohorts/preview", json={"definition": ORDERED}).status_code
            assert previewed == (403 if scope == "ingest" else 200)
            for method, status in statuses.items():
                where = "/v1/cohorts" if method == "POST" else path
                sent = {"POST": body, "PATCH": {"name": "renamed"}}.get(method)
                answer = client.request(method, where, json=sent)
                if (scope, method) == ("admin", "POST"):
                    assert answer.status_code == 409
                else:
                    assert answer.status_code == status, f"{scope} {method}: {answer.text}"


def test_exports_hold_every_member_and_act_in_no_spreadsheet(shop: Shop) -> None:
    path = shop.make(ORDERED)
    shop.send(
        ADA | {"phoneNumber": "+19494572000"}, {"email": "=cmd|'/c'!a0@x.example"}, {"phoneNumber": "+4930901820"}
    )
    shop.settled(path)
    answer = shop.client.get(f"{path}/export")
    assert answer.headers["content-disposition"] == f'attachment; filename="{path[-12:]}.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert {row["email"] for row in rows} == {"ada@x.example", "'=cmd|'/c'!a0@x.example", ""}
    assert {row["phone"] for row in rows} == {"+19494572000", "+4930901820", ""}
    lines = [json.loads(line) for line in shop.client.get(f"{path}/export?format=ndjson").text.splitlines()]
    assert lines == shop.get(f"{path}/members")["data"] and len(lines) == 3


@pytest.fixture
def own(fresh_server: Server) -> Iterator[Shop]:
    with fresh_server.client() as client:
        yield Shop(client)


def test_cohorts_outlive_the_process(fresh_server: Server, own: Shop) -> None:
    """Who was in stays in, since then; what came while nobody looked is caught up with."""
    path = own.make({"subject": "person", "where": {"performed": "ordered", "within": "1h"}})
    short = own.make({"subject": "person", "where": {"performed": "ordered", "within": "8s"}}, "short")
    own.send(ADA)
    sent = time.monotonic()
    own.settled(path)
    before = own.get(f"{path}/members")["data"]
    (ada,) = before
    assert own.get(f"{short}/changes")["data"][-1]["change"] == "entered"
    fresh_server.kill_engine()
    own.send(BOB)
    fresh_server.wait_engine()
    fresh_server.kill_group()
    time.sleep(max(0, sent + 8 - time.monotonic()))
    fresh_server.start()
    fresh_server.wait_engine()
    own.make(ORDERED, "ready")
    assert own.who(path) == {"ada@x.example", "bob@x.example"} and ada in own.get(f"{path}/members")["data"]
    assert own.who(short) == set()
    history = own.get(f"{path}/changes")["data"]
    assert sorted(each["change"] for each in history) == ["entered"] * 2
    assert own.get(f"{short}/changes")["data"][0]["change"] == "left"


def test_a_cohort_ends_with_its_history(shop: Shop) -> None:
    path = shop.make(ORDERED)
    shop.send(ADA)
    assert shop.settled(path)["size"] == 1
    assert shop.client.delete(path).status_code == 204
    for rest in ("", "/members", "/members/email:ada@x.example", "/changes", "/export"):
        assert shop.client.get(path + rest).status_code == 404
    again = shop.make(ORDERED)
    assert again != path and shop.who(again) == {"ada@x.example"} and shop.get(f"{again}/changes")["data"] == []


def test_the_audit_says_who_changed_cohorts_and_profiles(shop: Shop) -> None:
    path = shop.make(ORDERED)
    assert shop.client.patch(path, json={"name": "other"}).status_code == 200
    shop.send(ADA | {"phoneNumber": "+19494572000"})
    shop.settled(path)
    ada = quote("email:ada@x.example", safe="")
    undone = shop.client.post(f"/v1/profiles/{ada}/unmerge", json={"identity": "phone:+19494572000"})
    assert undone.status_code == 200 and "headwater-changed" not in undone.headers
    assert shop.client.post("/v1/cohorts", json={"name": "x", "definition": {}}).status_code == 400
    assert shop.client.post("/v1/cohorts/preview", json={"definition": ORDERED}).status_code == 200
    assert shop.client.delete(path).status_code == 204
    changes = [each for each in shop.get("/v1/audit")["data"] if each["action"].startswith(("cohort.", "profile."))]
    ids = " ".join(profile["id"] for profile in undone.json()["profiles"])
    cohort = path.rpartition("/")[2]
    assert [(each["action"], each["target"]) for each in changes] == [
        ("cohort.delete", cohort),
        ("profile.unmerge", ids),
        ("cohort.update", cohort),
        ("cohort.create", cohort),
    ]
    assert {each["address"] for each in changes} == {"127.0.0.1"}
