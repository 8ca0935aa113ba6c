"""Puts the parts together: the only file that names adapters, and the two roles' main functions."""

import asyncio
import gc
import logging
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import msgspec
import uvicorn
from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from headwater import clock
from headwater.catalog.credentials import load_secret
from headwater.catalog.sqlite import SqliteCatalog
from headwater.config import Settings
from headwater.dialects import DIALECTS
from headwater.events import received_ms
from headwater.intake import Intake
from headwater.locks import DirectoryLock
from headwater.log.base import Reader
from headwater.log.files import FilesAppender, FilesReader
from headwater.quotas.memory import MemoryQuotas
from headwater.rules.quota import window_of
from headwater.web import manage, openapi, problems, query, status
from headwater.web.gateway import Gateway
from headwater.web.ingest import Ingest
from headwater.web.metrics import GatewayMetrics
from headwater.web.protocol import GuardedProtocol, sweep
from headwater.web.proxy import EngineProxy

logger = logging.getLogger("headwater.wiring")

_GRACE_SECONDS = 20
_BACKLOG = 4096
_KEEP_ALIVE_SECONDS = 75


def run_gateway(settings: Settings, sock_fd: int) -> None:
    """Acknowledges events until SIGTERM. `sock_fd`: the listening socket.

    Raises StartError, SettingsError.
    """
    with ExitStack() as stack:
        stack.enter_context(DirectoryLock(settings.data_dir / "gateway.lock"))
        catalog = SqliteCatalog(settings.catalog_path, load_secret(settings))
        stack.callback(catalog.close)
        catalog.first_start(settings)
        log = FilesAppender(settings.log_dir, segment_bytes=settings.segment_bytes, reserve_bytes=_reserve(settings))
        stack.callback(log.close)
        reader = FilesReader(settings.log_dir)
        quotas = MemoryQuotas(taken_this_minute(reader, clock.now_ms()))
        reader.close()
        # The writer thread must get the interpreter soon after its fsync: batches wait for it.
        sys.setswitchinterval(0.0005)
        _run(_serve_gateway(settings, sock_fd, catalog, log, quotas))


def _reserve(settings: Settings) -> int:
    return min(settings.reserve_bytes, shutil.disk_usage(settings.data_dir).total // 20)


async def _serve_gateway(
    settings: Settings, sock_fd: int, catalog: SqliteCatalog, log: FilesAppender, quotas: MemoryQuotas
) -> None:
    metrics = GatewayMetrics(log)
    ingest = Ingest(DIALECTS, catalog, Intake(catalog, quotas, log, settings.windows), settings, metrics)
    engine = EngineProxy(settings.engine_socket, settings.max_body)
    own = FastAPI(title="headwater", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    problems.install(own)
    managing = manage.router(catalog)
    operating = status.router(
        log, engine, metrics, settings.credentials_path, lambda: openapi.document(_described(managing, operating))
    )
    own.include_router(managing)
    own.include_router(operating)
    gateway = Gateway(ingest, own, engine, catalog)
    GuardedProtocol.answer = staticmethod(gateway.refusal)
    server = _server(gateway, http=GuardedProtocol)
    sweeper = asyncio.create_task(sweep(server.server_state.connections))
    gc.collect()
    gc.freeze()
    listener = socket.socket(fileno=sock_fd)
    try:
        await server.serve(sockets=[listener])
    finally:
        sweeper.cancel()
        await engine.close()


def _described(*own: APIRouter) -> list[BaseRoute]:
    """The routes of both roles: what the engine answers is reached through the gateway."""
    asking = query.router(None)  # type: ignore[arg-type]  # described here, answered in the engine
    return [route for router in (*own, asking) for route in router.routes]


def taken_this_minute(reader: Reader, now_ms: int) -> Iterator[tuple[int, str, int]]:
    """(window, signal id, events) of what the log holds of the current quota window."""
    window = window_of(now_ms)
    start = window * clock.MINUTE_MS
    decoder = msgspec.json.Decoder(list[Any])
    for head in reader.heads(reader.since(start)):
        if received_ms(head.batch) < start:
            continue
        for lane in head.lanes:
            record = reader.record(head.position, lane)
            for row in decoder.decode_lines(record.lines) if record else ():
                yield window, row[2], 1


def run_engine(settings: Settings) -> None:
    """Stores events and answers questions until SIGTERM. Raises StartError, CorruptionError."""
    # chDB takes a second to import, and the gateway must never hold it.
    from headwater.insight import Insight
    from headwater.pipeline import Pipeline
    from headwater.state.sqlite import SqliteState
    from headwater.store.clickhouse import ChdbStore
    from headwater.tail import Tail
    from headwater.web.engine import engine_app

    # The gateway took whatever its own recursion limit let through; it must be readable here however deep the stack.
    sys.setrecursionlimit(20_000)
    with ExitStack() as stack:
        stack.enter_context(DirectoryLock(settings.data_dir / "engine.lock"))
        state = SqliteState(settings.state_path)
        stack.callback(state.close)
        store = ChdbStore(settings.store_dir)
        stack.callback(store.close)
        reader = FilesReader(settings.log_dir)
        stack.callback(reader.close)
        pipeline = Pipeline(reader, store, state, settings, probe=probe(os.environ.get("HEADWATER_PROBE", "")))
        insight = Insight(store, state, reader, Tail(reader, state.cursors))
        stop = threading.Event()
        worker = threading.Thread(target=pipeline.run, args=(stop,), name="pipeline")
        worker.start()
        try:
            _run(_serve_engine(settings, engine_app(insight, pipeline.status)))
        finally:
            stop.set()
            worker.join()


async def _serve_engine(settings: Settings, app: FastAPI) -> None:
    path = settings.engine_socket
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    listener.listen(_BACKLOG)
    await _server(app).serve(sockets=[listener])


def probe(text: str) -> Callable[[str], None]:
    """A fault on purpose, for crash tests: `inserted:kill:3` kills the process group at the third such moment."""
    if not text:
        return lambda moment: None
    wanted, _, times = text.partition(":kill:")
    left = [int(times)]

    def strike(moment: str) -> None:
        if moment == wanted:
            left[0] -= 1
            if left[0] == 0:
                os.killpg(os.getpgrp(), signal.SIGKILL)

    return strike


class _Server(uvicorn.Server):
    """Stops on SIGTERM and SIGINT; under a supervisor, which has SIGINT blocked for its children, on SIGTERM alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop, signals = asyncio.get_running_loop(), (signal.SIGTERM, signal.SIGINT)
        for each in signals:
            loop.add_signal_handler(each, self.handle_exit, each, None)
        try:
            yield
        finally:
            for each in signals:
                loop.remove_signal_handler(each)


def _server(app: Any, **options: Any) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            **options,
        )
    )


def _run(main: Any) -> None:
    import uvloop

    uvloop.run(main)
