"""Who belongs together in one workspace, kept in memory as links come in: `rules.connect.settle`, step by step.

Most people are two or three identities, so most of it is a tuple that its identities share. Only what is linked into
more identities than a profile may have is kept link by link (`_Tangle`), since there the age of links decides.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from headwater.rules.connect import (
    CAP,
    MOST_LINKS,
    Pair,
    Reason,
    is_anonymous,
    is_crowded,
    is_device_of_many,
    join,
    pair_of,
    parts,
    refusal,
)

LinksOf = Callable[[str, int], Iterable[tuple[Pair, int]]]
"""Links of an identity with their first times, up to so many. Every link that is added stands there already."""

_CHECKED = 100_000
"""Pairs remembered as not making a shared value of either end."""


class Circles:
    """The sets of one workspace. One thread changes them at a time; `of` may be asked by any meanwhile."""

    def __init__(self, links_of: LinksOf) -> None:
        self._links_of = links_of
        self._sets: dict[str, tuple[str, ...]] = {}  # identities that are not alone
        self._tangles: dict[str, _Tangle] = {}  # by each of their identities
        self._todo: set[_Tangle] = set()
        self._before: dict[str, tuple[str, ...]] = {}  # what changed since `changes`, as it was then
        self._checked: set[Pair] = set()
        self._others = 0
        self._devices: dict[str, set[str]] = {}  # devices that many share, or did, by what is linked with them
        self._crowded: set[str] = set()  # those of `shared` that have too many links
        self._unsure: set[str] = set()  # devices whose links are to be looked at again
        self._linked: set[str] = (
            set()
        )  # devices that have a link: nearly all have one alone, and are looked up at a second
        self.shared: set[str] = set()
        """Values that too many share, found so far: all of them, but for such as never connect anyway."""
        self.never: frozenset[str] = frozenset()
        self.severed: Collection[Pair] = frozenset()
        self.cap = CAP

    def of(self, identity: str) -> tuple[str, ...]:
        """The sorted set of an identity; it alone if nothing is connected with it."""
        return self._sets.get(identity) or (identity,)

    def changes(self) -> list[frozenset[str]]:
        """What changed since this was asked last: disjoint sets, each the union of old and new sets that overlap."""
        unions: dict[str, set[str]] = {}
        for old, new in {(old, self.of(identity)) for identity, old in self._before.items()}:
            if old != new:
                _unite(unions, {*old, *new})
        self._before = {}
        return [frozenset(each) for each in {id(each): each for each in unions.values()}.values()]

    def forget_changes(self) -> None:
        """As if `changes` had been asked."""
        self._before = {}

    def add(self, links: Iterable[tuple[str, str, int]]) -> None:
        """Takes links in: the smaller identity, the larger, their first time."""
        for a, b, first_ms in links:
            self._add(a, b, first_ms)
        self._settle()

    def restrict(self, never: frozenset[str], cap: int) -> None:
        """Other values that never connect, and another bound on the identities of a profile."""
        changed, freed, smaller = never ^ self.never, self.never - never, cap < self.cap
        self.never, self.cap = never, cap
        self._count_others()
        for tangle in set(self._tangles.values()):
            tangle.is_nobody = False
            self._todo.add(tangle)
        self._reconsider(changed)
        if smaller:
            full = {joined[0] for joined in self._sets.values() if len(joined) > cap}
            self._reconsider(full - self._tangles.keys())
        for identity in changed:
            self._doubt(identity, self._links_of(identity, MOST_LINKS + 1))
        for identity in freed:
            for (a, b), first_ms in self._links(identity):
                self._add(a, b, first_ms)
        self._settle()

    def sever(self, severed: Mapping[Pair, int], fresh: Iterable[Pair]) -> None:
        """All severed pairs, and those that are new among them."""
        self.severed = severed
        self._count_others()
        ends = {identity for pair in fresh for identity in pair}
        self._unsure |= ends & self.shared
        self._reconsider(ends)
        self._settle()

    def refresh(self, identities: Iterable[str]) -> set[str]:
        """What links these has changed, and not only grown. Returns all whose sets were made anew."""
        self._checked.clear()
        concerned = set(identities)
        for identity in concerned & (self.shared | self._crowded):
            self._forget(identity)
        self._count_others()
        whole = self._reached(concerned)
        self._arrange(whole, self._among(whole))
        self._settle()
        return whole

    def _reached(self, identities: Iterable[str]) -> set[str]:
        """These, and all that they were or are connected with, however far."""
        found: set[str] = set()
        todo = list(identities)
        while todo:
            identity = todo.pop()
            if identity in found:
                continue
            found.add(identity)
            tangle = self._tangles.get(identity)
            todo += tangle.identities if tangle else self.of(identity)
            todo += (other for pair, _ in self._links(identity) if not self.refusal(pair) for other in pair)
        return found

    def joined_by(self, circle: tuple[str, ...], identities: Sequence[str]) -> tuple[str, ...]:
        """What a set becomes when an event names these, the first of them with each other one, as long as the cap is
        not met."""
        joined = set(circle)
        for other in identities[1:]:
            pair = pair_of(identities[0], other)
            union = joined.union(self.of(pair[0]), self.of(pair[1]))
            if pair[0] != pair[1] and not self.refusal(pair) and len(union) <= self.cap:
                joined = union
        return tuple(sorted(joined))

    def ties(self, identity: str) -> dict[Pair, int]:
        """The links that may connect of all that is linked with an identity, however far; empty when nothing is."""
        tangle = self._tangles.get(identity)
        return dict(tangle.links) if tangle else self._among(self.of(identity))

    def refusal(self, pair: Pair) -> Reason | None:
        """As `rules.connect.refusal`."""
        return refusal(pair, self.never, self.severed, self.shared)

    def _add(self, a: str, b: str, first_ms: int) -> None:
        mine, other = self._sets.get(a), self._sets.get(b)
        is_known = mine is other and mine is not None and a not in self._tangles
        if is_known and max(self._most_links(a), self._most_links(b)) <= MOST_LINKS and not _names_device(a, b):
            return
        self._look_for_shared((a, b))
        if self.refusal((a, b)):
            return
        if a in self._tangles or b in self._tangles:
            self._entangle(a, b, first_ms)
            return
        union = {*self.of(a), *self.of(b)}
        if len(union) <= self.cap:
            self._put(tuple(sorted(union)))
        else:
            self._arrange(union, self._among(union))

    # --- values that many share -------------------------------------------------------------------------------------

    def _doubt(self, identity: str, links: Iterable[tuple[Pair, int]]) -> None:
        """Has the devices looked at again that are linked with this one, and itself if it is one: whether its links
        count has changed. Those of a value of many never count."""
        others = _others_of(identity, links)
        if not is_crowded(others):
            self._unsure.update(filter(is_anonymous, (identity, *others)))

    def _forget(self, identity: str) -> None:
        """That it is shared, if it is no more."""
        found = list(self._links_of(identity, MOST_LINKS + 1))
        if not is_crowded(found) and identity in self._crowded:
            self._crowded.discard(identity)
            self._doubt(identity, found)
        if not self._is_shared(identity, found):
            self.shared.discard(identity)

    def _look_again(self, device: str) -> None:
        """Whether a device is one of many, where that may have changed."""
        was_shared = device in self.shared
        self._forget(device)
        found = self._links(device)
        if was_shared and device not in self.shared:
            for (a, b), first_ms in found:
                self._add(a, b, first_ms)

    def _look_for_shared(self, pair: Pair) -> None:
        """Looks at the links of a pair's identities, where they can be too many."""
        doubtful = [each for each in pair if self._is_doubtful(each)]
        if not doubtful or pair in self._checked:
            return
        for identity in doubtful:
            self._links(identity)
        for one, other in (pair, pair[::-1]):
            if other in self.shared and is_anonymous(other):
                self._devices.setdefault(one, set()).add(other)
        if len(self._checked) >= _CHECKED:
            self._checked.clear()
        self._checked.add(pair)

    def _is_doubtful(self, identity: str) -> bool:
        """Whether a link that is just coming in could make it one that many share."""
        if self._most_links(identity) > MOST_LINKS:
            return True
        if not is_anonymous(identity) or identity in self._linked:
            return is_anonymous(identity)
        self._linked.add(identity)
        return False

    def _most_links(self, identity: str) -> int:
        """No fewer than the identity has, counting one that is just coming in."""
        tangle = self._tangles.get(identity)
        seen = tangle.degrees[identity] + 1 if tangle else len(self.of(identity))
        return seen + self._others + len(self._devices.get(identity, ()))

    def _links(self, identity: str) -> list[tuple[Pair, int]]:
        """All links of an identity; none if it is a shared value, which is seen to then."""
        found = list(self._links_of(identity, MOST_LINKS + 1))
        others = _others_of(identity, found)
        if others and is_anonymous(identity):
            self._linked.add(identity)
        if not self._is_shared(identity, found):
            return found
        if identity not in self.never:
            self._share(identity, others)
        return []

    def _is_shared(self, identity: str, links: Sequence[tuple[Pair, int]]) -> bool:
        others = _others_of(identity, links)
        return is_crowded(others) or is_device_of_many(identity, others, self.never, self.severed, self._crowded)

    def _share(self, identity: str, others: Collection[str]) -> None:
        """It is a value that many share, if that was not known."""
        if is_crowded(others) and identity not in self._crowded:
            self._crowded.add(identity)
            self._unsure |= self._devices.get(identity, set())
        if identity in self.shared:
            return
        self.shared.add(identity)
        if is_anonymous(identity):
            for other in others:
                self._devices.setdefault(other, set()).add(identity)
        else:
            self._count_others()
        self._reconsider((identity,))

    def _count_others(self) -> None:
        """Links of an identity that its set does not show, at most."""
        devices = sum(map(is_anonymous, self.shared))  # these are counted where they are named
        self._others = len(self.shared) - devices + len(self.never) + len(self.severed)

    # --- sets -------------------------------------------------------------------------------------------------------

    def _put(self, joined: tuple[str, ...]) -> None:
        """These are one set from now on."""
        if self.of(joined[0]) == joined:
            return
        for identity in joined:
            self._before.setdefault(identity, self.of(identity))
            if len(joined) == 1:
                self._sets.pop(identity, None)
            else:
                self._sets[identity] = joined

    def _among(self, identities: Collection[str]) -> dict[Pair, int]:
        """The links that may connect between identities that are no tangle's."""
        found = {pair: first_ms for each in identities for pair, first_ms in self._links(each)}
        within = frozenset(identities)
        return {pair: ms for pair, ms in found.items() if within.issuperset(pair) and not self.refusal(pair)}

    def _arrange(self, identities: Iterable[str], links: Mapping[Pair, int]) -> None:
        """Sets and tangles of these identities anew, from all the links that may connect between them."""
        alone = set(identities)
        for identity in alone:
            self._tangles.pop(identity, None)
        for part in parts(links):
            joined = {identity for pair in part for identity in pair}
            alone -= joined
            if len(joined) <= self.cap:
                self._put(tuple(sorted(joined)))
            else:
                tangle = _Tangle(part)
                self._tangles.update(dict.fromkeys(joined, tangle))
                self._todo.add(tangle)
        for identity in alone:
            self._put((identity,))

    def _reconsider(self, identities: Iterable[str]) -> None:
        """The sets of these, since what may connect has changed."""
        for identity in identities:
            if tangle := self._tangles.get(identity):
                tangle.is_torn = True
                self._todo.add(tangle)
            elif joined := self._sets.get(identity):
                self._arrange(joined, self._among(joined))

    # --- tangles ----------------------------------------------------------------------------------------------------

    def _entangle(self, a: str, b: str, first_ms: int) -> None:
        """A link of which at least one end is a tangle's."""
        one, other = self._tangles.get(a), self._tangles.get(b)
        if one is None or (other is not None and len(other.links) > len(one.links)):
            a, b, one, other = b, a, other, one
        assert one is not None
        if other is None:
            joined, known = self.of(b), len(self.shared)
            self._absorb(one, joined, self._among(joined) if len(joined) > 1 else {})
            one.is_torn |= len(self.shared) > known
        elif other is not one:
            self._absorb(one, other.identities, other.links)
            one.is_torn |= other.is_torn
        if one.add(pair_of(a, b), first_ms) or one.is_torn:
            self._todo.add(one)

    def _absorb(self, tangle: "_Tangle", identities: Iterable[str], links: Mapping[Pair, int]) -> None:
        for identity in identities:
            tangle.identities.add(identity)
            self._tangles[identity] = tangle
            if tangle.is_nobody:
                self._put((identity,))
        for pair, first_ms in links.items():
            tangle.add(pair, first_ms)

    def _settle(self) -> None:
        """Brings devices that are in doubt, and the sets of every tangle that changed, up to date."""
        while self._todo or self._unsure:
            if self._unsure:
                self._look_again(self._unsure.pop())
                continue
            tangle = self._todo.pop()
            if self._tangles.get(next(iter(tangle.identities))) is not tangle:
                continue  # it became part of another, or fell apart
            if tangle.is_torn:
                links = {pair: ms for pair, ms in tangle.links.items() if not self.refusal(pair)}
                self._arrange(tangle.identities, links)
            elif not tangle.is_nobody:
                self._put_all(tangle)

    def _put_all(self, tangle: "_Tangle") -> None:
        joined = join(tangle.links, self.cap)[0]
        for each in joined:
            self._put(each)
        for identity in tangle.identities.difference(*joined):
            self._put((identity,))
        tangle.is_nobody = not joined


class _Tangle:
    """A connected set of more identities than a profile may have, link by link."""

    def __init__(self, links: Mapping[Pair, int]) -> None:
        self.links = dict(links)
        self.degrees = Counter(identity for pair in links for identity in pair)
        self.identities = set(self.degrees)
        self.is_torn = False
        """Some of its links may not connect any more: it may fall apart."""
        self.is_nobody = False
        """It was settled as too large to be a person, and can only have grown since."""

    def add(self, pair: Pair, first_ms: int) -> bool:
        """Whether that changed anything."""
        known = self.links.get(pair)
        if known is not None and known <= first_ms:
            return False
        self.links[pair] = first_ms
        if known is None:
            self.degrees.update(pair)
        return True


def _others_of(identity: str, links: Iterable[tuple[Pair, int]]) -> list[str]:
    return [b if a == identity else a for (a, b), _ in links]


def _names_device(a: str, b: str) -> bool:
    return is_anonymous(a) or is_anonymous(b)


def _unite(unions: dict[str, set[str]], fresh: set[str]) -> None:
    """Adds a set to disjoint ones, each known by all its members."""
    met = {id(known): known for identity in fresh if (known := unions.get(identity)) is not None}
    whole = fresh.union(*met.values())
    unions.update(dict.fromkeys(whole, whole))
