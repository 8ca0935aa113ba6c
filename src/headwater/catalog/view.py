"""The catalog's file as a doctor sees it: read as it stands, never written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import msgspec

from headwater.catalog import chain
from headwater.catalog.database import VERSION, Tables
from headwater.catalog.examined import Chain, Contents
from headwater.errors import CorruptionError, StartError
from headwater.readonly import faults_of, look_at, told


class SqliteCatalogView:
    """`catalog.examined.Examined`; `scratch` as `readonly.look_at` has it.

    Raises StartError for a file that an older or newer headwater wrote.
    """

    reads: ClassVar[int] = VERSION
    """The newest version."""

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
        with self._moment():
            return Contents(
                tables.workspaces(),
                tables.keys(),
                tables.signals(),
                tables.versions(),
                tables.made(),
                tables.backfills(),
            )

    def chain(self, secret: bytes) -> Chain:
        with self._moment():
            given, _, seal = self._tables.end()
            return Chain(*chain.examine(secret, self._tables.chained(), given, seal))

    def faults(self, quick: bool) -> list[str]:
        return faults_of(self._connection, quick)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _moment(self) -> Iterator[None]:
        """All that is read inside is of one moment. Raises CorruptionError for what cannot be read."""
        with told(self._path):
            self._connection.execute("BEGIN")
            try:
                yield
            except (msgspec.MsgspecError, TypeError) as error:
                raise CorruptionError(f"{self._path} holds a row that cannot be read: {error}") from error
            finally:
                self._connection.execute("ROLLBACK")


def is_older(path: Path) -> bool:
    """Whether a file that another process has open is of an earlier version. Raises CorruptionError, StartError."""
    connection = look_at(path, None)
    try:
        with told(path):
            return Tables(connection).version() < VERSION
    finally:
        connection.close()
