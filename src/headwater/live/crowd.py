"""People as numbers: every identity of a workspace is a node, every profile the set of nodes that share a root."""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from headwater.live.arrays import Bools, Nodes, Places, grown
from headwater.rules.cohort import is_subject
from headwater.rules.profile import representative

_FIRST_ROOM = 1 << 10


class Crowd(msgspec.Struct, frozen=True):
    """Some profiles. `nodes` has their nodes profile by profile; those of `roots[n]` begin at `starts[n]`."""

    roots: Nodes
    nodes: Nodes
    starts: Places

    def __len__(self) -> int:
        return len(self.roots)

    @property
    def groups(self) -> Places:
        """For each node the place of its profile."""
        lengths = np.diff(np.append(self.starts, len(self.nodes)))
        return np.repeat(np.arange(len(self.roots)), lengths)


class Population:
    """The identities that processed events named, and which of them are one profile.

    A profile's root is the node of the identity that makes its id. Nodes are given once and never given again; one
    whose identity was dropped is the root of nobody.
    """

    def __init__(self, workspace: str) -> None:
        self.workspace = workspace
        self.identities: list[str] = []
        self._nodes: dict[str, int] = {}
        self._root = np.empty(_FIRST_ROOM, np.int32)
        self._sets: dict[int, tuple[int, ...]] = {}
        """Root to nodes, only of profiles with more than one."""
        self._universes: dict[str, Bools] = {}
        self.moves = 0
        """Times that profiles were put together anew."""

    def __len__(self) -> int:
        return len(self.identities)

    @property
    def room(self) -> int:
        """Nodes that arrays by node should have room for."""
        return len(self._root)

    def find(self, identity: str) -> int | None:
        return self._nodes.get(identity)

    def nodes(self, identities: Sequence[str]) -> Nodes:
        """Their nodes; -1 where there is none."""
        get = self._nodes.get
        return np.fromiter((get(each, -1) for each in identities), np.int32, len(identities))

    def node(self, identity: str) -> tuple[int, bool]:
        """The identity's node, and whether it is new; a new one is a profile of its own."""
        found = self._nodes.get(identity)
        if found is not None:
            return found, False
        made = len(self.identities)
        if made == len(self._root):
            self._root = np.concatenate((self._root, np.empty(made, np.int32)))
            self._universes = {of: grown(mask, len(self._root), False) for of, mask in self._universes.items()}
        self._nodes[identity] = made
        self.identities.append(identity)
        self._root[made] = made
        for subject, mask in self._universes.items():
            mask[made] = is_subject(identity, subject)
        return made, True

    def root(self, node: int) -> int:
        return int(self._root[node])

    def roots_of(self, nodes: Nodes) -> Nodes:
        """The roots of some nodes, each once, ascending."""
        found: Nodes = np.unique(self._root[nodes])
        return found

    def roots(self) -> Nodes:
        """All of them."""
        own = np.arange(len(self), dtype=np.int32)
        mine: Nodes = own[self._root[: len(self)] == own]
        return mine

    def universe(self, subject: str) -> Bools:
        """By node: whether it is the root of a profile of this kind."""
        if subject not in self._universes:
            mask = np.zeros(self.room, np.bool_)
            fits = np.fromiter((is_subject(each, subject) for each in self.identities), np.bool_, len(self))
            mask[self._root[: len(self)][fits]] = True
            self._universes[subject] = mask
        return self._universes[subject]

    def by_node(self) -> Nodes:
        """Every node's root."""
        return self._root[: len(self)].copy()

    def are_roots(self, nodes: Nodes) -> Bools:
        are: Bools = self._root[nodes] == nodes
        return are

    def nodes_of(self, root: int) -> tuple[int, ...]:
        """The nodes of a profile."""
        return self._sets.get(root, (root,))

    def crowd(self, roots: Nodes) -> Crowd:
        """Profiles by their roots."""
        if not self._sets:
            return Crowd(roots, roots, np.arange(len(roots)))
        several = [(place, self._sets[root]) for place, root in enumerate(roots.tolist()) if root in self._sets]
        if not several:
            return Crowd(roots, roots, np.arange(len(roots)))
        lengths = np.ones(len(roots), np.intp)
        for place, nodes in several:
            lengths[place] = len(nodes)
        starts = np.cumsum(lengths) - lengths
        found = np.empty(int(lengths.sum()), np.int32)
        found[starts] = roots
        for place, nodes in several:
            found[starts[place] : starts[place] + len(nodes)] = nodes
        return Crowd(roots, found, starts)

    def regroup(self, sets: Iterable[Iterable[str]]) -> None:
        """Makes each of these sets of identities one profile. Together they are whole profiles, old and new; those
        that no event of ours has named yet are left out."""
        wanted = [[self._nodes[each] for each in identities if each in self._nodes] for identities in sets]
        wanted = [nodes for nodes in wanted if nodes]
        self.moves += 1
        touched = np.array([node for nodes in wanted for node in nodes], np.int32)
        for node in (*self._root[touched].tolist(), *touched.tolist()):
            self._sets.pop(node, None)
        for mask in self._universes.values():
            mask[touched] = False
        for nodes in wanted:
            self._join(nodes)

    def drop(self, nodes: Nodes) -> None:
        """Nobody stands behind these any more; the others of their profiles are one each until they are regrouped."""
        touched = {*nodes.tolist(), *(node for root in self.roots_of(nodes).tolist() for node in self.nodes_of(root))}
        for node in touched:
            self._sets.pop(self.root(node), None)
        for node in touched:
            self._join([node])
        for node in nodes.tolist():
            del self._nodes[self.identities[node]]
            self.identities[node] = ""
            for mask in self._universes.values():
                mask[node] = False
        self.moves += 1

    def _join(self, nodes: list[int]) -> None:
        root = nodes[0]
        if len(nodes) > 1:
            by_identity = {self.identities[node]: node for node in nodes}
            root = by_identity[representative(self.workspace, by_identity)]
            self._sets[root] = tuple(sorted(nodes))
        self._root[nodes] = root
        for subject, mask in self._universes.items():
            mask[root] = any(is_subject(self.identities[node], subject) for node in nodes)
