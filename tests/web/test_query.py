"""Questions over HTTP, asked of the engine's own application over real parts."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import msgspec
import pytest
import uvicorn

from headwater.events import Lane
from headwater.pipeline import LaneStatus, Status
from headwater.rules import answers
from headwater.search import Search
from headwater.state.base import Cursor
from headwater.web import models, openapi, query
from headwater.web.engine import engine_app
from headwater.web.profiles import router
from parts import Parts, Sent, new_workspace, running_parts

PROBLEM = "application/problem+json"


class Engine:
    """The application on a Unix socket, as the engine serves it."""

    def __init__(self, parts: Parts, socket: Path) -> None:
        self.parts = parts
        self.status: Status | None = None
        """What the pipeline is said to be, when a test needs it otherwise than it is."""
        app = engine_app(
            parts.insight,
            lambda: self.status or parts.pipeline.status(),
            parts.store,
            parts.live,
            router(parts.profiles, parts.insight, Search(parts.store, parts.state, parts.people, parts.catalog)),
        )
        self.server = uvicorn.Server(uvicorn.Config(app, uds=str(socket), lifespan="off", log_level="error"))
        self.thread = threading.Thread(target=self.server.run)
        self.client = httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://engine", timeout=60)

    def start(self) -> None:
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive()
            self.thread.join(0.01)

    def stop(self) -> None:
        self.client.close()
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    with running_parts(tmp_path_factory.mktemp("parts")) as parts:
        yield parts


@pytest.fixture(scope="module")
def engine(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(parts, tmp_path_factory.mktemp("s") / "engine.sock")
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture
def workspace() -> str:
    return new_workspace()


@pytest.fixture
def get(engine: Engine, workspace: str) -> Any:
    """A GET of one workspace, as the gateway hands it on."""
    return lambda path, **parameters: engine.client.get(
        path, params=parameters or None, headers={"headwater-workspace": workspace}
    )


# --- answers -------------------------------------------------------------------------------------------------------


def test_one_event_all_the_way(parts: Parts, get: Any, workspace: str) -> None:
    data = {"z": 1, "a": [None, 1.50, "\u2028"], "": {"é": True}}
    batch, (id_,) = parts.send(workspace, Sent(1_700_000_000_000, data=data, reference="r"))
    for status in ("pending", "processed"):
        answer = get(f"/v1/events/{id_}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        event = answer.json()
        assert event["status"] == status
        assert list(event["data"]) == ["z", "a", ""] and event["data"] == data
        assert get(f"/v1/events/{str(id_).upper()}").json() == event
        assert get(f"/v1/batches/{batch}").json() == {"data": [event], "next": None}
        assert get("/v1/events").json() == {"data": [event], "next": None}
        assert [msgspec.json.decode(line) for line in get("/v1/events/export").content.splitlines()] == [event]
        parts.drain()


def test_answers_are_as_the_models_tell(parts: Parts, get: Any, workspace: str) -> None:
    parts.send(workspace, Sent(1, name="Ada"))
    parts.drain()
    models.EventAnswer.model_validate(get("/v1/events").json()["data"][0])
    models.ProfileAnswer.model_validate(get("/v1/profiles/email:ada@example.com").json())
    models.PipelinesAnswer.model_validate(get("/v1/pipelines").json())
    for model, struct in (
        (models.EventAnswer, answers.EventAnswer),
        (models.ProfileAnswer, answers.ProfileAnswer),
        (models.StateOfProfile, answers.StateAnswer),
        (models.MetricOfProfile, answers.MetricAnswer),
        (models.CohortOfProfile, answers.CohortAnswer),
        (models.ConnectionsAnswer, answers.ConnectionsAnswer),
        (models.NotConnectedAnswer, answers.NotConnectedAnswer),
        (models.UnmergeAnswer, answers.UnmergeAnswer),
        (models.PipelineAnswer, answers.PipelineAnswer),
    ):
        assert list(model.model_fields) == list(struct.__struct_fields__)


def test_pages_are_walked_by_their_cursor(parts: Parts, get: Any, workspace: str) -> None:
    _, first = parts.send(workspace, *[Sent(n) for n in range(20)])
    parts.drain()
    _, second = parts.send(workspace, *[Sent(n) for n in range(20)])
    found, cursor = [], {}
    while True:
        page = get("/v1/events", limit=7, **cursor).json()
        found += [event["id"] for event in page["data"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    newest_first = [pair for n in reversed(range(20)) for pair in (second[n], first[n])]
    assert found == [str(id_) for id_ in newest_first]


@pytest.mark.parametrize("stored", [True, False])
def test_every_filter(parts: Parts, get: Any, workspace: str, stored: bool) -> None:
    hour = 3_600_000
    _, sent = parts.send(
        workspace,
        Sent(1 * hour, ("email:test@bik.ai", "phone:+19494572000")),
        Sent(2 * hour, ("account:42",), signal="addToCart"),
        Sent(3 * hour, ("account:42",), lane=Lane.MIGRATION),
        Sent(4 * hour, ("deal:4:2",), reason="schema_violation"),
    )
    if stored:
        parts.drain()

    def fit(**parameters: str) -> list[int]:
        answer = get("/v1/events", **parameters)
        assert answer.status_code == 200, answer.text
        lines = get("/v1/events/export", **parameters).text.splitlines()
        assert sorted(msgspec.json.decode(line)["id"] for line in lines) == sorted(
            event["id"] for event in answer.json()["data"]
        )
        return sorted(1 + sent.index(UUID(event["id"])) for event in answer.json()["data"])

    assert fit(identity="email: Test@BIK.ai ") == fit(identity="email:test@bik.ai") == [1]
    assert fit(identity="phone:+19494572000") == fit(identity="phone: 19494572000") == [1]
    assert fit(identity="deal:4:2") == [4]
    assert fit(identity="account:42") == [2, 3]
    assert fit(identity="account:42", signal="addToCart") == [2]
    assert fit(lane="migration") == [3]
    assert fit(status="pending") == ([] if stored else [1, 2, 3, 4])
    assert fit(status="processed") == ([1, 2, 3] if stored else [])
    assert fit(status="rejected") == ([4] if stored else [])
    assert fit(**{"from": "1970-01-01T02:00:00Z"}) == [2, 3, 4]
    assert fit(to="1970-01-01T02:00:00") == [1]
    assert fit(**{"from": "1970-01-01T02:00+01:00", "to": "1970-01-01T03:00"}) == [1, 2]
    assert fit(**{"from": "1970-01-02", "to": "1970-01-01"}) == []


@pytest.mark.parametrize("id_", ["a/connections", "a/b//c", "100%25 / ?#&+", "ü:ö", "../../v1/events"])
def test_a_profile_by_an_awkward_id(parts: Parts, get: Any, workspace: str, id_: str) -> None:
    parts.send(workspace, Sent(1, (f"account:{id_}",)))
    parts.drain()
    answer = get("/v1/profiles/" + quote(f"account:{id_}", safe=""))
    assert answer.status_code == 200, answer.text
    assert answer.json()["identities"] == [{"type": "account", "id": id_}]


def test_head_is_as_get_without_a_body(parts: Parts, engine: Engine, workspace: str) -> None:
    parts.send(workspace, Sent(1))
    answer = engine.client.head("/v1/events", headers={"headwater-workspace": workspace})
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 100


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "done"),
        ("status", ""),
        ("lane", "fast"),
        ("reference", ""),
        ("backfill", ""),
        ("from", "yesterday"),
        ("to", "2026-13-01"),
        ("identity", "ada@example.com"),
        ("identity", ":x"),
        ("identity", "email:nobody"),
        ("identity", "phone:12"),
        ("signal", ""),
        ("statsu", "pending"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/export"])
def test_a_malformed_parameter_is_named(get: Any, path: str, name: str, value: str) -> None:
    _refused(get(path, **{name: value}), name)


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", "0"), ("limit", "1001"), ("limit", "ten"), ("limit", ""), ("limit", "9" * 99), ("cursor", "nonsense")],
)
def test_a_malformed_page_is_named(get: Any, name: str, value: str) -> None:
    _refused(get("/v1/events", **{name: value}), name)


def test_a_parameter_twice_is_refused(get: Any) -> None:
    _refused(get("/v1/events?lane=realtime&lane=migration"), "lane")


def _refused(answer: httpx.Response, name: str) -> None:
    assert answer.status_code == 400
    assert answer.headers["content-type"] == PROBLEM
    problem = answer.json()
    assert problem["path"] == name
    assert problem["detail"].startswith(f"'{name}' ")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/events/nonsense",
        "/v1/events/01938f2e7c6b7d419a3e5f0c2b1d4e01",
        "/v1/events/{01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e01}",
        "/v1/events/01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e01",
        "/v1/events/7871725b-d50d-4cac-ae89-c4c1617767fc",
        "/v1/batches/nonsense",
        "/v1/batches/01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e00",
        "/v1/profiles/email:never@example.com",
        "/v1/profiles/email%3Anever@example.com",
        "/v1/profiles/nonsense",
        "/v1/profiles/",
        "/v1/nonsense",
    ],
)
def test_what_is_not_there_is_404(get: Any, path: str) -> None:
    answer = get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == PROBLEM
    assert answer.json()["detail"]


# --- exports -------------------------------------------------------------------------------------------------------


def test_exports_are_bounded_and_give_back_what_they_hold(parts: Parts, engine: Engine, workspace: str) -> None:
    """Clients that do not read on hold at most two connections to the store; when they leave, those are free again."""
    big = {"text": "x" * 40_000}
    for _ in range(3):
        parts.send(workspace, *[Sent(n, data=big) for n in range(100)])
    parts.drain()
    headers = {"headwater-workspace": workspace}
    for _ in range(3):
        with (
            engine.client.stream("GET", "/v1/events/export", headers=headers) as one,
            engine.client.stream("GET", "/v1/events/export", headers=headers) as other,
        ):
            assert (one.status_code, other.status_code) == (200, 200)
            busy = engine.client.get("/v1/events/export", headers=headers)
            assert busy.status_code == 503
            assert int(busy.headers["retry-after"]) > 0
            assert engine.client.get("/v1/events", headers=headers).status_code == 200
        _until_free(engine, headers)


def _until_free(engine: Engine, headers: dict[str, str]) -> None:
    for _ in range(200):
        answer = engine.client.get("/v1/events/export", headers=headers)
        if answer.status_code == 200:
            assert len(answer.content.splitlines()) == 300
            return
        threading.Event().wait(0.02)
    raise AssertionError("the exports that were left are still counted")


# --- the engine itself ---------------------------------------------------------------------------------------------


def test_it_lives_and_is_ready(parts: Parts, engine: Engine) -> None:
    parts.drain()
    assert engine.client.get("/livez").json() == {"alive": True}
    answer = engine.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True})


def test_it_says_why_it_is_not_ready(engine: Engine) -> None:
    engine.status = Status(False, "OSError: no space", {}, 1, "OSError: no space")
    try:
        answer = engine.client.get("/readyz")
        assert answer.status_code == 503
        assert answer.headers["content-type"] == PROBLEM
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["detail"] == "OSError: no space"
    finally:
        engine.status = None


def test_its_figures(parts: Parts, engine: Engine, workspace: str) -> None:
    parts.drain()
    parts.send(workspace, Sent(1), Sent(2), Sent(3, lane=Lane.MIGRATION))
    lanes = {
        Lane.REALTIME: LaneStatus(Cursor(0, 9), blocks=4, events=1_234),
        Lane.MIGRATION: LaneStatus(Cursor(0, 9), blocks=5, events=6),
    }
    engine.status = Status(True, "", lanes, 7, "")
    try:
        figures = set(engine.client.get("/metrics").text.splitlines())
    finally:
        engine.status = None
    assert {
        'headwater_engine_blocks_total{lane="realtime"} 4.0',
        'headwater_engine_events_total{lane="realtime"} 1234.0',
        'headwater_engine_events_total{lane="migration"} 6.0',
        'headwater_engine_backlog_events{lane="realtime"} 2.0',
        'headwater_engine_backlog_events{lane="migration"} 1.0',
        "headwater_engine_failures_total 7.0",
        "headwater_engine_ready 1.0",
        f"headwater_engine_log_bytes {float(parts.reader.size())}",
    } <= figures


def test_it_is_documented(parts: Parts) -> None:
    nobody: Any = None
    routes = [*query.router(parts.insight).routes, *router(parts.profiles, parts.insight, nobody).routes]
    paths = openapi.document(routes)["paths"]
    of_events = ("/v1/events", "/v1/events/export", "/v1/events/{id}", "/v1/batches/{id}")
    of_profiles = ("/v1/profiles", "/v1/profiles/{key}", "/v1/profiles/{key}/events")
    for path in (*of_events, *of_profiles):
        call = paths[path]["get"]
        assert call["summary"] and call["description"] and "503" in call["responses"]
        names = [parameter["name"] for parameter in call["parameters"]]
        assert names and all(parameter["description"] for parameter in call["parameters"])
        assert "headwater-workspace" not in names
    assert "/v1/pipelines" in paths
