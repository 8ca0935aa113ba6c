"""A workspace's cohorts made anew from the store, beside those who live meanwhile and whose place they take then."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future

from headwater.events import Lane
from headwater.live.loading import Stored
from headwater.live.space import Space
from headwater.rules.cohort import Definition
from headwater.state.base import Cursor
from headwater.state.cohorts import Kind


class Rebuilding:
    """A thread that fills `space`, up to the cursors of its beginning. What comes behind them is for the follower."""

    def __init__(
        self,
        space: Space,
        stored: Stored,
        definitions: Sequence[Definition],
        cursors: Mapping[Lane, Cursor],
        now: int,
        as_of: int,
        kind: Kind,
    ) -> None:
        self.space = space
        self.cursors = cursors
        self.as_of = as_of
        """What those who live are right as of, until then."""
        self.kind = kind
        self.noted: set[str] = set()
        """Identities that were connected or cut meanwhile."""
        self.cut: set[str] = set()
        """Identities of pairs that were severed meanwhile."""
        self.is_stale = False
        """What it began with is not so any more: it has to be done again."""
        self._stored = stored
        self._definitions = definitions
        self._now = now
        self._done: Future[None] = Future()
        threading.Thread(target=self._run, name="live-rebuilding", daemon=True).start()

    def note(self, sets: Iterable[Iterable[str]], cut: Iterable[str]) -> None:
        """What happened meanwhile."""
        self.cut.update(cut)
        for identities in sets:
            self.noted.update(identities)

    def is_done(self) -> bool:
        """Raises what it failed with."""
        return self._done.done() and self._done.result() is None

    def _run(self) -> None:
        try:
            self._fill()
        except BaseException as error:
            self._done.set_exception(error)
        else:
            self._done.set_result(None)

    def _fill(self) -> None:
        self.space.settle_in(self._stored.identities())
        for definition in self._definitions:
            for leaf in self.space.wanted(definition):
                if self.is_stale:
                    return
                self.space.keep(self.space.judged(leaf, self._stored.selected(leaf, self._now), self._now))
