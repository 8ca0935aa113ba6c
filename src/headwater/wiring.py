"""Puts the parts together: the only file that names adapters, and the two roles' main functions."""

import asyncio
import gc
import os
import shutil
import socket
import sys
import threading
from contextlib import ExitStack

import uvloop
from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from headwater import clock
from headwater.catalog.credentials import load_secret
from headwater.catalog.sqlite import SqliteCatalog
from headwater.config import Settings
from headwater.dialects import DIALECTS
from headwater.faults import fault_on_purpose
from headwater.intake import Intake, taken_this_minute
from headwater.locks import DirectoryLock
from headwater.log.files import FilesAppender, FilesReader
from headwater.quotas.memory import MemoryQuotas
from headwater.web import manage, openapi, problems, query, status
from headwater.web.gateway import Gateway
from headwater.web.ingest import Ingest
from headwater.web.metrics import GatewayMetrics
from headwater.web.protocol import GuardedProtocol, sweep
from headwater.web.proxy import EngineProxy
from headwater.web.server import private_socket, server


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
        uvloop.run(_serve_gateway(settings, sock_fd, catalog, log, quotas))


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
    serving = server(gateway, http=GuardedProtocol)
    sweeper = asyncio.create_task(sweep(serving.server_state.connections))
    gc.collect()
    gc.freeze()
    listener = socket.socket(fileno=sock_fd)
    try:
        await serving.serve(sockets=[listener])
    finally:
        sweeper.cancel()
        await engine.close()


def _described(*own: APIRouter) -> list[BaseRoute]:
    """The routes of both roles: what the engine answers is reached through the gateway."""
    asking = query.router(None)  # type: ignore[arg-type]  # described here, answered in the engine
    return [route for router in (*own, asking) for route in router.routes]


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
        pipeline = Pipeline(
            reader, store, state, settings, probe=fault_on_purpose(os.environ.get("HEADWATER_PROBE", ""))
        )
        insight = Insight(store, state, reader, Tail(reader, state.cursors))
        stop = threading.Event()
        worker = threading.Thread(target=pipeline.run, args=(stop,), name="pipeline")
        worker.start()
        try:
            listener = private_socket(settings.engine_socket)
            uvloop.run(server(engine_app(insight, pipeline.status)).serve(sockets=[listener]))
        finally:
            stop.set()
            worker.join()
