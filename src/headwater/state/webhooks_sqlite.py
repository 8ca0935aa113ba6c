"""Webhooks in one SQLite file of their own (through apsw: WAL, a full sync for every commit).

Apart from the rest of the state, so that many deliveries do not hold up the pipeline's commits.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import apsw

from headwater.state.database import opened, told, wiped
from headwater.state.webhook_tables import STATEMENTS, Run, TableOutbox
from headwater.transactions import transaction

_SCHEMA = (
    """
    CREATE TABLE webhook_webhooks (
        id TEXT PRIMARY KEY,
        workspace TEXT NOT NULL,
        about TEXT NOT NULL, -- JSON: url, events, cohorts, description, secrets
        place TEXT NOT NULL, -- JSON
        created_ms INTEGER NOT NULL,
        paused TEXT,
        paused_ms INTEGER,
        failing_ms INTEGER,
        delivered_ms INTEGER
    ) STRICT;
    CREATE TABLE webhook_told (webhook TEXT, key TEXT, PRIMARY KEY (webhook, key)) STRICT, WITHOUT ROWID;
    CREATE TABLE webhook_deliveries (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        webhook TEXT NOT NULL,
        id TEXT NOT NULL UNIQUE,
        type TEXT NOT NULL,
        body BLOB NOT NULL,
        created_ms INTEGER NOT NULL,
        status TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        first_ms INTEGER,
        next_ms INTEGER,
        done_ms INTEGER,
        event_id TEXT
    ) STRICT;
    CREATE INDEX webhook_deliveries_log ON webhook_deliveries (webhook, number);
    CREATE INDEX webhook_deliveries_of_status ON webhook_deliveries (webhook, status, number);
    CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook, next_ms, number) WHERE status = 'pending';
    CREATE INDEX webhook_deliveries_done ON webhook_deliveries (done_ms) WHERE done_ms IS NOT NULL;
    CREATE INDEX webhook_deliveries_by_event ON webhook_deliveries (event_id) WHERE event_id IS NOT NULL;
    CREATE TABLE webhook_attempts (
        number INTEGER PRIMARY KEY,
        delivery INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        took_ms INTEGER NOT NULL,
        status INTEGER,
        error TEXT NOT NULL,
        answer BLOB NOT NULL
    ) STRICT;
    CREATE INDEX webhook_attempts_of_delivery ON webhook_attempts (delivery, number);
    CREATE TABLE webhook_names ( -- whom a delivery tells of: a hash of workspace and identity
        digest BLOB, delivery INTEGER, PRIMARY KEY (digest, delivery)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX webhook_names_of_delivery ON webhook_names (delivery);
    """,
)
"""One entry a version; a file of version n has run the first n."""


class SqliteOutbox(TableOutbox):
    """`state.webhooks.Outbox` in the file `path`. Safe to call from several threads; questions do not wait for a
    commit. Raises StartError for a file that a newer headwater wrote."""

    reads: ClassVar[int] = len(_SCHEMA)
    """The newest version."""

    def __init__(self, path: Path) -> None:
        super().__init__(self)
        path.touch(mode=0o600)  # it has secrets; SQLite makes the files beside it alike
        self._write = opened(path, _SCHEMA)
        self._read = opened(path, _SCHEMA)
        self._writing = threading.Lock()
        self._reading = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[Run]:
        with told("webhooks"), self._reading:
            yield _run(self._read)

    @contextmanager
    def writing(self) -> Iterator[Run]:
        with told("webhooks"), self._writing, transaction(self._write):
            yield _run(self._write)

    def wipe(self) -> bool:
        with self._writing, self._reading:
            return wiped(self._write)

    def close(self) -> None:
        """Idempotent."""
        with self._writing, self._reading:
            self._read.close()
            self._write.close()


def _run(connection: apsw.Connection) -> Run:
    def run(name: str, **about: Any) -> list[Any]:
        return connection.execute(STATEMENTS[name], about).fetchall()

    return run
