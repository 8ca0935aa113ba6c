"""Live membership: one thread follows what is stored and the clock, and writes down who enters and leaves.

All it keeps is made from the stored events and can be made again: after a start it is, and what differs from the
memberships written down last is caught up with.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

import msgspec

from headwater.catalog.base import Definitions
from headwater.clock import now_ms
from headwater.commands import Commands
from headwater.errors import HeadwaterError, InvalidError, UnavailableError
from headwater.events import Lane, decode_lines
from headwater.live.conditions import Condition
from headwater.live.loading import Stored
from headwater.live.rebuilding import Rebuilding
from headwater.live.space import Living, Outcome, Space
from headwater.log.base import Chunks, chunks
from headwater.people import People
from headwater.rules.cohort import Definition, Leaf
from headwater.rules.connect import Attribution
from headwater.rules.grammar import parse
from headwater.state.base import Cursor, State
from headwater.state.cohorts import Cohort, Kind, Memberships
from headwater.store.base import Store

PIECE = 5_000
"""Events taken in between two looks."""
POLL = 0.05
"""Seconds between two looks when nothing was stored."""
ANSWER_SECONDS = 50
"""How long somebody waits for a command to be carried out."""
SET_BACK_MS = 60_000
"""What a clock that is kept right may be set back by: cohorts wait for it to be as late again."""
WRITTEN = 10_000
"""Changes of a transaction."""
FIRST_BACK_OFF, LAST_BACK_OFF = 0.5, 30.0

_logger = logging.getLogger(__name__)
T = TypeVar("T")


class Follower:
    """The thread. What it keeps is asked through `live.live.Live`. `clock` gives UTC ms."""

    def __init__(
        self,
        reader: Chunks,
        store: Store,
        state: State,
        people: People,
        catalog: Definitions,
        memberships: Memberships,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._reader = reader
        self._store = store
        self._state = state
        self._people = people
        self._catalog = catalog
        self._memberships = memberships
        self._clock = clock
        self._lock = threading.RLock()
        """Held while spaces change or are asked; never while the store or the disk is."""
        self._spaces: dict[str, Space] = {}
        self._ready = False
        self._building = False
        self._cursors: Mapping[Lane, Cursor] = {}
        """How far the log was taken in."""
        self._upto: Mapping[Lane, Cursor] = state.cursors()
        """How far it may be."""
        self._cut: dict[str, set[str]] = {}
        """Identities by workspace whose events have to be told anew, since pairs were severed."""
        self._anew: set[str] = set()
        """Workspaces that have to be built anew, since any event may be another profile's."""
        self._rebuilding: dict[str, Rebuilding] = {}
        self._as_of = 0
        self._now = 0
        self._failures = 0
        self._revision = -1
        self._commands = Commands(HeadwaterError, "cohorts start anew after a failure")
        self._wake = threading.Event()

    # --- the thread ------------------------------------------------------------------------------------------------

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set. Whatever fails, it starts anew from what is stored."""
        back_off = FIRST_BACK_OFF
        while not stop.is_set():
            try:
                if not self._catalog.revision():  # the gateway has to make it, or to bring it to this version
                    stop.wait(POLL)
                    continue
                self.start()
                back_off = FIRST_BACK_OFF
                while not stop.is_set():
                    self.step()
                    self._wake.wait(POLL)
                    self._wake.clear()
            except Exception:
                _logger.exception("live cohorts stopped; they start anew in %.1f s", back_off)
                self._ready = False
                self._failures += 1
                stop.wait(back_off)
                back_off = min(2 * back_off, LAST_BACK_OFF)
        self._ready = False
        self._commands.obey()

    def stored(self, cursors: Mapping[Lane, Cursor]) -> None:
        """Everything up to there is stored, and whom it connects is known to `People`."""
        self._upto = cursors
        self._wake.set()

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def needs(self) -> int | None:
        """The position from which on the log is still to be read; None when that does not matter."""
        needed = self.needed()
        return None if needed is None else min(needed.values(), default=None)

    def needed(self) -> dict[Lane, int] | None:
        """The same of each lane."""
        if self._ready and not self._spaces and not self._building:
            return None
        read = [self._cursors, *(each.cursors for each in list(self._rebuilding.values()))]
        positions: dict[Lane, int] = {}
        for cursors in read:
            for lane, cursor in cursors.items():
                positions[lane] = min(cursor.position, positions.get(lane, cursor.position))
        return positions

    def start(self) -> None:
        """Everything anew from the store."""
        self._ready = False
        began = time.monotonic()
        self._revision = self._catalog.revision()
        self._configure()
        self._cursors = self._upto
        self._cut.clear()
        self._anew.clear()
        for made in self._rebuilding.values():
            made.is_stale = True
        self._rebuilding.clear()
        by_workspace: dict[str, list[Cohort]] = {}
        for cohort in self._memberships.cohorts():
            by_workspace.setdefault(cohort.workspace, []).append(cohort)
        self._spaces = {workspace: self._built(workspace, cohorts) for workspace, cohorts in by_workspace.items()}
        self._ready = True
        if by_workspace:
            _logger.info("cohorts of %d workspaces are live, after %.1f s", len(by_workspace), time.monotonic() - began)

    def step(self) -> None:
        """What was stored since the last one, what was asked for, and the clock."""
        if self._catalog.revision() != self._revision:
            self._revision = self._catalog.revision()
            self._configure()
            self._redefine()
        moment, committed = self._clock(), self._state.cursors()
        cursors = self._upto
        self._turn_back(moment)
        self._pass()
        for lane in Lane:
            self._follow(lane, cursors[lane])
        self._cursors = cursors
        self._drain()
        self._mend()
        self._take_over()
        self._look()
        if all(cursors[lane].position >= committed[lane].position for lane in Lane):
            self._as_of = moment
        self._commands.obey()

    def _turn_back(self, moment: int) -> None:
        """A clock that was far ahead and was set right: everybody is judged anew, as of now."""
        ahead = self._now - moment
        if ahead <= SET_BACK_MS:
            return
        _logger.warning("the clock was set back by %d s: cohorts are made anew as of now", ahead // 1000)
        self._now = moment
        self._as_of = min(self._as_of, moment)
        for workspace in self._spaces:
            self._rebuild(workspace, "clock")

    def _pass(self) -> None:
        """Which backfills do not count, asked after it is known what is stored: none of it came before its backfill."""
        for workspace, space in self._spaces.items():
            space.passed = self._people.attribution(workspace).excluded
            if workspace in self._rebuilding:
                self._rebuilding[workspace].space.passed = space.passed

    def _follow(self, lane: Lane, cursor: Cursor) -> None:
        """Takes in a lane's records up to the cursor."""
        if not self._spaces:
            return
        for chunk in chunks(self._reader, lane, self._cursors[lane].position, cursor.position, PIECE):
            for record in chunk.records:
                space = self._spaces.get(record.workspace)
                if space is not None:
                    with self._lock:
                        space.see(decode_lines(record.lines))
            if chunk.end < cursor.position:
                self._drain()
                self._look()

    def _look(self) -> None:
        # A clock that was set back a little must not bring anybody back: see `_turn_back`.
        self._now = max(self._now, self._clock())
        for space in list(self._spaces.values()):
            with self._lock:
                outcome = space.look(self._now)
            self._write(outcome)

    def _write(self, outcome: Outcome) -> None:
        changes, renames = outcome.changes, outcome.renames
        # In transactions of bounded size: what a crash leaves undone is caught up with.
        while changes or renames:
            self._memberships.apply(changes[:WRITTEN], renames)
            changes, renames = changes[WRITTEN:], []

    # --- people who were connected or cut ---------------------------------------------------------------------------

    def _drain(self) -> None:
        """What `People` found since the last time; at any moment, for events that follow may be of other profiles."""
        self._people.skip(self._spaces)
        for workspace, space in list(self._spaces.items()):
            changes = self._people.drain(workspace)
            with self._lock:
                for identities in changes.sets:
                    space.note(identities)
            if workspace in self._rebuilding:
                self._rebuilding[workspace].note(changes.sets, changes.cut)
                self._rebuilding[workspace].is_stale |= changes.attribution_changed and not self._is_moot(workspace)
            if changes.attribution_changed:
                self._anew.add(workspace)
            if changes.cut:
                self._cut.setdefault(workspace, set()).update(changes.cut)

    def _mend(self) -> None:
        for workspace, space in list(self._spaces.items()):
            if workspace in self._anew and workspace not in self._rebuilding and not self._is_moot(workspace):
                self._rebuild(workspace)
            elif workspace in self._cut:
                self._reload(space, frozenset(self._cut[workspace]))
        self._anew.clear()
        self._cut.clear()

    def _reload(self, space: Space, identities: frozenset[str]) -> None:
        """Tells anew what is stored about some identities: other events are theirs now."""
        with self._lock:
            space.attribution = self._people.attribution(space.workspace)
            nodes = space.population.nodes(sorted(identities))
            space.forget(nodes[nodes >= 0])
        self._see_anew(space, identities)

    def _is_moot(self, workspace: str) -> bool:
        """Whether all that changed is how a backfill counts of which nothing is stored: then it is taken over."""
        attribution, made = self._people.attribution(workspace), self._rebuilding.get(workspace)
        space = made.space if made else self._spaces[workspace]
        if not _only_backfills(space.attribution, attribution):
            return space.attribution is attribution
        changed = sorted(space.attribution.excluded ^ attribution.excluded)
        stored = self._store.rows("backfill_any", {"workspace": workspace, "backfills": changed})
        if not stored:
            with self._lock:
                space.attribution = attribution
        return not stored

    def _rebuild(self, workspace: str, kind: Kind | None = None) -> None:
        """Begins it, beside those who live now. One that is under way begins again."""
        if workspace in self._rebuilding:
            self._rebuilding[workspace].is_stale = True
        else:
            self._begin(workspace, kind, self._as_of)

    def _begin(self, workspace: str, kind: Kind | None, as_of: int) -> None:
        space, made = self._spaces[workspace], Space(workspace, self._people)
        if kind is None:
            kind = "backfill" if _only_backfills(space.attribution, made.attribution) else "profile"
        definitions = [living.definition for living in space.cohorts.values()]
        about = (definitions, self._cursors, self._now, as_of, kind)
        self._rebuilding[workspace] = Rebuilding(made, self._stored(made), *about)

    def _take_over(self) -> None:
        """Puts what was made anew in the place of those who lived meanwhile."""
        for workspace, made in list(self._rebuilding.items()):
            if not made.is_done():
                continue
            if made.is_stale:
                self._begin(workspace, made.kind, made.as_of)
                continue
            self._look()  # who moved by an event is told so, before all others move with it
            for lane in Lane:
                self._catch_up(made.space, lane, made.cursors[lane].position)
            made.space.note(made.noted)
            if made.cut:
                self._reload(made.space, frozenset(made.cut))
            made.space.look(self._now)
            for living in list(self._spaces[workspace].cohorts.values()):
                anew = self._live(made.space, living.cohort, living.definition)
                self._reconcile(made.space, anew, made.kind)
            made.space.prune()
            with self._lock:
                self._spaces[workspace] = made.space
            del self._rebuilding[workspace]

    def _catch_up(self, space: Space, lane: Lane, start: int) -> None:
        """Shows a space what a lane holds from there up to where all others are."""
        for chunk in chunks(self._reader, lane, start, self._cursors[lane].position, PIECE):
            for record in chunk.records:
                if record.workspace == space.workspace:
                    space.see(decode_lines(record.lines))

    def _configure(self) -> None:
        for workspace in self._catalog.workspaces():
            self._people.configure(workspace.id, workspace.never_connect, workspace.max_identities)

    # --- cohorts ----------------------------------------------------------------------------------------------------

    def _built(self, workspace: str, cohorts: Sequence[Cohort], kind: Kind = "caught_up") -> Space:
        """A workspace from the store alone, with what that changes written down."""
        self._people.drain(workspace)
        self._now = max(self._now, self._clock())
        space = Space(workspace, self._people)
        space.settle_in(self._stored(space).identities())
        for cohort in cohorts:
            try:
                definition = self._parsed(cohort)
            except InvalidError as error:
                # Only what another version of the grammar took can be refused by this one.
                _logger.error("cohort %s stands still: %s", cohort.id, error)
                continue
            living = self._live(space, cohort, definition)
            if cohort.filled_ms is None:
                self._fill(space, living)
            else:
                self._reconcile(space, living, kind)
        return space

    def _live(self, space: Space, cohort: Cohort, definition: Definition) -> Living:
        """Nothing may be seen by the space meanwhile that is not stored up to the cursors."""
        for condition in self._loaded(space, space.wanted(definition)):
            with self._lock:
                space.keep(condition)
        with self._lock:
            return space.enlist(cohort, definition)

    def _loaded(self, space: Space, wanted: Sequence[Leaf]) -> list[Condition]:
        stored = self._stored(space)
        return [space.judged(leaf, stored.selected(leaf, self._now), self._now) for leaf in wanted]

    def _reconcile(self, space: Space, living: Living, kind: Kind) -> None:
        """Writes down what differs from the members written down last."""
        known = (member.identity for member in self._memberships.members(living.cohort.id))
        self._write(space.reconcile(living, known, kind, self._now))

    def _stored(self, space: Space) -> Stored:
        upto = {lane: cursor.block for lane, cursor in self._cursors.items()}
        return Stored(self._store, space.workspace, upto, space.attribution)

    def _fill(self, space: Space, living: Living) -> None:
        self._memberships.fill(living.cohort.id, space.members_of(living), self._now)
        living.cohort = msgspec.structs.replace(living.cohort, filled_ms=self._now)

    def _parsed(self, cohort: Cohort) -> Definition:
        """With archived signals too: their events stay what they were."""
        return parse(cohort.definition, self._catalog.ever(cohort.workspace))

    def _redefine(self) -> None:
        """Signals were edited: a metric may be another one now."""
        for space in self._spaces.values():
            for living in list(space.cohorts.values()):
                definition = self._parsed(living.cohort)
                if definition != living.definition:
                    with self._lock:
                        space.dismiss(living.cohort.id)
                    self._reconcile(space, self._live(space, living.cohort, definition), "caught_up")

    # --- commands ---------------------------------------------------------------------------------------------------

    def _define(self, cohort: Cohort, definition: Definition) -> None:
        space = self._space(cohort.workspace)
        if cohort.id not in space.cohorts:
            self._fill(space, self._live(space, cohort, definition))

    def _forget(self, cohort_id: str) -> None:
        with self._lock:
            for space in self._spaces.values():
                space.dismiss(cohort_id)

    def _drop(
        self, workspace: str, identities: Sequence[str], others: Collection[str], upto: Mapping[Lane, Cursor]
    ) -> None:
        if any(self._cursors[lane].position < cursor.position for lane, cursor in upto.items()):
            raise UnavailableError("what was stored until then is not taken in yet")  # it would bring them back
        space = self._spaces.get(workspace)
        if space is None:
            self._memberships.erase(workspace, identities)
            return
        with self._lock:
            space.drop(identities)
        if workspace in self._rebuilding:
            self._rebuilding[workspace].is_stale = True  # it may have read what is deleted by now
        self._memberships.erase(workspace, identities)
        self._cut.setdefault(workspace, set()).update(others)
        self._see_anew(space, frozenset(identities))

    def _see_anew(self, space: Space, identities: frozenset[str]) -> None:
        """Tells what is stored about these, who are in no condition; events of others that name them were told."""
        lines = list(self._stored(space).events(sorted(identities)))
        theirs = [line for line in lines if space.owner(line) in identities]
        with self._lock:
            space.meet({each for line in lines for each in line.identities} & identities)
        for at in range(0, len(theirs), PIECE):
            with self._lock:
                space.see(theirs[at : at + PIECE], again=True)

    def _space(self, workspace: str) -> Space:
        """Made when first needed; only the thread may."""
        if workspace not in self._spaces:
            self._building = True  # the log must wait for what is made here
            try:
                self._spaces[workspace] = self._built(workspace, ())
            finally:
                self._building = False
        return self._spaces[workspace]

    def _check_ready(self) -> None:
        if not self._ready:
            raise UnavailableError("cohorts are being caught up with after a start")

    def _command(self, work: Callable[[], T], seconds: float | None = None) -> T:
        """Has the thread do something when it has taken in all that is stored.

        Raises UnavailableError when it takes longer: it is not begun then, if it was not yet.
        """
        self._check_ready()
        done = self._commands.put(work)
        self.wake()
        try:
            return done.result(ANSWER_SECONDS if seconds is None else seconds)
        except TimeoutError:
            done.cancel()
            raise UnavailableError("this takes longer than an answer may; ask again") from None


def _only_backfills(old: Attribution, new: Attribution) -> bool:
    """Whether all that is different is which backfills count."""
    return old.never == new.never and old.excluded != new.excluded
