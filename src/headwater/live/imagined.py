"""What a workspace's cohorts would be if other events counted: found from the store beside those who live, not kept."""

import time
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np

from headwater.events import Lane
from headwater.live.arrays import Bools, Nodes
from headwater.live.crowd import Population
from headwater.live.loading import Stored
from headwater.live.space import Space
from headwater.people import Connections
from headwater.rules.cohort import Definition
from headwater.state.cohorts import Cohort
from headwater.store.base import Store


class Moment(msgspec.Struct, frozen=True):
    """A workspace's members at one moment, and what they follow from. Nodes as `live.crowd.Population` has them."""

    workspace: str
    identities: Sequence[str]
    roots: Nodes
    """By node."""
    cohorts: Sequence[tuple[Cohort, Definition, Bools]]
    """Each with its members by root."""
    upto: Mapping[Lane, int]
    """The last block of each lane that was taken in."""
    now: int


class Difference(msgspec.Struct, frozen=True):
    """A cohort as it is and as it would be, in profiles."""

    cohort: Cohort
    size: int
    other: int | None = None
    """How many would be in; None, as all below, where there was no time to look."""
    entering: int | None = None
    """Would be in, and no identity of theirs is now."""
    leaving: int | None = None
    """Are in, and no identity of theirs would be."""


def taken(space: Space, upto: Mapping[Lane, int], now: int) -> Moment:
    """The moment, as copies: little work, for those who live wait."""
    size = len(space.population)
    cohorts = [(each.cohort, each.definition, each.members[:size].copy()) for each in space.cohorts.values()]
    return Moment(space.workspace, space.population.identities[:size], space.population.by_node(), cohorts, upto, now)


def differences(moment: Moment, store: Store, people: Connections, end: float) -> Iterator[Difference]:
    """One cohort after the other. `people`: who would belong together, and which events would count. `end`: when no
    further one is begun, by the monotonic clock."""
    stored = Stored(store, moment.workspace, moment.upto, people.attribution(moment.workspace))
    space = Space(moment.workspace, people)
    space.settle_in(stored.identities())
    places = space.population.nodes(moment.identities)
    for cohort, definition, members in moment.cohorts:
        if time.monotonic() > end:
            yield Difference(cohort, int(members.sum()))
            continue
        for leaf in space.wanted(definition):
            space.keep(space.judged(leaf, stored.selected(leaf, moment.now), moment.now))
        other = space.enlist(cohort, definition).members
        yield _compared(cohort, moment, members, space.population, other, places)


def _compared(
    cohort: Cohort, moment: Moment, members: Bools, population: Population, other: Bools, places: Nodes
) -> Difference:
    roots, other_roots = moment.roots, population.by_node()
    members, other = _padded(members, len(roots)), other[: len(other_roots)]
    known = places >= 0
    stay = np.zeros(len(roots), np.bool_)
    stay[known] = other[other_roots[places[known]]]
    were = np.zeros(len(other_roots), np.bool_)
    were[places[known]] = members[roots[known]]
    return Difference(
        cohort,
        size=int(members.sum()),
        other=int(other.sum()),
        entering=_without(other, other_roots, were),
        leaving=_without(members, roots, stay),
    )


def _without(members: Bools, roots: Nodes, marked: Bools) -> int:
    """How many members there are of whose nodes none is marked."""
    some = np.zeros(len(members), np.bool_)
    some[roots[marked]] = True
    return int((members & ~some).sum())


def _padded(members: Bools, size: int) -> Bools:
    return np.concatenate((members, np.zeros(size - len(members), np.bool_)))
