"""The catalog out of SQLite into PostgreSQL, in one transaction: rows, ids, digests of keys, and the audit's chain."""

from pathlib import Path

from psycopg import Cursor

from headwater.catalog import chain
from headwater.catalog.database import VERSION, Tables
from headwater.catalog.postgres_database import STATEMENTS, PostgresDatabase, PostgresTables
from headwater.catalog.rows import PUT, Record, Writing
from headwater.errors import ConflictError, CorruptionError, StartError
from headwater.readonly import look_at, told

_AUDIT = """
    COPY catalog_audit (id, workspace, actor, action, target, detail, at_ms, address, hash, revision) FROM STDIN
"""
_PLACED = 1
"""The revision that all of it gets."""


class CatalogMove:
    def __init__(self, url: str, secret: bytes) -> None:
        """Raises StartError when the target's catalog was made with another secret."""
        self._secret = secret
        self._database = PostgresDatabase(url, secret)

    def is_empty(self) -> bool:
        """Whether nobody ever wrote there."""
        with self._database.sessions.reading() as cursor:
            return PostgresTables(cursor).end()[0] == 0 and not PostgresTables(cursor).workspaces()

    def run(self, path: Path, scratch: Path | None) -> int:
        """Returns how many rows the audit has. `scratch` as `readonly.look_at` has it.

        Raises CorruptionError when the old audit's chain does not hold, ConflictError when there is a catalog already.
        """
        connection = look_at(path, scratch)
        try:
            with told(path):
                connection.execute("BEGIN")
                tables = Tables(connection)
                if tables.version() != VERSION:
                    raise StartError(f"{path} has version {tables.version()}, this headwater reads {VERSION}")
                return self._move(tables)
        finally:
            connection.close()

    def _move(self, tables: Tables) -> int:
        given, _, seal = tables.end()
        rows, faults = chain.examine(self._secret, tables.chained(), given, seal)
        if faults:
            raise CorruptionError(f"the audit is not whole, see headwater doctor: {'; '.join(faults[:3])}")
        with self._database.sessions.writing() as cursor:
            ((revision,),) = cursor.execute(STATEMENTS["lock"]).fetchall()
            there = PostgresTables(cursor)
            if (there.end()[0], there.end()[2]) == (given, seal):
                return rows  # by an earlier run, which was cut short behind it
            if there.end()[0] or there.workspaces():
                raise ConflictError("the target has a catalog already: was a gateway started there?")
            records: list[Record] = [
                *tables.workspaces(),
                *tables.keys(),
                *tables.signals(),
                *tables.versions(),
                *tables.backfills(),
            ]
            self._put(cursor, records, revision + _PLACED)
            with cursor.copy(_AUDIT) as copy:
                for row, hash in tables.chained():
                    copy.write_row((*row, hash, revision + _PLACED))
            cursor.execute(STATEMENTS["put_end"], {"given": given, "seal": seal})
            cursor.execute(STATEMENTS["advance"], {"revision": revision + _PLACED})
        return rows

    def check(self) -> list[str]:
        """What is wrong with the chain of the audit as it is in the target."""
        with self._database.sessions.snapshot() as cursor:
            there = PostgresTables(cursor)
            given, _, seal = there.end()
            return chain.examine(self._secret, there.chained(), given, seal)[1]

    def close(self) -> None:
        """Idempotent."""
        self._database.close()

    def _put(self, cursor: Cursor[object], records: list[Record], revision: int) -> None:
        for record in records:
            values = Writing._columns(self._database, record)
            cursor.execute(STATEMENTS[PUT[type(record)]], values | {"revision": revision})
