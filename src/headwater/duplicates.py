"""Events that were sent before: those whose reference was taken already, of a signal with `dedupe_by: reference` or of
a dialect that always dedupes."""

from collections.abc import Mapping, Sequence

import msgspec

from headwater.catalog.base import Catalog
from headwater.claims.base import Hold, claim_key, told_key
from headwater.dialects.base import Dialect, Limited
from headwater.events import Claim, Event, id_text
from headwater.rules.once import keep_event, recall_event
from headwater.signals import Signal


class Sorted(msgspec.Struct, gc=False):
    """A request's events, told apart. Each event is named by its index among them."""

    rest: Sequence[int]
    """Those that were not sent before."""
    keys: dict[int, bytes]
    """The claims of those among the rest that have a reference to be known by."""
    duplicates: dict[int, bytes]
    """The others, and what the claims of the events taken before hold; empty for one that is in this request, too."""
    firsts: dict[int, int]
    """For these, which one of the rest they are duplicates of."""

    def claims(self, chosen: Sequence[int], taken: Sequence[Event]) -> tuple[Claim, ...]:
        """For the events that are taken: `chosen` are their places in `rest`."""
        found = [(self.keys.get(self.rest[place]), event) for place, event in zip(chosen, taken, strict=True)]
        return tuple([_claim(key, event) for key, event in found if key])

    async def marks(self, hold: Hold, batch: bytes, backfill: str) -> tuple[Claim, ...]:
        """For the answer of a batch that is kept: of which events of earlier ones it tells. Raises UnavailableError."""
        firsts = {recall_event(value)[0] for value in self.duplicates.values() if value}
        marks = {told_key(first, batch): first for first in firsts}
        known = await hold.take(marks) if marks else {}
        return tuple([Claim(key, first, backfill) for key, first in marks.items() if key not in known])

    def told(
        self,
        events: Sequence[Event | None],
        places: Sequence[int],
        chosen: Sequence[int],
        taken: Sequence[Event],
        limited: Sequence[Limited],
    ) -> tuple[list[Event], frozenset[int], list[Limited]]:
        """What the sender is told: events taken and duplicates in the batch's order, which of them are duplicates, and
        what was over a limit; a duplicate of such an event is no better off."""
        by_index = {self.rest[place]: event for place, event in zip(chosen, taken, strict=True)}
        told, repeated, over = list[Event](), set[int](), list(limited)
        for index, event in enumerate(events):
            if index in by_index:
                told.append(by_index[index])
            elif event is not None and index in self.duplicates:
                if self._repeat(index, event, by_index):
                    repeated.add(len(told))
                    told.append(event)
                else:
                    over.append(Limited(places[index], event))
        return told, frozenset(repeated), sorted(over, key=lambda each: each.index)

    def _repeat(self, index: int, event: Event, taken: Mapping[int, Event]) -> bool:
        """Gives a duplicate the id and the version of its first. False when that is not among those `taken`."""
        value = self.duplicates[index]
        if value:
            first_id, first = recall_event(value)
            event.id, event.schema_version = id_text(first_id), first.schema_version
            return True
        found = taken.get(self.firsts[index])
        if found is None:
            return False
        event.id, event.schema_version = found.id, found.schema_version
        return True


class Duplicates:
    """Finds them, for one gateway."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._deduping: dict[str, tuple[Mapping[str, Signal], bool]] = {}
        """By workspace, with the signals that it was looked up among."""

    def possible(self, workspace: str) -> bool:
        """Whether any signal of the workspace dedupes. Asked at every request: looked up anew only when the signals
        have changed."""
        signals = self._catalog.signals_of(workspace)
        seen, dedupes = self._deduping.get(workspace, (None, False))
        if seen is not signals:
            dedupes = any(signal.dedupe_by for signal in signals.values())
            self._deduping[workspace] = (signals, dedupes)
        return dedupes

    async def sort(
        self,
        workspace: str,
        dialect: Dialect,
        events: Sequence[Event | None],
        signals: Sequence[Signal | None],
        hold: Hold,
    ) -> Sorted | None:
        """None when no event of the request can be a duplicate. Those that are not are reserved in `hold`.

        One of a backfill that was reverted counts as never sent. Raises UnavailableError.
        """
        keys = _keys(workspace, dialect, events, signals)
        if not keys:
            return None
        known = await hold.take(keys.values(), void=lambda value: self._is_reverted(workspace, value))
        found, seen = Sorted([], {}, {}, {}), dict[bytes, int]()
        rest: list[int] = []
        for index in range(len(events)):
            key = keys.get(index)
            if key is None:
                rest.append(index)
            elif key in known:
                found.duplicates[index] = known[key]
            elif key in seen:
                found.duplicates[index], found.firsts[index] = b"", seen[key]
            else:
                seen[key] = index
                found.keys[index] = key
                rest.append(index)
        found.rest = rest
        return found

    def _is_reverted(self, workspace: str, value: bytes) -> bool:
        _, first = recall_event(value)
        if not first.backfill:
            return False
        backfill = self._catalog.backfill(workspace, first.backfill)
        return backfill is not None and backfill.status == "reverted"


def _keys(
    workspace: str, dialect: Dialect, events: Sequence[Event | None], signals: Sequence[Signal | None]
) -> dict[int, bytes]:
    """The claims of the events that have a reference to be known by.

    One of a dialect that dedupes is known by it whatever its signal; no signal's id is a dialect's name.
    """
    keys: dict[int, bytes] = {}
    for index, (event, signal) in enumerate(zip(events, signals, strict=True)):
        if event is not None and signal is not None and event.reference and (dialect.dedupes or signal.dedupe_by):
            within = dialect.name if dialect.dedupes else signal.id
            keys[index] = claim_key(workspace, "reference", f"{within}\0{event.reference}")
    return keys


def _claim(key: bytes, event: Event) -> Claim:
    return Claim(key, keep_event(event.id, event.schema_version, event.backfill_id), event.backfill_id)
