"""A gateway's half of replays over the real parts of a back half, without HTTP between them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headwater.catalog.base import NewSignal
from headwater.catalog.sqlite import SqliteCatalog
from headwater.claims.sqlite import SqliteClaims
from headwater.claims.taken import TakenClaims
from headwater.clock import DAY_MS
from headwater.config import Windows
from headwater.dialects import DIALECTS
from headwater.events import Lane
from headwater.intake import Intake
from headwater.quotas.memory import MemoryQuotas
from headwater.rejected import Rejected
from headwater.replay import Order, Outcome, Replay, Source
from headwater.rules.filters import Filters, Place
from headwater.rules.refused import Candidates, Refused
from parts import Parts, running_parts

ALL = Refused()
_ANY = Filters()


class Replaying:
    """A catalog with workspaces in it, parts, and what replays."""

    def __init__(self, directory: Path, parts: Parts) -> None:
        self.parts = parts
        self.catalog = SqliteCatalog(directory / "catalog.db", b"s" * 32)
        self.intake = Intake(self.catalog, MemoryQuotas(), parts.appender, Windows())
        self.rejected = Rejected(parts.store, parts.state, parts.catalog, parts.reader, parts.tail, DIALECTS)
        self.pages = 0
        self._directory = directory
        self._names = 0

    def workspace(self, *signals: NewSignal) -> str:
        """A new one with these signals."""
        self._names += 1
        made, _ = self.catalog.create_workspace("test", f"workspace {self._names}", preset=None)
        for signal in signals:
            self.catalog.create_signal("test", made.id, signal)
        return made.id

    def source(self, workspace: str, which: Refused = ALL, before: Callable[[], None] = lambda: None) -> Source:
        """As the engine answers over its socket."""

        async def candidates(after: Place, most: int) -> Candidates:
            before()
            self.pages += 1
            return await asyncio.to_thread(self.rejected.candidates, workspace, which, after, most)

        return candidates

    @contextmanager
    def replay(self, log: Any = None) -> Iterator[Replay]:
        """Of a gateway that has just started: what was claimed before it knows from shelf and log."""
        shelf = SqliteClaims(self._directory / "claims.db")
        claims = TakenClaims(log or self.parts.appender, shelf, DAY_MS, lambda *_: False)
        claims.recover(self.parts.reader)
        try:
            yield Replay(self.intake, claims, Windows(), DIALECTS)
        finally:
            claims.close()
            shelf.close()

    def run(self, workspace: str, times: int = 1, which: Refused = ALL, **how: Any) -> list[Outcome]:
        """So many replays at once."""

        async def all_of() -> list[Outcome]:
            with self.replay() as replay:
                order = Order(workspace=workspace, which=which, **how)
                return await asyncio.gather(*(replay.run(order, self.source(workspace, which)) for _ in range(times)))

        return asyncio.run(all_of())

    def rows(self, workspace: str) -> dict[str, list[tuple[Lane, str, int]]]:
        """Everything stored: by event id its rows, as lane, reason and replayed_ms."""
        found: dict[str, list[tuple[Lane, str, int]]] = {}
        ids = {event.id for event in self.parts.insight.events(workspace, _ANY, 1_000).data}
        for row in self.parts.store.rows("trace", {"workspace": workspace, "ids": sorted(ids)}):
            found.setdefault(row["event_id"], []).append((Lane(row["lane"]), row["reason"], row["replayed_ms"]))
        return found

    def close(self) -> None:
        self.catalog.close()


@contextmanager
def replaying(directory: Path) -> Iterator[Replaying]:
    with running_parts(directory) as parts:
        made = Replaying(directory, parts)
        try:
            yield made
        finally:
            made.close()
