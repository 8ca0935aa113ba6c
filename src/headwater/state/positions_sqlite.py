"""How far destinations are, in a SQLite file of the engine's."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from headwater.errors import NotOwnerError
from headwater.events import Lane
from headwater.state.database import opened, told
from headwater.state.positions import Kept, Position, decoded, encoded

_SCHEMA = (
    """
    CREATE TABLE destinations (
        name TEXT PRIMARY KEY,
        version INTEGER NOT NULL,
        lanes TEXT NOT NULL -- JSON
    ) STRICT;
    """,
)
_SAVE = """
    INSERT INTO destinations VALUES (:name, :version + 1, :lanes)
    ON CONFLICT (name) DO UPDATE SET version = excluded.version, lanes = excluded.lanes
    WHERE destinations.version = :version
"""


class SqlitePositions:
    """`state.positions.Positions`. Raises StartError for a file that a newer headwater wrote."""

    reads: ClassVar[int] = len(_SCHEMA)
    """The newest version that it knows."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = opened(path, _SCHEMA)

    def load(self, name: str) -> Kept:
        with self._lock, told("destinations"):
            row = self._connection.execute("SELECT version, lanes FROM destinations WHERE name = ?", (name,)).fetchone()
        return Kept(row[0], decoded(row[1])) if row else Kept(0, {})

    def save(self, name: str, version: int, lanes: Mapping[Lane, Position]) -> int:
        with self._lock, told("destinations"):
            about = {"name": name, "version": version, "lanes": encoded(lanes)}
            self._connection.execute(_SAVE, about)
            if not self._connection.changes():
                raise NotOwnerError(f"the destination {name} is delivered to by somebody else")
        return version + 1

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            self._connection.close()
