"""The gateway's main function."""

import asyncio
import gc
import logging
import socket
import sys
from contextlib import ExitStack
from functools import partial

import uvloop
from fastapi import FastAPI

from headwater import tracing
from headwater.catalog.base import Catalog, Principal
from headwater.catalog.credentials import derived, url_of
from headwater.config import Settings
from headwater.dialects import DIALECTS
from headwater.errors import HeadwaterError
from headwater.intake import Intake
from headwater.locks import DirectoryLock
from headwater.log.base import Appender
from headwater.replay import Replay
from headwater.web import backfills, dashboard, drafts, limits, manage, problems, rejected, signin, status
from headwater.web.access import AccessLog
from headwater.web.auth import Door
from headwater.web.body import Bodies
from headwater.web.cors import Application, Cors
from headwater.web.exchange import Direct
from headwater.web.forwarded import Clients
from headwater.web.gateway import Gateway
from headwater.web.ingest import Ingest
from headwater.web.metrics import BoundsFigures, GatewayMetrics, QuotaFigures
from headwater.web.origin import Origins
from headwater.web.places import Places, sweep
from headwater.web.protocol import GuardedProtocol
from headwater.web.proxy import EngineProxy
from headwater.web.server import connections, server
from headwater.web.session import Sessions
from headwater.web.tls import Certificate
from headwater.web.traced import Traced
from headwater.web.turns import Turns
from headwater.wiring import alone, described
from headwater.wiring.held import check_not_moved
from headwater.wiring.parts import Parts

_logger = logging.getLogger("headwater.gateway")

_COOKIES = b"session cookies"
"""What the key of the cookies' seal is derived for."""

_ROLL_SECONDS = 1.0
"""Between two looks whether the log needs a new segment."""


def run_gateway(settings: Settings, sock_fd: int) -> None:
    """Acknowledges events until SIGTERM. `sock_fd`: the listening socket.

    Raises StartError, SettingsError.
    """
    with ExitStack() as stack:
        stack.enter_context(DirectoryLock(settings.data_dir / "gateway.lock"))
        check_not_moved(settings)  # now: who moves it has the lock until all is moved
        parts = _parts(stack, settings)
        parts.catalog.first_start(settings)
        # The writer thread must get the interpreter soon after its fsync: batches wait for it.
        sys.setswitchinterval(0.0005)
        uvloop.run(_serve_gateway(settings, sock_fd, parts))


def _parts(stack: ExitStack, settings: Settings) -> Parts:
    if not settings.is_cluster:
        return alone.parts(stack, settings)
    from headwater.wiring import many  # late: what it needs may not be installed

    return many.parts(stack, settings)


async def _serve_gateway(settings: Settings, sock_fd: int, parts: Parts) -> None:
    catalog, log, bounds = parts.catalog, parts.log, parts.bounds
    async with parts.running() as (quotas, claims):
        metrics = GatewayMetrics(log)
        metrics.registry.register(BoundsFigures(bounds))
        metrics.registry.register(QuotaFigures(quotas))
        bodies = Bodies(settings.max_bodies)
        intake = Intake(catalog, quotas, log, settings.windows)
        clients = Clients(settings.trusted_proxies)
        origins = Origins(clients, settings.public_url)
        sessions = Sessions(catalog, derived(parts.secret, _COOKIES), settings.session_hours, origins)
        door = Door(catalog, sessions)
        ingest = Ingest(DIALECTS, catalog, intake, claims, settings, metrics, bodies, door)
        engine = EngineProxy(parts.line, settings.max_body, bodies, noted=partial(_note, catalog))
        own = FastAPI(title="headwater", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
        problems.install(own)
        change = parts.change
        managing, loading = manage.router(catalog, change), backfills.changing(catalog, engine.ask, change)
        replay = Replay(intake, claims, settings.windows, DIALECTS)
        replaying = rejected.changing(catalog, replay, engine.post)
        approving = drafts.changing(catalog, replay, engine.post, engine.ask, change)
        needed = None if settings.is_cluster else settings.credentials_path
        operating = status.router(log, engine, metrics, needed, described.document)
        own.include_router(managing)
        own.include_router(loading)
        own.include_router(limits.router(catalog, quotas))
        own.include_router(replaying)
        own.include_router(approving)
        own.include_router(operating)
        own.include_router(signin.router(catalog, sessions, clients, metrics, url_of(settings), parts.links, change))
        files = dashboard.Dashboard(dashboard.load())
        gateway = Gateway(ingest, own, engine, files, door, origins, clients, bodies, settings.max_body)
        GuardedProtocol.answer = staticmethod(gateway.refusal)
        GuardedProtocol.direct = _direct(ingest, settings)
        GuardedProtocol.places = Places(connections(settings.max_connections))
        GuardedProtocol.turns = Turns()
        certificate = _certificate(settings)
        tls = certificate.context if certificate else None
        serving = server(_fronted(gateway, ingest, settings), tls, http=GuardedProtocol)
        engine.stopping = lambda: serving.should_exit
        tasks = [asyncio.create_task(sweep(serving.server_state.connections)), asyncio.create_task(bounds.run())]
        tasks.append(asyncio.create_task(_roll(log, settings.segment_seconds)))
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


async def _roll(log: Appender, older_seconds: float) -> None:
    """What is erased, and what is old, must not wait in the log for more to come."""
    while True:
        await asyncio.sleep(_ROLL_SECONDS)
        log.roll(older_seconds)


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


def _direct(ingest: Ingest, settings: Settings) -> Direct | None:
    """None where each request is told of: that is done around the application."""
    if settings.access_log or tracing.is_on():
        return None
    return Direct(ingest, {path.encode(): path for path in ingest.routes})


def _fronted(gateway: Gateway, ingest: Ingest, settings: Settings) -> Application:
    """The gateway as the world sees it: bare, unless pages of other origins may call it, or each request is told of."""
    front: Application = gateway
    if settings.cors_origins:
        front = cors = Cors(gateway, settings.cors_origins, ingest.routes)
        GuardedProtocol.told = staticmethod(cors.headers)
    if settings.access_log:
        front = AccessLog(front, described.routes())
    return Traced(front, described.routes()) if tracing.is_on() else front
