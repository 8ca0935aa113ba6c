"""How far destinations are, past one machine: whoever leads delivers."""

from collections.abc import Mapping

from headwater.errors import NotOwnerError
from headwater.events import Lane
from headwater.postgres import Database
from headwater.state.positions import Kept, Position, decoded, encoded

_SCHEMA = (
    """
    CREATE TABLE destinations (
        name TEXT PRIMARY KEY,
        version BIGINT NOT NULL,
        lanes TEXT NOT NULL -- JSON
    );
    """,
)
_SAVE = """
    INSERT INTO destinations VALUES (%(name)s, %(version)s + 1, %(lanes)s)
    ON CONFLICT (name) DO UPDATE SET version = excluded.version, lanes = excluded.lanes
    WHERE destinations.version = %(version)s
"""


class PostgresPositions:
    """`state.positions.Positions`. Raises StartError when the database cannot be used."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, "destinations", _SCHEMA)

    def load(self, name: str) -> Kept:
        with self._database.reading() as ask:
            row = ask.execute("SELECT version, lanes FROM destinations WHERE name = %s", (name,)).fetchone()
        return Kept(row[0], decoded(row[1])) if row else Kept(0, {})

    def save(self, name: str, version: int, lanes: Mapping[Lane, Position]) -> int:
        with self._database.writing() as change:
            change.execute(_SAVE, {"name": name, "version": version, "lanes": encoded(lanes)})
            if not change.rowcount:
                raise NotOwnerError(f"the destination {name} is delivered to by somebody else")
        return version + 1

    def close(self) -> None:
        """Idempotent."""
        self._database.close()
