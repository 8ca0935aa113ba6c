"""Which signal an event means that names none by its slug: one called so, one that is built in, or a draft.

What is built in is made in a workspace by the first event of it; a draft by the first event of a name that nobody
knows, where the workspace wants that, to wait for somebody's approval.
"""

from collections.abc import Iterable, Mapping

import msgspec

from headwater.catalog.base import Catalog, NewSignal
from headwater.catalog.preset import BUILT_IN
from headwater.dialects.base import Dialect
from headwater.errors import InvalidError, UnavailableError
from headwater.events import Event
from headwater.rules.names import check_name, slug_for, slug_is_valid
from headwater.signals import Signal

MOST_DRAFTS = 200
"""Of a workspace, that wait for approval: names made up by mistake, or by somebody who means harm, must not fill it."""


class Wanted(msgspec.Struct, gc=False):
    """Signals to be made before a request's events can be taken."""

    signals: dict[str, NewSignal] = msgspec.field(default_factory=dict)
    """By slug."""


class Drafts:
    """Finds them, for one gateway."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._names: dict[str, tuple[Mapping[str, Signal], dict[str, Signal]]] = {}
        """By workspace: signals by their names, and those that they were looked up among."""

    def find(self, workspace: str, dialect: Dialect, sent: str, wanted: Wanted) -> Signal | None:
        """The signal that is meant by what was sent. One that is not there yet is noted in `wanted`, and has no id."""
        known = self._catalog.signals_of(workspace)
        if found := known.get(sent):
            return found
        if dialect.names_signals and (found := self._called(workspace, known, sent)):
            return found
        new = self._new(workspace, dialect, sent, known, wanted)
        if new is None:
            return None
        slug = str(new.slug)
        wanted.signals[slug] = new
        return Signal("", workspace, slug, new.name, new.type, True, None, new.enforcement, draft=new.draft)

    def make(self, workspace: str, wanted: Wanted, events: Iterable[Event]) -> None:
        """Makes the signals that these events want, and gives them their ids. Raises UnavailableError; also when
        somebody archived one in this moment: whoever sends the event again is told that nobody knows it."""
        new = [event for event in events if not event.signal_id]
        slugs = dict.fromkeys(event.signal for event in new)
        made = self._catalog.ensure_signals(workspace, [wanted.signals[slug] for slug in slugs]) if slugs else {}
        for event in new:
            if event.signal not in made:
                raise UnavailableError(f"the signal '{event.signal}' was archived in this moment")
            event.signal_id = made[event.signal].id

    def _called(self, workspace: str, known: Mapping[str, Signal], sent: str) -> Signal | None:
        """By its name, of several the oldest; else by the slug that is made of the name."""
        seen, names = self._names.get(workspace, (None, {}))
        if seen is not known:
            names = {each.name: each for each in sorted(known.values(), key=_age, reverse=True)}
            self._names[workspace] = known, names
        return names.get(sent) or known.get(slug_for(sent))

    def _new(
        self, workspace: str, dialect: Dialect, sent: str, known: Mapping[str, Signal], wanted: Wanted
    ) -> NewSignal | None:
        new = BUILT_IN.get(dialect.name, {}).get(sent)
        if new is None and self._catalog.workspace(workspace).unknown_signals == "draft":
            new = _draft(dialect, sent)
            if new is not None and new.slug not in wanted.signals and _count(known.values(), wanted) >= MOST_DRAFTS:
                new = None
        if new is None or self._catalog.is_taken(workspace, str(new.slug)):
            return None
        return new


def _draft(dialect: Dialect, sent: str) -> NewSignal | None:
    """None for what no signal can be called."""
    if not dialect.names_signals and not slug_is_valid(sent):
        return None
    try:
        name = check_name(sent)
    except InvalidError:
        return None
    return NewSignal(name=name, slug=slug_for(sent), type="event", rate_limit=None, draft=True)


def _count(known: Iterable[Signal], wanted: Wanted) -> int:
    drafts = sum(signal.draft for signal in known)
    return drafts + sum(new.draft for new in wanted.signals.values())


def _age(signal: Signal) -> tuple[int, str]:
    return signal.created_ms, signal.id
