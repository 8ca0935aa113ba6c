"""Profiles as their users meet them: over HTTP and on the command line, of a real headwater that is killed at times."""

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from typer.testing import CliRunner

from harness import Server, Workspace, until
from headwater.cli.main import app
from headwater.clock import now_ms, to_iso

BATCH = "/integrations/bikPlatformFunctions-events/sendEvents"
ADA, ADAS_PHONE = "email:ada@x.example", "phone:+19494572001"
BOB, BOBS_PHONE = "email:bob@x.example", "phone:+19494572002"
COHORTS: dict[str, Any] = {
    "buyers": {"performed": "ordered", "count": {">=": 2}},
    "spenders": {"metric": "spend", "periods": 2, ">=": 10},
    "unwell": {"state": "health", "is": "bad"},
    "gold": {"attribute": "plan", "is": "gold"},
    "in order": {"sequence": [{"performed": "addToCart"}, {"performed": "ordered"}]},
    "loyal": {"not": {"performed": "optedOut"}},
}


class Shop:
    """A workspace with signals of all types and cohorts of all kinds."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        spend = {"name": "spend", "type": "metric", "aggregation": "sum", "period": "day", "value": "amount"}
        for signal in (spend, {"name": "health", "type": "state", "value": "score"}):
            assert client.post("/v1/signals", json=signal | {"rate_limit": None}).status_code == 201
        self.cohorts = [self._made(name, where) for name, where in COHORTS.items()]

    def _made(self, name: str, where: Any) -> str:
        body = {"name": name, "definition": {"subject": "person", "where": where}}

        def made() -> httpx.Response | None:
            answer = self.client.post("/v1/cohorts", json=body)
            return None if answer.status_code == 503 else answer

        answer = until(made, 60, "cohorts are ready")
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def send(self, email: str, phone: str, *events: tuple[str, dict[str, Any]]) -> None:
        about = {"email": email.removeprefix("email:"), "phoneNumber": phone.removeprefix("phone:")}
        about = {name: value for name, value in about.items() if value}
        sent = [about | {"eventName": name, "eventProperties": data} for name, data in events]
        answer = self.client.post(BATCH, json={"events": sent})
        assert answer.status_code == 200, answer.text

    def get(self, path: str, **parameters: str) -> Any:
        answer = self.client.get(path, params=parameters or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def profile(self, key: str) -> Any:
        return self.get(profile_of(key))

    def settle(self) -> None:
        """Everything that happened until now is in what is answered."""
        until(lambda: not any(lane["events"] for lane in self.get("/v1/pipelines")["data"]), 30, "all is stored")
        moment = to_iso(now_ms())

        def is_in() -> bool:
            answer = self.client.get(f"/v1/cohorts/{self.cohorts[0]}")
            return answer.status_code == 200 and answer.json()["as_of"] >= moment

        until(is_in, 60, "cohorts are up to date")

    def known_of(self, key: str) -> dict[str, Any]:
        """All that is answered about somebody, the profile byte for byte."""
        self.settle()
        explained = [self.get(f"/v1/cohorts/{each}/members/{quote(key, safe='')}") for each in self.cohorts]
        return {
            "profile": self.client.get(profile_of(key)).text,
            "spend": self.get("/v1/signals/spend/metrics", identity=key),
            "health": self.get("/v1/signals/health/state", identity=key),
            "healths": self.get("/v1/signals/health/state/history", identity=key),
            "why": [(each["member"], each["profile_id"], each["explain"]) for each in explained],
        }

    def hashes(self) -> list[str]:
        return [sha256(json.dumps(self.known_of(key)).encode()).hexdigest() for key in (ADAS_PHONE, BOB)]


def profile_of(key: str) -> str:
    return "/v1/profiles/" + quote(key, safe="")


def lives(shop: Shop) -> None:
    """Two people, told apart, of whom only one buys."""
    shop.send(
        ADA, ADAS_PHONE, ("addToCart", {"productId": "1", "variantId": "1"}), ("customerCreated", {"plan": "gold"})
    )
    shop.send(ADA, "", ("ordered", {"orderId": "1"}), ("spend", {"amount": 7.5}), ("health", {"score": "good"}))
    shop.send("", ADAS_PHONE, ("ordered", {"orderId": "2"}), ("spend", {"amount": 3}))
    shop.send(BOB, BOBS_PHONE, ("customerCreated", {"plan": "free", "city": "Pune"}), ("health", {"score": "bad"}))
    shop.send("", BOBS_PHONE, ("spend", {"amount": 1}), ("optedOut", {}))


@pytest.fixture
def shop(workspace: Workspace) -> Shop:
    return Shop(workspace.client)


@pytest.fixture
def own(fresh_server: Server) -> Iterator[tuple[Server, Shop]]:
    with fresh_server.client() as client:
        yield fresh_server, Shop(client)


def test_an_unmerge_gives_back_exactly_what_was_and_outlives_a_kill(own: tuple[Server, Shop]) -> None:
    server, shop = own
    lives(shop)
    before = shop.hashes()
    ids = [shop.profile(key)["id"] for key in (ADA, BOB)]
    shop.settle()
    shop.send(ADA, BOBS_PHONE, ("health", {"score": "new"}), ("spend", {"amount": 100}), ("ordered", {"orderId": "3"}))
    merged = shop.hashes()
    assert set(merged).isdisjoint(before)
    one = shop.profile(BOB)
    assert shop.profile(ADA) == one and len(one["identities"]) == 4 and one["metrics"]["spend"]["total"] == 111.5

    answer = shop.client.post(f"/v1/profiles/{one['id']}/unmerge", json={"identity": BOBS_PHONE})
    assert answer.status_code == 200, answer.text
    assert [profile["id"] for profile in answer.json()["profiles"]] == ids[::-1]
    assert shop.hashes() == before
    assert [len(shop.profile(key)["cohorts"]) for key in (ADA, BOB)] == [5, 1]
    assert [shop.get(f"{profile_of(key)}/connections")["set_aside"] for key in (ADA, BOB)] == [3, 3]
    aside = [each for each in shop.get("/v1/events", identity=ADA)["data"] if each["profile_id"] is None]
    assert len(aside) == 3 and {each["status"] for each in aside} == {"processed"}

    server.kill_group()
    server.start()
    server.wait_engine()
    assert shop.hashes() == before
    shop.send(ADA, BOBS_PHONE, ("ordered", {"orderId": "4"}))
    shop.settle()
    assert [shop.profile(key)["events"] for key in (ADA, BOB)] == [8, 4]
    assert [shop.profile(key)["id"] for key in (ADA, BOB)] == ids


def test_a_value_that_never_connects_tells_people_apart_at_once(shop: Shop) -> None:
    store = "phone:+18005550100"
    shop.send(ADA, store, ("ordered", {"orderId": "1"}), ("health", {"score": "good"}))
    shop.send(BOB, store, ("ordered", {"orderId": "2"}), ("health", {"score": "bad"}))
    shop.settle()
    assert len(shop.profile(ADA)["identities"]) == 3
    changed = shop.client.patch("/v1/workspace", json={"never_connect": ["+1 800 555 0100"]})
    assert changed.status_code == 200, changed.text
    until(lambda: len(shop.profile(ADA)["identities"]) == 1, 10, "the setting holds")
    shop.settle()
    why = [{"identities": [as_identity(ADA), as_identity(store)], "reason": "never_connect"}]
    assert shop.profile(ADA)["events"] == 2
    assert shop.get(f"{profile_of(ADA)}/connections")["not_connected"] == why
    unwell = shop.get(f"/v1/cohorts/{shop.cohorts[2]}/members")["data"]
    assert [each["identities"] for each in unwell] == [[as_identity(BOB)]]
    assert shop.profile(store)["events"] == 0
    assert shop.client.patch("/v1/workspace", json={"never_connect": []}).status_code == 200
    until(lambda: len(shop.profile(ADA)["identities"]) == 3, 10, "the setting is gone")


def as_identity(key: str) -> dict[str, str]:
    type_, _, id_ = key.partition(":")
    return {"type": type_, "id": id_}


@pytest.mark.parametrize(
    ("key", "body", "status", "path"),
    [
        (ADA, {"identity": "nonsense"}, 400, "identity"),
        (ADA, {"identity": BOB}, 400, "identity"),
        (ADA, {"identity": 7}, 400, "identity"),
        (ADA, {}, 400, "identity"),
        (ADA, {"identity": ADA, "and": 1}, 400, "and"),
        (ADA, [], 400, None),
        ("email:never@x.example", {"identity": ADA}, 404, None),
        ("nonsense", {"identity": ADA}, 404, None),
        ("account:1", {"identity": "account:1"}, 409, None),
    ],
)
def test_what_cannot_be_cut_is_refused_and_changes_nothing(
    people: Workspace, key: str, body: Any, status: int, path: str | None
) -> None:
    answer = people.client.post(f"{profile_of(key)}/unmerge", json=body)
    assert (answer.status_code, answer.json().get("path")) == (status, path), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(people.client.get(profile_of(ADA)).json()["identities"]) == 2


@pytest.fixture
def people(workspace: Workspace) -> Workspace:
    """A workspace that knows Ada, her phone and a lone account."""
    sent = {"email": ADA[6:], "phoneNumber": ADAS_PHONE[6:], "eventName": "pageViewed", "eventProperties": {}}
    assert workspace.client.post(BATCH, json={"events": [sent]}).status_code == 200
    account = {"signal": "pageViewed", "identity": {"type": "account", "id": "1"}}
    assert workspace.client.post("/v1/events", json=account).status_code == 200
    for key in (ADA, "account:1"):
        until(lambda key=key: workspace.client.get(profile_of(key)).status_code == 200, 30, f"{key} is known")
    return workspace


def test_only_an_admins_key_may_unmerge(people: Workspace) -> None:
    for scopes, status in ((["ingest"], 403), (["read"], 403), (["admin"], 200)):
        key = people.client.post("/v1/keys", json={"name": "k", "scopes": scopes}).json()["key"]
        with people.server.client(key) as client:
            answer = client.post(f"{profile_of(ADA)}/unmerge", json={"identity": ADA})
        assert answer.status_code == status, answer.text


def test_the_command_shows_and_cuts(people: Workspace) -> None:
    environment = {"HEADWATER_URL": people.server.url, "HEADWATER_KEY": people.key, "COLUMNS": "240"}

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["profiles", *arguments], env=environment)
        assert done.exit_code == code, done.output
        return done.output

    said = run("show", ADA)
    assert f"{ADA}, {ADAS_PHONE}" in said
    assert json.loads(run("show", ADAS_PHONE, "--json"))["events"] == 1
    said = run("unmerge", ADA, ADAS_PHONE)
    assert f"severed {ADA} and {ADAS_PHONE}" in said
    assert f"{ADA} and {ADAS_PHONE}: severed" in run("connections", ADA)
    assert json.loads(run("connections", ADA, "--json"))["set_aside"] == 1
    assert "connected with nothing" in run("unmerge", ADA, ADA, code=1)
    assert "No event of" in run("show", "email:never@x.example", code=1)
