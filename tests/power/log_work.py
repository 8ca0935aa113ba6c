"""A log that is written, read, rolled and trimmed until the power goes, and what it has to have afterwards."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from batches import BOTH, everything, make_batch, same
from headwater.events import Batch, Lane
from headwater.log.base import Damage
from headwater.log.files import FilesAppender, FilesReader
from headwater.log.sqlite import SqliteAppender, SqliteReader
from power.disk import Disk

FOREVER = 1 << 47
SEGMENTS = (2_000, 6_000, 20_000)


class LogWork:
    """Appends from several callers at once, reads, trims behind what was read, new segments."""

    name = "the log of files"
    calls = 220
    """About as many as a run makes."""
    appender_of: Callable[..., Any] = FilesAppender
    reader_of: Callable[..., Any] = FilesReader

    def __init__(self) -> None:
        self.sent: dict[bytes, Batch] = {}
        self.due: dict[bytes, int] = {}
        """What must be there, by the turn it was acknowledged in."""
        self.places: dict[bytes, int] = {}
        """Where a reader has seen it."""
        self.trimmed = self.durable = self.turn = 0

    def run(self, root: Path, disk: Disk, chance: Random) -> None:
        with self.opened(root, chance.choice(SEGMENTS)) as (appender, reader), asyncio.Runner() as runner:
            while not disk.over and disk.calls < 2 * self.calls:
                self.turn += 1
                self.step(appender, reader, runner, disk, chance)

    @contextmanager
    def opened(self, root: Path, segment_bytes: int = 20_000) -> Iterator[tuple[Any, Any]]:
        kind = type(self)
        appender = kind.appender_of(root / "log", segment_bytes=segment_bytes, wait_seconds=1)
        reader = kind.reader_of(root / "log")
        try:
            yield appender, reader
        finally:
            reader.close()
            appender.close()

    def step(self, appender: Any, reader: Any, runner: asyncio.Runner, disk: Disk, chance: Random) -> None:
        match chance.choices(("append", "look", "trim", "roll"), (70, 12, 12, 6))[0]:
            case "append":
                self.append(appender, runner, disk, self.batches(chance))
            case "look":
                self.look(reader, disk)
            case "trim":
                self.trim(reader, chance.choice([0, *self.places.values()]))
            case _:
                appender.roll(0)

    def batches(self, chance: Random) -> list[Batch]:
        lanes = chance.choice([BOTH, BOTH[:1], BOTH[1:]])
        return [make_batch(chance.randrange(1, 6), lanes, random=chance) for _ in range(chance.randrange(1, 4))]

    def append(self, appender: Any, runner: asyncio.Runner, disk: Disk, batches: list[Batch]) -> None:
        async def all_at_once() -> None:
            await asyncio.gather(*[appender.append(batch) for batch in batches])

        self.sent |= {batch.id: batch for batch in batches}
        runner.run(all_at_once())
        with disk.lock:
            if not disk.over:
                self.due |= dict.fromkeys([batch.id for batch in batches], self.turn)

    def look(self, reader: Any, disk: Disk) -> None:
        seen = {head.batch: head.position for head in reader.heads(0)}
        with disk.lock:
            if not disk.over:
                self.places |= seen
                self.durable = max(self.durable, reader.durable())
                self.due |= dict.fromkeys(seen.keys() - self.due.keys(), self.turn)

    def trim(self, reader: Any, before: int) -> None:
        """All before that is stored elsewhere."""
        self.trimmed = max(self.trimmed, before)
        reader.mark(before)
        reader.trim(before, FOREVER)

    def check(self, root: Path) -> Iterator[str]:
        with self.opened(root) as (_, reader):
            heads = list(reader.heads(0))
            seen = [head.batch for head in heads]
            start = heads[0].position if heads else reader.durable()
            yield from self._differences(seen, {head.batch: head.position for head in heads}, reader.durable())
            yield from (str(each) for each in reader.examine(0, True) if isinstance(each, Damage))
            for lane in Lane:
                for record in everything(reader, lane, start):
                    if not same(record, self.sent[record.batch]):
                        yield f"the record at {record.position} is not what was sent"
        self.due |= {batch: self.turn for batch in seen if batch not in self.due}
        self.places |= {head.batch: head.position for head in heads}

    def _differences(self, seen: list[bytes], places: dict[bytes, int], durable: int) -> Iterator[str]:
        if len(set(seen)) != len(seen):
            yield "a batch is there twice"
        if strangers := set(seen) - self.sent.keys():
            yield f"{len(strangers)} batches that nobody sent"
        if lost := [one for one in self.due.keys() - set(seen) if self.places.get(one, FOREVER) >= self.trimmed]:
            yield f"{len(lost)} of {len(self.due)} acknowledged batches are lost"
        turns = [self.due[one] for one in seen if one in self.due]
        if turns != sorted(turns):
            yield "the order of what was acknowledged one after the other has changed"
        if moved := [one for one in places.keys() & self.places.keys() if places[one] != self.places[one]]:
            yield f"{len(moved)} batches are somewhere else than a reader has seen them"
        if durable < self.durable:
            yield f"the log ends at {durable}; a reader was told of {self.durable}"


class SqliteLogWork(LogWork):
    """The same, of SQLite's files."""

    name = "the log of SQLite files"
    appender_of = SqliteAppender
    reader_of = SqliteReader
