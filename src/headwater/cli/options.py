"""The settings as options of the commands that run a role; each also as a `HEADWATER_…` variable."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import structs

from headwater.clock import MINUTE_MS
from headwater.config import Settings, WhenAway, Windows

_DEFAULT = Settings(data_dir=Path("data"))


def settings_of(
    data_dir: Annotated[
        Path, typer.Option(envvar="HEADWATER_DATA_DIR", help="Where everything is kept.")
    ] = _DEFAULT.data_dir,
    host: Annotated[str, typer.Option(envvar="HEADWATER_HOST", help="Address to listen on.")] = _DEFAULT.host,
    port: Annotated[
        int, typer.Option(min=0, max=65535, envvar="HEADWATER_PORT", help="Port to listen on; 0: any free one.")
    ] = _DEFAULT.port,
    public_url: Annotated[
        str | None,
        typer.Option(envvar="HEADWATER_PUBLIC_URL", help="Where clients reach it, if not on host and port."),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(envvar="HEADWATER_TLS_CERT", help="PEM file: certificate and chain, for TLS.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(envvar="HEADWATER_TLS_KEY", help="PEM file: the certificate's private key.")
    ] = None,
    cors_origins: Annotated[
        list[str] | None,
        typer.Option(
            "--cors-origin",
            envvar="HEADWATER_CORS_ORIGINS",
            help="An origin whose pages may call from a browser, as https://shop.example; * for all. Repeatable.",
        ),
    ] = None,
    trusted_proxies: Annotated[
        list[str] | None,
        typer.Option(
            "--trusted-proxy",
            envvar="HEADWATER_TRUSTED_PROXIES",
            help="Address or network (CIDR) of a proxy whose X-Forwarded-For is believed. Repeatable.",
        ),
    ] = None,
    past_window_minutes: Annotated[
        int,
        typer.Option(
            min=0, envvar="HEADWATER_PAST_WINDOW_MINUTES", help="How old a real-time event may be on its receipt."
        ),
    ] = _DEFAULT.windows.past_ms // MINUTE_MS,
    future_window_minutes: Annotated[
        int,
        typer.Option(min=0, envvar="HEADWATER_FUTURE_WINDOW_MINUTES", help="How far ahead an event's date may lie."),
    ] = _DEFAULT.windows.future_ms // MINUTE_MS,
    max_body: Annotated[
        int, typer.Option(min=1, envvar="HEADWATER_MAX_BODY", help="Bytes of a request body, inflated.")
    ] = _DEFAULT.max_body,
    max_event: Annotated[
        int, typer.Option(min=1, envvar="HEADWATER_MAX_EVENT", help="Bytes of one event as JSON.")
    ] = _DEFAULT.max_event,
    max_in_flight: Annotated[
        int, typer.Option(min=1, envvar="HEADWATER_MAX_IN_FLIGHT", help="Ingest requests answered at once.")
    ] = _DEFAULT.max_in_flight,
    max_bodies: Annotated[
        int, typer.Option(min=1, envvar="HEADWATER_MAX_BODIES", help="Bytes of all request bodies held at once.")
    ] = _DEFAULT.max_bodies,
    max_connections: Annotated[
        int, typer.Option(min=1, envvar="HEADWATER_MAX_CONNECTIONS", help="Connections open at once.")
    ] = _DEFAULT.max_connections,
    segment_bytes: Annotated[
        int, typer.Option(min=4096, envvar="HEADWATER_SEGMENT_BYTES", help="Bytes at which a log segment is closed.")
    ] = _DEFAULT.segment_bytes,
    segment_seconds: Annotated[
        int, typer.Option(min=1, envvar="HEADWATER_SEGMENT_SECONDS", help="Age at which a log segment is closed.")
    ] = _DEFAULT.segment_seconds,
    log_keep_seconds: Annotated[
        int,
        typer.Option(
            min=1,
            envvar="HEADWATER_LOG_KEEP_SECONDS",
            help="How long the log keeps what is stored; less than 120: a restart may forget limits.",
        ),
    ] = _DEFAULT.log_keep_seconds,
    reserve_bytes: Annotated[
        int,
        typer.Option(min=0, envvar="HEADWATER_RESERVE_BYTES", help="Nothing is taken with less of the disk free."),
    ] = _DEFAULT.reserve_bytes,
    ballast_bytes: Annotated[
        int,
        typer.Option(
            min=0, envvar="HEADWATER_BALLAST_BYTES", help="Size of a file to be given up when the disk is full."
        ),
    ] = _DEFAULT.ballast_bytes,
    max_backlog_bytes: Annotated[
        int,
        typer.Option(
            min=0, envvar="HEADWATER_MAX_BACKLOG_BYTES", help="Nothing is taken while so much waits to be stored."
        ),
    ] = _DEFAULT.max_backlog_bytes,
    block_events: Annotated[
        int, typer.Option(min=1, envvar="HEADWATER_BLOCK_EVENTS", help="The most events inserted at once.")
    ] = _DEFAULT.block_events,
    session_hours: Annotated[
        int,
        typer.Option(
            min=1,
            max=8760,
            envvar="HEADWATER_SESSION_HOURS",
            help="How long a browser stays signed in to the dashboard.",
        ),
    ] = _DEFAULT.session_hours,
    idempotency_hours: Annotated[
        int,
        typer.Option(
            min=24, envvar="HEADWATER_IDEMPOTENCY_HOURS", help="How long what was sent once is known, at least."
        ),
    ] = _DEFAULT.idempotency_hours,
    access_log: Annotated[
        bool,
        typer.Option(
            "--access-log/--no-access-log", envvar="HEADWATER_ACCESS_LOG", help="Whether each answer is a log line."
        ),
    ] = _DEFAULT.access_log,
    destinations: Annotated[
        Path | None,
        typer.Option(envvar="HEADWATER_DESTINATIONS", help="File (TOML) that says where events go on to."),
    ] = None,
    webhooks_allow: Annotated[
        list[str] | None,
        typer.Option(
            "--webhooks-allow",
            envvar="HEADWATER_WEBHOOKS_ALLOW",
            help="Network (CIDR) or address, not public, that webhooks may reach all the same. Repeatable.",
        ),
    ] = None,
    webhooks_digest_seconds: Annotated[
        int,
        typer.Option(
            min=1,
            envvar="HEADWATER_WEBHOOKS_DIGEST_SECONDS",
            help="A webhook is told of rejected events so often at most.",
        ),
    ] = _DEFAULT.webhooks_digest_seconds,
    log_url: Annotated[
        str | None,
        typer.Option(envvar="HEADWATER_LOG_URL", help="kafka://HOST:PORT,…/PREFIX: the log, past one machine."),
    ] = None,
    store_url: Annotated[
        str | None,
        typer.Option(envvar="HEADWATER_STORE_URL", help="clickhouse://USER:PASSWORD@HOST:PORT/DATABASE: the store."),
    ] = None,
    store_cluster: Annotated[
        str | None,
        typer.Option(envvar="HEADWATER_STORE_CLUSTER", help="Of ClickHouse servers that hold replicas of all tables."),
    ] = None,
    store_sharded: Annotated[
        bool,
        typer.Option(
            "--store-sharded/--store-whole",
            envvar="HEADWATER_STORE_SHARDED",
            help="Whether its shards share the events.",
        ),
    ] = _DEFAULT.store_sharded,
    database_url: Annotated[
        str | None,
        typer.Option(envvar="HEADWATER_DATABASE_URL", help="postgresql://…: catalog, state, cohorts, claims."),
    ] = None,
    quotas_url: Annotated[
        str | None, typer.Option(envvar="HEADWATER_QUOTAS_URL", help="redis://…: what signals may still take.")
    ] = None,
    quotas_when_away: Annotated[
        WhenAway,
        typer.Option(
            envvar="HEADWATER_QUOTAS_WHEN_AWAY", help="Limited signals while that cannot be reached: refuse or allow."
        ),
    ] = _DEFAULT.quotas_when_away,
    engine_host: Annotated[
        str, typer.Option(envvar="HEADWATER_ENGINE_HOST", help="Where gateways reach this engine, past one machine.")
    ] = _DEFAULT.engine_host,
    engine_port: Annotated[
        int, typer.Option(min=0, max=65535, envvar="HEADWATER_ENGINE_PORT", help="And on which port; 0: any free one.")
    ] = _DEFAULT.engine_port,
    log_partitions: Annotated[
        int,
        typer.Option(min=1, max=1024, envvar="HEADWATER_LOG_PARTITIONS", help="Of a log in Kafka that is to be made."),
    ] = _DEFAULT.log_partitions,
    log_replicas: Annotated[
        int, typer.Option(min=1, envvar="HEADWATER_LOG_REPLICAS", help="Brokers that hold each partition.")
    ] = _DEFAULT.log_replicas,
    log_min_insync: Annotated[
        int, typer.Option(min=1, envvar="HEADWATER_LOG_MIN_INSYNC", help="Brokers that have what is acknowledged.")
    ] = _DEFAULT.log_min_insync,
) -> Settings:
    """The settings as the command line and the environment give them."""
    return Settings(
        data_dir=data_dir.absolute(),
        host=host,
        port=port,
        public_url=public_url.rstrip("/") if public_url else None,
        tls_cert=tls_cert and tls_cert.absolute(),
        tls_key=tls_key and tls_key.absolute(),
        cors_origins=_several(cors_origins),
        trusted_proxies=_several(trusted_proxies),
        windows=Windows(past_ms=past_window_minutes * MINUTE_MS, future_ms=future_window_minutes * MINUTE_MS),
        max_body=max_body,
        max_event=max_event,
        max_in_flight=max_in_flight,
        max_bodies=max_bodies,
        max_connections=max_connections,
        segment_bytes=segment_bytes,
        segment_seconds=segment_seconds,
        log_keep_seconds=log_keep_seconds,
        reserve_bytes=reserve_bytes,
        ballast_bytes=ballast_bytes,
        max_backlog_bytes=max_backlog_bytes,
        block_events=block_events,
        session_hours=session_hours,
        idempotency_hours=idempotency_hours,
        access_log=access_log,
        destinations=destinations and destinations.absolute(),
        webhooks_allow=_several(webhooks_allow),
        webhooks_digest_seconds=webhooks_digest_seconds,
        log_url=log_url or None,
        store_url=store_url or None,
        store_cluster=store_cluster or None,
        store_sharded=store_sharded,
        database_url=database_url or None,
        quotas_url=quotas_url or None,
        quotas_when_away=quotas_when_away,
        engine_host=engine_host,
        engine_port=engine_port,
        log_partitions=log_partitions,
        log_replicas=log_replicas,
        log_min_insync=log_min_insync,
    )


_OPTIONS = inspect.signature(settings_of).parameters


def environment_of(settings: Settings) -> dict[str, str]:
    """What a child's environment must hold to come to the same settings."""
    values = structs.asdict(settings) | {
        "past_window_minutes": settings.windows.past_ms // MINUTE_MS,
        "future_window_minutes": settings.windows.future_ms // MINUTE_MS,
    }
    return {each.annotation.__metadata__[0].envvar: _text(values[name]) for name, each in _OPTIONS.items()}


def _text(value: Any) -> str:
    return " ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)


def _several(given: list[str] | None) -> tuple[str, ...]:
    """A list's items, whether the option was repeated or the variable holds them with commas or spaces between."""
    return tuple(item for text in given or () for item in text.replace(",", " ").split())


def takes_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command, whose first parameter is the settings, all their options beside its own."""
    own = list(inspect.signature(command).parameters.values())[1:]

    @functools.wraps(command)
    def with_settings(**values: Any) -> None:
        settings = settings_of(**{name: values.pop(name) for name in _OPTIONS})
        command(settings, **values)

    parameters = [*_OPTIONS.values(), *own]
    with_settings.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_settings.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_settings
