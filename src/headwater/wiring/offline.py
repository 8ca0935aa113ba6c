"""What is done to a data directory while nobody serves it."""

import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial

import msgspec

from headwater import erasure
from headwater.catalog.reading import CatalogReader
from headwater.claims.sqlite import SqliteClaims, erase
from headwater.claims.taken import TakenClaims
from headwater.config import Settings
from headwater.drain import LogDrain
from headwater.erasure import Erasure
from headwater.errors import StartError
from headwater.jobs import Jobs
from headwater.links import Links
from headwater.locks import DirectoryLock
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
from headwater.tombstones import Tombstone, Tombstones, hash_of

_PATIENCE_SECONDS = 300
"""How long what fails is tried again: a disk may be full for a while."""
_KEEP_SECONDS = 0
"""A server that starts after this asks for no limit that was reached before it."""


def apply_tombstones(settings: Settings, tombstones: Sequence[Tombstone]) -> int:
    """Erases, in a data directory of an earlier time, everybody who was erased since. Returns how many identities.

    All that is in the log is stored first, for somebody may be there alone. What a crash cuts short is done by the next
    call, or by the next start. Raises StartError, CorruptionError.
    """
    if not tombstones:
        return 0
    settings = msgspec.structs.replace(settings, log_keep_seconds=_KEEP_SECONDS)
    with ExitStack() as stack:
        for role in ("gateway", "engine"):
            stack.enter_context(DirectoryLock(settings.data_dir / f"{role}.lock", 0))
        bench = _Bench(settings, stack)
        bench.take_over()
        found = bench.buried(tombstones)
        for (workspace, at_ms), identities in sorted(found.items()):
            bench.state.put_job(erasure.begun(workspace, identities, at_ms, alone=True))
        bench.work()
        return sum(map(len, found.values()))


class _Resumed(Retention):
    """Only what was begun already: the next day's is the engine's."""

    def wanted(self) -> Iterator[Job]:
        yield from ()


class _Bench:
    """All of an engine but its questions, and of a gateway only the log's end."""

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self._settings = settings
        self.appender = FilesAppender(settings.log_dir, segment_bytes=settings.segment_bytes)
        stack.callback(self.appender.close)
        self.state = SqliteState(settings.state_path)
        stack.callback(self.state.close)
        self.store = ChdbStore(settings.store_dir)
        stack.callback(self.store.close)
        self.reader = FilesReader(settings.log_dir)
        stack.callback(self.reader.close)
        self.catalog = CatalogReader(settings.catalog_path)
        stack.callback(self.catalog.close)
        self.memberships = SqliteMemberships(settings.cohorts_path)
        stack.callback(self.memberships.close)
        self.outbox = SqliteOutbox(settings.webhooks_path)
        stack.callback(self.outbox.close)
        self.people = People(self.state, self.catalog.excluded)
        self.pipeline = Pipeline(
            self.reader,
            self.store,
            self.state,
            settings,
            stored=self._stored,
            excluded=lambda workspace: self.people.attribution(workspace).excluded,
        )

    def take_over(self) -> None:
        """Claims that the log alone has are kept beside it, and all of its events are stored: the log is trimmed then.

        Raises StartError where claims cannot be kept; nothing was stored or trimmed then.
        """
        with (
            closing(SqliteClaims(self._settings.claims_path)) as shelf,
            closing(TakenClaims(self.appender, shelf, 0, lambda *_: True)) as claims,
        ):
            if not claims.recover(self.reader):
                raise StartError(f"{self._settings.claims_path} cannot take over the claims in the log")
        self.pipeline.recover()
        while self.pipeline.step() or any(self._waits()):
            pass

    def buried(self, tombstones: Sequence[Tombstone]) -> dict[tuple[str, int], list[str]]:
        """Whom the tombstones mean, of those whom stored events name: by workspace, and until when they are erased."""
        secret = self._settings.secret_path.read_bytes()
        wanted = {(each.workspace, each.hash): each.at_ms for each in sorted(tombstones, key=lambda each: each.at_ms)}
        found: dict[tuple[str, int], list[str]] = {}
        for workspace, identity in self._named():
            at_ms = wanted.get((workspace, hash_of(secret, workspace, identity)))
            if at_ms is not None:
                found.setdefault((workspace, at_ms), []).append(identity)
        return found

    def work(self) -> None:
        """Until every erasure is done, also those that were under way in the earlier time. Retention that was goes on
        beside them: nobody else may delete before it has."""
        drain = LogDrain(self.reader, self.state, self.pipeline)
        removal = Removal(drain, self.store, self.state, self.memberships, self.outbox)
        links = Links(self.store, self.state, self.people)
        erasing = Erasure(
            removal,
            self.state,
            self.people,
            links,
            Tombstones(self._settings.tombstones_path, self._settings.secret_path),
            self._drop,
            partial(erase, self._settings.claims_path),
            replay_ms=0,
        )
        resumed = _Resumed(removal, self.state, self.catalog, links, lambda _: None)
        jobs, stop = Jobs(self.state, [erasing, resumed]), threading.Event()
        thread = threading.Thread(target=self.pipeline.run, args=(stop,), name="pipeline")
        thread.start()
        got_on = time.monotonic()
        try:
            while open_ := [each for each in self.state.jobs("erasure") if each.done_ms is None]:
                self.appender.roll(0)
                if jobs.look() or not any(each.failure for each in open_):
                    got_on = time.monotonic()
                elif time.monotonic() - got_on > _PATIENCE_SECONDS:
                    raise StartError(f"an erasure cannot be done again: {open_[-1].failure}")
                stop.wait(0.05)
        finally:
            stop.set()
            thread.join()

    def _waits(self) -> Iterator[bool]:
        end = self.reader.durable()
        self.pipeline.pass_over()
        yield from (cursor.position < end for cursor in self.state.cursors().values())

    def _named(self) -> Iterator[tuple[str, str]]:
        decode = msgspec.json.Decoder(dict[str, str]).decode_lines
        rest = b""
        for piece in self.store.stream("identities", {}):
            head, _, rest = (rest + piece).rpartition(b"\n")
            yield from ((row["workspace"], row["identity"]) for row in decode(head))
        yield from ((row["workspace"], row["identity"]) for row in decode(rest))

    def _drop(self, workspace: str, identities: Sequence[str], others: Collection[str]) -> None:
        """Live membership is made anew at the next start; it tells then what became of the others."""
        self.memberships.erase(workspace, identities)
        self.outbox.erase(workspace, identities)

    def _stored(self, links: Collection[Link]) -> None:
        self.people.note(links)
