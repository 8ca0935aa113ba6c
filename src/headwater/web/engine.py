"""The engine's HTTP application: the questions, and how the engine is. It listens on a Unix socket alone."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Receive, Scope, Send

from headwater import clock
from headwater.errors import UnavailableError
from headwater.insight import Insight
from headwater.live.base import Figures
from headwater.pipeline import Status
from headwater.requests import HEADER, REQUEST, About, request_id
from headwater.store.base import Examined
from headwater.web import examine, problems
from headwater.web.asking import Threads
from headwater.web.proxy import WORKSPACE
from headwater.web.query import router

PipelineStatus = Callable[[], Status]


class Live(Protocol):
    """What of `live.live.Live` is asked here."""

    def figures(self) -> Figures: ...

    def verify(self) -> dict[str, Any]: ...


def engine_app(
    insight: Insight,
    pipeline_status: PipelineStatus,
    store: Examined,
    live: Live,
    *more: APIRouter,
    figures: Sequence[Collector] = (),
) -> FastAPI:
    """Questions, with the routes of `more`, those of a doctor, `/livez`, `/readyz` and `/metrics` (its own figures, and
    those of `figures`); no documentation, for that is the gateway's."""
    app = FastAPI(title="headwater engine", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    problems.install(app)
    app.add_middleware(HeadAsGet)
    app.add_middleware(ForRequest)
    for each in (*more, router(insight), examine.router(store, live.verify)):
        app.include_router(each)
    registry = CollectorRegistry()
    for collector in (EngineFigures(insight, pipeline_status, live.figures), *figures):
        registry.register(collector)
    threads = Threads()

    @app.get("/livez")
    async def livez() -> dict[str, bool]:
        return {"alive": True}

    @app.get("/readyz")
    async def readyz() -> Response:
        status = pipeline_status()
        if status.ready:
            return Response(b'{"ready":true}', media_type="application/json")
        answer = problems.problem(503, status.why, retry_after=1)
        return Response(answer.body, answer.status, {name.decode(): value.decode() for name, value in answer.headers})

    @app.get("/metrics")
    async def metrics() -> Response:
        text = await threads.do(lambda: generate_latest(registry))
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    return app


def resting_app(pipeline_status: PipelineStatus) -> FastAPI:
    """Of an engine that does not lead: how it is, and nothing else."""
    app = FastAPI(title="headwater engine", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    problems.install(app)

    @app.get("/livez")
    async def livez() -> dict[str, bool]:
        return {"alive": True}

    @app.get("/{path:path}")
    async def anything(path: str) -> Response:
        raise UnavailableError("another engine leads, or this one is about to")

    return app


class ForRequest:
    """Notes for log lines which of the gateway's requests this is, and whose."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            id_ = request_id(headers.get(HEADER.encode()))
            REQUEST.set(About(id_.decode(), headers.get(WORKSPACE.encode(), b"").decode("latin-1")))
        await self._app(scope, receive, send)


class HeadAsGet:
    """HEAD is answered as GET is; the server leaves the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)


class EngineFigures(Collector):
    """The engine's figures, taken when they are asked for."""

    def __init__(self, insight: Insight, pipeline_status: PipelineStatus, live: Callable[[], Figures]) -> None:
        self._insight = insight
        self._status = pipeline_status
        self._live = live

    def collect(self) -> Iterator[Metric]:
        yield from self._pipeline()
        yield from self._backlogs()
        yield from self._cohorts()
        yield GaugeMetricFamily(
            "headwater_engine_log_bytes", "What the log takes on disk.", value=self._insight.log_bytes()
        )

    def _pipeline(self) -> Iterator[Metric]:
        status = self._status()
        blocks = CounterMetricFamily("headwater_engine_blocks", "Blocks committed to the store.", labels=["lane"])
        events = CounterMetricFamily("headwater_engine_events", "Events committed to the store.", labels=["lane"])
        for lane, figures in status.lanes.items():
            blocks.add_metric([lane.value], figures.blocks)
            events.add_metric([lane.value], figures.events)
        yield blocks
        yield events
        yield CounterMetricFamily(
            "headwater_engine_failures", "Failed rounds, each tried again.", value=status.failures
        )
        yield GaugeMetricFamily("headwater_engine_ready", "1 when events are being stored.", value=status.ready)

    def _cohorts(self) -> Iterator[Metric]:
        live = self._live()
        gauges = (
            ("ready", "1 when membership follows events and the clock.", live.ready),
            ("cohorts", "Cohorts that are kept right.", live.cohorts),
            ("conditions", "Different conditions that these ask.", live.conditions),
            ("identities", "Identities of workspaces that have cohorts.", live.identities),
            ("bytes", "Memory that conditions take.", live.bytes),
            ("behind_seconds", "How long ago members were right last.", live.behind_seconds(clock.now_ms())),
        )
        for name, text, value in gauges:
            yield GaugeMetricFamily(f"headwater_engine_live_{name}", text, value=value)
        yield CounterMetricFamily(
            "headwater_engine_live_failures", "Times that membership was begun anew.", value=live.failures
        )

    def _backlogs(self) -> Iterator[Metric]:
        now = clock.now_ms()
        events = _per_lane("events", "Events acknowledged and not stored yet.")
        size = _per_lane("bytes", "Bytes of the log that hold them.")
        age = _per_lane("age_seconds", "Seconds since the oldest of them was received.")
        for lag in self._insight.backlogs():
            lane: list[Any] = [lag.lane.value]
            events.add_metric(lane, lag.events)
            size.add_metric(lane, lag.bytes)
            age.add_metric(lane, lag.age_seconds(now))
        yield from (events, size, age)


def _per_lane(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"headwater_engine_backlog_{name}", text, labels=["lane"])
