"""Who belongs together, in memory: loaded from the state's links at the start, kept up with every block committed."""

import threading
from collections.abc import Callable, Collection, Container, Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Protocol

import msgspec

from headwater.circles import Circles
from headwater.errors import ConflictError
from headwater.rules.connect import (
    MOST_LINKS,
    Attribution,
    NotConnected,
    Pair,
    Reason,
    Severed,
    cut,
)
from headwater.state.base import Link, State

REFRESHED = 500
"""Identities whose links are read anew at once."""
SHOWN = 100
"""Links that connect nothing which are told at once."""

_NOBODY = Attribution()


class Connections(Protocol):
    """Who belongs together, and whose events are whose."""

    def connected(self, workspace: str, identity: str) -> tuple[str, ...]: ...

    def attribution(self, workspace: str) -> Attribution: ...


class Unmerged(msgspec.Struct, frozen=True):
    """What an unmerge came to."""

    severed: tuple[Severed, ...]
    sets: tuple[tuple[str, ...], ...]
    """What the profile fell into: the set of the identity that was cut first."""


class Changes(msgspec.Struct, frozen=True):
    """What became different in a workspace."""

    sets: list[frozenset[str]]
    """Identities whose connected set changed: disjoint, each the union of old and new sets that overlap."""
    attribution_changed: bool
    """The values that never connect changed: any event may count for another profile."""
    cut: frozenset[str]
    """Identities of pairs that were severed: events that name both may be set aside now."""


class _Workspace:
    """One workspace's circles, and what changed beside them."""

    def __init__(self, state: State, name: str, severed: Iterable[Severed]) -> None:
        self.circles = Circles(
            lambda identity, most: [((link.a, link.b), link.first_ms) for link in state.links_of(name, identity, most)]
        )
        self.attribution = Attribution(frozenset(), severed)
        self.attribution_changed = False
        self.cut: set[str] = set()
        self.circles.sever(self.attribution.until, ())


class People:
    """Safe to use from threads; questions wait for nobody."""

    def __init__(self, state: State, excluded: Callable[[str], frozenset[str]] = lambda _: frozenset()) -> None:
        """Takes some seconds for a million links. `excluded`: a workspace's backfills whose events do not count."""
        self._state = state
        self._excluded = excluded
        self._changing = threading.RLock()
        self._severed = state.severed()
        self._workspaces: dict[str, _Workspace] = {}
        self._torn: set[str] = set()
        """Workspaces that a failure left half done."""
        for name, links in groupby(state.links(), attrgetter("workspace")):
            circles = self._of(name).circles
            circles.add((link.a, link.b, link.first_ms) for link in links)
            circles.forget_changes()

    def note(self, links: Iterable[Link]) -> None:
        """Takes over links that are in the state by now. What is known already costs next to nothing.

        What cannot be taken over (it may read the state) is made good the next time, from all links there are.
        """
        by_workspace: dict[str, list[tuple[str, str, int]]] = {}
        for link in links:
            by_workspace.setdefault(link.workspace, []).append((link.a, link.b, link.first_ms))
        for name, named in by_workspace.items():
            with self._changing:
                if name in self._torn:
                    continue
                try:
                    self._of(name).circles.add(named)
                except BaseException:
                    self._torn.add(name)
                    raise
        if self._torn:  # whoever is known to be linked is told no more: nothing else would make it good
            with self._changing:
                for name in tuple(self._torn):
                    self._again(name)

    def connected(self, workspace: str, identity: str) -> tuple[str, ...]:
        """All identities of this one's profile, itself included, sorted."""
        known = self._workspaces.get(workspace)
        return known.circles.of(identity) if known else (identity,)

    def profile(self, workspace: str, identities: Sequence[str], received: int, pending: bool) -> Sequence[str]:
        """The identities of the profile that an event received at `received` (UTC ms) belongs to; empty when it is set
        aside. Of one still pending: of the profile it will belong to, as far as can be told."""
        attribution = self.attribution(workspace)
        whose = attribution.of(identities, received)
        if whose is None:
            return ()
        found, known = self.connected(workspace, whose), self._workspaces.get(workspace)
        if not pending or len(identities) == 1:
            return found
        return known.circles.joined_by(found, identities) if known else tuple(sorted({*identities}))

    def shared(self, workspace: str, identities: Iterable[str]) -> frozenset[str]:
        """Those of the identities that too many share, see `rules.connect.MOST_LINKS`."""
        known = self._workspaces.get(workspace)
        return frozenset(each for each in identities if each in known.circles.shared) if known else frozenset()

    def configure(self, workspace: str, never: Iterable[str], cap: int) -> None:
        """The workspace's settings: identities that never connect, and how many a profile may have."""
        values = frozenset(never)
        with self._changing:
            of = self._of(workspace)
            if (values, cap) == (of.circles.never, of.circles.cap):
                return
            of.attribution_changed |= values != of.circles.never
            of.attribution = Attribution(values, of.attribution.severed, of.attribution.excluded)
            try:
                of.circles.restrict(values, cap)
            except BaseException:
                self._torn.add(workspace)
                raise

    def refresh(self, workspace: str, identities: Iterable[str]) -> None:
        """Their links in the state are others now. Taken in piece by piece: events must not wait for all of it."""
        left, done = list(identities), set[str]()
        for at in range(0, len(left), REFRESHED):
            piece = [each for each in left[at : at + REFRESHED] if each not in done]
            if piece:
                with self._changing:
                    done |= self._of(workspace).circles.refresh(piece)

    def attribution(self, workspace: str) -> Attribution:
        """Whose events are whose there, and which count for nobody, as of now."""
        excluded = self._excluded(workspace)
        known = self._workspaces.get(workspace)
        if (known.attribution if known else _NOBODY).excluded != excluded:
            known = self._exclude(workspace, excluded)
        return known.attribution if known else _NOBODY

    def _exclude(self, workspace: str, excluded: frozenset[str]) -> _Workspace:
        with self._changing:
            of = self._of(workspace)
            of.attribution_changed |= of.attribution.excluded != excluded
            of.attribution = Attribution(of.attribution.never, of.attribution.severed, excluded)
            return of

    def unmerge(self, workspace: str, identity: str, now_ms: int) -> Unmerged:
        """Cuts an identity out of its profile, durably. Raises ConflictError when it is connected with nothing."""
        while True:
            with self._changing:
                of = self._of(workspace)
                before, ties, cap = of.circles.of(identity), dict(of.circles.ties(identity)), of.circles.cap
            # Where much is tangled this takes long, and events must not wait for it.
            pairs = cut(ties, identity, cap)
            if not pairs:
                raise ConflictError(f"'{identity}' is connected with nothing, so there is nothing to cut")
            with self._changing:
                if self._of(workspace) is of and (of.circles.ties(identity), of.circles.cap) == (ties, cap):
                    return self._sever(workspace, identity, before, pairs, now_ms)

    def _sever(
        self, workspace: str, identity: str, before: Sequence[str], pairs: Sequence[Pair], now_ms: int
    ) -> Unmerged:
        of = self._of(workspace)
        severed = tuple(Severed(*pair, now_ms) for pair in pairs)
        self._state.sever(workspace, severed)
        until = of.attribution.until | {each.pair: each.until_ms for each in severed}
        both = [Severed(*pair, ms) for pair, ms in until.items()]
        of.attribution = Attribution(of.attribution.never, both, of.attribution.excluded)
        of.cut.update(each for pair in pairs for each in pair)
        of.circles.sever(until, pairs)
        rest = {of.circles.of(each) for each in before} - {of.circles.of(identity)}
        return Unmerged(severed, (of.circles.of(identity), *sorted(rest)))

    def unsever(self, workspace: str, identities: Collection[str], until_ms: int) -> None:
        """Forgets, durably, that pairs with one of these were cut, but for those that were cut later. Raises
        UnavailableError."""
        concerned = frozenset(identities)
        with self._changing:
            self._state.unsever(workspace, concerned, until_ms)
            of = self._of(workspace)
            known = of.attribution.severed
            kept = [each for each in known if each.until_ms > until_ms or not concerned.intersection(each.pair)]
            if len(kept) < len(known):
                freed = {each for one in set(known) - set(kept) for each in one.pair}
                of.attribution = Attribution(of.attribution.never, kept, of.attribution.excluded)
                of.cut.update(freed)
                of.circles.severed = of.attribution.until
                of.circles.refresh(freed)

    def not_connected(self, workspace: str, identities: Sequence[str]) -> tuple[NotConnected, ...]:
        """Links of these that connect nothing, oldest first: the first SHOWN of them, and why."""
        known = self._workspaces.get(workspace)
        if known is None:
            return ()
        links = {link for each in identities for link in self._state.links_of(workspace, each, MOST_LINKS + 1)}
        found = []
        for first_ms, a, b in sorted((link.first_ms, link.a, link.b) for link in links):
            if reason := _reason(known.circles, (a, b)):
                found.append(NotConnected(a, b, first_ms, reason))
        return tuple(found[:SHOWN])

    def skip(self, but: Container[str]) -> None:
        """Nobody will ask what changed in any workspace but these."""
        for name, of in list(self._workspaces.items()):
            if name not in but:
                with self._changing:
                    of.circles.forget_changes()
                    of.cut.clear()

    def drain(self, workspace: str) -> Changes:
        """What changed since it was asked last."""
        with self._changing:
            if workspace in self._torn:
                self._again(workspace)
            of = self._of(workspace)
            changes = Changes(of.circles.changes(), of.attribution_changed, frozenset(of.cut))
            of.attribution_changed = False
            of.cut.clear()
            return changes

    def _again(self, workspace: str) -> None:
        """A workspace from the state's links alone; whoever asks what changed is told to look at everything."""
        known = self._of(workspace)
        made = _Workspace(self._state, workspace, known.attribution.severed)
        made.circles.restrict(known.circles.never, known.circles.cap)
        made.circles.add((link.a, link.b, link.first_ms) for link in self._state.links(workspace))
        made.circles.forget_changes()
        made.attribution = known.attribution
        made.attribution_changed = True
        self._workspaces[workspace] = made
        self._torn.discard(workspace)

    def _of(self, workspace: str) -> _Workspace:
        with self._changing:
            known = self._workspaces.get(workspace)
            if known is None:
                known = _Workspace(self._state, workspace, self._severed.pop(workspace, ()))
                self._workspaces[workspace] = known
            return known


def _reason(circles: Circles, pair: Pair) -> Reason | None:
    """Why a link connects nothing; None when it connects."""
    if reason := circles.refusal(pair):
        return reason
    a, b = pair
    return None if a == b or b in circles.of(a) else Reason.PROFILE_FULL
