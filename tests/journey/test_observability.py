"""What an operator sees of a running headwater: log lines, request ids, traces; and nothing of what people sent."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from collecting import Collector, Span, collecting
from harness import Server, group, running, until

BIK, SIGNALS = "/integrations/bikPlatformFunctions-events/sendEvents", "/v1/events/batch"
CANARIES = ("canary-mail", "5551234567", "canary-value", "canary-id", "canary-password", "canary-slug")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
FAST = {"OTEL_BSP_SCHEDULE_DELAY": "100"}


class Watched(NamedTuple):
    server: Server
    client: httpx.Client
    collector: Collector

    def log(self) -> str:
        return self.server.log(1 << 30)

    def lines(self) -> list[dict[str, Any]]:
        """The log, a JSON object a line; what the supervisor prints at a start is for people."""
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    options = ("--log-level", "debug", "--log-format", "json", "--access-log")
    with collecting() as collector:
        environment = FAST | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        server = Server(tmp_path_factory.mktemp("watched") / "data", *options, environment=environment)
        with running(server), server.client() as client:
            yield Watched(server, client, collector)


def bik(email: str = "canary-mail@x.y", value: Any = "canary-value") -> dict[str, Any]:
    event = {"name": "N", "email": email, "phoneNumber": "+15551234567", "eventName": "catalogViewed"}
    return {"events": [event | {"eventProperties": {"catalogId": value}}]}


def test_every_answer_has_the_id_of_its_request(watched: Watched) -> None:
    client = watched.client
    sent = {"x-request-id": "order-17.a_B"}
    for method, path in [("POST", BIK), ("GET", "/v1/events"), ("GET", "/livez"), ("GET", "/none"), ("PUT", BIK)]:
        body = bik() if method == "POST" else None
        assert client.request(method, path, json=body, headers=sent).headers["x-request-id"] == "order-17.a_B"
    made = [client.get("/livez").headers["x-request-id"] for _ in range(3)]
    assert len({*made}) == 3 and all(re.fullmatch(r"[0-9a-f]{10}-[0-9a-f]+", each) for each in made)
    assert client.post(BIK, json={}, headers={"authorization": "Bearer no"}).headers["x-request-id"]


@pytest.mark.parametrize("hostile", ["", "a b", "x" * 129, 'a"b', "canary-mail@x.y", "a\tb"])
def test_what_is_no_id_is_replaced(watched: Watched, hostile: str) -> None:
    answer = watched.client.get("/v1/events", headers={"x-request-id": hostile})
    assert re.fullmatch(r"[0-9a-f]{10}-[0-9a-f]+", answer.headers["x-request-id"])


def test_a_request_that_is_none_has_an_id_in_its_answer(watched: Watched) -> None:
    with socket.create_connection(("127.0.0.1", watched.server.port)) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n")
        assert b"x-request-id: " in plain.recv(4096)


def test_a_line_of_the_access_log_tells_no_path_of_anybodys(watched: Watched) -> None:
    client, workspace = watched.client, watched.server.credentials()["workspace"]
    client.get("/v1/profiles/email:canary-mail@x.y", headers={"x-request-id": "asked-1"})
    client.post(BIK, json=bik(), headers={"x-request-id": "sent-1"})

    def line(id_: str) -> dict[str, Any] | None:
        found = [each for each in watched.lines() if each.get("request_id") == id_ and each["logger"] == "access"]
        return found[0] if found else None

    asked, sent = until(lambda: line("asked-1")), until(lambda: line("sent-1"))
    assert (asked["method"], asked["route"], asked["status"]) == ("GET", "/v1/profiles/{}", 200)
    assert (sent["route"], sent["status"], sent["level"]) == (BIK, 200, "info")
    assert sent["bytes"] > 0 and sent["ms"] > 0 and sent["workspace"].startswith("ws_") and workspace
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", sent["ts"])


def test_nothing_that_people_sent_is_in_any_line_or_span(watched: Watched) -> None:
    client = watched.client
    client.post(BIK, json=bik())
    client.post(BIK, json=bik(value={"deep": ["canary-value"]}))
    client.post(BIK, json=bik(email="canary-mail"))
    client.post(BIK, content=b'{"events": [{"email": "canary-mail')
    for number in (1, "canary-value"):
        event = {"signal": "canary-slug", "identity": {"type": "contact", "id": "canary-id"}, "data": {"n": number}}
        client.post(SIGNALS, json={"events": [event]})
    client.get("/v1/events", headers={"authorization": "Bearer canary-password"})
    client.get("/v1/events?identity=email:canary-mail@x.y&canary-slug=1")
    for path in ("profiles/email:canary-mail@x.y", "profiles/phone:+15551234567", "canary-slug", "events/canary-id"):
        client.get(f"/v1/{path}", headers={"user-agent": "canary-value", "cookie": "a=canary-value"})
    client.post("/v1/cohorts/preview", json={"definition": {"performed": "canary-slug"}})
    client.delete("/v1/profiles/email:canary-mail@x.y")
    client.get("/v1/events", headers={"x-request-id": "the-last-one"})
    until(lambda: "the-last-one" in watched.log())
    watched.server.wait_drained()
    last = len(watched.collector.named("GET /livez"))
    client.get("/livez")
    until(lambda: len(watched.collector.named("GET /livez")) > last)
    log = re.sub(r"-H 'Authorization: [^']*'", "", watched.log())  # the first start prints the key, for people
    sources = [log.encode(), *watched.collector.bodies]
    assert [name for name in (*CANARIES, watched.server.key) for each in sources if name.encode() in each] == []


def test_a_batch_is_a_trace_from_the_senders_span_to_the_fsync(watched: Watched) -> None:
    assert watched.client.post(BIK, json=bik(), headers={"traceparent": TRACEPARENT}).status_code == 200
    collector = watched.collector

    def of_trace(name: str) -> Span | None:
        return next((span for span in collector.named(name) if span.trace == TRACE), None)

    root = until(lambda: of_trace(f"POST {BIK}"))
    assert (root.parent, root.role) == ("00f067aa0ba902b7", "gateway")
    assert root.attributes["http.response.status_code"] == 200 and root.attributes["headwater.dialect"] == "bik"
    assert root.attributes["headwater.events"] == 1
    assert until(lambda: of_trace("log.append")).parent == root.id
    stored = until(lambda: collector.named("store.block"))[0]
    assert stored.role == "engine" and stored.attributes["headwater.lane"] == "realtime"


def test_a_question_is_a_trace_through_both_roles(watched: Watched) -> None:
    watched.client.get("/v1/profiles/email:canary-mail@x.y")
    name = "GET /v1/profiles/{}"

    def linked() -> bool:
        spans = watched.collector.named(name)
        outer = {span.id: span for span in spans if span.role == "gateway"}
        return any(span.parent in outer for span in spans if span.role == "engine")

    until(linked)


def test_a_collector_that_is_away_or_hangs_costs_nobody_an_answer(tmp_path: Path) -> None:
    """It takes connections and never answers; then it is gone."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        environment = FAST | {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_MAX_QUEUE_SIZE": "4"}
        environment |= {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "2"}
        with running(Server(tmp_path / "data", environment=environment)) as server, server.client() as client:
            for _ in range(40):
                assert client.post(BIK, json=bik()).status_code == 200
            silent.close()
            for _ in range(40):
                assert client.post(BIK, json=bik()).status_code == 200
            server.wait_drained()
            assert len(client.get("/v1/events?limit=100").json()["data"]) == 80
            assert server.stop() == 0


def maps(server: Server) -> list[str]:
    """What each role has mapped."""
    leader = server.process.pid
    return [Path(f"/proc/{pid}/maps").read_text() for pid in group(leader) if pid != leader]


def test_without_a_collector_nothing_of_it_is_loaded(server: Server, watched: Watched) -> None:
    """Protobuf is the one library of it that is not Python's own code."""
    assert [("_upb" in each) for each in maps(watched.server)] == [True, True]
    assert [("_upb" in each) for each in maps(server)] == [False, False]
