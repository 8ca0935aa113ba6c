"""A headwater destination: events as rows of a SQLite file."""

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from headwater.destinations.base import Context, Delivery, DeliveryError, Event, Identity, SettingsError

_TABLES = """
    CREATE TABLE IF NOT EXISTS events (
        id TEXT, replayed_at TEXT, workspace TEXT, signal TEXT, status TEXT,
        occurred_at TEXT, received_at TEXT, data TEXT,
        PRIMARY KEY (id, replayed_at)
    );
    CREATE TABLE IF NOT EXISTS identities (event TEXT, type TEXT, id TEXT, PRIMARY KEY (type, id, event));
"""


class Sqlite:
    window_seconds = None  # what is stored comes soon after

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        if set(settings) != {"path"} or not isinstance(settings["path"], str):
            raise SettingsError("kind 'sqlite' takes one setting, path: a file's name")
        self._path = context.base_dir / settings["path"]

    def deliver(self, delivery: Delivery) -> None:
        """One transaction. A delivery that comes again, after a crash, replaces its rows by the same ones."""
        with _writing(self._path) as connection:
            for events in delivery.events():
                connection.executemany("REPLACE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(_row, events))
                pairs = [(event.id, *each) for event in events for each in event.identities]
                connection.executemany("REPLACE INTO identities VALUES (?, ?, ?)", pairs)

    def erase(self, workspace: str, identities: Collection[Identity], until: datetime) -> None:
        """Not every destination can. This one can, so headwater asks it to."""
        with _writing(self._path) as connection:
            for each in identities:
                about = (each.type, each.id, workspace, until.isoformat())
                found = connection.execute(
                    "SELECT events.id FROM events JOIN identities ON event = events.id"
                    " WHERE type = ? AND identities.id = ? AND workspace = ? AND received_at <= ?",
                    about,
                ).fetchall()
                connection.executemany("DELETE FROM events WHERE id = ?", found)
                connection.executemany("DELETE FROM identities WHERE event = ?", found)

    def close(self) -> None:
        pass  # nothing is kept open between two deliveries


def _row(event: Event) -> tuple[str, ...]:
    replayed_at = event.replayed_at.isoformat() if event.replayed_at else ""
    times = (event.occurred_at.isoformat(), event.received_at.isoformat())
    return (event.id, replayed_at, event.workspace, event.signal, event.status, *times, event.data)


@contextmanager
def _writing(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        connection = sqlite3.connect(path, timeout=10)
        try:
            connection.execute("PRAGMA secure_delete = ON")
            connection.executescript(_TABLES)
            with connection:
                yield connection
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        raise DeliveryError(f"{path.name} cannot be written: {error}") from error
