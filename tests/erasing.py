"""All of an engine but its questions, and the log's end, over a data directory: to erase in, and to be killed in it.

python erasing.py DIRECTORY [STEP before|after]   works until no job is open, or is killed (-9) at that step
"""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

from headwater.catalog.reading import CatalogReader
from headwater.config import Settings
from headwater.drain import LogDrain
from headwater.erasure import Erasure, Erasures
from headwater.events import Batch
from headwater.jobs import Jobs
from headwater.links import Links
from headwater.live.live import Live
from headwater.log.files import FilesAppender, FilesReader
from headwater.people import People
from headwater.pipeline import Pipeline
from headwater.removal import Removal
from headwater.retention import Retention
from headwater.state.base import Job, Link
from headwater.state.cohorts_sqlite import SqliteMemberships
from headwater.state.sqlite import SqliteState
from headwater.state.webhooks_sqlite import SqliteOutbox
from headwater.store.clickhouse import ChdbStore
from headwater.tombstones import Tombstones

ERASED = 100
"""Events erased at once."""

Strike = Callable[[str, str], None]
"""Told of each step, `before` it is done and `after`, when nothing of that was written down."""


class Engine:
    """`forgotten` holds the events whose claims were to be erased, `dropped` of whom else live membership was told each
    time, `again` the workspaces that were told anew."""

    def __init__(self, directory: Path, strike: Strike = lambda step, moment: None, keep_seconds: int = 0) -> None:
        self.settings = Settings(data_dir=directory, segment_bytes=1 << 20, log_keep_seconds=keep_seconds)
        settings = self.settings
        self.appender = FilesAppender(settings.log_dir, segment_bytes=settings.segment_bytes)
        self.state = SqliteState(settings.state_path)
        self.store = ChdbStore(settings.store_dir)
        self.reader = FilesReader(settings.log_dir)
        self.catalog = CatalogReader(settings.catalog_path)
        self.memberships = SqliteMemberships(settings.cohorts_path)
        self.outbox = SqliteOutbox(settings.webhooks_path)
        self.people = People(self.state, self.catalog.excluded)
        self.live = Live(self.reader, self.store, self.state, self.people, self.catalog, self.memberships)
        self.pipeline = Pipeline(
            self.reader,
            self.store,
            self.state,
            settings,
            linger=0,
            stored=self._stored,
            needed=self.live.needs,
            excluded=lambda workspace: self.people.attribution(workspace).excluded,
        )
        self.links = Links(self.store, self.state, self.people)
        self.forgotten: list[bytes] = []
        self.dropped: list[Collection[str]] = []
        self.again: list[str] = []
        removal = Removal(
            LogDrain(self.reader, self.state, self.pipeline), self.store, self.state, self.memberships, self.outbox
        )
        tombstones = Tombstones(settings.tombstones_path, settings.secret_path)
        self.erasure = Erasure(
            removal,
            self.state,
            self.people,
            self.links,
            tombstones,
            self._drop,
            self._forget,
            replay_ms=0,
            again=self._again,
            most=ERASED,
        )
        self.retention = Retention(
            removal, self.state, self.catalog, self.links, lambda workspace: self.live.again(workspace, "retention"), 50
        )
        self.jobs = Jobs(self.state, [_Struck(self.erasure, strike), _Struck(self.retention, strike)])
        self.erasures = Erasures(self.state, self.people)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self.pipeline.run, args=(self._stop,), daemon=True),
            threading.Thread(target=self.live.run, args=(self._stop,), daemon=True),
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self._until(lambda: self.live.figures().ready)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.live.wake()
        for thread in self._threads:
            thread.join()
        for each in (self.memberships, self.catalog, self.reader, self.store, self.state, self.appender):
            each.close()

    def append(self, batches: Iterable[Batch]) -> None:
        async def all_of() -> None:
            for batch in batches:
                await self.appender.append(batch)

        asyncio.run(all_of())

    def drain(self) -> None:
        """Everything is stored, and live."""
        end = self.reader.durable()
        self._until(lambda: self._is_stored(end))
        moment = time.time_ns() // 1_000_000
        self._until(lambda: self.live.as_of() > moment)

    def _is_stored(self, end: int) -> bool:
        self.pipeline.between(self.pipeline.pass_over)
        return all(each.position >= end for each in self.state.cursors().values())

    def open_jobs(self) -> list[Job]:
        return [job for job in self.state.jobs() if job.done_ms is None]

    def work(self, step: str | None = None) -> None:
        """Until no job is open, or one is at that step."""

        def done() -> bool:
            self.appender.roll(600)
            self.jobs.look()
            failures = [job.failure for job in self.open_jobs() if job.failure]
            assert all("UnavailableError: files" in each for each in failures), failures
            return not self.open_jobs() or any(job.step == step for job in self.open_jobs())

        self._until(done)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Of the store, as it is."""
        with self.store._reader() as client:
            return list(client.query(sql).named_results())

    def _until(self, done: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, f"not within {seconds} s: {self.state.jobs()[:1]}"
            time.sleep(0.02)

    def _stored(self, links: Collection[Link]) -> None:
        self.people.note(links)
        self.live.stored(self.state.cursors())

    def _drop(self, workspace: str, identities: Sequence[str], others: Collection[str]) -> None:
        self.dropped.append(others)
        self.live.drop(workspace, identities, others)

    def _again(self, workspace: str) -> None:
        self.again.append(workspace)
        self.live.again(workspace, "profile")

    def _forget(self, events: Collection[bytes]) -> None:
        self.forgotten += events


class _Struck:
    """A work, with something happening at its steps."""

    def __init__(self, work: Any, strike: Strike) -> None:
        self.kind = work.kind
        self.wanted = work.wanted
        self._work = work
        self._strike = strike

    def step(self, job: Job) -> Job:
        self._strike(job.step, "before")
        after: Job = self._work.step(job)
        if after != job:
            self._strike(job.step, "after")
        return after


def inside(directory: Path, *texts: str) -> dict[str, list[str]]:
    """The files of a data directory whose bytes have each text."""
    found: dict[str, list[str]] = {text: [] for text in texts}
    for path in sorted(each for each in directory.rglob("*") if each.is_file() and not each.is_symlink()):
        content = path.read_bytes()
        for text in texts:
            if text.encode() in content:
                found[text].append(str(path.relative_to(directory)))
    return found


def main() -> None:
    directory, *at = sys.argv[1:]

    def strike(step: str, moment: str) -> None:
        if [step, moment] == at:
            os.kill(os.getpid(), signal.SIGKILL)

    with Engine(Path(directory), strike) as engine:
        engine.work()


if __name__ == "__main__":
    main()
