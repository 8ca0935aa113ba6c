"""Two workspaces: whatever route is asked with the other's ids, it answers 404 or 403, or an empty list."""

from collections.abc import Iterator

import pytest

from harness import Server
from journey.tenants import (
    ONE,
    OPEN,
    OWN,
    ROUTES,
    SECRET,
    SIGN_IN,
    Theirs,
    ask,
    check_untouched,
    documented,
)
from wire.client import Client
from wire.workspaces import new_workspace


@pytest.fixture(scope="module")
def theirs(server: Server) -> Iterator[Theirs]:
    """One for all tests: whatever a test does, `check_untouched` finds it as it was."""
    theirs = Theirs(new_workspace(server))
    yield theirs
    theirs.client.close()


def test_every_documented_route_is_known_here(client: Client) -> None:
    routes = documented(client)
    assert set(routes) == set(ROUTES), "a new route needs a line in ROUTES"


@pytest.mark.parametrize("route", [route for route, told in ROUTES.items() if isinstance(told, int)])
def test_the_others_ids_are_refused(client: Client, theirs: Theirs, route: str) -> None:
    answer = ask(client, route, theirs.path(route.split(" ")[1]))
    assert answer.status == ROUTES[route], answer
    assert theirs.signal["id"] not in answer.body.decode()
    check_untouched(theirs)


def test_traces_by_reference_are_of_ones_own(client: Client, theirs: Theirs) -> None:
    path = f"/v1/events/trace?reference={SECRET}"
    (told,) = theirs.client.call("GET", path).json["data"]
    assert told["event"]["id"] == theirs.event
    assert client.call("GET", path).json == {"data": [], "next": None}


def test_people_are_found_by_their_own_alone(client: Client, theirs: Theirs) -> None:
    for path in (f"/v1/profiles?q={SECRET}", f"/v1/profiles?q={ONE}", f"/v1/profiles/{ONE}/events"):
        assert SECRET in theirs.client.call("GET", path).body.decode()
        assert client.call("GET", path).json == {"data": [], "next": None}


FILTERS = ["", "identity=email:{}@x.example", "signal={}", "status=processed", "lane=realtime"]


@pytest.mark.parametrize("query", FILTERS)
@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/export"])
def test_lists_are_empty(client: Client, theirs: Theirs, path: str, query: str) -> None:
    query = query.format(SECRET)
    assert SECRET in theirs.client.call("GET", f"{path}?{query}").body.decode()
    answer = client.call("GET", f"{path}?{query}")
    assert answer.status == 200, answer
    assert answer.body.strip() in (b"", b'{"data":[],"next":null}'), answer


@pytest.mark.parametrize("route", [route for route, told in ROUTES.items() if told is OWN])
def test_nothing_of_the_others_is_told(client: Client, theirs: Theirs, route: str) -> None:
    answer = ask(client, route, route.split(" ")[1])
    assert answer.status in (200, 201), answer
    hidden = [SECRET, theirs.signal["id"], theirs.key["id"], theirs.workspace["id"], theirs.event]
    hidden += [theirs.cohort["id"], theirs.backfill["id"], theirs.webhook["id"]]
    told = answer.body.decode()
    assert not any(each in told for each in hidden), answer
    check_untouched(theirs)


@pytest.mark.parametrize("route", [route for route, told in ROUTES.items() if told is OPEN])
def test_open_routes_tell_nothing_of_any_workspace(client: Client, theirs: Theirs, route: str) -> None:
    nobody = Client(f"http://{client.host}:{client.port}")
    answer = nobody.call(*route.split(" "))
    nobody.close()
    assert answer.status == 200, answer
    assert SECRET not in answer.body.decode() and theirs.workspace["id"] not in answer.body.decode()


@pytest.mark.parametrize("route", [route for route, told in ROUTES.items() if told not in (OPEN, SIGN_IN)])
def test_every_other_route_needs_a_key(client: Client, theirs: Theirs, route: str) -> None:
    nobody = Client(f"http://{client.host}:{client.port}")
    assert ask(nobody, route, theirs.path(route.split(" ")[1])).status == 401
    nobody.close()
    check_untouched(theirs)


def test_ones_own_webhook_does_not_open_the_others_deliveries(client: Client, theirs: Theirs) -> None:
    hook = {"url": "https://hooks.invalid/", "events": ["cohort.left"]}
    own = f"/v1/webhooks/{client.call('POST', '/v1/webhooks', hook).json['id']}/deliveries"
    assert client.call("GET", f"{own}/{theirs.delivery}").status == 404
    assert client.call("POST", f"{own}/{theirs.delivery}/replay").status == 404
    assert client.call("GET", own).json == {"data": [], "next": None}
    check_untouched(theirs)


def test_headers_cannot_say_who_one_is(client: Client, theirs: Theirs) -> None:
    """The gateway tells the engine the workspace in a header of its own: a client's is no good."""
    name = theirs.workspace["id"]
    headers = [
        ("Authorization", f"Bearer {client.key}"),
        ("headwater-workspace", name),
        ("headwater-scopes", "read,admin"),
    ]
    for path in ("/v1/events", f"/v1/events/{theirs.event}", f"/v1/batches/{theirs.batch}"):
        answer = client.send("GET", path, headers)
        assert answer.status == 404 or answer.json == {"data": [], "next": None}, answer
