"""The catalog's file as a doctor sees it: read as it stands, never written."""

from pathlib import Path

import msgspec

from headwater.catalog.base import Contents
from headwater.catalog.database import VERSION, Tables
from headwater.errors import CorruptionError, StartError
from headwater.readonly import faults_of, look_at, told


class SqliteCatalogView:
    """`catalog.base.Examined`; `scratch` as `readonly.look_at` has it.

    Raises StartError for a file that an older or newer headwater wrote.
    """

    def __init__(self, path: Path, scratch: Path | None) -> None:
        self._path = path
        self._connection = look_at(path, scratch)
        self._tables = Tables(self._connection)
        with told(path):
            version = self._tables.version()
        if version != VERSION:
            raise StartError(f"{path} has version {version}, this headwater reads {VERSION}")

    def contents(self) -> Contents:
        tables = self._tables
        with told(self._path):
            self._connection.execute("BEGIN")
            try:
                return Contents(tables.workspaces(), tables.keys(), tables.signals(), tables.versions(), tables.made())
            except (msgspec.MsgspecError, TypeError) as error:
                raise CorruptionError(f"{self._path} holds a row that cannot be read: {error}") from error
            finally:
                self._connection.execute("ROLLBACK")

    def faults(self, quick: bool) -> list[str]:
        return faults_of(self._connection, quick)

    def close(self) -> None:
        self._connection.close()
