"""Puts the parts together: the only file that names adapters, and the two roles' main functions."""

import asyncio
import gc
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import uvloop
from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from headwater import clock
from headwater.ballast import Ballast
from headwater.bounds import Bounds, room_of
from headwater.catalog.base import Catalog, Principal
from headwater.catalog.credentials import load_secret
from headwater.catalog.reading import CatalogReader
from headwater.catalog.sqlite import SqliteCatalog
from headwater.config import Settings
from headwater.dialects import DIALECTS
from headwater.doctor.round import Patient
from headwater.errors import HeadwaterError, LockedError, StartError
from headwater.faults import fault_on_purpose
from headwater.intake import Intake, taken_this_minute
from headwater.locks import DirectoryLock
from headwater.log.files import FilesAppender, FilesReader
from headwater.quotas.memory import MemoryQuotas
from headwater.readonly import faults_of, look_at
from headwater.state.base import Link
from headwater.web import cohorts, manage, measures, openapi, problems, profiles, query, status
from headwater.web.body import Bodies
from headwater.web.cors import Application, Cors
from headwater.web.forwarded import Clients
from headwater.web.gateway import Gateway
from headwater.web.ingest import Ingest
from headwater.web.metrics import BoundsFigures, GatewayMetrics
from headwater.web.protocol import GuardedProtocol, Places, sweep
from headwater.web.proxy import EngineProxy
from headwater.web.server import connections, private_socket, server
from headwater.web.tls import Certificate

_logger = logging.getLogger("headwater.gateway")

_ENGINE_NICE = 19
"""docs/decisions/0008-acknowledging-goes-first.md"""
_GATEWAY_STARTS = 10.0
"""Seconds that a gateway under a supervisor may need to come back."""


def run_gateway(settings: Settings, sock_fd: int) -> None:
    """Acknowledges events until SIGTERM. `sock_fd`: the listening socket.

    Raises StartError, SettingsError.
    """
    with ExitStack() as stack:
        stack.enter_context(DirectoryLock(settings.data_dir / "gateway.lock"))
        room = room_of(settings)
        ballast = Ballast(settings.ballast_path, room.ballast)
        ballast.drop_if_needed()
        catalog = SqliteCatalog(settings.catalog_path, load_secret(settings))
        stack.callback(catalog.close)
        catalog.first_start(settings)
        log = FilesAppender(
            settings.log_dir,
            segment_bytes=settings.segment_bytes,
            reserve_bytes=room.reserve,
            resume_bytes=room.resume,
        )
        stack.callback(log.close)
        bounds = Bounds(log, ballast, room, settings)
        bounds.look()
        reader = FilesReader(settings.log_dir)
        quotas = MemoryQuotas(taken_this_minute(reader, clock.now_ms()))
        reader.close()
        # The writer thread must get the interpreter soon after its fsync: batches wait for it.
        sys.setswitchinterval(0.0005)
        uvloop.run(_serve_gateway(settings, sock_fd, catalog, log, quotas, bounds))


async def _serve_gateway(
    settings: Settings,
    sock_fd: int,
    catalog: SqliteCatalog,
    log: FilesAppender,
    quotas: MemoryQuotas,
    bounds: Bounds,
) -> None:
    metrics = GatewayMetrics(log)
    metrics.registry.register(BoundsFigures(bounds))
    bodies = Bodies(settings.max_bodies)
    ingest = Ingest(DIALECTS, catalog, Intake(catalog, quotas, log, settings.windows), settings, metrics, bodies)
    engine = EngineProxy(settings.engine_socket, settings.max_body, bodies, noted=partial(_note, catalog))
    own = FastAPI(title="headwater", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    problems.install(own)
    managing = manage.router(catalog)
    operating = status.router(
        log, engine, metrics, settings.credentials_path, lambda: openapi.document(_described(managing, operating))
    )
    own.include_router(managing)
    own.include_router(operating)
    gateway = Gateway(ingest, own, engine, catalog, Clients(settings.trusted_proxies), bodies, settings.max_body)
    GuardedProtocol.answer = staticmethod(gateway.refusal)
    GuardedProtocol.places = Places(connections(settings.max_connections))
    certificate = _certificate(settings)
    tls = certificate.context if certificate else None
    serving = server(_fronted(gateway, ingest, settings), tls, http=GuardedProtocol)
    tasks = [asyncio.create_task(sweep(serving.server_state.connections)), asyncio.create_task(bounds.run())]
    if certificate:
        tasks.append(asyncio.create_task(certificate.keep_looking()))
    gc.collect()
    gc.freeze()
    listener = socket.socket(fileno=sock_fd)
    try:
        await serving.serve(sockets=[listener])
    finally:
        for task in tasks:
            task.cancel()
        await engine.close()


def _note(catalog: Catalog, principal: Principal, action: str, target: str) -> None:
    """What the engine did is done, whether it can be written down or not."""
    try:
        catalog.note(principal.actor, principal.workspace, action, target)
    except HeadwaterError as error:
        _logger.error("the audit lacks %s %s: %s", action, target, error)


def _certificate(settings: Settings) -> Certificate | None:
    """None where headwater speaks plain HTTP."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return Certificate(settings.tls_cert, settings.tls_key)


def _fronted(gateway: Gateway, ingest: Ingest, settings: Settings) -> Application:
    """The gateway as the world sees it: bare, unless pages of other origins may call it."""
    if not settings.cors_origins:
        return gateway
    cors = Cors(gateway, settings.cors_origins, ingest.routes)
    GuardedProtocol.told = staticmethod(cors.headers)
    return cors


def _described(*own: APIRouter) -> list[BaseRoute]:
    """The routes of both roles: what the engine answers is reached through the gateway."""
    nobody: Any = None  # described here, answered in the engine
    asking = (query.router(nobody), profiles.router(nobody), measures.router(nobody), cohorts.router(nobody))
    return [route for router in (*own, *asking) for route in router.routes]


def run_engine(settings: Settings) -> None:
    """Stores events and answers questions until SIGTERM. Raises StartError, CorruptionError."""
    # chDB takes a second to import, and the gateway must never hold it.
    from headwater.cohorts import Cohorts
    from headwater.insight import Insight
    from headwater.live.live import Live
    from headwater.measures import Measures
    from headwater.people import People
    from headwater.pipeline import Pipeline
    from headwater.profiles import Profiles
    from headwater.state.cohorts_sqlite import SqliteMemberships
    from headwater.state.sqlite import SqliteState
    from headwater.store.clickhouse import ChdbStore
    from headwater.tail import Tail
    from headwater.web.engine import engine_app

    # Acknowledging goes first: on a busy machine storing may lag, a sender must not notice.
    os.nice(_ENGINE_NICE)
    # The gateway took whatever its own recursion limit let through; it must be readable here however deep the stack.
    sys.setrecursionlimit(20_000)
    with ExitStack() as stack:
        stack.enter_context(DirectoryLock(settings.data_dir / "engine.lock"))
        ballast = Ballast(settings.ballast_path, room_of(settings).ballast)
        ballast.drop_if_needed()
        state = SqliteState(settings.state_path)
        stack.callback(state.close)
        store = ChdbStore(settings.store_dir)
        stack.callback(store.close)
        reader = FilesReader(settings.log_dir)
        stack.callback(reader.close)
        catalog = CatalogReader(settings.catalog_path)
        stack.callback(catalog.close)
        memberships = SqliteMemberships(settings.cohorts_path)
        stack.callback(memberships.close)
        people = People(state)
        live = Live(reader, store, state, people, catalog, memberships)

        def stored(links: Collection[Link]) -> None:
            people.note(links)
            live.stored(state.cursors())

        pipeline = Pipeline(
            reader,
            store,
            state,
            settings,
            probe=fault_on_purpose(os.environ.get("HEADWATER_PROBE", "")),
            relieve=ballast.drop_if_needed,
            stored=stored,
            needed=live.needs,
        )
        insight = Insight(store, state, people, reader, Tail(reader, state.cursors))
        stop = threading.Event()
        workers = [
            threading.Thread(target=pipeline.run, args=(stop,), name="pipeline"),
            threading.Thread(target=live.run, args=(stop,), name="live"),
        ]
        for worker in workers:
            worker.start()
        try:
            listener = private_socket(settings.engine_socket)
            routers = (
                cohorts.router(Cohorts(memberships, live, catalog.signals_of, people.connected)),
                measures.router(Measures(store, people, catalog)),
                profiles.router(Profiles(store, people, catalog, memberships, live.wake)),
            )
            app = engine_app(insight, pipeline.status, store, live, *routers)
            uvloop.run(server(app).serve(sockets=[listener]))
        finally:
            stop.set()
            live.wake()
            for worker in workers:
                worker.join()


@contextmanager
def examined(settings: Settings) -> Iterator[Patient]:
    """A data directory for a doctor: opened to be read, by asking the engine where one runs.

    Whichever role does not run is kept from starting meanwhile. What SQLite and ClickHouse would write when they open
    something goes into copies in the folder `.doctor`, which is gone afterwards. Raises StartError.
    """
    from headwater.catalog.view import SqliteCatalogView
    from headwater.doctor.copies import link_store, scratch_in
    from headwater.state.sqlite import SqliteStateView
    from headwater.store.clickhouse import ChdbStore
    from headwater.store.engine import EngineStore
    from headwater.web import examine

    sys.setrecursionlimit(20_000)
    with ExitStack() as stack:
        serving = _is_held(settings.data_dir / "serve.lock")
        gateway = _holder(stack, settings.data_dir / "gateway.lock", _GATEWAY_STARTS if serving else 0)
        if serving and gateway is None:
            raise StartError(
                "headwater serve runs here, but its gateway does not: it is starting, or failing. See what it logs, "
                "and run the doctor again, or stop headwater first"
            )
        engine = _holder(stack, settings.data_dir / "engine.lock")
        runs = gateway is not None and engine is not None
        scratch = None if runs else stack.enter_context(scratch_in(settings.data_dir))
        for_catalog = scratch if gateway is None else None
        for_state = scratch if engine is None else None

        def open_store() -> EngineStore | ChdbStore:
            if engine is not None:
                return EngineStore(settings.engine_socket, examine.PATH)
            assert scratch is not None
            return ChdbStore(link_store(settings.store_dir, scratch), 0)

        reader = FilesReader(settings.log_dir)
        stack.callback(reader.close)
        store = _opened(stack, open_store)
        yield Patient(
            settings=settings,
            reserve=room_of(settings).reserve,
            dialects={dialect.name for dialect in DIALECTS},
            reader=reader,
            catalog=_opened(stack, lambda: SqliteCatalogView(settings.catalog_path, for_catalog)),
            state=_opened(stack, lambda: SqliteStateView(settings.state_path, for_state)),
            store=store,
            gateway=gateway,
            engine=engine,
            engine_fault=store.fault if isinstance(store, EngineStore) else lambda: "",
            cohorts=lambda quick: _faults(settings.cohorts_path, scratch if engine is None else None, quick),
            verify=store.cohorts if isinstance(store, EngineStore) else dict,
        )


def _faults(path: Path, scratch: Path | None, quick: bool) -> Sequence[str]:
    """What SQLite finds wrong in a file; nothing where there is none."""
    if not path.exists():
        return []
    with closing(look_at(path, scratch)) as connection:
        return faults_of(connection, quick)


def _holder(stack: ExitStack, path: Path, seconds: float = 0) -> int | None:
    """Takes a role's lock. When the role runs, its process; None when it does not, and will not for a while.

    `seconds`: how long it may take to start.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            lock = DirectoryLock(path, 0)
        except LockedError as error:
            return error.holder
        if time.monotonic() >= deadline:
            stack.enter_context(lock)
            return None
        lock.release()
        time.sleep(0.1)


def _is_held(path: Path) -> bool:
    try:
        DirectoryLock(path, 0).release()
    except LockedError:
        return True
    return False


class _Closes(Protocol):
    def close(self) -> None: ...


_Part = TypeVar("_Part", bound=_Closes)


def _opened(stack: ExitStack, open_: Callable[[], _Part]) -> _Part | HeadwaterError:
    """What was opened, or why it could not be."""
    try:
        found = open_()
    except HeadwaterError as error:
        return error
    stack.callback(found.close)
    return found
