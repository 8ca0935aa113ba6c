"""The tables of claims in PostgreSQL, and what both sides of them share."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from headwater.claims.base import Row
from headwater.postgres import Database, statements

LEASE_SECONDS = 10.0
"""How long a gateway may append under its reservations after it was last heard of."""

SQL = statements(Path(__file__).with_name("postgres.sql"))
_SCHEMA = (Path(__file__).with_name("postgres_schema.sql").read_text(),)
"""One script a version."""


def opened(url: str) -> Database:
    """Raises StartError."""
    return Database(url, "claims", _SCHEMA)


def columns(rows: Iterable[Row]) -> dict[str, list[Any]]:
    """Rows as the statements take them."""
    about: dict[str, list[Any]] = {"keys": [], "contents": [], "batches": [], "workspaces": [], "backfills": []}
    for row in rows:
        held_by = (row.workspace, row.claim.backfill) if row.claim.backfill else (None, None)
        for column, value in zip(about.values(), (row.claim.key, row.claim.value, row.batch, *held_by), strict=True):
            column.append(value)
    return about
