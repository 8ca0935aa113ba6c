"""Which identities belong together: from the links that events made to sets, in any order the same.

A link joins the two identities of one person that an event named together; its age is the time of the earliest such
event. Not every link connects: values that everybody shares, pairs that were cut apart and profiles that are full
must not draw strangers into one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

Pair = tuple[str, str]
"""Two identities, the smaller first."""

MOST_LINKS = 1_000
"""An identity with more links is a value that many share."""
MOST_IDENTITIES = 10_000
"""What is linked into more identities than this is nobody; none of it is connected."""
MOST_TIES = 100_000
"""The same by links, so that the work over one set is bounded."""
_ANONYMOUS = "anonymous:"
CAP = 100
"""Identities of a profile, unless the workspace sets another bound."""


class Reason(StrEnum):
    """Why a link connects nothing."""

    NEVER_CONNECT = "never_connect"
    """One of its identities is on the workspace's list of values that never connect."""
    SEVERED = "severed"
    """The two were cut apart."""
    SHARED_VALUE = "shared_value"
    """One of its identities has more than MOST_LINKS links, or is a device of several people (`is_device_of_many`)."""
    PROFILE_FULL = "profile_full"
    """The profile would have more identities than the workspace allows."""


class Severed(msgspec.Struct, frozen=True, order=True, gc=False):
    """Two identities that were cut apart; `a` < `b`."""

    a: str
    b: str
    until_ms: int
    """Events received until then that name both made the merge that was undone: they are set aside."""

    @property
    def pair(self) -> Pair:
        return self.a, self.b


class NotConnected(msgspec.Struct, frozen=True, gc=False):
    """A link that connects nothing, and why."""

    a: str
    b: str
    first_ms: int
    reason: Reason


class Attribution:
    """Whose events are whose, in one workspace, and which are nobody's. Never changed, only replaced."""

    def __init__(
        self,
        never: frozenset[str] = frozenset(),
        severed: Iterable[Severed] = (),
        excluded: frozenset[str] = frozenset(),
    ) -> None:
        self.never = never
        """Identities that never connect."""
        self.excluded = excluded
        """Backfills whose events count for nobody: reverted, or held."""
        self.severed = tuple(sorted(severed))
        self.until = {each.pair: each.until_ms for each in self.severed}

    def of(self, identities: Sequence[str], received: int) -> str | None:
        """The identity whose profile an event received at `received` (UTC ms) belongs to; None: it is set aside."""
        if self.until and is_set_aside(identities, received, self.until):
            return None
        return attributed(identities, self.never)


def pair_of(one: str, other: str) -> Pair:
    return (one, other) if one < other else (other, one)


def attributed(identities: Sequence[str], never: Collection[str]) -> str:
    """The identity that an event counts for: its first that is not on the list; if all are, its first."""
    if not never:
        return identities[0]
    return next((identity for identity in identities if identity not in never), identities[0])


def is_set_aside(identities: Sequence[str], received: int, until: Mapping[Pair, int]) -> bool:
    """Whether an event received at `received` (UTC ms) names both of a pair that was severed then or later."""
    if len(identities) < 2:
        return False
    return any(
        received <= until.get(pair_of(one, other), -1)
        for place, one in enumerate(identities)
        for other in identities[place + 1 :]
    )


class Settled(msgspec.Struct, frozen=True):
    """All of a workspace's links, settled."""

    sets: tuple[tuple[str, ...], ...]
    """Sets of two or more, each sorted, sorted; an identity in none is alone."""
    apart: dict[Pair, Reason]
    """The links that connect nothing."""


def settle(links: Mapping[Pair, int], never: Collection[str], severed: Collection[Pair], cap: int) -> Settled:
    """What links (with their first times) come to: the meaning of everything else that connects.

    First whatever may not connect is left out, each for the first reason of `Reason`'s order that fits; a connected set
    of the rest that cannot be a person falls apart into single identities; what is larger than `cap` is joined link by
    link, oldest first, and a link that would make a set larger than `cap` connects nothing.
    """
    linked: dict[str, list[str]] = {}
    for a, b in links:
        linked.setdefault(a, []).append(b)
        linked.setdefault(b, []).append(a)
    crowded = {identity for identity, others in linked.items() if is_crowded(others)}
    shared = crowded | {
        each for each, others in linked.items() if is_device_of_many(each, others, never, severed, crowded)
    }
    apart = {pair: reason for pair in links if (reason := refusal(pair, never, severed, shared))}
    sets: list[tuple[str, ...]] = []
    left = {pair: first_ms for pair, first_ms in links.items() if pair not in apart}
    for part in parts(left):
        joined, full = join(part, cap)
        sets += joined
        apart |= dict.fromkeys(full, Reason.PROFILE_FULL)
    return Settled(tuple(sorted(sets)), apart)


def refusal(pair: Pair, never: Collection[str], severed: Collection[Pair], shared: Collection[str]) -> Reason | None:
    """Why a link may not connect, whatever else there is; None when it may."""
    a, b = pair
    if a in never or b in never:
        return Reason.NEVER_CONNECT
    if pair in severed:
        return Reason.SEVERED
    if a in shared or b in shared:
        return Reason.SHARED_VALUE
    return None


def is_anonymous(identity: str) -> bool:
    """Whether it names a browser or a device, until its user is known."""
    return identity.startswith(_ANONYMOUS)


def is_crowded(others: Collection[object]) -> bool:
    """Whether what is linked with these is a value of many."""
    return len(others) > MOST_LINKS


def is_device_of_many(
    identity: str,
    others: Collection[str],
    never: Collection[str],
    severed: Collection[Pair],
    crowded: Collection[str],
) -> bool:
    """Whether an identity that is linked with `others` is a device of several people: of two that are of one type. Two
    users, or two e-mail addresses, are two people at one browser until something else says that they are one; to make
    them one by mistake is worse than to leave a device's events to itself.

    Links that connect nobody anyway do not count: what an operator cut, or names as a value that never connects, is
    mended by that. `crowded`: the values of many.
    """
    if len(others) < 2 or not is_anonymous(identity):
        return False
    free = [other for other in others if not refusal(pair_of(identity, other), never, severed, crowded)]
    types = [other.partition(":")[0] for other in free]
    return len(set(types)) < len(types)


def parts(links: Mapping[Pair, int]) -> list[dict[Pair, int]]:
    """The links of each connected set."""
    forest = _Forest()
    for a, b in links:
        forest.join(a, b)
    found: dict[str, dict[Pair, int]] = {}
    for pair, first_ms in links.items():
        found.setdefault(forest.root(pair[0]), {})[pair] = first_ms
    return list(found.values())


def join(links: Mapping[Pair, int], cap: int) -> tuple[list[tuple[str, ...]], list[Pair]]:
    """One connected set's links to the sets they make, and the links that connect nothing because one is full."""
    identities = {identity for pair in links for identity in pair}
    if len(identities) <= cap:
        return [tuple(sorted(identities))], []
    if is_nobody(len(identities), len(links)):
        return [], list(links)
    forest = _Forest()
    in_turn = sorted((first_ms, *pair) for pair, first_ms in links.items())
    full = [(a, b) for _, a, b in in_turn if not forest.join(a, b, cap)]
    return forest.sets(), full


def is_nobody(identities: int, links: int) -> bool:
    """Whether so much linked together cannot be one person."""
    return identities > MOST_IDENTITIES or links > MOST_TIES


def cut(links: Mapping[Pair, int], identity: str, cap: int) -> list[Pair]:
    """The links of `identity` to sever until its profile has come apart: newest first, those inside its profile.

    A link to a profile that was too full made no merge, so none of those is cut, unless with the room there is now it
    would bring all of the profile together again. `links`: those of its connected set that may connect. Empty when it
    is connected with nothing.
    """
    before = _set_of(identity, links, cap)
    if len(before) == 1:
        return []
    left, severed = dict(links), []
    own = ((before.issuperset(pair), first_ms, pair) for pair, first_ms in links.items() if identity in pair)
    for _, _, pair in sorted(own, reverse=True):
        del left[pair]
        severed.append(pair)
        if not before <= _set_of(identity, left, cap):
            break
    return severed


def _set_of(identity: str, links: Mapping[Pair, int], cap: int) -> set[str]:
    for part in parts(links):
        for joined in join(part, cap)[0]:
            if identity in joined:
                return set(joined)
    return {identity}


class _Forest:
    """A union-find that knows how large its sets are."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}
        self._size: dict[str, int] = {}

    def root(self, identity: str) -> str:
        above = self._above
        top = above.setdefault(identity, identity)
        while above[top] != top:
            top = above[top]
        while above[identity] != top:
            above[identity], identity = top, above[identity]
        return top

    def join(self, a: str, b: str, cap: int | None = None) -> bool:
        """Whether the two are in one set now: not when it were larger than `cap`."""
        one, other = self.root(a), self.root(b)
        if one == other:
            return True
        size = self._size.get(one, 1) + self._size.get(other, 1)
        if cap is not None and size > cap:
            return False
        if self._size.get(one, 1) < self._size.get(other, 1):
            one, other = other, one
        self._above[other] = one
        self._size[one] = size
        return True

    def sets(self) -> list[tuple[str, ...]]:
        """Those of two or more, each sorted."""
        found: dict[str, list[str]] = {}
        for identity in self._above:
            found.setdefault(self.root(identity), []).append(identity)
        return [tuple(sorted(each)) for each in found.values() if len(each) > 1]
