"""A gateway's parts past one machine: Kafka, PostgreSQL, Redis. It keeps nothing of its own but its secret."""

import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from headwater.ballast import Ballast
from headwater.bounds import Bounds, Room
from headwater.catalog.credentials import derived, load_secret
from headwater.catalog.postgres import PostgresCatalog
from headwater.claims.base import Claims
from headwater.claims.shared import SharedClaims
from headwater.config import Settings
from headwater.log.kafka_appender import KafkaAppender
from headwater.quotas.base import Quotas
from headwater.quotas.redis import RedisQuotas
from headwater.state.leadership import PostgresLeadership
from headwater.state.moving import check_moved
from headwater.web.asking import Threads
from headwater.web.lines import Leader, to_leader
from headwater.web.onetime import SharedLinks
from headwater.wiring.parts import Parts
from headwater.wiring.urls import Urls

_LINKS = b"sign-in links"
"""What the key of their seal is derived for."""


def parts(stack: ExitStack, settings: Settings) -> Parts:
    """Raises StartError, SettingsError."""
    urls = Urls(settings)
    check_moved(urls.database)
    secret = load_secret(settings)
    catalog = PostgresCatalog(urls.database, secret, f"gateway {socket.gethostname()}:{settings.port}")
    stack.callback(catalog.close)
    log = KafkaAppender(
        urls.log,
        partitions=settings.log_partitions,
        replicas=settings.log_replicas,
        min_insync=settings.log_min_insync,
    )
    stack.callback(log.close)
    bounds = Bounds(log, Ballast(settings.ballast_path, 0), Room(0, 0, 0), settings)
    leadership = PostgresLeadership(urls.database)
    stack.callback(leadership.close)

    @asynccontextmanager
    async def running() -> AsyncIterator[tuple[Quotas, Claims]]:
        quotas, claims = RedisQuotas(urls.quotas, settings.quotas_when_away), SharedClaims(log, urls.database)
        try:
            yield quotas, claims
        finally:
            claims.close()
            await quotas.close()

    line, links = to_leader(Leader(leadership.found).find), SharedLinks(catalog, derived(secret, _LINKS))
    return Parts(secret, catalog, log, bounds, line, Threads().do, links, running)
