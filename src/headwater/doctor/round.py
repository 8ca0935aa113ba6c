"""The doctor's round: looks at everything in an order in which a server that goes on working raises no false alarm.

What only grows is read before what follows it: the log's begin, then the cursors, then the log's end; then the log
and the store; then the cursors again and the catalog, so that whatever was found by then must be known there.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from headwater import clock
from headwater.catalog import examined as catalog_examined
from headwater.catalog.credentials import read_credentials
from headwater.catalog.examined import Contents
from headwater.config import Settings
from headwater.doctor import catalog, claims, cohorts, destinations, host, log, state, store, webhooks
from headwater.doctor.report import Check, Tell, Verdict, fault, ok, unchecked, warning
from headwater.doctor.walk import Stored, Walk
from headwater.errors import CorruptionError, HeadwaterError
from headwater.events import Lane
from headwater.log.base import Damage, Reader, Sound, Survey
from headwater.removal import under_way
from headwater.state import base as state_base
from headwater.state.base import Account, Cursor, Gone, Link
from headwater.store import base as store_base

T = TypeVar("T")

_BUSY = ("MEMORY_LIMIT_EXCEEDED", "TIMEOUT_EXCEEDED", "TOO_MANY")
"""What a store says that is only short of something."""

_ORDER = (
    "log",
    "catalog",
    "state",
    "store",
    "claims",
    "cohorts",
    "webhooks",
    "destinations",
    "engine",
    "files",
    "host",
)
_LOG_CHECKS = ("log.lines", "log.cursors", "log.catalog")
_STORE_CHECKS = ("store.blocks", "store.counts", "store.log", "store.catalog", "store.backfills")


class Patient(msgspec.Struct, frozen=True):
    """What is looked at. Where a part could not be opened, the error that says why stands for it."""

    settings: Settings
    reserve: int
    """Bytes of disk below which the gateway refuses events."""
    dialects: Collection[str]
    reader: Reader
    catalog: catalog_examined.Examined | HeadwaterError
    state: state_base.Examined | HeadwaterError
    store: store_base.Examined | HeadwaterError
    gateway: int | None
    """The process that runs it; `engine` likewise."""
    engine: int | None
    engine_fault: Callable[[], str]
    """Why the running engine stores nothing; empty when it does."""
    cohorts: Callable[[bool], Sequence[str]]
    """What SQLite finds wrong in the file of cohorts; quickly, if asked to. Likewise the others."""
    webhooks: Callable[[bool], Sequence[str]]
    destinations: Callable[[bool], Sequence[str]]
    claims: claims.Examined | HeadwaterError | None
    """None where there never were any."""
    verify: Callable[[], Mapping[str, Any]]
    """Has the running engine find every cohort's members anew, see `doctor.cohorts.members`."""


class Round:
    """One look at everything. `quick` leaves out what takes long: see docs/doctor.md."""

    def __init__(self, patient: Patient, quick: bool, tell: Tell) -> None:
        self._patient = patient
        self._quick = quick
        self._tell = tell
        self._contents: Contents | None = None
        self._walked = Walk(_NOWHERE, lambda _: None)
        self._asked = 0
        self._unknown: list[Link] = []
        self._matching: store.Matching | None = None
        self._failed: Exception | None = None
        """What broke the comparison of log and store off; `_unlinked` that of links."""
        self._unlinked: Exception | None = None
        self._excluded: frozenset[str] = frozenset()
        self._marked: frozenset[str] = frozenset()

    def checks(self) -> list[Check]:
        """All verdicts, part by part."""
        found = [*self._all()]
        return sorted(found, key=lambda check: _ORDER.index(check.name.partition(".")[0]))

    def _all(self) -> Iterator[Check]:
        reader = self._patient.reader
        first = _attempt(reader.survey)
        ledger = self._ledger()
        second = _attempt(reader.survey)
        if isinstance(first, Survey) and isinstance(second, Survey):
            yield from self._with_log(first, second, ledger)
        else:
            yield _refused("log.files", first if isinstance(first, Exception) else second)  # type: ignore[arg-type]
            yield from self._without_log(ledger)
        yield from self._catalog()
        yield from self._state(ledger)
        yield from self._claims(first)
        yield _guarded("cohorts.file", lambda: cohorts.file(self._patient.cohorts(self._quick)))
        yield _guarded("webhooks.file", lambda: webhooks.file(self._patient.webhooks(self._quick)))
        yield _guarded("destinations.file", lambda: destinations.file(self._patient.destinations(self._quick)))
        yield _guarded(
            "cohorts.members", lambda: cohorts.members(self._patient.engine, self._patient.verify, self._quick)
        )
        yield self._engine()
        yield from self._host()

    def _with_log(self, first: Survey, second: Survey, ledger: Mapping[Lane, Account] | Exception) -> Iterator[Check]:
        walk = _attempt(lambda: self._walk(ledger, second))
        if isinstance(walk, Exception):
            yield _refused("log.records", walk)
            yield from self._without_log(ledger)
        else:
            self._walked = walk
            yield from self._store(ledger, walk)
            yield from self._log(first, second, ledger, walk)

    def _without_log(self, ledger: Mapping[Lane, Account] | Exception) -> Iterator[Check]:
        yield from (unchecked(name, "the log cannot be read") for name in _LOG_CHECKS)
        yield from self._store(ledger, None)

    # --- log ----------------------------------------------------------------------------------------------------

    def _ledger(self) -> Mapping[Lane, Account] | Exception:
        known = self._patient.state
        return known if isinstance(known, HeadwaterError) else _attempt(known.ledger)

    def _walk(self, ledger: Mapping[Lane, Account] | Exception, survey: Survey) -> Walk:
        if not isinstance(self._patient.store, HeadwaterError):
            self._matching = store.Matching(self._patient.store)
        self._excluded, self._marked = self._not_counting(), self._deleted()
        walk = Walk(_NOWHERE if isinstance(ledger, Exception) else ledger, self._compare, self._excluded, self._marked)
        begin = log.oldest_of(survey)
        for found in self._records(survey):
            walk.take(found)
            at = found.head.end if isinstance(found, Sound) else found.end
            if walk.records % 100 == 1:
                self._tell("reading the log", at - begin, survey.durable - begin)
        walk.finish()
        return walk

    def _records(self, survey: Survey) -> Iterator[Sound | Damage]:
        reader = self._patient.reader
        deep_from = survey.segments[-1].base if self._quick and survey.segments else 0
        if deep_from:
            for found in reader.examine(0, payloads=False):
                if (found.head.position if isinstance(found, Sound) else found.position) >= deep_from:
                    break
                yield found
        yield from reader.examine(deep_from, payloads=True)

    def _compare(self, stored: Stored) -> None:
        known = self._patient.state
        if not isinstance(known, HeadwaterError) and self._unlinked is None:
            try:
                links = state_base.oldest(stored.links)
                self._asked += len(links)
                self._unknown += known.unknown(links)
            except HeadwaterError as error:
                self._unlinked = error
        if self._matching is not None and self._failed is None:
            try:
                self._matching.compare(stored)
            except Exception as error:
                self._failed = error

    def _log(
        self, first: Survey, second: Survey, ledger: Mapping[Lane, Account] | Exception, walk: Walk
    ) -> Iterator[Check]:
        last = self._patient.reader.survey()
        expected = not isinstance(ledger, Exception) and any(each.cursor.position for each in ledger.values())
        running = self._patient.gateway is not None
        yield log.files(second, set(second.leftovers) & set(last.leftovers), expected, running)
        yield log.records(walk, second, "payloads of the newest segment alone" if self._quick else "with payloads")
        yield log.lines(walk)
        if isinstance(ledger, Exception):
            yield unchecked("log.cursors", "the state cannot be read")
        else:
            yield log.cursors(log.oldest_of(first), second.durable, ledger, walk)
        yield log.known(walk, self._catalog_contents(), self._patient.dialects)

    # --- store --------------------------------------------------------------------------------------------------

    def _store(self, ledger: Mapping[Lane, Account] | Exception, walk: Walk | None) -> Iterator[Check]:
        examined = self._patient.store
        names = ("store.parts", *_STORE_CHECKS, *(() if self._quick else ("store.twins",)))
        if isinstance(examined, HeadwaterError):
            yield _refused(names[0], examined)
            yield from (unchecked(name, "the store cannot be read") for name in names[1:])
            return
        deep = not self._quick
        yield _guarded("store.parts", lambda: store.parts(examined, deep, self._tell))
        if isinstance(ledger, Exception):
            yield from (unchecked(name, "the state cannot be read") for name in _STORE_CHECKS[:3])
        else:
            yield _guarded("store.blocks", lambda: store.blocks(examined, ledger, self._known_ledger, self._deleting))
            yield _guarded("store.counts", lambda: store.counts(examined, ledger, self._known_ledger, self._deleting))
            if walk is None:
                yield unchecked("store.log", "the log cannot be read")
            else:
                yield _guarded("store.log", lambda: self._matched(examined, walk))
        yield _guarded("store.catalog", lambda: store.known(examined, self._catalog_contents))
        yield _guarded("store.backfills", lambda: store.loaded(examined, self._catalog_contents))
        if deep:
            yield _guarded("store.twins", lambda: store.twins(examined, self._tell))

    def _matched(self, examined: store_base.Examined, walk: Walk) -> Check:
        if self._failed is not None:
            raise self._failed
        assert self._matching is not None
        check = self._matching.check(store.stored_early(examined, walk.ahead, self._known_ledger))
        if check.verdict is Verdict.FAULT and self._marked != self._deleted():
            return unchecked(check.name, "events were deleted meanwhile", "run the doctor again")
        return check

    def _deleted(self) -> frozenset[str]:
        """Events that the log still has and that were deleted, or are about to be."""
        examined = self._patient.store
        if isinstance(examined, HeadwaterError):
            return frozenset()
        found = _attempt(lambda: examined.rows("examine_doomed", log.received(self._patient.reader)))
        return frozenset() if isinstance(found, Exception) else frozenset(row["event_id"] for row in found)

    def _deleting(self) -> Sequence[Gone]:
        """What is being deleted at this moment."""
        known = self._patient.state
        return under_way(known.jobs()) if not isinstance(known, HeadwaterError) else ()

    def _known_ledger(self) -> Mapping[Lane, Account]:
        known = self._patient.state
        assert not isinstance(known, HeadwaterError)
        return known.ledger()

    # --- catalog and state --------------------------------------------------------------------------------------

    def _catalog_contents(self) -> Contents | None:
        """Everything in the catalog, read once: when it is first asked for, that is after log and store."""
        examined = self._patient.catalog
        if self._contents is None and not isinstance(examined, HeadwaterError):
            try:
                self._contents = examined.contents()
            except HeadwaterError:
                return None
        return self._contents

    def _catalog(self) -> Iterator[Check]:
        examined, settings = self._patient.catalog, self._patient.settings
        others = ("catalog.rows", "catalog.audit", "catalog.chain", "catalog.schemas", "catalog.secret")
        if isinstance(examined, HeadwaterError):
            yield _refused("catalog.file", examined)
        else:
            yield _guarded("catalog.file", lambda: catalog.file(examined.faults(self._quick)))
        contents = self._catalog_contents()
        if contents is None or isinstance(examined, HeadwaterError):
            yield from (unchecked(name, "the catalog cannot be read") for name in others)
            return
        secret = settings.secret_path.read_bytes() if settings.secret_path.exists() else None
        yield catalog.rows(contents)
        yield catalog.made(contents)
        yield _guarded("catalog.chain", lambda: catalog.chain(examined.chain, secret))
        yield catalog.compiled(contents)
        kept = read_credentials(settings.credentials_path)
        yield catalog.secrets(contents, secret, kept, clock.now_ms())

    def _state(self, ledger: Mapping[Lane, Account] | Exception) -> Iterator[Check]:
        examined, reader = self._patient.state, self._patient.reader
        others = ("state.blocks", "state.doubt", "state.links", "state.jobs")
        if isinstance(examined, HeadwaterError):
            yield _refused("state.file", examined)
        else:
            yield _guarded("state.file", lambda: state.file(examined.faults(self._quick)))
        if isinstance(examined, HeadwaterError) or isinstance(ledger, Exception):
            yield from (unchecked(name, "the state cannot be read") for name in others)
            return
        held = None if isinstance(self._patient.store, HeadwaterError) else self._patient.store
        running = self._patient.engine is not None
        yield state.blocks(ledger)
        yield _guarded("state.doubt", lambda: state.doubts(ledger, reader, held, running))
        yield _guarded("state.links", lambda: self._linked(examined))
        yield _guarded("state.jobs", lambda: claims.jobs(examined.jobs(), clock.now_ms(), running))

    def _linked(self, examined: state_base.Examined) -> Check:
        if self._unlinked is not None:
            raise self._unlinked
        if self._unknown and self._excluded != self._not_counting():
            return unchecked("state.links", "a backfill was released or reverted meanwhile", "run the doctor again")
        if self._unknown and self._marked != self._deleted():
            return unchecked("state.links", "events were deleted meanwhile", "run the doctor again")
        return state.links(examined.linked(), self._catalog_contents(), self._asked, self._unknown)

    def _not_counting(self) -> frozenset[str]:
        """The backfills whose events link nothing, as the catalog says now."""
        examined = self._patient.catalog
        if isinstance(examined, HeadwaterError):
            return frozenset()
        try:
            return frozenset(each.id for each in examined.contents().backfills if not each.counts)
        except HeadwaterError:
            return frozenset()

    def _claims(self, survey: Survey | Exception) -> Iterator[Check]:
        examined, reader = self._patient.claims, self._patient.reader
        if isinstance(examined, HeadwaterError):
            yield _refused("claims.file", examined)
            yield unchecked("claims.log", "the file of claims cannot be read")
        elif examined is not None:
            yield _guarded("claims.file", lambda: claims.file(examined, self._quick))
            if isinstance(survey, Survey):
                oldest = log.oldest_of(survey)
                position = max(examined.position(), reader.claimed() or 0)
                yield _guarded("claims.log", lambda: claims.reach(position, oldest, reader.durable))
        yield _guarded("files.tombstones", lambda: claims.erased(self._patient.settings.tombstones_path))

    # --- what runs, and where -----------------------------------------------------------------------------------

    def _engine(self) -> Check:
        gateway, engine = self._patient.gateway, self._patient.engine
        if engine is None and gateway is None:
            return ok("engine", "headwater does not run here")
        if engine is None:
            advice = "see what it logged; `headwater serve` starts it again by itself"
            return warning("engine", f"the gateway runs (process {gateway}), the engine does not", advice)
        return _guarded("engine", lambda: self._running(engine))

    def _running(self, engine: int) -> Check:
        why = self._patient.engine_fault()
        if why:
            advice = "the other checks tell what does not fit; what was acknowledged waits in the log meanwhile"
            return fault("engine", f"the engine (process {engine}) stores nothing: {why}", advice)
        return ok("engine", f"the engine (process {engine}) stores events")

    def _host(self) -> Iterator[Check]:
        patient, walk = self._patient, self._walked
        settings = patient.settings
        yield _guarded("files.modes", lambda: host.modes(settings.data_dir))
        yield _guarded("host.disk", lambda: host.disk(settings, patient.reserve))
        yield host.backlog(walk.waiting, walk.waiting_bytes, settings.max_backlog_bytes)
        yield host.descriptors(settings, patient.gateway)
        yield host.clock(clock.now_ms(), walk.newest_ms)
        yield host.sqlite(host.SQLITE)
        yield host.filesystem(settings.data_dir)


_NOWHERE = {lane: Account(Cursor(0, 0), None, 0, {}) for lane in Lane}


def _attempt(work: Callable[[], T]) -> T | Exception:
    try:
        return work()
    except Exception as error:
        return error


def _guarded(name: str, work: Callable[[], Check]) -> Check:
    try:
        return work()
    except Exception as error:
        return _refused(name, error)


def _refused(name: str, error: Exception) -> Check:
    """A check that could not be carried through: a fault when it is damage that stands in its way."""
    text = f"{type(error).__name__}: {error}"[:1000]
    is_passing = isinstance(error, HeadwaterError) and not isinstance(error, CorruptionError)
    if is_passing or any(word in text for word in _BUSY):
        return unchecked(name, str(error), "run the doctor again; if it stays so, see docs/doctor.md")
    return Check(name, Verdict.FAULT, f"it cannot be read: {text}", {}, "see what the other checks found")
