"""The store on a ClickHouse server or cluster, over its HTTP interface: the same SQL files as embedded.

What a server does itself is left to it: it reads back what it wrote, makes its backups, merges as it likes. What it
cannot know is told here: which request must not be carried out any more.

An insert whose answer never came may still be running, or wait in a socket's buffer, when its block is counted. So each
insert says until when, by the server's clock, it may begin; `counts` waits until that is past, ends what runs, and only
then counts. And an engine that lost its partition while it was paused must not insert what another has taken over: with
`owns` it asks, after it has looked at the clock, whether the block is its own still. Whoever takes a block over counts
first, and thereby waits longer than any insert that was allowed before can wait to begin. So all engines need the same
`begin_seconds`, and a URL that leads to several servers needs clocks that agree much better than that.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import clickhouse_connect
import lz4.frame
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError
from numpy.typing import NDArray
from urllib3.exceptions import HTTPError

from headwater.errors import SettingsError, StartError, UnavailableError
from headwater.events import Lane
from headwater.store import deletion, queries
from headwater.store.asking import READING, WRITING, Asking, migrate
from headwater.store.base import Block
from headwater.store.discretion import discreet
from headwater.store.layout import Layout

BEGIN_SECONDS = 5.0
"""How long after it was sent an insert may begin, and so how long a block in doubt waits before it is counted. With
more, a crash costs more; with less, a busy server refuses what it could do."""
ANSWER_SECONDS = 120
"""How long an answer may take, once connected."""
CONNECT_SECONDS = 5
FIELD_BYTES = 16 << 20
"""What `http_max_field_value_size` should be at least: a question about many identities names each."""
REPLACED_SECONDS = 60
"""How long the server keeps the files of parts that it has merged, or deleted rows of."""
_REMEMBERED = 1_000
_PORTS = {"clickhouse": 8123, "clickhouses": 8443}

_BUSY = {159, 160, 164, 202, 203, 209, 210, 225, 241, 242, 252, 279, 285, 319, 394, 439, 999}
"""Codes of errors that pass: no time, no memory, no connection, too many parts or queries, no quorum, no keeper."""
_READING = {**READING, "http_write_exception_in_output_format": 0}  # it would look like a row
_NEWER = {"max_insert_block_size_bytes"}
"""A server that does not know these does what they ask for."""
_LATE = "headwater: too late"
_ENGINE = "SELECT engine_full FROM system.tables WHERE"

_logger = logging.getLogger(__name__)


class ServerStore(Asking):
    """`store.base.Store` on a server. `clickhouse://user:password@host:8123/database`, `clickhouses://` with TLS.

    The database is made if it is missing. `ca`: whom to trust with TLS instead of the usual ones, a PEM file. `owns`
    raises NotOwnerError when a block is no longer this engine's. Raises
    StartError when the server does not answer, or does not let it in; SettingsError for a URL that cannot be.
    """

    def __init__(
        self,
        url: str,
        *,
        layout: Layout | None = None,
        owns: Callable[[Block], None] = lambda block: None,
        begin_seconds: float = BEGIN_SECONDS,
        answer_seconds: int = ANSWER_SECONDS,
        ca: Path | None = None,
    ) -> None:
        self._target = _target(url) | {"send_receive_timeout": answer_seconds, "ca_cert": str(ca) if ca else None}
        self._database: str = self._target["database"]
        self._layout = layout or Layout()
        self._table = self._layout.events
        self._owns, self._begin_ms = owns, int(begin_seconds * 1000)
        self._certain: dict[tuple[Lane, int], int] = {}
        """Until when an insert of a block may begin (ms, the server's clock); 0: it was answered."""
        self._deleting = set[str]()
        self._replaced: frozenset[str] | None = None
        self._writing, self._keeping = threading.Lock(), threading.RLock()
        super().__init__(lambda: self._connected(_READING))
        self._closed = False
        try:
            self._make_database()
            self._writer = self._connected(WRITING)
            self._keeper = self._connected({"log_queries": 0})
            self._prepare()
        except (ClickHouseError, HTTPError, OSError, UnavailableError) as error:
            raise StartError(f"the store at {_shown(url)} cannot be opened: {error}") from error

    def insert(self, block: Block) -> None:
        """Raises UnavailableError when it is not known what became of it, too."""
        if not block.count:
            return
        key, data = (block.lane, block.number), lz4.frame.compress(b"".join(block.chunks))
        with self._writing, _told():
            until = self._now() + self._begin_ms
            self._owns(block)
            self._remember(key, until)
            try:
                self._writer.command(
                    queries.sql("insert"),
                    parameters={"begin_until_ms": until},
                    data=data,
                    settings={"query_id": f"{self._prefix(*key)}{uuid4().hex}"},
                    transport_settings={"Content-Encoding": "lz4"},
                )
            except DatabaseError as error:
                if error.code:  # the server itself has ended it
                    self._remember(key, 0)
                raise
            self._remember(key, 0)

    def counts(self, lane: Lane, block: int) -> dict[int, int]:
        with self._writing, _told():
            self._settle(lane, block)
        found = self.rows("block_months", {"lane": lane.value, "block": block})
        return {row["month"]: row["events"] for row in found}

    def rows(self, query: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        with _told():
            return super().rows(query, parameters)

    def columns(self, sql: str, parameters: Mapping[str, Any]) -> "dict[str, NDArray[Any]]":
        with _told():
            return super().columns(sql, parameters)

    def stream(self, query: str, parameters: Mapping[str, Any]) -> Iterator[bytes]:
        with _told():
            yield from super().stream(query, parameters)

    def check(self, part: str) -> str:
        with _told():
            return super().check(part)

    def doom(self, key: str, query: str, parameters: Mapping[str, Any]) -> None:
        with _told():
            super().doom(key, query, parameters)

    def delete(self, key: str, upto: Mapping[Lane, int]) -> bool:
        with self._keeping, _told():
            self._sync("doomed", self._table)
            where = deletion.Where(self._table, self._layout.on, self._layout.system("mutations"))
            if deletion.goes_on(self._run, key, upto, where):
                self._deleting.add(key)
                return False
            if key in self._deleting:
                self._deleting.remove(key)
                self._replaced = None  # what this deletion has replaced is to be waited for, too
            return True

    def purge(self) -> bool:
        """Waits for the server to remove what was replaced by now, which it does after REPLACED_SECONDS."""
        with self._keeping, _told():
            found = frozenset(self._run(self._of_parts("NOT active")).splitlines())
            self._replaced = found if self._replaced is None else self._replaced & found
            if self._replaced:
                return False
            self._replaced = None
            return True

    def spare(self, job: str) -> None:
        with self._keeping, _told():
            deletion.spare(self._run, job, self._layout.on)

    def snapshot(self, folder: Path) -> None:
        raise StartError("the store is on a ClickHouse server: BACKUP DATABASE there makes a copy of it")

    def close(self) -> None:
        """Waits for an insert, and up to CLOSE_WAIT for questions under way. Idempotent."""
        with self._writing:
            if not self._closed:
                self._closed = True
                self._close_readers()
                self._keeper.close()
                self._writer.close()

    def _make_database(self) -> None:
        """Connects to none at first, for it may not be there."""
        client = clickhouse_connect.get_client(**{**self._target, "database": None})
        try:
            name = f"`{self._database}`"
            client.raw_query(f"CREATE DATABASE IF NOT EXISTS {name} {self._layout.on}")
        finally:
            client.close()

    def _prepare(self) -> None:
        migrate(self._run, self._layout.statements)
        if self._layout.sharded and int(self._run(self._layout.lacking)):
            self._run(self._layout.distributed)
        kept = f"old_parts_lifetime = {REPLACED_SECONDS}"
        if kept not in self._run(f"{_ENGINE} database = currentDatabase() AND name = '{self._table}'"):
            self._run(f"ALTER TABLE {self._table} {self._layout.on}MODIFY SETTING {kept}")
        limit = int(self._run("SELECT value FROM system.settings WHERE name = 'http_max_field_value_size'") or 0)
        if limit < FIELD_BYTES:
            _logger.warning(
                "the ClickHouse server takes no parameter of more than %d bytes, so questions about many identities "
                "will fail: set http_max_field_value_size to %d in its default profile",
                limit,
                FIELD_BYTES,
            )

    def _settle(self, lane: Lane, block: int) -> None:
        """Returns when no insert of a block runs, nor can begin."""
        until = self._certain.get((lane, block))
        if until != 0:
            until = until or self._now() + self._begin_ms
            while (left := until - self._now()) >= 0:
                time.sleep(left / 1000 + 0.001)
            starts = f"startsWith(initial_query_id, '{self._prefix(lane, block)}')"
            self._writer.command(f"KILL QUERY {self._layout.on}WHERE {starts} SYNC")
            self._remember((lane, block), 0)
        self._sync(self._table)

    def _sync(self, *tables: str) -> None:
        """Each replica takes over what others took."""
        if self._layout.on:
            for table in tables:
                self._run(f"SYSTEM SYNC REPLICA {self._layout.on}{table} LIGHTWEIGHT")

    def _prefix(self, lane: Lane, block: int) -> str:
        return f"headwater:{self._database}:{lane.value}:{block}:"

    def _remember(self, key: tuple[Lane, int], until: int) -> None:
        """Forgets the oldest; of a block that it does not remember it is not certain."""
        self._certain.pop(key, None)
        self._certain[key] = until
        if len(self._certain) > _REMEMBERED:
            del self._certain[next(iter(self._certain))]

    def _now(self) -> int:
        """The server's clock, in ms."""
        return int(str(self._writer.command("SELECT toUnixTimestamp64Milli(now64(3))")))

    def _of_parts(self, which: str) -> str:
        table = f"database = '{self._database}' AND table = '{self._table}'"
        return f"SELECT concat(hostName(), ':', name) FROM {self._layout.system('parts')} WHERE {table} AND {which}"  # noqa: S608 - our own words

    def _run(self, statement: str) -> str:
        fmt = "TSV" if statement.startswith("SELECT") else None
        return self._keeper.raw_query(statement, fmt=fmt).decode()

    def _sql(self, query: str) -> str:
        return queries.sql(query).replace("table = 'events'", f"table = '{self._table}'")

    def _connected(self, settings: Mapping[str, Any]) -> Client:
        client = clickhouse_connect.get_client(**self._target)
        for name, value in {**self._layout.settings, **settings}.items():
            if name in client.server_settings or name not in _NEWER:
                client.set_client_setting(name, value)
        return client


def _target(url: str) -> dict[str, Any]:
    """What a client is made from."""
    parts = urlsplit(url)
    database = unquote(parts.path.strip("/")) or "headwater"
    try:
        port = parts.port or _PORTS[parts.scheme]
    except (KeyError, ValueError):
        port = 0
    if not port or not parts.hostname or not re.fullmatch(r"\w+", database, re.ASCII):
        raise SettingsError(f"{_shown(url)} is no URL of a ClickHouse server: clickhouse://user:password@host/database")
    return {
        "interface": "https" if parts.scheme == "clickhouses" else "http",
        "host": parts.hostname,
        "port": port,
        "username": unquote(parts.username or "default"),
        "password": unquote(parts.password or ""),
        "database": database,
        "compress": "lz4",
        "connect_timeout": CONNECT_SECONDS,
        "query_retries": 0,
        "autogenerate_session_id": False,
        "client_name": "headwater",
        "dedicated_pool": True,
    }


def _shown(url: str) -> str:
    """Without its password."""
    head, at, rest = url.rpartition("@")
    return f"{head.partition('://')[0]}://…@{rest}" if at else url


@contextmanager
def _told() -> Iterator[None]:
    """What passes by itself is an UnavailableError. Any error is told discreetly."""
    try:
        with discreet():
            yield
    except (OperationalError, HTTPError) as error:
        raise UnavailableError(f"the store does not answer: {error}") from error
    except DatabaseError as error:
        if not error.code or error.code in _BUSY or _LATE in str(error):
            raise UnavailableError(f"the store is busy: {error}") from error
        raise
