"""Settings: frozen, made once by the command line from options and `HEADWATER_…` variables."""

from pathlib import Path
from typing import Literal

import msgspec

from headwater.clock import MINUTE_MS

WhenAway = Literal["refuse", "allow"]


class Windows(msgspec.Struct, frozen=True):
    """How far an event's own time may lie from its receipt, in milliseconds."""

    past_ms: int = 120 * MINUTE_MS
    """Older: Bigmind's goes to the migration lane by itself, BIK's real-time event is rejected."""
    future_ms: int = 30 * MINUTE_MS
    """Further ahead: rejected."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What one headwater runs with."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8080
    windows: Windows = Windows()
    public_url: str | None = None
    """Where clients reach it when that is not where it listens: behind a proxy, or by a certificate's name."""
    tls_cert: Path | None = None
    """PEM: the certificate, and those between it and its root. With `tls_key`: TLS is spoken, and nothing else."""
    tls_key: Path | None = None
    """PEM, without a passphrase."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call from a browser, as `https://shop.example`; `*` is every one."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks (CIDR) or addresses whose `X-Forwarded-For` is believed."""
    max_body: int = 5 * 1024 * 1024
    """Bytes of a request body, and of what a compressed one inflates to."""
    max_event: int = 256 * 1024
    """Bytes of one event as JSON."""
    max_in_flight: int = 1000
    """Ingest requests answered at once; one more is told to come back (503)."""
    max_bodies: int = 256 * 1024 * 1024
    """Bytes that the bodies of all requests take at once, inflated; one more is told to come back (503)."""
    max_connections: int = 10_000
    """Connections open at once; past that, idle ones and those that send no request make room."""
    segment_bytes: int = 64 * 1024 * 1024
    """Size at which a log segment is closed and the next one begun."""
    segment_seconds: int = 600
    """How long after its first record a log segment is closed at the latest."""
    log_keep_seconds: int = 180
    """The log keeps what was received so lately even when it is stored: quotas are rebuilt from it at a start."""
    reserve_bytes: int = 256 * 1024 * 1024
    """Batches are refused (503) with less disk left than this, or than a twentieth of a small disk: the engine needs
    room to store what was taken. 0: until the disk is full."""
    ballast_bytes: int = 64 * 1024 * 1024
    """Size of a file that is given up when the disk is full all the same; on a small disk a fortieth of it. 0: none."""
    max_backlog_bytes: int = 2 * 1024 * 1024 * 1024
    """Batches are refused (503) while this much of the log waits to be stored. 0: no bound."""
    block_events: int = 50_000
    """The most events the engine inserts at once."""

    session_hours: int = 168
    """How long a browser stays signed in; its key's end, if sooner, ends it."""
    idempotency_hours: int = 24
    """How long an `Idempotency-Key`, and the reference of an event whose signal dedupes, is known at least."""

    access_log: bool = False
    """Whether each answer is a line of the log: method, route, status, time and size."""
    destinations: Path | None = None
    """A file (TOML) that says where events go on to; None: nowhere. See docs/destinations.md."""
    webhooks_allow: tuple[str, ...] = ()
    """Networks (CIDR) or addresses that are not public, and that webhooks may reach all the same."""
    webhooks_digest_seconds: int = 60
    """A webhook is told of rejected events so often at most."""

    log_url: str | None = None
    """`kafka://HOST:PORT,…/PREFIX`; with the three below. None: everything lies in the data directory."""
    store_url: str | None = None
    """`clickhouse://USER:PASSWORD@HOST:PORT/DATABASE`, or `clickhouses://` over TLS."""
    store_cluster: str | None = None
    """The name of a cluster in the ClickHouse servers' own settings: tables are replicated on it. None: one server."""
    store_sharded: bool = False
    """Whether the events are spread over that cluster's shards."""
    database_url: str | None = None
    """`postgresql://…`: catalog, state, members of cohorts, idempotency claims."""
    quotas_url: str | None = None
    """`redis://…` or `rediss://…`."""
    quotas_when_away: WhenAway = "refuse"
    """What becomes of events of limited signals while that cannot be reached."""
    engine_host: str = "127.0.0.1"
    """Where an engine past one machine listens for the gateways, and under which they reach it."""
    engine_port: int = 0
    """0: any free one."""

    log_partitions: int = 12
    """Of a topic that has to be made. More engines than that have nothing to do."""
    log_replicas: int = 3
    log_min_insync: int = 2
    """So many brokers have an event before it is acknowledged."""

    @property
    def is_cluster(self) -> bool:
        """Whether it runs past one machine."""
        return self.database_url is not None

    @property
    def log_dir(self) -> Path:
        return self.data_dir / "log"

    @property
    def store_dir(self) -> Path:
        return self.data_dir / "store"

    @property
    def ballast_path(self) -> Path:
        return self.data_dir / "ballast"

    @property
    def catalog_path(self) -> Path:
        return self.data_dir / "catalog.db"

    @property
    def state_path(self) -> Path:
        return self.data_dir / "state.db"

    @property
    def cohorts_path(self) -> Path:
        return self.data_dir / "cohorts.db"

    @property
    def positions_path(self) -> Path:
        return self.data_dir / "destinations.db"

    @property
    def webhooks_path(self) -> Path:
        return self.data_dir / "webhooks.db"

    @property
    def claims_path(self) -> Path:
        return self.data_dir / "claims.db"

    @property
    def tombstones_path(self) -> Path:
        """Who was erased, by keyed hash: for backups that are older than that."""
        return self.data_dir / "tombstones"

    @property
    def frozen_dir(self) -> Path:
        """What the engine keeps as it was while a backup is taken."""
        return self.data_dir / ".backup"

    @property
    def unfinished_path(self) -> Path:
        """There as long as a restore has not come to its end."""
        return self.data_dir / ".restoring"

    @property
    def moved_path(self) -> Path:
        """There once all of it was moved to a cluster; says when."""
        return self.data_dir / "moved"

    @property
    def secret_path(self) -> Path:
        """The key of the keys' hashes; apart from the catalog, so that a copy of that alone tells no key."""
        return self.data_dir / "key-secret"

    @property
    def credentials_path(self) -> Path:
        return self.data_dir / "credentials.json"

    @property
    def engine_socket(self) -> Path:
        return self.data_dir / "engine.sock"
