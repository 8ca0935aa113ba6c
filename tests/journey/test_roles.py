"""Every route and every role: what a key or a session may do in its own workspace, and nothing in another's."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from figures import Section, tell
from harness import Server
from headwater.web import examine, keeping, rejected
from journey.tenants import LASTS, OPEN, ROUTES, SECRET, SIGN_IN, Theirs, ask, check_untouched, documented
from wire.client import Answer, Client
from wire.workspaces import new_workspace

INGEST, READ, ADMIN, OPERATOR = "ingest", "read", "admin", "operator"
ASKS = {READ, ADMIN}
"""Who may change things may look at them."""
HIDING = {"examine", "keeping", "rejected", "signin"}
"""Files with routes that the document does not tell; `signin` has but the answer 405 of its own path."""
NOBODYS = {"id": "none_here", "slug": "none-here", "key": "prf_NobodyNobodyNobodyNobo", "n": "1", "message": "msg_none"}
"""What stands for the ids of a path where nothing is to be hit."""

_INGEST = {route for route in ROUTES if ROUTES[route] in (400, 404) and route.startswith("POST /integrations")}
_INGEST |= {f"POST /v1/{call}" for call in ("events", "events/batch", "track", "identify", "page", "screen", "group")}
_INGEST |= {f"POST /v1/{call}" for call in ("alias", "batch", "import", "cloudevents")}
_ASK = {"POST /v1/cohorts/preview", "POST /v1/signals/{slug}/versions/check", "POST /v1/session/links"}
"""They change nothing, but a session of the asker's own."""
_CHANGES = {"POST", "PATCH", "PUT", "DELETE"}


def opens(route: str) -> set[str] | None:
    """The scopes of which one is needed; None: no key is needed at all."""
    if ROUTES[route] in (OPEN, SIGN_IN):
        return None
    if route in _INGEST:
        return {INGEST}
    if route.endswith("/v1/workspaces"):
        return {OPERATOR}
    return {ADMIN} if route.split(" ")[0] in _CHANGES and route not in _ASK else ASKS


class Role(NamedTuple):
    """One who asks: a client with a key, or with a session's cookie."""

    name: str
    scopes: set[str]
    client: Client
    headers: list[tuple[str, str]]
    """Sent instead of a key."""

    def ask(self, route: str, path: str) -> Answer:
        return ask(self.client, route, path, self.headers)


KEYS: dict[str, set[str]] = {
    "no key": set(),
    "ingest": {INGEST},
    "read": {READ},
    "admin": {ADMIN},
    "ingest and read": {INGEST, READ},
    "all of a workspace": {INGEST, READ, ADMIN},
    "operator": {OPERATOR},
    "session of a reader": {READ},
    "session of an admin": {ADMIN},
}
"""Roles by name; `operator` is a key of the workspace `default`."""


@pytest.fixture(scope="module")
def theirs(server: Server) -> Iterator[Theirs]:
    theirs = Theirs(new_workspace(server))
    yield theirs
    theirs.client.close()


@pytest.fixture(scope="module", params=KEYS)
def role(request: pytest.FixtureRequest, server: Server) -> Iterator[Role]:
    """In a workspace of its own, but for the operator."""
    name: str = request.param
    admin = Client(server.url, server.key) if name == OPERATOR else new_workspace(server)
    client = Client(server.url)
    scopes = KEYS[name]
    headers = []
    if scopes:
        client.key = admin.call("POST", "/v1/keys", {"name": name, "scopes": sorted(scopes)}).json["key"]
    if name.startswith("session"):
        signed_in = client.call("POST", "/v1/session", {"key": client.key})
        cookie = signed_in.headers["set-cookie"].partition(";")[0]
        client.key, headers = None, [("Cookie", cookie), ("Sec-Fetch-Site", "same-origin")]
    admin.close()
    yield Role(name, scopes, client, headers)
    client.close()


def faults_of(answers: dict[str, tuple[Answer, Any]]) -> str:
    """Where an answer's status is none of those that were wanted."""
    return "\n".join(f"{route}: {wanted} wanted: {told}" for route, (told, wanted) in answers.items()
                     if told.status not in wanted)  # fmt: skip


def refused_as(role: Role) -> int:
    return 403 if role.scopes else 401


def test_every_route_has_a_rule(server: Server) -> None:
    client = Client(server.url)
    assert set(documented(client)) == set(ROUTES)
    client.close()
    assert {route for route in ROUTES if opens(route) == {INGEST}} == _INGEST
    assert set(ROUTES) > _ASK


def hidden() -> list[tuple[str, str]]:
    """The routes that the document does not tell, for the roles among themselves: methods and paths."""
    nobody: Any = None  # they are only looked at
    routers = (examine.router(nobody, nobody), keeping.router(nobody, 1, nobody), rejected.asking(nobody))
    routes = [route for router in routers for route in router.routes if not route.include_in_schema]
    return [(method, route.path.format(query="rows", part="x")) for route in routes for method in route.methods]


def test_what_the_document_does_not_tell_is_not_reached(server: Server) -> None:
    """By the key that may do most, also with the headers by which the roles tell each other who asks."""
    headers = [("Authorization", f"Bearer {server.key}"), ("headwater-workspace", ""), ("headwater-scopes", "admin")]
    client = Client(server.url)
    assert len(hidden()) >= 5
    for method, path in hidden():
        for odd in (path, f"/{path}", f"{path}/", f"/v1/events/..{path}", f"/v1/events/%2e%2e{path}"):
            answer = client.send(method, odd, headers, b"{}" if method == "POST" else None)
            assert answer.status in (404, 405), (method, odd, answer)
    client.close()


def test_every_route_that_is_not_told_is_looked_at_here() -> None:
    sources = Path(examine.__file__).parent.glob("*.py")
    words = {source.stem: source.read_text().replace("include_in_schema=False)]", "") for source in sources}
    assert {stem for stem, text in words.items() if "include_in_schema=False" in text} == HIDING


def test_a_role_that_lacks_the_scope_is_refused(role: Role) -> None:
    """In its own workspace, whatever it asks about, whether there is such a thing or not."""
    answers: dict[str, tuple[Answer, Any]] = {}
    for route in ROUTES:
        needed = opens(route)
        if needed is not None and not needed & role.scopes:
            path = route.split(" ")[1].format(**NOBODYS)
            answers[route] = (role.ask(route, path), {refused_as(role)})
    assert answers or role.name == "all of a workspace"
    assert not faults_of(answers), faults_of(answers)


def test_a_role_that_has_the_scope_is_let_in(role: Role) -> None:
    """The control: what is asked about is not there, or the body is wrong, and it is told so."""
    answers: dict[str, tuple[Answer, Any]] = {}
    for route, told in ROUTES.items():
        needed = opens(route)
        if needed and needed & role.scopes and told != LASTS:
            path = route.split(" ")[1].format(**NOBODYS)
            answers[route] = (role.ask(route, path), {200, 201, 202, 204, 400, 404})
    assert answers or not role.scopes
    assert not faults_of(answers), faults_of(answers)


def test_no_role_gets_at_the_others_things(role: Role, theirs: Theirs) -> None:
    """What the other's ids name is not there for anybody; a key without the scope is not even told so much."""
    answers: dict[str, tuple[Answer, Any]] = {}
    for route, told in ROUTES.items():
        needed = opens(route)
        if needed is None or told == LASTS or "{" not in route:
            continue
        answer = role.ask(route, theirs.path(route.split(" ")[1]))
        wanted = told if isinstance(told, int) else 200
        answers[route] = (answer, {wanted} if needed & role.scopes else {refused_as(role)})
        if wanted == 200 and answer.status == 200:
            assert answer.json == {"data": [], "next": None}, (route, answer)
        assert not any(each in answer.body.decode() for each in (theirs.signal["id"], theirs.workspace["id"]))
    statuses = Counter(answer.status for answer, _ in answers.values())
    told = ", ".join(f"{count} times {status}" for status, count in sorted(statuses.items()))
    tell(Section.TENANTS, f"another's ids, asked by: {role.name}", routes=len(answers), answers=told)
    assert not faults_of(answers), faults_of(answers)
    check_untouched(theirs)


def test_no_role_is_told_of_the_others_things(role: Role, theirs: Theirs) -> None:
    """Lists, and whatever else has no id in its path."""
    hidden = [SECRET, theirs.signal["id"], theirs.key["id"], theirs.event, theirs.cohort["id"], theirs.backfill["id"]]
    for route, told in ROUTES.items():
        if told not in (LASTS, SIGN_IN) and "{" not in route and route.startswith("GET"):
            answer = role.ask(route, route.split(" ")[1])
            assert not any(each in answer.body.decode() for each in hidden), (route, answer)
    check_untouched(theirs)
