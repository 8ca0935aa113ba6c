"""The catalog in PostgreSQL as a doctor sees it: read as it stands, never written."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import ClassVar

import msgspec
import psycopg

from headwater.catalog import chain
from headwater.catalog.examined import Chain, Contents
from headwater.catalog.following import NotYetError, moment
from headwater.catalog.postgres_database import VERSION, PostgresTables
from headwater.errors import CorruptionError, StartError
from headwater.postgres import connected, told


class PostgresCatalogView:
    """`catalog.examined.Examined`. Raises StartError for a catalog that an older or newer headwater wrote, or that
    cannot be reached."""

    reads: ClassVar[int] = VERSION
    """The newest version."""

    def __init__(self, url: str) -> None:
        try:
            self._connection = connected(url)
            with moment(self._connection):
                pass
        except NotYetError as error:
            self._connection.close()
            raise StartError("the catalog is not there, or of an older version") from error
        except psycopg.Error as error:
            raise StartError(f"cannot open the catalog: {error}") from error

    def contents(self) -> Contents:
        with self._moment() as tables:
            return Contents(
                tables.workspaces(),
                tables.keys(),
                tables.signals(),
                tables.versions(),
                tables.made(),
                tables.backfills(),
            )

    def chain(self, secret: bytes) -> Chain:
        with self._moment() as tables:
            given, _, seal = tables.end()
            return Chain(*chain.examine(secret, tables.chained(), given, seal))

    def faults(self, quick: bool) -> list[str]:
        """The server looks after its own files; a row that it cannot read is told. Quickly, nothing is looked at."""
        if not quick:
            try:
                with self._moment() as tables:
                    tables.records()
                    for _ in tables.chained():
                        pass
            except CorruptionError as error:
                return [str(error)]
        return []

    def close(self) -> None:
        with suppress(psycopg.Error):
            self._connection.close()

    @contextmanager
    def _moment(self) -> Iterator[PostgresTables]:
        """All that is read inside is of one moment. Raises CorruptionError for what cannot be read."""
        with told("the catalog"), moment(self._connection) as (cursor, _):
            try:
                yield PostgresTables(cursor)
            except (msgspec.MsgspecError, TypeError) as error:
                raise CorruptionError(f"the catalog holds a row that cannot be read: {error}") from error
