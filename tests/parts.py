"""A whole back half of real parts (log, state, store, pipeline) under one directory, driven step by step."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from headwater.catalog.reading import CatalogReader
from headwater.clock import now_ms
from headwater.config import Settings
from headwater.events import Batch, Lane, Part, event_ids, new_batch_id
from headwater.feed import Feed
from headwater.insight import Insight
from headwater.live.live import Live
from headwater.log.files import FilesAppender, FilesReader
from headwater.people import People
from headwater.pipeline import Pipeline
from headwater.profiles import Profiles
from headwater.rules.ids import new_id
from headwater.state.base import Link
from headwater.state.cohorts_sqlite import SqliteMemberships
from headwater.state.sqlite import SqliteState
from headwater.store.clickhouse import ChdbStore
from headwater.tail import Tail

ADA = ("email:ada@example.com",)
SEGMENT_BYTES = 1 << 20


class Sent(NamedTuple):
    """An event as a test gives it to the log."""

    occurred_ms: int
    identities: tuple[str, ...] = ADA
    signal: str = "ordered"
    lane: Lane = Lane.REALTIME
    reason: str = ""
    name: str | None = None
    data: dict[str, Any] = {}  # noqa: RUF012  never changed
    reference: str | None = None
    version: int | None = None
    value: str | None = None
    backfill: str = ""


def batch_of(workspace: str, events: Iterable[Sent], received_ms: int | None = None, dialect: str = "bik") -> Batch:
    """The events as the gateway writes them down."""
    events = list(events)
    id_ = new_batch_id(now_ms() if received_ms is None else received_ms)
    drafts = list(zip(event_ids(id_, len(events)), events, strict=True))
    lanes = {lane: [(eid, event) for eid, event in drafts if event.lane is lane] for lane in Lane}
    return Batch(id_, workspace, dialect, tuple(_part(lane, some) for lane, some in lanes.items() if some))


def _part(lane: Lane, drafts: list[tuple[str, Sent]]) -> Part:
    times = [event.occurred_ms for _, event in drafts]
    lines = b"".join(_line(id_, event) for id_, event in drafts)
    return Part(lane, len(drafts), min(times), max(times), lines)


def _line(id_: str, event: Sent) -> bytes:
    detail = "what was wrong" if event.reason else ""
    about = (id_, event.signal, "sig_" + "A" * 8, event.version, event.occurred_ms, event.reason, detail)
    rest = (event.identities, event.name, event.data, event.reference, event.backfill, event.value)
    return msgspec.json.encode((*about, *rest)) + b"\n"


class Parts:
    """Everything but HTTP. `moment` is called when a block is planned, inserted, committed."""

    def __init__(self, directory: Path, store: ChdbStore) -> None:
        self.store = store
        self.appender = FilesAppender(directory / "log", segment_bytes=SEGMENT_BYTES)
        self.reader = FilesReader(directory / "log")
        self.state = SqliteState(directory / "state.db")
        self.people = People(self.state)
        self.catalog = CatalogReader(directory / "catalog.db")
        self.memberships = SqliteMemberships(directory / "cohorts.db")
        self.live = Live(self.reader, store, self.state, self.people, self.catalog, self.memberships)
        self.tail = Tail(self.reader, self.state.cursors)
        self.feed = Feed(self.reader, self.tail, self.catalog, now_ms())
        self.moment: Callable[[str], None] = lambda _: None
        self.pipeline = Pipeline(
            self.reader,
            store,
            self.state,
            Settings(data_dir=directory),
            probe=lambda moment: self.moment(moment),
            linger=0,
            stored=self._stored,
            excluded=lambda workspace: self.people.attribution(workspace).excluded,
            told=lambda records: self.feed.told(records),
        )
        self.pipeline.recover()
        self.insight = Insight(store, self.state, self.people, self.catalog, self.reader, self.tail)
        self.profiles = Profiles(store, self.people, self.catalog, self.memberships)

    def _stored(self, links: Collection[Link]) -> None:
        self.people.note(links)
        self.live.stored(self.state.cursors())

    def send(
        self, workspace: str, *events: Sent, received_ms: int | None = None, dialect: str = "bik"
    ) -> tuple[UUID, list[UUID]]:
        """One durable batch: its id and its events' ids, in order."""
        batch = batch_of(workspace, events, received_ms, dialect)
        asyncio.run(self._append(batch))
        return UUID(bytes=batch.id), [UUID(text) for text in event_ids(batch.id, len(events))]

    async def _append(self, batch: Batch) -> None:
        await self.appender.append(batch)

    def drain(self) -> None:
        """Stores everything."""
        while any(lag.events for lag in self.tail.backlogs()):
            self.pipeline.step()

    def at(self, moment: str, action: Callable[[], None]) -> None:
        """Drains, and does something at the first such moment, between two steps of the pipeline."""
        reached: list[str] = []

        def probe(now: str) -> None:
            if now == moment and not reached:
                reached.append(now)
                action()

        self.moment = probe
        try:
            self.drain()
        finally:
            self.moment = lambda _: None
        assert reached, f"nothing was {moment}"

    def close(self) -> None:
        self.memberships.close()
        self.catalog.close()
        self.appender.close()
        self.reader.close()
        self.state.close()


@contextmanager
def running_parts(directory: Path) -> Iterator[Parts]:
    """Parts over a store of their own. One at a time in a process: chDB opens one directory."""
    store = ChdbStore(directory / "store")
    try:
        parts = Parts(directory, store)
        try:
            yield parts
        finally:
            parts.close()
    finally:
        store.close()


def new_workspace() -> str:
    return new_id("ws")
