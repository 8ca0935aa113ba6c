"""PostgreSQL where a test of the embedded adapters has a file."""

from pathlib import Path

import psycopg

from services import Postgres


class Databases:
    """One database that is, for each path, as the path's file would be: empty at first, the same when opened again.

    Only one path at a time: to make a database takes longer than to empty one.
    """

    def __init__(self, server: Postgres) -> None:
        self._url = server.database()
        self._path: Path | None = None

    def url(self, path: Path) -> str:
        if path != self._path:
            with psycopg.connect(self._url, autocommit=True) as connection:
                connection.execute("DROP SCHEMA IF EXISTS headwater CASCADE")
            self._path = path
        return self._url
