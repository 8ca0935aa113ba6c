"""Signing in and out while the audit cannot be written, and too often: what is promised then, and what is made good."""

import asyncio
import http.client
import resource
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import httpx
import pytest
from fastapi import FastAPI

from harness import Server, until
from headwater.catalog.sqlite import SqliteCatalog
from headwater.web import problems, signin
from headwater.web.auth import Door
from headwater.web.forwarded import Clients
from headwater.web.origin import Origins
from headwater.web.session import Sessions
from headwater.web.throttle import Throttle
from signing import signed_in

# --- a real gateway ----------------------------------------------------------------------------------------------


@pytest.fixture
def browser(fresh_server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=fresh_server.url, trust_env=False, timeout=30) as client:
        yield client


def fill(server: Server, full: bool) -> None:
    """The disk, for the gateway."""
    gateway = server.pids()["gateway"]
    most = resource.prlimit(gateway, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(gateway, resource.RLIMIT_FSIZE, (1 if full else most, most))


def killed(server: Server) -> None:
    before = server.kill_gateway()
    until(lambda: server.pids().get("gateway", before) != before)
    server.wait_ready()


def ends_in_audit(server: Server, page: dict[str, str]) -> int:
    session = page["cookie"].split(".")[1]
    with server.client() as client:
        changes = client.get("/v1/audit").json()["data"]
    return sum((each["action"], each["target"]) == ("session.end", session) for each in changes)


def test_signing_out_again_is_an_answer_only_once_it_is_durable(fresh_server: Server, browser: httpx.Client) -> None:
    page = signed_in(browser, key=fresh_server.key)
    fill(fresh_server, True)
    for _ in range(3):
        refused = browser.delete("/v1/session", headers=page)
        assert refused.status_code == 503 and int(refused.headers["retry-after"]) >= 1
        assert "set-cookie" not in refused.headers, "or the browser could not ask again"
        assert browser.get("/v1/session", headers=page).status_code == 401, "it is dead meanwhile"
    foreign = {"cookie": page["cookie"], "sec-fetch-site": "cross-site"}
    assert browser.delete("/v1/session", headers=foreign).status_code == 403
    fill(fresh_server, False)
    answer = until(lambda: _done(browser.delete("/v1/session", headers=page)), 5)
    assert "Max-Age=0" in answer.headers["set-cookie"]
    killed(fresh_server)
    assert browser.get("/v1/session", headers=page).status_code == 401
    assert ends_in_audit(fresh_server, page) == 1


def _done(answer: httpx.Response) -> httpx.Response | None:
    return answer if answer.status_code == 204 else None


def test_signing_out_is_written_as_soon_as_it_can_be(fresh_server: Server, browser: httpx.Client) -> None:
    """Nobody asks again."""
    page = signed_in(browser, key=fresh_server.key)
    fill(fresh_server, True)
    assert browser.delete("/v1/session", headers=page).status_code == 503
    late = signed_in(browser, key=fresh_server.key)
    fill(fresh_server, False)
    until(lambda: ends_in_audit(fresh_server, page), 10)
    killed(fresh_server)
    assert browser.get("/v1/session", headers=page).status_code == 401
    assert browser.get("/v1/session", headers=late).status_code == 200
    with fresh_server.client() as client:
        changes = [(each["action"], each["target"]) for each in client.get("/v1/audit").json()["data"]]
    assert changes.count(("session.create", late["cookie"].split(".")[1])) == 1, "nor is anything else left out"


def test_other_methods_are_told_which_there_are(fresh_server: Server, browser: httpx.Client) -> None:
    for method in ("PUT", "PATCH", "PROPFIND"):
        answer = browser.request(method, "/v1/session", headers=signed_in(browser, key=fresh_server.key))
        assert answer.status_code == 405 and answer.headers["content-type"] == "application/problem+json"
        assert set(answer.headers["allow"].split(", ")) == {"GET", "POST", "DELETE"}, method


@pytest.mark.parametrize("last", [False, True])
def test_a_cookie_may_stand_on_a_line_of_its_own(fresh_server: Server, browser: httpx.Client, last: bool) -> None:
    """As HTTP/2 has it, and proxies pass it on."""
    own, other = signed_in(browser, key=fresh_server.key)["cookie"], "theme=dark"
    for cookies, status in (((other, own) if last else (own, other), 200), ((own, own), 401)):
        connection = http.client.HTTPConnection("127.0.0.1", fresh_server.port, timeout=30)
        connection.putrequest("GET", "/v1/session")
        for each in cookies:
            connection.putheader("Cookie", each)
        connection.endheaders()
        assert connection.getresponse().status == status
        connection.close()


# --- the calls alone, with a clock of the test's own -------------------------------------------------------------


class Alone:
    """`/v1/session` and what is below it, over a real catalog."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.catalog = SqliteCatalog(path, b"s" * 32)
        made, self.key = self.catalog.create_workspace("test", "alone", preset=None)
        self.workspace = made.id
        clients = Clients(())
        sessions = Sessions(self.catalog, b"c" * 32, 1, Origins(clients, None))
        metrics: Any = SimpleNamespace(sign_in=lambda outcome: None)
        own = FastAPI()
        problems.install(own)
        own.include_router(signin.router(self.catalog, sessions, clients, metrics, "http://alone"))
        door = Door(self.catalog, sessions)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            headers = {} if scope["method"] == "POST" and scope["path"] == signin.PATH else dict(scope["headers"])
            scope["headwater.principal"] = door.asking(scope, headers)
            await own(scope, receive, send)

        self._app = app

    def run(self, play: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
        async def playing() -> None:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://alone") as client:
                await play(client)

        asyncio.run(playing())

    async def page(self, client: httpx.AsyncClient) -> dict[str, str]:
        answer = await client.post("/v1/session", json={"key": self.key})
        client.cookies.clear()
        cookie = answer.headers["set-cookie"].partition(";")[0]
        return {"cookie": cookie, "sec-fetch-site": "same-origin"}

    def actions(self) -> list[str]:
        return [each.action for each in self.catalog.audit(self.workspace, 100)]


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Alone]:
    found = Alone(tmp_path / "catalog.db")
    yield found
    found.catalog.close()


def test_a_link_is_not_spent_by_who_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(signin, "Throttle", partial(Throttle, clock=lambda: now[0]))
    alone = Alone(tmp_path / "catalog.db")

    async def play(client: httpx.AsyncClient) -> None:
        keyed = {"authorization": f"Bearer {alone.key}"}
        made = [await client.post("/v1/session/links", headers=keyed) for _ in range(signin._MADE + 1)]
        assert [each.status_code for each in made] == [201] * signin._MADE + [429]
        body = {"link": made[-2].json()["url"].partition("#")[2]}
        assert (await client.post("/v1/session", json=body)).status_code == 429
        now[0] = 60.0
        assert (await client.post("/v1/session", json=body)).status_code == 200
        assert (await client.post("/v1/session", json=body)).status_code == 401

    alone.run(play)
    alone.catalog.close()


def test_a_person_needs_no_more_than_so_many_sessions_a_minute() -> None:
    assert signin._MADE <= 30


def test_who_locks_the_catalog_does_not_stop_the_gateway(alone: Alone) -> None:
    """Everything waits where a note waits: once, and then no more than a tenth of the time."""
    alone.catalog._database._connection.set_busy_timeout(200)
    other = apsw.Connection(str(alone.path))

    async def play(client: httpx.AsyncClient) -> None:
        pages = [await alone.page(client) for _ in range(3)]
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        answers = [await client.delete("/v1/session", headers=each) for each in pages * 3]
        assert time.monotonic() - begun < 1.0, "nine that waited would take 1.8"
        assert {each.status_code for each in answers} == {503}
        assert {(await client.get("/v1/session", headers=each)).status_code for each in pages} == {401}
        late = await alone.page(client)
        assert (await client.get("/v1/session", headers=late)).status_code == 200
        other.execute("ROLLBACK")
        assert alone.actions().count("session.end") == 0
        for _ in range(60):
            await asyncio.sleep(0.1)
            if alone.actions().count("session.create") == 4:
                break
        assert alone.actions().count("session.end") == 3 and alone.actions()[0] == "session.create"
        assert (await client.delete("/v1/session", headers=pages[0])).status_code == 204

    alone.run(play)
    other.close()


def test_what_waits_is_bounded_but_no_end_is_lost(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.web.session._MOST_DUE", 3)
    alone.catalog._database._connection.set_busy_timeout(20)
    other = apsw.Connection(str(alone.path))

    async def play(client: httpx.AsyncClient) -> None:
        pages = [await alone.page(client) for _ in range(6)]
        before = len(alone.actions())
        other.execute("BEGIN IMMEDIATE")
        keyed = {"authorization": f"Bearer {alone.key}"}
        for page in pages:
            assert (await client.post("/v1/session/links", headers=keyed)).status_code == 201
            assert (await client.delete("/v1/session", headers=page)).status_code == 503
        other.execute("ROLLBACK")
        for _ in range(60):
            await asyncio.sleep(0.1)
            if alone.actions().count("session.end") == 6:
                break
        assert alone.actions().count("session.end") == 6
        assert len(alone.actions()) - before < 12

    alone.run(play)
    other.close()
