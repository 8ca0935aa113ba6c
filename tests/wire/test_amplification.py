"""A small request must not make much work, much memory or a long answer."""

import json
import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from harness import Server
from wire.client import Client
from wire.languages import BIGMIND, BIK, Language


def test_long_names_are_cut_in_errors(client: Client) -> None:
    schema = {"additionalProperties": {"items": {"type": "string"}}}
    signal = {"name": "strict", "slug": "strict", "type": "event", "enforcement": "reject", "rate_limit": None}
    assert client.call("POST", "/v1/signals", signal).status == 201
    assert client.call("POST", "/v1/signals/strict/versions", {"schema": schema}).status == 201
    event = {"signal": "strict", "identity": {"type": "account", "id": "1"}, "data": {"k" * 200_000: [1] * 100}}
    answer = client.call("POST", BIGMIND.batch, {"events": [event] * 4})
    assert answer.status == 400, answer.body[:300]
    assert "and 300 more" in answer.json["error"]
    assert len(answer.body) < 100_000


def test_the_detail_of_a_rejected_event_is_short(server: Server, client: Client) -> None:
    schema = {"additionalProperties": {"items": {"type": "string"}}}
    signal = {"name": "kept", "slug": "kept", "type": "event", "rate_limit": None}
    assert client.call("POST", "/v1/signals", signal).status == 201
    assert client.call("POST", "/v1/signals/kept/versions", {"schema": schema}).status == 201
    event = {"signal": "kept", "identity": {"type": "account", "id": "1"}, "data": {"k" * 100_000: [1] * 100}}
    answer = client.call("POST", BIGMIND.single, event)
    (told,) = server.wait_processed([answer.json["data"]["id"]], client.key)
    assert told["reason"] == "schema_violation"
    assert 0 < len(told["detail"]) < 8_000


@pytest.mark.parametrize("prefer", ["", "handling=lenient"])
def test_many_misspelt_fields(client: Client, prefer: str) -> None:
    bad = BIK.event() | {"emai" + chr(0x4E00 + n): 1 for n in range(5_000)}
    body = json.dumps({"events": [BIK.event(), bad]}).encode()
    headers = [("Authorization", f"Bearer {client.key}"), *([("Prefer", prefer)] if prefer else [])]
    answer = client.send("POST", BIK.batch, headers, body)
    assert len(answer.json["errors"]) == 100, answer.body[:300]


def test_a_fault_behind_millions_of_values(client: Client, language: Language) -> None:
    """Answered, and others are answered meanwhile: the place is not looked for in a body so long."""
    body = b'{"events":' + b"[" * 800 + b"1," * 2_000_000 + b"NaN" + b"]" * 800 + b"}"
    answer = client.post(language.batch, body)
    assert answer.status == 400, answer.body[:300]
    language.refusal(answer)


@pytest.mark.parametrize("field", ["email", "phoneNumber"])
def test_endless_contacts(client: Client, field: str) -> None:
    event = BIK.event() | {"email": "a@b.test", field: "1" * 200_000 + "@b.test"}
    answer = client.call("POST", BIK.batch, {"events": [event]})
    assert answer.status == 400
    assert answer.json["errors"][0]["path"] == f"events[0].{field}"


@pytest.mark.parametrize("path", ["/v1/events/batch/", "/v1/events/", "/v1/signals/", "/v1/pipelines/"])
def test_nobody_is_sent_elsewhere(client: Client, path: str) -> None:
    for method in ("GET", "POST"):
        answer = client.send(method, path, [("Authorization", f"Bearer {client.key}")])
        assert answer.status in (404, 405), answer
        assert "location" not in answer.headers


def test_questions_that_never_come_whole_do_not_hold_up_others(server: Server, client: Client) -> None:
    parts = urlsplit(server.url)
    head = f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.key}\r\nContent-Length: 5\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(80):
            connection = stack.enter_context(socket.create_connection((parts.hostname, parts.port), timeout=10))
            connection.sendall(head.encode())
        assert client.call("GET", "/v1/pipelines").status == 200


def test_long_slugs_are_cut_in_errors(client: Client) -> None:
    events = [{"signal": f"{n:03}" + "s" * 40_000, "identity": {"type": "account", "id": "1"}} for n in range(100)]
    answer = client.call("POST", BIGMIND.batch, {"events": events})
    assert answer.status == 404
    assert answer.json["error"].startswith("Signals not found: 000sss")
    assert len(answer.body) < 20_000
