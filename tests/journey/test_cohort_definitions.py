"""Definitions at a running server: a wrong one is a 4xx naming the place, and what looks like SQL is only a name."""

from typing import Any

import msgspec
import pytest

from harness import Server, until
from wire.client import Client
from wire.languages import BIK

EVIL = [
    "' OR 1 = 1 --",
    '"; DROP TABLE events; --',
    "{p0:String}",
    "a') UNION ALL SELECT 1 --",
    "$where",
    "\\",
    "\u2028",
]


def nested(levels: int) -> str:
    return '{"not":' * levels + '{"performed":"ordered"}' + "}" * levels


def body(where: Any, name: str = "wrong") -> bytes:
    text = where if isinstance(where, str) else msgspec.json.encode(where).decode()
    return f'{{"name":"{name}","definition":{{"subject":"person","where":{text}}}}}'.encode()


WRONG = [
    ({"performed": "nosuch"}, ".performed"),
    ({"all": [{"performed": "ordered"}, {"performed": "ordered", "within": "soon"}]}, ".all[1].within"),
    ({"performed": "ordered", "count": {">=": "3"}}, ".count.>="),
    ({"performed": "ordered", "filter": {"'; --": {"~": 1}}}, ".filter.'; --.~"),
    ({"metric": "ordered", ">": 1}, ".metric"),
    (nested(200), ".not" * 32),
]


@pytest.mark.parametrize(("where", "at"), WRONG, ids=[at[:30] for _, at in WRONG])
def test_what_is_wrong_is_told_its_place(client: Client, where: Any, at: str) -> None:
    for path in ("/v1/cohorts", "/v1/cohorts/preview"):
        content = body(where) if path == "/v1/cohorts" else body(where).replace(b'"name":"wrong",', b"")
        answer = client.post(path, content)
        assert (answer.status, answer.json["path"]) == (400, "definition.where" + at)
    assert client.call("GET", "/v1/cohorts").json["data"] == []


@pytest.mark.parametrize("levels", [900, 5_000, 100_000])
def test_no_depth_is_too_much_for_a_clear_answer(client: Client, levels: int) -> None:
    for path in ("/v1/cohorts", "/v1/cohorts/preview"):
        answer = client.post(path, body(nested(levels)))
        assert 400 <= answer.status < 500, answer
        assert answer.json["status"] == answer.status


def test_names_that_look_like_sql_are_names(client: Client, server: Server) -> None:
    data = {text: text for text in EVIL} | {"orderId": "1"}
    event = {"eventName": "ordered", "email": "ada@example.com", "eventProperties": data}
    other = event | {"email": "bob@example.com", "eventProperties": {"orderId": "2"}}
    taken = client.call("POST", BIK.batch, {"events": [event, other]})
    assert taken.status == 200, taken
    server.wait_drained()
    for text in EVIL:
        for test in ({"=": text}, {"in": [text, "x"]}, {"contains": text}, {">=": text, "exists": True}):
            where = {"performed": "ordered", "filter": {text: test}}
            definition = {"definition": {"subject": "person", "where": where}}

            def found(definition: dict[str, Any] = definition) -> Any:
                answer = client.call("POST", "/v1/cohorts/preview", definition)
                assert answer.status in (200, 503), answer
                return answer.json if answer.status == 200 and answer.json["size"] else None

            preview = until(found, 10, f"{where} finds somebody")
            assert preview["size"] == 1
            [[identity]] = [profile["identities"] for profile in preview["sample"]]
            assert identity == {"type": "email", "id": "ada@example.com"}
