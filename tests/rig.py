"""Log, store, state and pipeline on one directory, without the processes around them."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from headwater.config import Settings
from headwater.events import Batch, Lane
from headwater.log.base import Record
from headwater.log.files import FilesAppender, FilesReader
from headwater.pipeline import Pipeline
from headwater.rules.turns import TurnPolicy
from headwater.state.base import Plan
from headwater.state.sqlite import SqliteState
from headwater.store.base import Block
from headwater.store.clickhouse import ChdbStore
from headwater.store.rows import rows_of


class Crash(BaseException):
    """Nothing in headwater catches this, as nothing catches a kill."""


def crash_at(moment: str, nth: int = 1) -> Callable[[str], None]:
    left = nth

    def probe(name: str) -> None:
        nonlocal left
        left -= name == moment
        if name == moment and left == 0:
            raise Crash

    return probe


class Rig:
    """`sent` holds the ids of every event appended, by lane."""

    def __init__(self, directory: Path, *, store: type[ChdbStore] = ChdbStore, **settings: int) -> None:
        self.settings = Settings(data_dir=directory, **settings)  # type: ignore[arg-type]
        self.appender = FilesAppender(self.settings.log_dir, segment_bytes=self.settings.segment_bytes)
        self.sent: dict[Lane, list[str]] = {lane: [] for lane in Lane}
        self._store_class = store
        self.open()

    def open(self, probe: Callable[[str], None] = lambda _: None, policy: TurnPolicy | None = None) -> None:
        self.reader = FilesReader(self.settings.log_dir)
        self.state = SqliteState(self.settings.state_path)
        self.store = self._store_class(self.settings.store_dir)
        parts = (self.reader, self.store, self.state, self.settings)
        self.pipeline = Pipeline(*parts, probe=probe, policy=policy, linger=0)

    def shut(self) -> None:
        self.store.close()
        self.state.close()
        self.reader.close()

    def reopen(self, probe: Callable[[str], None] = lambda _: None, policy: TurnPolicy | None = None) -> None:
        self.shut()
        self.open(probe, policy)

    def close(self) -> None:
        self.shut()
        self.appender.close()

    def append(self, batches: Iterable[Batch]) -> None:
        async def all_of() -> None:
            for batch in batches:
                await self.appender.append(batch)
                for part in batch.parts:
                    rows = msgspec.json.Decoder(list[msgspec.Raw]).decode_lines(part.lines)
                    self.sent[part.lane] += [msgspec.json.decode(row[0], type=str) for row in rows]

        asyncio.run(all_of())

    def drain(self) -> int:
        """Rounds until nothing waits; returns the events committed."""
        events = 0
        while stored := self.pipeline.step():
            events += stored
        return events

    def records(self, plan: Plan) -> Sequence[Record]:
        return self.reader.read(plan.lane, plan.start, 1 << 40, plan.end).records

    def insert(self, plan: Plan, records: Sequence[Record]) -> None:
        """Behind the pipeline's back."""
        chunks = [rows_of(record, plan.block) for record in records]
        self.store.insert(Block(plan.lane, plan.block, chunks, sum(record.count for record in records)))

    def stored(self, lane: Lane) -> list[str]:
        """The ids in the store, each as often as it is there, sorted."""
        with self.store._reader() as client:
            found = client.raw_query("SELECT id FROM events WHERE lane = {lane:String}", {"lane": lane.value})
        return sorted(found.decode().split())

    def check(self) -> None:
        """Everything sent is stored, once, in its lane."""
        for lane in Lane:
            assert self.stored(lane) == sorted(self.sent[lane])
        assert self.state.plans() == {}
