"""One workspace alive: its people, the conditions of its cohorts, and who is in which."""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from headwater.events import Line, received_of
from headwater.live.arrays import NOBODY, Bools, Nodes, grown
from headwater.live.base import Explained, Preview
from headwater.live.conditions import Condition, Formula, formula, key_of
from headwater.live.crowd import Population
from headwater.live.loading import Selected, placed
from headwater.people import Connections
from headwater.rules import cohort
from headwater.rules.cohort import Attribute, Definition, Leaf, leaves
from headwater.rules.connect import Attribution
from headwater.rules.profile import NAME, giving
from headwater.state.cohorts import Change, Cohort, Kind, Rename

_ANY = ""
"""In place of a signal's slug: something that any event may carry."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Living:
    """A cohort with its members."""

    def __init__(self, cohort: Cohort, definition: Definition, holds: Formula, room: int) -> None:
        self.cohort = cohort
        self.definition = definition
        self.keys = frozenset(map(key_of, leaves(definition.where)))
        """Of its conditions."""
        self.holds = holds
        self.members = np.zeros(room, np.bool_)
        """By root."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of a look at everything: to be written down."""

    changes: list[Change]
    renames: list[Rename]


class _Data:
    """An event's data, decoded when first asked for."""

    __slots__ = ("_raw", "_read")

    def __init__(self, raw: msgspec.Raw) -> None:
        self._raw = raw
        self._read: dict[str, Any] | None = None

    def __call__(self) -> dict[str, Any]:
        if self._read is None:
            self._read = _decode(self._raw)
        return self._read


class Space:
    """Not safe to use from threads: `live.Live` sees to that."""

    def __init__(self, workspace: str, people: Connections) -> None:
        self.workspace = workspace
        self.population = Population(workspace)
        self.cohorts: dict[str, Living] = {}
        self.attribution: Attribution = people.attribution(workspace)
        self.passed: frozenset[str] = self.attribution.excluded
        """Backfills whose events are passed over as they come; those that came before count as `attribution` says."""
        self.conditions: dict[bytes, Condition] = {}
        self._people = people
        self._interests: dict[str, list[tuple[Condition, int]]] = {}
        self._causes: dict[int, str] = {}
        """Node to the event that was about it last, since the last look."""
        self._fresh: list[int] = []
        self._regroup: set[str] = set()

    # --- people ----------------------------------------------------------------------------------------------------

    def settle_in(self, identities: Iterable[str]) -> None:
        """Takes in everybody who is there already, before any condition is."""
        linked: set[str] = set()
        for identity in identities:
            self.population.node(identity)
            if len(self._people.connected(self.workspace, identity)) > 1:
                linked.add(identity)
        self.population.regroup(self._sets(linked))

    def note(self, identities: Iterable[str]) -> None:
        """What these identities are connected with may have changed."""
        self._regroup.update(identities)

    def _sets(self, identities: set[str]) -> Iterator[tuple[str, ...]]:
        left, done = set(identities), set[str]()
        while left:
            # Sets may grow while they are asked for; nobody is put into two of them.
            together = [each for each in self._people.connected(self.workspace, left.pop()) if each not in done]
            left.difference_update(together)
            done.update(together)
            if together:
                yield tuple(together)

    # --- events ----------------------------------------------------------------------------------------------------

    def see(self, lines: Iterable[Line], again: bool = False) -> None:
        """Takes in processed events; what they change is found by `look`.

        `again`: they were seen before, and are no cause of what changes now.
        """
        plain = not (self.attribution.never or self.attribution.until)
        for line in lines:
            if line.reason or line.backfill_id in self.passed:
                continue
            nodes = [self._node(identity, line.id) for identity in line.identities]
            interests = (*self._interests.get(line.signal, ()), *self._interests.get(_ANY, ()))
            if not interests:
                continue
            owner = line.identities[0] if plain else self.owner(line)
            if owner is not None:
                self._tell(interests, nodes[line.identities.index(owner)], line, again)

    def owner(self, line: Line) -> str | None:
        """The identity whose profile an event belongs to; None when it is set aside."""
        return self.attribution.of(line.identities, received_of(line.id))

    def meet(self, identities: Iterable[str]) -> None:
        """Events name these, whoever they are told about."""
        for identity in identities:
            self._node(identity)

    def _node(self, identity: str, event_id: str | None = None) -> int:
        node, new = self.population.node(identity)
        if new:
            self._fresh.append(node)
            if event_id is not None:
                self._causes[node] = event_id
            if len(self._people.connected(self.workspace, identity)) > 1:
                self._regroup.add(identity)
        return node

    def _tell(self, interests: Sequence[tuple[Condition, int]], node: int, line: Line, again: bool) -> None:
        data = _Data(line.data)
        told = False
        for condition, step in interests:
            condition.fit()
            if condition.kept.see(step, node, line, data):
                condition.dirty = told = True
        if told and not again:
            self._causes[node] = line.id

    def forget(self, nodes: Nodes) -> None:
        """Drops what the conditions know about these nodes; to be told again by `see`."""
        self._fit()
        concerned = {*nodes.tolist()}
        for condition in self.conditions.values():
            concerned.update(condition.flush().tolist())  # what was seen is judged with those who are told anew
            condition.kept.forget(nodes)
        self._regroup.update(self.population.identities[node] for node in concerned)

    def drop(self, identities: Sequence[str]) -> None:
        """These were never seen. Whom they were connected with stays, without them."""
        nodes = self.population.nodes(identities)
        nodes = nodes[nodes >= 0]
        self.forget(nodes)
        for living in self.cohorts.values():
            living.members[nodes] = False
        for root in self.population.roots_of(nodes).tolist():
            self._regroup.update(self.population.identities[node] for node in self.population.nodes_of(root))
        self.population.drop(nodes)
        self._regroup.difference_update(identities)

    # --- conditions and cohorts ------------------------------------------------------------------------------------

    def wanted(self, definition: Definition) -> list[Leaf]:
        """The conditions of a definition that are not kept yet, each once."""
        found = {key_of(leaf): leaf for leaf in leaves(definition.where)}
        return [leaf for key, leaf in found.items() if key not in self.conditions]

    def keep(self, condition: Condition) -> None:
        """From here on its signals' events are shown to it."""
        self.conditions[key_of(condition.leaf)] = condition
        for signal, step in signals_of(condition.leaf):
            self._interests.setdefault(signal, []).append((condition, step))

    def enlist(self, cohort: Cohort, definition: Definition) -> Living:
        """A cohort whose conditions are all kept, with its members as of the last look; it lives from here on."""
        self._fit()
        living = Living(cohort, definition, formula(definition.where, self._condition), self.population.room)
        for key in living.keys:
            self.conditions[key].users += 1
        roots = self.population.roots()
        living.members[roots] = living.holds(roots) & self.population.universe(definition.subject)[roots]
        self.cohorts[cohort.id] = living
        return living

    def dismiss(self, cohort_id: str) -> None:
        """The cohort is gone, and with it what only it needed."""
        living = self.cohorts.pop(cohort_id, None)
        if living is None:
            return
        for key in living.keys:
            condition = self.conditions[key]
            condition.users -= 1
            if not condition.users:
                self._drop(key, condition)

    def prune(self) -> None:
        """Drops the conditions that no cohort asks."""
        for key, condition in list(self.conditions.items()):
            if not condition.users:
                self._drop(key, condition)

    def _drop(self, key: bytes, condition: Condition) -> None:
        del self.conditions[key]
        for signal, step in signals_of(condition.leaf):
            self._interests[signal].remove((condition, step))

    def _condition(self, leaf: Leaf) -> Condition:
        return self.conditions[key_of(leaf)]

    def _fit(self) -> None:
        room = self.population.room
        for condition in self.conditions.values():
            condition.fit()
        for living in self.cohorts.values():
            if room > len(living.members):
                living.members = grown(living.members, room, False)

    # --- membership ------------------------------------------------------------------------------------------------

    def look(self, now: int) -> Outcome:
        """Judges whoever something happened to, and tells who entered and left."""
        self._fit()
        before = self._regrouped()
        regrouped = self.population.roots_of(before)
        anew = set(regrouped.tolist())
        turned = [regrouped, self.population.roots_of(np.array(self._fresh, np.int32))]
        changed = {key: self._judged(condition, regrouped, now) for key, condition in self.conditions.items()}
        outcome = Outcome([], [])
        for living in self.cohorts.values():
            own = [changed[key] for key in living.keys]
            roots = np.unique(np.concatenate([*turned, *own]))
            if not (len(roots) or len(before)):
                continue
            self._move(living, roots, before, anew, now, outcome)
        self._causes.clear()
        self._fresh.clear()
        return outcome

    def _regrouped(self) -> Nodes:
        """Connects and cuts what is to be; the roots from before and all nodes concerned."""
        if not self._regroup:
            return NOBODY
        sets = list(self._sets(self._regroup))
        self._regroup.clear()
        found = (self.population.find(identity) for identities in sets for identity in identities)
        nodes = np.array([node for node in found if node is not None], np.int32)
        roots = self.population.roots_of(nodes)
        self.population.regroup(sets)
        for condition in self.conditions.values():
            condition.gone(nodes)
        return np.union1d(nodes, roots)

    def _judged(self, condition: Condition, regrouped: Nodes, now: int) -> Nodes:
        seen, due = condition.flush(), condition.due(now)
        if not (len(seen) or len(due) or len(regrouped)):
            return due
        roots = np.unique(np.concatenate((self.population.roots_of(seen), due, regrouped)))
        # What is due may have ceased to be a root.
        roots = roots[self.population.are_roots(roots)]
        return condition.judge(roots, now)

    def _move(
        self, living: Living, roots: Nodes, before: Nodes, regrouped: set[int], now: int, outcome: Outcome
    ) -> None:
        holds = living.holds(roots) & self.population.universe(living.definition.subject)[roots]
        gone = before[living.members[before] & ~self.population.are_roots(before)]
        for node in gone.tolist():
            self._vanish(living, node, roots, holds, now, outcome)
        living.members[gone] = False
        for root in roots[living.members[roots] != holds].tolist():
            living.members[root] = entered = not living.members[root]
            outcome.changes.append(self._change(living, root, entered, root in regrouped, now))

    def _vanish(self, living: Living, node: int, roots: Nodes, holds: Bools, now: int, outcome: Outcome) -> None:
        """A member that is part of another profile now: the membership goes on under that one's name, or ends."""
        root = self.population.root(node)
        place = int(np.searchsorted(roots, root))
        if place < len(roots) and roots[place] == root and holds[place]:
            outcome.renames.append(
                Rename(living.cohort.id, self.population.identities[node], self.population.identities[root], now)
            )
            living.members[root] = True
        else:
            outcome.changes.append(self._change(living, node, False, True, now))

    def _change(self, living: Living, root: int, entered: bool, regrouped: bool, now: int) -> Change:
        nodes = self.population.nodes_of(root)
        event = next((self._causes[node] for node in nodes if node in self._causes), None)
        kind: Kind = "event" if event else "profile" if regrouped else "clock"
        return Change(living.cohort.id, self.population.identities[root], now, entered, kind, event)

    def reconcile(self, living: Living, known: Iterable[str], kind: Kind, now: int) -> Outcome:
        """What differs between the members as found and those that were written down last."""
        outcome = Outcome([], [])
        staying = np.zeros(len(living.members), np.bool_)
        for identity in known:
            node = self.population.find(identity)
            root = None if node is None else self.population.root(node)
            if root is None or not living.members[root]:
                outcome.changes.append(Change(living.cohort.id, identity, now, False, kind))
            else:
                staying[root] = True
                if root != node:
                    outcome.renames.append(Rename(living.cohort.id, identity, self.population.identities[root], now))
        for root in np.flatnonzero(living.members & ~staying).tolist():
            outcome.changes.append(Change(living.cohort.id, self.population.identities[root], now, True, kind))
        return outcome

    # --- questions -------------------------------------------------------------------------------------------------

    def member(self, living: Living, identity: str) -> bool:
        node = self.population.find(identity)
        if node is None:
            return False
        root = self.population.root(node)
        return root < len(living.members) and bool(living.members[root])

    def members_of(self, living: Living) -> list[str]:
        """The identities that stand for the members, in no order."""
        identities = self.population.identities
        return [identities[root] for root in np.flatnonzero(living.members).tolist()]

    def judged(self, leaf: Leaf, parts: Iterable[Selected], now: int) -> Condition:
        """A condition that is not kept, from its facts in the store, for all there are."""
        condition = Condition(leaf, self.population, now)
        for step, columns in parts:
            condition.kept.load(step, placed(columns, self.population))
        condition.judge_all(now)
        return condition

    def preview(self, definition: Definition, made: Mapping[bytes, Condition], sample: int) -> Preview:
        """`made`: the conditions that are not kept, by key."""
        self._fit()
        for condition in made.values():
            condition.fit()
        holds = formula(definition.where, lambda leaf: made.get(key_of(leaf)) or self._condition(leaf))
        roots = self.population.roots()
        found = roots[holds(roots) & self.population.universe(definition.subject)[roots]]
        names = (self.population.identities[root] for root in found.tolist())
        return Preview(len(found), heapq.nsmallest(sample, names))

    def differences(self, other: "Space") -> list[str]:
        """What is otherwise in a space of the same cohorts and events. At most ten lines a cohort."""
        told = []
        for living in self.cohorts.values():
            ours = set(self.members_of(living))
            theirs = set(other.members_of(other.cohorts[living.cohort.id]))
            wrong = [f"{living.cohort.id}: {each} is in, and should not be" for each in sorted(ours - theirs)[:5]]
            wrong += [f"{living.cohort.id}: {each} should be in" for each in sorted(theirs - ours)[:5]]
            told += wrong
        return told

    def explain(self, living: Living, identity: str, now: int) -> list[Explained]:
        """Each condition for one profile; for an identity never seen: what holds for somebody who did nothing."""
        self._fit()
        wanted = leaves(living.definition.where)
        node = self.population.find(identity)
        if node is None:
            return [Explained(leaf, self._condition(leaf).empty, None) for leaf in wanted]
        crowd = self.population.crowd(np.array([self.population.root(node)], np.int32))
        found = []
        for leaf in wanted:
            own = self._condition(leaf).kept
            found.append(Explained(leaf, bool(own.judge(crowd, now).holds[0]), own.observe(crowd, now)))
        return found


def signals_of(leaf: Leaf) -> list[tuple[str, int]]:
    """The signals whose events a condition looks at, each with the step it is for."""
    match leaf:
        case cohort.Sequence(steps):
            return [(step.signal, number) for number, step in enumerate(steps)]
        case Attribute():
            return [(_ANY, 0)] if leaf.name == NAME else [(signal, 0) for signal in giving(leaf.name)]
        case _:
            return [(leaf.signal, 0)]
