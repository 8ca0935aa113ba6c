"""Claims in PostgreSQL, shared by all gateways and engines: the shelf, and what gateways that died left reserved.

A claim is written down by the gateway that made it (`claims.desk`), and once more, where that is missing, by the engine
that stores its batch, which finds it in the log. Of two of one key the one with the later batch stays: engines come to
batches in no order. So a void claim's successor is safe from it, as long as gateways' clocks do not differ by more than
the time between the two.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain
from typing import Any

import msgspec
from psycopg import Cursor

from headwater.claims.base import Row, told_of
from headwater.claims.postgres_database import LEASE_SECONDS, SQL, columns, opened
from headwater.errors import UnavailableError
from headwater.postgres import Kind, held, vacuum

_PIECE = 1_000
"""Rows of one transaction."""


class PostgresShelf:
    """`claims.base.Shelf`, with the position of one partition of the log. For any thread of any process."""

    def __init__(self, url: str, partition: int = 0) -> None:
        self._database = opened(url)
        self._partition = partition

    def find(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        with self._database.reading() as ask:
            return dict(ask.execute(SQL["find"], {"keys": [*keys]}, binary=True).fetchall())

    def take(self, rows: Sequence[Row], now_ms: int, position: int) -> None:
        """In one transaction. A claim that is there with the same batch, or a later one, stays as it is: what an
        erasure left of it, too."""
        latest: dict[bytes, Row] = {}
        for row in rows:
            known = latest.get(row.claim.key)
            if known is None or known.batch <= row.batch:
                latest[row.claim.key] = row
        ordered = [latest[key] for key in sorted(latest)]
        with self._database.writing() as change:
            if ordered:
                change.execute(SQL["take"], columns(ordered) | {"taken_ms": now_ms})
            change.execute(SQL["set_position"], {"partition": self._partition, "position": position})

    def position(self) -> int:
        with self._database.reading() as ask:
            found = ask.execute(SQL["position"], {"partition": self._partition}).fetchall()
        return next((int(position) for (position,) in found), 0)

    def backfills(self) -> Sequence[tuple[str, str]]:
        """From one to the next in the index: there are few, and millions of claims."""
        found, last = list[tuple[str, str]](), ("", "")
        with self._database.reading() as ask:
            while row := ask.execute(SQL["next_backfill"], {"workspace": last[0], "backfill": last[1]}).fetchone():
                last = (str(row[0]), str(row[1]))
                found.append(last)
        return found

    def prune(self, before_ms: int, kept: Collection[tuple[str, str]], most: int) -> int:
        left = most - self._delete("prune", {"before_ms": before_ms}, most)
        for workspace, backfill in self.backfills():
            if (workspace, backfill) not in kept:
                about = {"workspace": workspace, "backfill": backfill, "before_ms": before_ms}
                left -= self._delete("prune_backfill", about, left)
        return most - left

    def count(self) -> int:
        with self._database.reading() as ask:
            ((count,),) = ask.execute("SELECT count(*) FROM claim_claims").fetchall()
        return int(count)

    def close(self) -> None:
        """Idempotent."""
        self._database.close()

    def _delete(self, name: str, about: Mapping[str, Any], most: int) -> int:
        deleted = 0
        while deleted < most:
            piece = min(_PIECE, most - deleted)
            with self._database.writing() as change:
                count = change.execute(SQL[name], {**about, "most": piece}).rowcount
            deleted += count
            if count < piece:
                break
        return deleted


class Abandoned(msgspec.Struct, frozen=True):
    """What somebody reserved who cannot append under it any more, nor fulfil it."""

    holder: int
    upto: float
    """UTC seconds, by the database's clock: what was reserved until then."""


class Reservations:
    """For the engine that leads: clears away what gateways left reserved that died, or could not learn whether an
    append succeeded. Whether it did, only the log knows:

        abandoned = reservations.abandoned()   # nobody appends under these any more
        ends = the end of every partition now  # so what was appended under them lies before
        …                                      # until engines have stored all before, and taken its claims
        for each in abandoned: reservations.void(each)
    """

    def __init__(self, url: str, append_seconds: float = 60.0) -> None:
        """`append_seconds`: what was handed to the log is in it after that time, or never will be."""
        self._database = opened(url)
        self._quiet = LEASE_SECONDS + append_seconds

    def abandoned(self) -> list[Abandoned]:
        """Of holders whose session ended, and that were not heard of for so long that nothing of theirs can come."""
        with self._database.snapshot() as ask:
            about = {"quiet": self._quiet, "alive": [*held(ask, Kind.HOLDER)]}
            return [Abandoned(*row) for row in ask.execute(SQL["abandoned"], about).fetchall()]

    def void(self, abandoned: Abandoned) -> int:
        """From here on the keys are free, but for those that were claimed. Returns how many they were."""
        with self._database.writing() as change:
            count = change.execute(SQL["void"], {"holder": abandoned.holder, "upto": abandoned.upto}).rowcount
            change.execute(SQL["forget_holders"], {"quiet": self._quiet, "alive": [*held(change, Kind.HOLDER)]})
        return count

    def count(self) -> int:
        """How many keys are reserved, by anybody."""
        with self._database.reading() as ask:
            ((count,),) = ask.execute(SQL["reserved"]).fetchall()
        return int(count)

    def close(self) -> None:
        """Idempotent."""
        self._database.close()


def erase(url: str, event_ids: Collection[bytes], batches: Collection[bytes] = ()) -> int:
    """As `claims.sqlite.erase`; what is left of it in the server's files is the operator's: see `postgres.vacuum`.

    A claim is here once the shelf of its partition stands behind its record.
    """
    events, whole = frozenset(event_ids), frozenset(batches)
    of = {*whole, *map(_batch_of, events)}
    with closing(opened(url)) as database:
        with database.writing() as change:
            told_of_them = chain.from_iterable([*_told(change, each, events, each in whole)] for each in of)
            about = {"doomed": [*{*events, *of, *told_of_them}], "whole": [*whole]}
            erased = sum(change.execute(SQL[name], about).rowcount for name in ("erase_answers", "erase_events"))
        if not vacuum(database, ["claim_claims"]):
            raise UnavailableError("claims: they are being read; what was erased cannot be cleared away now")
    return erased


def _told(change: Cursor[Any], batch: bytes, events: Collection[bytes], whole: bool) -> Iterator[bytes]:
    """As `claims.sqlite` has it."""
    begin = told_of(batch)
    change.execute(SQL["told"], {"first": begin + b"\0" * 8, "last": begin + b"\xff" * 8}, binary=True)
    for teller, value in change.fetchall():
        if value in events or (whole and _batch_of(value) == batch):
            yield from (teller, value)


def _batch_of(event_id: bytes) -> bytes:
    return event_id[:15] + b"\0"
