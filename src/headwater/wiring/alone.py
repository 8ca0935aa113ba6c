"""A gateway's parts on one machine: everything in the data directory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from headwater import clock
from headwater.ballast import Ballast
from headwater.bounds import Bounds, room_of
from headwater.catalog.base import Catalog
from headwater.catalog.credentials import load_secret
from headwater.catalog.sqlite import SqliteCatalog
from headwater.claims.base import Claims
from headwater.claims.sqlite import SqliteClaims
from headwater.claims.taken import TakenClaims
from headwater.config import Settings
from headwater.intake import taken_this_minute
from headwater.log.files import FilesAppender, FilesReader
from headwater.quotas.base import Quotas
from headwater.quotas.memory import MemoryQuotas
from headwater.web.changing import at_once
from headwater.web.lines import to_socket
from headwater.web.onetime import OneTimeLinks
from headwater.wiring.parts import Parts


def parts(stack: ExitStack, settings: Settings) -> Parts:
    """Raises StartError, SettingsError."""
    room = room_of(settings)
    ballast = Ballast(settings.ballast_path, room.ballast)
    ballast.drop_if_needed()
    secret = load_secret(settings)
    catalog = SqliteCatalog(settings.catalog_path, secret)
    stack.callback(catalog.close)
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
    claims = _claims(stack, settings, catalog, log)
    claims.recover(reader)
    reader.close()

    @asynccontextmanager
    async def running() -> AsyncIterator[tuple[Quotas, Claims]]:
        keeping = asyncio.create_task(claims.run())
        try:
            yield quotas, claims
        finally:
            keeping.cancel()

    return Parts(secret, catalog, log, bounds, to_socket(settings.engine_socket), at_once, OneTimeLinks(), running)


def _claims(stack: ExitStack, settings: Settings, catalog: Catalog, log: FilesAppender) -> TakenClaims:
    shelf = SqliteClaims(settings.claims_path)
    stack.callback(shelf.close)

    def is_open(workspace: str, backfill_id: str) -> bool:
        backfill = catalog.backfill(workspace, backfill_id)
        return backfill is not None and backfill.status == "open"

    claims = TakenClaims(log, shelf, settings.idempotency_hours * clock.HOUR_MS, is_open)
    stack.callback(claims.close)
    return claims
