"""Webhooks with their log out of SQLite into PostgreSQL, numbers and all."""

from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from headwater.postgres import Database
from headwater.readonly import look_at, told
from headwater.state.webhook_tables import TABLES
from headwater.state.webhooks import Place

_SCHEMA = (Path(__file__).with_name("webhooks_schema.sql").read_text(),)
_COLUMNS = {
    "webhook_webhooks": "id, workspace, about, place, created_ms, paused, paused_ms, failing_ms, delivered_ms",
    "webhook_told": "webhook, key",
    "webhook_deliveries": "number, webhook, id, type, body, created_ms, status, attempts, first_ms, next_ms, done_ms, "
    "event_id",
    "webhook_attempts": "number, delivery, at_ms, took_ms, status, error, answer",
    "webhook_names": "digest, delivery",
}
_NUMBERED = ("webhook_deliveries", "webhook_attempts")
_NEXT = """
    SELECT setval(pg_get_serial_sequence('{0}', 'number'), coalesce(max(number), 0) + 1, false) FROM {0}
"""
_PIECE = 10_000


class WebhooksMove:
    """`headwater.webhook_…` as the file of one machine has it."""

    def __init__(self, url: str) -> None:
        """Raises StartError."""
        self._database = Database(url, "webhooks", _SCHEMA)

    def is_empty(self) -> bool:
        with self._database.reading() as ask:
            return not ask.execute("SELECT FROM webhook_webhooks LIMIT 1").fetchall()

    def run(self, path: Path, scratch: Path | None, upto: Place) -> None:
        """Instead of what an earlier run left. `scratch` as `readonly.look_at` has it; `upto`: what of the changes of
        cohorts and of the store was moved with its numbers. What came behind it gets others, and is told (again)."""
        with self._database.writing() as change:
            change.execute(f"TRUNCATE {', '.join(TABLES)}")
        source = look_at(path, scratch)
        try:
            for table, columns in _COLUMNS.items():
                with told(path):
                    rest = iter(source.execute(f"SELECT {columns} FROM {table}"))  # noqa: S608  names of our own
                    while piece := [*islice(rest, _PIECE)]:
                        with (
                            self._database.writing() as change,
                            change.copy(f"COPY {table} ({columns}) FROM STDIN") as copy,
                        ):
                            for row in piece:
                                copy.write_row(_bounded(row, upto) if table == "webhook_webhooks" else row)
        finally:
            source.close()
        with self._database.writing() as change:
            for table in _NUMBERED:
                change.execute(_NEXT.format(table))

    def close(self) -> None:
        """Idempotent."""
        self._database.close()


def _bounded(row: tuple[Any, ...], upto: Place) -> tuple[Any, ...]:
    """A row of `webhook_webhooks` that has followed no further."""
    id_, workspace, about, place, *rest = row
    known = msgspec.json.decode(place, type=Place)
    blocks = {lane: min(block, upto.blocks.get(lane, 0)) for lane, block in known.blocks.items()}
    after = msgspec.structs.replace(known, change=min(known.change, upto.change), blocks=blocks)
    return id_, workspace, about, msgspec.json.encode(after).decode(), *rest
