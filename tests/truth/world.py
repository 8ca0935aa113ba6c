"""What was sent, as plain Python, and what of it counts. Nothing under tests/truth shares code with headwater."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

from truth.values import at_path, number

PAST_MS, FUTURE_MS = 2 * 3_600_000, 30 * 60_000
"""How far from its receipt an event of the realtime lane may be dated."""
SHARED = 1_000
"""An identity with more links than this connects nothing."""
NOT_PEOPLE = 10_000
"""Identities of a connected set so large that it connects nothing."""


@dataclass(frozen=True)
class Kind:
    """A signal: `event`, `metric` or `state`."""

    type: str = "event"
    aggregation: str = ""
    period: str = ""
    value: str = ""
    """Dotted path; empty for a metric that only counts, and for events."""


@dataclass(frozen=True)
class Happening:
    """One event as it was sent and acknowledged. Times in UTC milliseconds."""

    id: str
    signal: str
    at: int
    received: int
    identities: tuple[str, ...]
    data: Mapping[str, Any]
    name: str | None = None
    dialect: str = "bik"
    migration: bool = False
    backfill: str = ""


@dataclass
class World:
    """A workspace: its signals, everything it acknowledged, and what its operator said about identities."""

    signals: Mapping[str, Kind]
    happenings: Sequence[Happening]
    never: frozenset[str] = frozenset()
    cap: int = 100
    severed: Mapping[frozenset[str], int] = field(default_factory=dict)
    """Pairs that an unmerge cut, with when (ms)."""
    excluded: frozenset[str] = frozenset()
    """Backfills that were reverted, or are held."""

    def rejected(self, one: Happening) -> bool:
        """Whether it does not count: dated where the lane takes no dates, or a metric or state without its value."""
        kind = self.signals[one.signal]
        ahead, behind = one.at - one.received > FUTURE_MS, one.received - one.at > PAST_MS
        if not one.migration and (ahead or (behind and one.dialect == "bik")):
            return True
        if kind.type == "metric" and kind.value:
            return self.measured(one) is None
        return kind.type == "state" and at_path(one.data, kind.value) is None

    def measured(self, one: Happening) -> Fraction | None:
        """A metric's number."""
        path = self.signals[one.signal].value
        return number(at_path(one.data, path)) if path else None

    @cached_property
    def processed(self) -> list[Happening]:
        counting = (one for one in self.happenings if one.backfill not in self.excluded)
        return [one for one in counting if not self.rejected(one)]

    @cached_property
    def sets(self) -> dict[str, frozenset[str]]:
        """Each identity's profile: its connected set."""
        return {identity: frozenset(members) for members in self._settled for identity in members}

    @cached_property
    def profiles(self) -> frozenset[frozenset[str]]:
        return frozenset(self.sets.values())

    @cached_property
    def links(self) -> dict[tuple[str, str], int]:
        """Pairs that were named together, with the earliest time that any event named them at."""
        first: dict[tuple[str, str], int] = {}
        for one in self.processed:
            for other in one.identities[1:]:
                if other != one.identities[0]:
                    pair = one.identities[0], other
                    first[pair] = min(one.at, first.get(pair, one.at))
        return first

    def refused(self) -> dict[tuple[str, str], str]:
        """Links that connect nothing, each with the reason."""
        reasons = {}
        for pair in self.links:
            if self.never.intersection(pair):
                reasons[pair] = "never_connect"
            elif frozenset(pair) in self.severed:
                reasons[pair] = "severed"
            elif any(self._degrees[identity] > SHARED for identity in pair):
                reasons[pair] = "shared_value"
            elif self.sets[pair[0]] != self.sets[pair[1]]:
                reasons[pair] = "profile_full"
        return reasons

    @cached_property
    def _degrees(self) -> Counter[str]:
        return Counter(identity for pair in self.links for identity in pair)

    @cached_property
    def _willing(self) -> set[tuple[str, str]]:
        """Links that the operator has nothing against."""
        return {
            pair for pair in self.links if not self.never.intersection(pair) and frozenset(pair) not in self.severed
        }

    @cached_property
    def _settled(self) -> list[set[str]]:
        usable = [pair for pair in self._willing if max(self._degrees[identity] for identity in pair) <= SHARED]
        everyone = {identity for one in self.processed for identity in one.identities}
        crowds = [crowd for crowd in joined(everyone, usable, len(everyone)) if len(crowd) > NOT_PEOPLE]
        usable = [pair for pair in usable if not any(pair[0] in crowd for crowd in crowds)]
        usable.sort(key=lambda pair: (self.links[pair], *pair))
        return joined(everyone, usable, self.cap)

    def set_aside(self, one: Happening) -> bool:
        """Whether it made a merge that was undone later."""
        named = frozenset(one.identities)
        return any(pair <= named and one.received <= until for pair, until in self.severed.items())

    def profile_of(self, one: Happening) -> frozenset[str] | None:
        """The one profile that an event belongs to; None when it was set aside."""
        if self.set_aside(one):
            return None
        allowed = [identity for identity in one.identities if identity not in self.never]
        return self.sets[(allowed or one.identities)[0]]

    @cached_property
    def histories(self) -> dict[frozenset[str], list[Happening]]:
        """Each profile's events, oldest first; a profile that is only named has none."""
        found: dict[frozenset[str], list[Happening]] = {profile: [] for profile in self.profiles}
        for one in sorted(self.processed, key=lambda one: (one.at, one.id)):
            if (profile := self.profile_of(one)) is not None:
                found[profile].append(one)
        return found

    def subjects(self, kind: str) -> set[frozenset[str]]:
        """Profiles that a cohort of this subject chooses among."""
        types = {"email", "phone"} if kind == "person" else {kind}
        return {profile for profile in self.profiles if any(who.partition(":")[0] in types for who in profile)}

    def unmerged(self, identity: str, now: int) -> "World":
        """The same after its profile was cut at an identity: its links inside the profile are severed, newest first,
        until it has come apart; then, if those behind a full profile should bring it together again, those too."""
        before = self.sets[identity]
        severed, world = dict(self.severed), self
        mine = [
            pair for pair in self._willing if identity in pair and max(self._degrees[one] for one in pair) <= SHARED
        ]
        for pair in sorted(mine, key=lambda pair: (before.issuperset(pair), self.links[pair], *pair), reverse=True):
            if len(before) > 1 and world.sets[identity] >= before:
                severed[frozenset(pair)] = now
                world = World(self.signals, self.happenings, self.never, self.cap, severed, self.excluded)
        return world


def joined(everyone: set[str], pairs: Sequence[tuple[str, str]], cap: int) -> list[set[str]]:
    """Sets joined by pairs in this order, but for those that would make one of more than `cap`."""
    home = {identity: {identity} for identity in everyone}
    for one, other in pairs:
        if home[one] is not home[other] and len(home[one]) + len(home[other]) <= cap:
            small, large = sorted((home[one], home[other]), key=len)
            large |= small
            for identity in small:
                home[identity] = large
    return list({id(members): members for members in home.values()}.values())
