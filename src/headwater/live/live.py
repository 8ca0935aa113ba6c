"""Live membership as it is asked about."""

import time
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Any

from headwater.errors import UnavailableError
from headwater.live.base import Explained, Figures, Preview
from headwater.live.conditions import Condition, key_of
from headwater.live.follower import Follower
from headwater.live.imagined import Difference, Moment, differences, taken
from headwater.live.space import Living, Space
from headwater.people import Connections
from headwater.rules.cohort import Definition
from headwater.state.cohorts import Cohort, Kind

PATIENCE_SECONDS = 3600
"""How long a job waits for the thread."""


class Live(Follower):
    """`live.base.Questions`: safe to ask from any thread while one of them runs `Follower.run`."""

    def define(self, cohort: Cohort, definition: Definition) -> None:
        self._command(lambda: self._define(cohort, definition))

    def forget(self, cohort_id: str) -> None:
        self._command(lambda: self._forget(cohort_id))

    def drop(self, workspace: str, identities: Sequence[str], others: Collection[str] = ()) -> None:
        """What was known of these identities is forgotten, without a word about their leaving, by the members written
        down as well; what is stored about them now is taken in as if they were new. `others`: some of their events are
        gone. Returns when it is done."""
        upto = self._upto
        self._command(lambda: self._drop(workspace, identities, others, upto), PATIENCE_SECONDS)

    def again(self, workspace: str, kind: Kind) -> None:
        """Everything of a workspace anew from the store; what changes is written down as of this kind. Returns when it
        is done."""

        def begin() -> None:
            if workspace in self._spaces:
                self._rebuild(workspace, kind)

        self._command(begin, PATIENCE_SECONDS)
        while workspace in self._rebuilding:
            self._check_ready()
            time.sleep(0.05)

    def size(self, cohort_id: str) -> int:
        with self._lock:
            return int(self._living(cohort_id)[1].members.sum())

    def as_of(self, workspace: str | None = None) -> int:
        self._check_ready()
        as_of = self._as_of  # before the look: what is made anew from here on is as of later
        made = self._rebuilding.get(workspace or "")
        return made.as_of if made else as_of

    def member(self, cohort_id: str, identity: str) -> bool:
        with self._lock:
            space, living = self._living(cohort_id)
            return space.member(living, identity)

    def explain(self, cohort_id: str, identity: str) -> Sequence[Explained]:
        with self._lock:
            space, living = self._living(cohort_id)
            return space.explain(living, identity, self._now)

    def preview(self, workspace: str, definition: Definition, sample: int) -> Preview:
        """Reads the store in the caller's thread, so that those who live do not wait."""
        space = self._command(lambda: self._space(workspace))
        made: dict[bytes, Condition] = {}
        moves = space.population.moves
        while True:
            with self._lock:
                if self._spaces.get(workspace, space) is not space:  # built anew meanwhile
                    space, made = self._spaces[workspace], {}
                    moves = space.population.moves
                wanted = [leaf for leaf in space.wanted(definition) if key_of(leaf) not in made]
                if not wanted:
                    if moves != space.population.moves:  # profiles were put together anew meanwhile
                        for condition in made.values():
                            condition.fit()
                            condition.judge_all(self._now)
                    return space.preview(definition, made, sample)
                stored, now = self._stored(space), self._now
            parts = list(stored.selected(wanted[0], now))
            # One at a time, so that events wait for none of them for long.
            with self._lock:
                made[key_of(wanted[0])] = space.judged(wanted[0], parts, now)

    def imagined(self, workspace: str, people: Connections, end: float) -> Iterator[Difference]:
        """What the workspace's cohorts would be among other people: read from the store in the caller's thread. See
        `live.imagined.differences`."""
        self._check_ready()
        if workspace not in self._spaces:
            return iter(())
        return differences(self._command(lambda: self._moment(workspace)), self._store, people, end)

    def _moment(self, workspace: str) -> Moment:
        """For the thread that steps: members are those that follow from the cursors."""
        upto = {lane: cursor.block for lane, cursor in self._cursors.items()}
        return taken(self._spaces[workspace], upto, self._now)

    def verify(self) -> dict[str, Any]:
        """Finds every cohort's members anew from the store: `{"cohorts", "members", "differences": [text]}`.

        What differs at two looks counts: at one it may be a link that was made that moment.
        """
        found: dict[str, Any] = {"cohorts": 0, "members": 0, "differences": []}
        for workspace in list(self._spaces):
            if workspace in self._rebuilding:  # who lives is as of before what it is made anew for
                continue
            look = partial(self.differences, workspace)
            wrong = self._command(look)
            again = set(self._command(look) if wrong else ())
            found["differences"] += [each for each in wrong if each in again]
            with self._lock:
                living = list(self._spaces[workspace].cohorts.values())
                found["cohorts"] += len(living)
                found["members"] += sum(int(each.members.sum()) for each in living)
        return found

    def differences(self, workspace: str) -> list[str]:
        """Between a workspace's members and those found anew, in words. For the thread that steps."""
        space = self._spaces.get(workspace)
        if space is None:
            return []
        other = Space(workspace, self._people)
        other.settle_in(self._stored(space).identities())
        for living in space.cohorts.values():
            self._live(other, living.cohort, living.definition)
        with self._lock:
            return space.differences(other)

    def figures(self) -> Figures:
        """Never waits for long, and never fails."""
        with self._lock:
            spaces = list(self._spaces.values())
            return Figures(
                ready=self._ready,
                cohorts=sum(len(space.cohorts) for space in spaces),
                conditions=sum(len(space.conditions) for space in spaces),
                identities=sum(len(space.population) for space in spaces),
                bytes=sum(condition.nbytes for space in spaces for condition in space.conditions.values()),
                as_of=self._as_of,
                failures=self._failures,
            )

    def _living(self, cohort_id: str) -> tuple[Space, Living]:
        self._check_ready()
        for space in list(self._spaces.values()):
            if cohort_id in space.cohorts:
                return space, space.cohorts[cohort_id]
        raise UnavailableError("this cohort is not followed: it is gone, or see why in the engine's log")
