"""Which of several engines leads: one at a time follows all that is stored, keeps cohorts live, answers questions."""

import secrets
import threading

import psycopg

from headwater.postgres import Database, Kind, SessionLock, held, told

_SCHEMA = (
    """
    CREATE TABLE leader (
        one BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one),
        address TEXT NOT NULL,
        token TEXT NOT NULL,
        since TIMESTAMPTZ NOT NULL
    );
    """,
)
_TELL = """
    INSERT INTO leader (address, token, since) VALUES (%(address)s, %(token)s, now())
    ON CONFLICT (one) DO UPDATE SET address = excluded.address, token = excluded.token, since = now()
"""


class PostgresLeadership:
    """Safe to call from several threads. Raises StartError when it is made, UnavailableError from every verb."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, "leader", _SCHEMA)
        self._lock = SessionLock(url, Kind.LEADER, 0)
        self._guard = threading.Lock()
        self.token = secrets.token_urlsafe(32)
        """By which this engine knows that who asks is a gateway: they read it where they read its address."""

    def lead(self, address: str) -> bool:
        """Whether this engine leads from here on, and is to be found there; False while another does."""
        with self._guard, told("leader"):
            if not self._lock.take():
                return False
            connection = self._lock.connection
            if connection is None:
                raise psycopg.OperationalError("the session ended")
            connection.execute(_TELL, {"address": address, "token": self.token})
            return True

    def leads(self) -> bool:
        """Whether it does still, as the server says. False when that cannot be known."""
        with self._guard:
            connection = self._lock.connection
            try:
                return connection is not None and bool(connection.execute("SELECT 1").fetchone())
            except psycopg.Error:
                return False

    def found(self) -> tuple[str, str] | None:
        """Address and token of the one that leads; None when none does."""
        with self._database.reading() as ask:
            if 0 not in held(ask, Kind.LEADER):
                return None
            row = ask.execute("SELECT address, token FROM leader").fetchone()
        return row and (str(row[0]), str(row[1]))

    def close(self) -> None:
        """Another may lead from here on. Idempotent."""
        with self._guard:
            self._lock.release()
        self._database.close()
