"""`headwater migrate-to`: all of a data directory into a cluster, while its gateway goes on acknowledging.

    moment     a running engine keeps one, as for a backup; of it a copy is made beside the data directory, once
    log        from that moment on every record goes to Kafka too, by a thread, until the old gateway has ended
    the rest   claims, state, cohorts and events, as they were at the moment, are copied meanwhile
    finish     the old gateway has ended: the rest of the log, the last claims, what was asked of cohorts and erasures
               since, and the catalog

Engines of the target store the log's records when they start: nothing is stored by two.
"""

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import msgspec

from headwater.backup.taking import Source
from headwater.catalog.credentials import load_secret
from headwater.catalog.moving import CatalogMove
from headwater.claims.base import Row
from headwater.claims.moving import ClaimsMove
from headwater.clock import now_ms, to_iso
from headwater.config import Settings
from headwater.errors import BackupError, LockedError, StartError
from headwater.events import Batch, Lane
from headwater.locks import DirectoryLock
from headwater.log.base import Reader, Record, chunks
from headwater.log.files import FilesAppender, FilesReader
from headwater.log.kafka_appender import KafkaAppender
from headwater.log.kafka_reader import KafkaReader
from headwater.log.moving import LogMove, Mark
from headwater.snapshots import Snapshot
from headwater.state.cohorts_moving import CohortsMove
from headwater.state.cohorts_postgres import PostgresMemberships
from headwater.state.cohorts_sqlite import SqliteMemberships
from headwater.state.moving import MoveNotes, StateMove, encoded
from headwater.state.sqlite import SqliteState
from headwater.state.webhooks import Place
from headwater.state.webhooks_moving import WebhooksMove
from headwater.store.clickhouse import ChdbStore
from headwater.store.copies import link_store
from headwater.store.moving import ROWS, StoreMove
from headwater.store.server import ServerStore
from headwater.wiring import backups
from headwater.wiring.asked import Asked
from headwater.wiring.held import ROLE_STARTS, holder, is_held
from headwater.wiring.urls import Urls

_JOBS_SECONDS = 600.0
"""How long work that is under way is waited for, as an erasure."""
_END_SECONDS = 60.0
_LOOK_SECONDS = 0.2
_AT_ONCE = 10_000


class Bar(Protocol):
    """Who watches."""

    def say(self, what: str, total: float | None = ...) -> None: ...

    def add(self, count: int) -> None: ...


class Moved(msgspec.Struct, frozen=True):
    """What came of it."""

    events: int
    """Copied from the store; `log_events` went over the log."""
    log_records: int
    log_events: int
    links: int
    claims: int
    audit: int
    left: tuple[str, ...]
    """What was not moved, for people."""


class Migration:
    """`work`: where the copy of the moment lies; best on the disk of the data directory, for hard links."""

    def __init__(self, settings: Settings, work: Path, bar: Bar) -> None:
        """Raises SettingsError, StartError."""
        if not settings.catalog_path.exists():
            raise StartError(f"there is no headwater in {settings.data_dir}")
        self._settings = settings
        self._urls = Urls(settings)
        self._secret = load_secret(settings)
        self._work = work
        self._bar = bar
        self._left: list[str] = ["what signals may still take in this minute: limits begin anew"]
        if settings.destinations:
            self._left.append("how far destinations are: there they begin anew, so give them an empty place")
        self._engine_gone = False

    def run(self, finish: bool, stopped: Callable[[], bool] = lambda: False) -> Moved | None:
        """Until the old gateway has ended and all is moved; None when `stopped` said so before. With `finish`, the old
        headwater is told to end once all but the newest is moved. Raises HeadwaterError."""
        with ExitStack() as stack:
            self._work.mkdir(mode=0o700, parents=True, exist_ok=True)
            stack.enter_context(DirectoryLock(self._work / "lock", 0))
            self._open(stack)
            if self._notes.finished_ms() is not None:
                raise StartError("all of it was moved already")
            source = self._moment(stack)
            try:
                return self._moved(source, finish, stopped, stack)
            finally:
                self._log.stop()

    def _open(self, stack: ExitStack) -> None:
        settings, urls = self._settings, self._urls
        self._notes = notes = MoveNotes(urls.database)
        stack.callback(notes.close)
        notes.hold(settings.log_partitions)
        self._catalog = CatalogMove(urls.database, self._secret)
        stack.callback(self._catalog.close)
        self._state = StateMove(urls.database)
        stack.callback(self._state.close)
        memberships = PostgresMemberships(urls.database)
        stack.callback(memberships.close)
        self._cohorts = CohortsMove(urls.database, memberships)
        stack.callback(self._cohorts.close)
        self._memberships = memberships
        self._webhooks = WebhooksMove(urls.database)
        stack.callback(self._webhooks.close)
        self._claims = ClaimsMove(urls.database)
        stack.callback(self._claims.close)
        self._target = ServerStore(urls.store, layout=urls.layout)
        stack.callback(self._target.close)

    # --- the moment --------------------------------------------------------------------------------------------------

    def _moment(self, stack: ExitStack) -> Source:
        """The engine keeps a moment until the end: nothing is trimmed from the log, and nobody is erased, meanwhile.
        The first one is what is moved."""
        self._bar.say("waiting for the engine", None)
        deadline = time.monotonic() + _JOBS_SECONDS
        begun = self._notes.moment()
        if begun and not self._is_copied(begun):
            raise StartError(f"{self._work} does not have what an earlier run has begun to move: it cannot go on")
        while True:
            with ExitStack() as attempt:
                source = attempt.enter_context(backups.source(self._settings))
                if not begun:
                    self._copy(source)
                self._open_copy(attempt)
                busy = [] if begun else [job for job in self._old.jobs() if job.done_ms is None]
                if not busy:
                    self._prepare(attempt, begun)
                    stack.push(attempt.pop_all())
                    return source
            if time.monotonic() > deadline:
                raise StartError(f"{len(busy)} jobs are under way ({busy[0].kind}): wait for them, and try again")
            self._bar.say(f"waiting for {busy[0].kind}", None)
            time.sleep(1)

    def _copy(self, source: Source) -> None:
        for path in self._work.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()
        scratch = self._work / "scratch"
        scratch.mkdir(mode=0o700)
        for path in (self._settings.state_path, self._settings.cohorts_path):
            if (source.frozen / path.name).exists():
                snapshot = Snapshot(source.frozen / path.name, scratch)
                try:
                    snapshot.write(self._work / path.name)
                finally:
                    snapshot.close()
        if (source.frozen / self._settings.store_dir.name).exists():
            link_store(source.frozen / self._settings.store_dir.name, self._work)
        source.attend()
        (self._work / "moment.json").write_text(json.dumps({"moment": uuid4().hex, "began_ms": now_ms()}))
        os.sync()

    def _is_copied(self, moment: str) -> bool:
        try:
            return bool(json.loads((self._work / "moment.json").read_bytes())["moment"] == moment)
        except (OSError, ValueError, KeyError):
            return False

    def _open_copy(self, stack: ExitStack) -> None:
        here = self._settings
        self._old = SqliteState(self._work / here.state_path.name)
        stack.callback(self._old.close)
        SqliteMemberships(self._work / here.cohorts_path.name).close()  # of an older version it is brought up to date
        self._reader: Reader = FilesReader(here.log_dir)
        stack.callback(self._reader.close)
        if plans := self._old.plans():
            raise StartError(f"the engine was cut short in {len(plans)} blocks: start headwater once, and try again")

    def _prepare(self, stack: ExitStack, begun: str) -> None:
        """Kafka's topic and the copied store. The first time, the target must be empty."""
        here = self._settings
        self._mirror = ChdbStore(self._work / here.store_dir.name)
        stack.callback(self._mirror.close)
        stored = {lane: at.position for lane, at in self._old.cursors().items()}
        options = {
            "partitions": here.log_partitions,
            "replicas": here.log_replicas,
            "min_insync": here.log_min_insync,
        }

        def appender(stamp: Callable[[Batch], int]) -> KafkaAppender:
            return KafkaAppender(self._urls.log, **options, stamp=stamp)

        self._mark = Mark(0, [])
        self._log = LogMove(self._reader, self._urls.log, options, appender, self, stored, self._told)
        stack.callback(self._log.close)
        self._notes.hold(self._log.partitions())
        self._store = StoreMove(
            self._mirror, self._target, self._notes, self._bar.add, 0 if self._urls.layout.sharded else ROWS
        )
        if not begun:
            parts = {
                "PostgreSQL": (self._catalog, self._state, self._cohorts, self._webhooks, self._claims),
                "ClickHouse": (self._store,),
                "Kafka": (self._log,),
            }
            used = [name for name, each in parts.items() if not all(part.is_empty() for part in each)]
            if used:
                raise StartError(f"the target is not empty: there is something in {' and '.join(used)}")
            self._notes.begin(json.loads((self._work / "moment.json").read_bytes())["moment"])

    # --- as `log.moving.Marks` ---------------------------------------------------------------------------------------

    def mark(self) -> Mark | None:
        known = self._notes.log_mark()
        return None if known is None else msgspec.json.decode(known, type=Mark)

    def put_mark(self, mark: Mark) -> None:
        self._notes.put_log_mark(encoded(mark))

    def _told(self, mark: Mark) -> None:
        self._mark = mark

    # --- the work ----------------------------------------------------------------------------------------------------

    def _moved(self, source: Source, finish: bool, stopped: Callable[[], bool], stack: ExitStack) -> Moved | None:
        follower = threading.Thread(target=self._log.run, name="log-move")
        follower.start()

        def end_follower() -> None:
            self._log.stop()
            follower.join()

        stack.callback(end_follower)
        number = 0
        for what, step in (("claims", None), ("state", self._do_state), ("cohorts", self._do_cohorts)):
            if stopped():
                return None
            self._bar.say(what, None)
            if step is None:
                number = self._claims.run(self._settings.claims_path, self._beside("gateway"), 0, self._bar.add)
            elif not self._notes.is_done(what):
                step()
                self._notes.put_done(what)
            self._check(source)
        self._bar.say("events", self._store.total())
        self._store.run()
        if not self._wait_for_end(source, finish, stopped, stack):
            return None
        self._bar.say("the rest of the log", None)
        self._log.finish()
        follower.join()
        self._check(source)
        return self._finish(number)

    def _do_state(self) -> None:
        ledger = self._old.ledger()
        if any(account.counted_after for account in ledger.values()):
            self._left.append("that blocks of an older headwater were never counted: headwater doctor may miss rows")
        self._state.run(ledger, self._old.links(), self._old.severed(), self._old.jobs(), self._bar.add)

    def _do_cohorts(self) -> None:
        path = self._work / self._settings.cohorts_path.name
        if path.exists():
            self._cohorts.run(path, self._scratch(), self._bar.add)

    def _wait_for_end(self, source: Source, finish: bool, stopped: Callable[[], bool], stack: ExitStack) -> bool:
        """Until the old gateway has ended, and then it cannot start. False when it was stopped before."""
        asked = 0.0
        gateway = self._settings.data_dir / "gateway.lock"
        if not source.serving:  # `backups.source` holds it
            return True
        while not stopped():
            self._check(source)
            self._bar.say(f"following, {self._log.lag()} bytes behind", None)
            serving = is_held(self._settings.data_dir / "serve.lock")
            if finish and not asked and self._log.lag() < 1 << 20:
                asked = time.monotonic()
                _end(self._settings)
            if asked and time.monotonic() > asked + _END_SECONDS:
                raise StartError("the old headwater does not end: stop it, and run this again")
            if holder(stack, gateway, ROLE_STARTS if serving else 0) is None:
                self._take_over_log()
                return True
            time.sleep(_LOOK_SECONDS)
        return False

    def _take_over_log(self) -> None:
        """A gateway that was killed may have left whole records behind the end that it told last."""
        if self._reader.survey().behind:
            FilesAppender(self._settings.log_dir, segment_bytes=self._settings.segment_bytes).close()

    def _check(self, source: Source) -> None:
        """That the log goes on, and that the engine keeps the moment, or has ended for good."""
        if self._log.failure:
            raise self._log.failure
        if self._engine_gone:
            return
        try:
            source.attend()
        except BackupError as error:
            try:
                self._lock = DirectoryLock(self._settings.data_dir / "engine.lock", _LOOK_SECONDS)
            except LockedError:  # it runs, and keeps no moment
                raise error from None
            self._engine_gone = True

    # --- the end -----------------------------------------------------------------------------------------------------

    def _finish(self, number: int) -> Moved:
        here = self._settings
        self._bar.say("claims", None)
        scratch = self._scratch()
        self._claims.run(here.claims_path, scratch, number, self._bar.add)
        claims = self._claims.take(self._log_claims(self._claims.position(here.claims_path, scratch)), now_ms())
        self._bar.say("cohorts and erasures", None)
        if here.cohorts_path.exists():
            new = self._cohorts.follow(here.cohorts_path, self._beside("engine"))
            if new:
                self._left.append(
                    f"the history of cohorts made during the move ({', '.join(new)}): they are filled anew"
                )
        if here.webhooks_path.exists():
            blocks = {lane.value: cursor.block for lane, cursor in self._old.cursors().items()}
            upto = Place(self._memberships.newest(), blocks)
            self._webhooks.run(here.webhooks_path, self._beside("engine"), upto)
        asked = Asked(here, self._secret, self._old, self._mirror, self._logged)
        began_ms = json.loads((self._work / "moment.json").read_bytes())["began_ms"]
        self._state.put_jobs(asked.since(began_ms - int(_JOBS_SECONDS * 1000), self._beside("engine")))
        self._bar.say("checking", None)
        events = self._store.check()
        self._bar.say("catalog", None)
        audit = self._catalog.run(here.catalog_path, scratch)
        faults = self._catalog.check()
        if faults:
            raise StartError(f"the audit in the target is not whole: {faults[0]}")
        ended_ms = now_ms()
        self._mark_moved(ended_ms)  # before the target may start: never do both take events
        self._notes.finish(ended_ms)
        links = sum(self._old.linked().values())
        mark = self._mark
        return Moved(events, mark.records, mark.events, links, claims, audit, tuple(self._left))

    def _mark_moved(self, ms: int) -> None:
        path = self._settings.moved_path
        try:
            path.write_text(f"{to_iso(ms)}\n")
            os.sync()
        except OSError as error:
            raise StartError(f"cannot write {path}: {error.strerror}; mend it, and run this again") from error

    def _logged(self) -> Iterator[Record]:
        """What went over the log: read in Kafka, for the old one may have trimmed it."""
        for number in range(self._log.partitions()):
            with closing(KafkaReader(self._urls.log, number)) as reader:
                for lane in Lane:
                    for chunk in chunks(reader, lane, 0, reader.durable(), _AT_ONCE):
                        yield from chunk.records

    def _log_claims(self, position: int) -> Iterator[Row]:
        for found in self._reader.claims(position):
            for claim in found.claims:
                yield Row(claim, found.batch, found.workspace)

    def _scratch(self) -> Path:
        path = self._work / "scratch"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        return path

    def _beside(self, role: str) -> Path | None:
        """As `readonly.look_at` wants it: None while the role runs, which has the file open."""
        return None if _runs(self._settings, role) else self._scratch()


def _runs(settings: Settings, role: str) -> bool:
    """Whether another process has the role."""
    try:
        lock = DirectoryLock(settings.data_dir / f"{role}.lock", 0)
    except LockedError as error:
        return error.holder != os.getpid()
    lock.release()
    return False


def _end(settings: Settings) -> None:
    """Tells the old headwater to end, as its operator would: all of it where `headwater serve` runs."""
    for name in ("serve", "gateway"):
        try:
            DirectoryLock(settings.data_dir / f"{name}.lock", 0).release()
        except LockedError as error:
            if error.holder:
                os.kill(error.holder, signal.SIGTERM)
                return
