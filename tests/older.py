"""Data directories as earlier versions of headwater left them: made by their own migrations alone, filled by hand.

Nothing here may use what today's code writes, but for the log's records, which have not changed.
"""

import asyncio
import json
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import chdb
import msgspec

from catalog.older import GONE, SECRET, SIGNAL, WORKSPACE
from catalog.older import make as make_catalog
from headwater.clock import DAY_MS, now_ms
from headwater.config import Settings
from headwater.events import Batch, Lane, Part, event_ids, new_batch_id
from headwater.log.files import FilesAppender, FilesReader
from headwater.pipeline import months_of
from headwater.state import cohorts_sqlite, sqlite
from headwater.store import schema
from headwater.store.rows import rows_of

COHORT = "coh_Kw3LpZ9Q"
_SHARED = ("block", "lane", "workspace", "dialect")
_ABOUT = ("id", "signal", "signal_id", "schema_version", "occurred_ms", "reason", "detail")
_REST = ("identities", "name", "data", "reference", "backfill_id", "value")
_COLUMNS = (*_SHARED, *_ABOUT, *_REST)
_FIRST_COLUMNS = len(_COLUMNS) - 1
"""Before the second migration of the store there was no `value`, in no line of the log either."""


class Generation(NamedTuple):
    """Which migrations each part has seen; 0 of the cohorts: there were none."""

    catalog: int
    state: int
    store: int
    cohorts: int = 0


GENERATIONS = (
    Generation(catalog=1, state=1, store=1),
    Generation(catalog=2, state=1, store=1),
    Generation(catalog=2, state=2, store=1),
    Generation(catalog=3, state=3, store=2, cohorts=1),
    Generation(catalog=3, state=3, store=2, cohorts=2),
    Generation(catalog=4, state=4, store=3, cohorts=4),
)
"""All there were, oldest first."""


class Past(NamedTuple):
    """What lies in such a directory."""

    stored: dict[str, str]
    """Event ids with their reasons."""
    waiting: dict[str, str]
    """In the log alone."""
    day_ms: int
    """When all of them occurred."""


def make(directory: Path, generation: Generation) -> Past:
    """Two batches in the store, in both lanes, and one that waits in the log. Block 1 of each lane is committed."""
    settings = Settings(data_dir=directory)
    directory.mkdir(mode=0o700)
    settings.secret_path.touch(mode=0o600)
    settings.secret_path.write_bytes(SECRET)
    make_catalog(settings.catalog_path, generation.catalog)
    past, batches = _batches(generation)
    end = _log(settings, batches)
    _store(settings, generation, end)
    _state(settings, generation, end)
    if generation.cohorts:
        _cohorts(settings, generation.cohorts)
    return past


def _batches(generation: Generation) -> tuple[Past, list[Batch]]:
    at = now_ms() - DAY_MS
    found, reasons = [], list[dict[str, str]]()
    for number in range(3):
        id_ = new_batch_id(now_ms() - 10 * 60_000 + number)
        ids = event_ids(id_, 4)
        ada = [f"email:ada{number}@example.com", "phone:+14155550100"]
        rows = [
            (Lane.REALTIME, _row(generation, ids[0], at, ada)),
            (Lane.REALTIME, _row(generation, ids[1], at, ada[:1], reason="schema_violation", detail="'a' is required")),
            (Lane.MIGRATION, _row(generation, ids[2], at, ada[:1])),
            (Lane.MIGRATION, _row(generation, ids[3], at, ["account:001"], signal="gone", signal_id=GONE, value=None)),
        ]
        parts = [_part([row for of, row in rows if of is lane], at) for lane in Lane]
        found.append(
            Batch(id_, WORKSPACE, "bik", tuple(Part(lane, *rest) for lane, rest in zip(Lane, parts, strict=True)))
        )
        reasons.append({ids[0]: "", ids[1]: "schema_violation", ids[2]: "", ids[3]: ""})
    return Past(reasons[0] | reasons[1], reasons[2], at), found


def _row(generation: Generation, id_: str, at: int, identities: list[str], **changes: Any) -> list[Any]:
    row = {
        "id": id_,
        "signal": "calls",
        "signal_id": SIGNAL,
        "schema_version": 2 if changes.get("signal_id", SIGNAL) == SIGNAL else None,
        "occurred_ms": at,
        "reason": "",
        "detail": "",
        "identities": identities,
        "name": "Ada",
        "data": {"usage": {"calls": 2}},
        "reference": None,
        "backfill_id": "",
        "value": "2",
    } | changes
    return [*row.values()] if generation.store > 1 else [*row.values()][:-1]


def _part(rows: list[list[Any]], at: int) -> tuple[int, int, int, bytes]:
    return len(rows), at, at, b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def _log(settings: Settings, batches: list[Batch]) -> int:
    """Where the third record begins."""
    appender = FilesAppender(settings.log_dir)
    ends = []

    async def append() -> None:
        for batch in batches:
            await appender.append(batch)
            ends.append(appender.status().durable)

    asyncio.run(append())
    appender.close()
    for name in ("claimed", "stored"):
        (settings.log_dir / name).unlink(missing_ok=True)
    return ends[1]


def _store(settings: Settings, generation: Generation, end: int) -> None:
    columns = _COLUMNS if generation.store > 1 else _COLUMNS[:_FIRST_COLUMNS]
    settings.store_dir.mkdir()
    handle = chdb.connect(str(settings.store_dir))
    handle.query(
        "CREATE TABLE migrations (number UInt32, name String, applied_at DateTime('UTC') DEFAULT now())"
        " ENGINE = MergeTree ORDER BY number SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
    )
    for number, name, text in schema.migrations()[: generation.store]:
        for statement in schema.statements(text):
            handle.query(statement)
        handle.query(f"INSERT INTO migrations (number, name) VALUES ({number}, '{name}')")
    reader = FilesReader(settings.log_dir)
    for lane in Lane:
        rows = b"".join(rows_of(record, 1) for record in reader.read(lane, 0, 1000, end).records)
        insert = f"INSERT INTO events ({', '.join(columns)}) FORMAT JSONCompactEachRow".encode()
        handle.query(b"\n".join((insert, rows)))
    reader.close()
    handle.close()


def _state(settings: Settings, generation: Generation, end: int) -> None:
    connection = _made(settings.state_path, sqlite._SCHEMA[: generation.state])
    reader = FilesReader(settings.log_dir)
    for lane in Lane:
        months = months_of(reader.read(lane, 0, 1000, end).records)
        connection.execute("INSERT INTO cursors (lane, position, block) VALUES (?, ?, 1)", (lane.value, end))
        if generation.state >= 2:
            counted = [(lane.value, month, rows) for month, rows in months.items()]
            connection.executemany("INSERT INTO counted VALUES (?, ?, ?)", counted)
    reader.close()
    for number in range(2):
        pair = (WORKSPACE, f"email:ada{number}@example.com", "phone:+14155550100")
        if generation.state >= 3:
            connection.execute("INSERT INTO links VALUES (?, ?, ?, ?)", (*pair, 1000))
        else:
            connection.execute("INSERT INTO links VALUES (?, ?, ?)", pair)
    connection.close()


def _cohorts(settings: Settings, version: int) -> None:
    connection = _made(settings.cohorts_path, cohorts_sqlite._SCHEMA[:version])
    definition = json.dumps({"subject": "person", "where": {"all": [{"performed": "calls"}]}})
    connection.execute(
        "INSERT INTO cohorts (id, workspace, name, definition, created_ms, filled_ms)"
        " VALUES (?, ?, 'Callers', ?, 1, 2)",
        (COHORT, WORKSPACE, definition),
    )
    connection.close()


def _made(path: Path, scripts: tuple[str, ...]) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    for script in scripts:
        connection.execute(script)
    connection.pragma("user_version", len(scripts))
    return connection
