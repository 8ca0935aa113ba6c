"""SQLite transactions, for every file that we write."""

from collections.abc import Iterator
from contextlib import contextmanager

import apsw


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """All inside, or nothing; nobody else writes meanwhile.

    Not apsw's own `with connection`: where SQLite has rolled back by itself, as on a full disk, that says that it
    cannot roll back, and not what was wrong.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
