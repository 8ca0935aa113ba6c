"""What a cohort is: a typed tree of conditions about one subject. `rules.grammar` reads it from JSON.

Whole numbers stand for decimals everywhere here: a number is counted in billionths (`rules.numbers`), so that sums are
exact and the same in any order.
"""

from typing import Literal

import msgspec

from headwater.rules.identity import CONTACTS, split_identity
from headwater.signals import Aggregation, Period

Op = Literal["=", "!=", "<", "<=", ">", ">=", "in", "contains", "exists"]
Scalar = str | int | float | bool | None
Path = tuple[str, ...]
"""Keys from the outermost inwards."""

PERSON = "person"
"""The subject of profiles that have an e-mail address or a phone number; any other subject is an identity type."""


class Test(msgspec.Struct, frozen=True):
    """One comparison of one property. A property that is missing or null fails every one but `!=` (the exact opposite
    of `=`) and `exists: false`."""

    path: Path
    op: Op
    operand: Scalar | tuple[Scalar, ...]
    """A tuple for `in`, a bool for `exists`, else one value."""


class Bound(msgspec.Struct, frozen=True):
    """A comparison of a measured number."""

    op: Literal["=", "!=", "<", "<=", ">", ">="]
    number: int
    """Billionths; for a count, whole events times 10**9."""


class Window(msgspec.Struct, frozen=True):
    """Which times count: at most one of the two kinds; neither means all, also what is dated ahead."""

    within_ms: int | None = None
    """now - within < t <= now: it moves with the clock."""
    from_ms: int | None = None
    to_ms: int | None = None
    """from <= t < to."""


class Performed(msgspec.Struct, frozen=True, tag="performed"):
    """Events of a signal that pass all tests, measured. The parser makes one of these for each measure asked for."""

    signal: str
    tests: tuple[Test, ...]
    window: Window
    measure: Literal["count", "sum", "avg"]
    of: Path | None
    """Where the number is; None for a count. Events without a number there are left out of sum and avg."""
    bounds: tuple[Bound, ...]
    """All must hold. A sum of nothing is 0; an average of nothing fulfils no bound."""


class Step(msgspec.Struct, frozen=True):
    """One step of a sequence."""

    signal: str
    tests: tuple[Test, ...]


class Sequence(msgspec.Struct, frozen=True, tag="sequence"):
    """Each step strictly later than the one before, at most `gap_ms` later, all inside the window."""

    steps: tuple[Step, ...]
    gap_ms: int | None
    window: Window


class State(msgspec.Struct, frozen=True, tag="state"):
    """The newest value of a state signal by event time; a tie goes to the greatest canonical JSON."""

    signal: str
    tests: tuple[Test, ...]
    """Their path is empty: they test the value itself. Who never had the state is as one whose value is missing."""


class Metric(msgspec.Struct, frozen=True, tag="metric"):
    """A metric over its last `periods` UTC periods, the one that runs included."""

    signal: str
    aggregation: Aggregation
    period: Period
    periods: int
    bounds: tuple[Bound, ...]
    """A sum or count of nothing is 0; avg, min and max of nothing fulfil no bound."""


class Attribute(msgspec.Struct, frozen=True, tag="attribute"):
    """A profile's attribute: the newest by event time; a tie goes to the greatest canonical JSON."""

    name: str
    tests: tuple[Test, ...]
    """Their path is empty, as for a state."""


Leaf = Performed | Sequence | State | Metric | Attribute


class All(msgspec.Struct, frozen=True, tag="all"):
    parts: "tuple[Node, ...]"


class Any(msgspec.Struct, frozen=True, tag="any"):
    parts: "tuple[Node, ...]"


class Not(msgspec.Struct, frozen=True, tag="not"):
    part: "Node"


Node = All | Any | Not | Leaf


class Definition(msgspec.Struct, frozen=True):
    """Who belongs: the subjects of this kind for which `where` holds."""

    subject: str
    where: Node


def leaves(node: Node) -> tuple[Leaf, ...]:
    """The conditions of a tree from left to right, each as often as it stands there."""
    match node:
        case All(parts) | Any(parts):
            return tuple(leaf for part in parts for leaf in leaves(part))
        case Not(part):
            return leaves(part)
        case _:
            return (node,)


def is_subject(identity: str, subject: str) -> bool:
    """Whether a profile with this identity is one of the kind."""
    type_ = split_identity(identity)[0]
    return type_ in CONTACTS if subject == PERSON else type_ == subject
