"""Webhooks in PostgreSQL, for whichever engine leads."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from psycopg import Cursor as Question

from headwater.postgres import Database, vacuum
from headwater.state.webhook_tables import STATEMENTS, TABLES, Run, TableOutbox

_SCHEMA = (Path(__file__).with_name("webhooks_schema.sql").read_text(),)
"""One script a version."""
_SQL = {name: re.sub(r":(\w+)", r"%(\1)s", text) for name, text in STATEMENTS.items()}


class PostgresOutbox(TableOutbox):
    """`state.webhooks.Outbox` in a database. Safe to call from several threads. Raises StartError for a database that a
    newer headwater wrote."""

    def __init__(self, url: str) -> None:
        super().__init__(self)
        self._database = Database(url, "webhooks", _SCHEMA)

    @contextmanager
    def reading(self) -> Iterator[Run]:
        with self._database.reading() as ask:
            yield _run(ask)

    @contextmanager
    def writing(self) -> Iterator[Run]:
        with self._database.writing() as change:
            yield _run(change)

    def wipe(self) -> bool:
        """As far as the database can be asked: see `postgres.vacuum`."""
        return vacuum(self._database, TABLES)

    def close(self) -> None:
        """Idempotent."""
        self._database.close()


def _run(question: Question[Any]) -> Run:
    def run(name: str, **about: Any) -> list[Any]:
        question.execute(_SQL[name], about)
        return question.fetchall() if question.description else []

    return run
