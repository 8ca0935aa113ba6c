"""Claims out of SQLite into PostgreSQL, with when they were taken."""

from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from headwater.claims.base import Row
from headwater.claims.postgres_database import columns, opened
from headwater.readonly import look_at, told

_ROWS = """
    SELECT number, key, value, batch, taken_ms, workspace, backfill FROM claims WHERE number > ? ORDER BY number LIMIT ?
"""
_TAKE = """
    INSERT INTO claim_claims (key, value, batch, taken_ms, workspace, backfill)
    SELECT * FROM unnest(%s::bytea[], %s::bytea[], %s::bytea[], %s::bigint[], %s::text[], %s::text[])
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, batch = excluded.batch, taken_ms = excluded.taken_ms,
        workspace = excluded.workspace, backfill = excluded.backfill
    WHERE claim_claims.batch <= excluded.batch
"""
_PIECE = 20_000


class ClaimsMove:
    def __init__(self, url: str) -> None:
        """Raises StartError."""
        self._database = opened(url)

    def is_empty(self) -> bool:
        with self._database.reading() as ask:
            ((found,),) = ask.execute("SELECT EXISTS (SELECT FROM claim_claims)").fetchall()
        return not found

    def run(self, path: Path, scratch: Path | None, after: int, told_of: Callable[[int], None]) -> int:
        """What was written down behind the number `after`; returns the last one's number. Done again, it changes
        nothing. `scratch` as `readonly.look_at` has it."""
        if not path.exists():
            return after
        source = look_at(path, scratch)
        try:
            while True:
                with told(path):
                    rows: list[Any] = source.execute(_ROWS, (after, _PIECE)).fetchall()
                if not rows:
                    return after
                _, *kept = zip(*rows, strict=True)
                with self._database.writing() as change:
                    change.execute(_TAKE, [[*column] for column in kept])
                after = int(rows[-1][0])
                told_of(len(rows))
        finally:
            source.close()

    def position(self, path: Path, scratch: Path | None) -> int:
        """Of the old log: everything before is in the file."""
        if not path.exists():
            return 0
        source = look_at(path, scratch)
        try:
            with told(path):
                return int(source.execute("SELECT position FROM log").get)
        finally:
            source.close()

    def take(self, rows: Iterable[Row], now_ms: int) -> int:
        """Those that only the old log has. Returns how many they were."""
        count, rest = 0, iter(rows)
        while piece := [*islice(rest, _PIECE)]:
            newest = {row.claim.key: row for row in sorted(piece, key=lambda row: row.batch)}
            about = columns(newest.values())
            times = [now_ms] * len(newest)
            with self._database.writing() as change:
                keys, contents, batches, workspaces, backfills = about.values()
                change.execute(_TAKE, [keys, contents, batches, times, workspaces, backfills])
            count += len(piece)
        return count

    def close(self) -> None:
        """Idempotent."""
        self._database.close()
