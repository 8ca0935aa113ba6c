"""A shelf in memory, the plainest there can be: what a real one is held against."""

from collections.abc import Collection, Sequence

from headwater.claims.base import Row
from headwater.errors import UnavailableError


class PlainShelf:
    """Implements `claims.base.Shelf`; fails when told to."""

    def __init__(self) -> None:
        self.rows: dict[bytes, tuple[int, Row]] = {}
        self.fails = False
        self.fails_after: int | None = None
        """So many more are taken."""
        self.tries = 0
        self.taken: list[int] = []
        """How many rows each time."""
        self._position = 0

    def find(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        return {key: self.rows[key][1].claim.value for key in keys if key in self.rows}

    def take(self, rows: Sequence[Row], now_ms: int, position: int) -> None:
        self.tries += 1
        if self.fails or self.fails_after == 0:
            raise UnavailableError("it fails on purpose")
        self.fails_after = self.fails_after and self.fails_after - 1
        self.taken.append(len(rows))
        self.rows |= {row.claim.key: (now_ms, row) for row in rows}
        self._position = position

    def position(self) -> int:
        return self._position

    def backfills(self) -> Sequence[tuple[str, str]]:
        found = {(row.workspace, row.claim.backfill) for _, row in self.rows.values() if row.claim.backfill}
        return sorted(found)

    def prune(self, before_ms: int, kept: Collection[tuple[str, str]], most: int) -> int:
        old = [
            key
            for key, (taken_ms, row) in self.rows.items()
            if taken_ms < before_ms and (not row.claim.backfill or (row.workspace, row.claim.backfill) not in kept)
        ]
        for key in old[:most]:
            del self.rows[key]
        return len(old[:most])

    def count(self) -> int:
        return len(self.rows)

    def close(self) -> None:
        pass
