"""Exact sums in arrays: a number of billionths (up to 80 bits) as two 64-bit limbs (`rules.numbers.LIMB`).

Limbs add up apart, in any order; four million numbers below `rules.numbers.LARGEST` fit before one could overflow.
"""

from typing import Any

import msgspec
import numpy as np

from headwater.live.arrays import Bools, Ints
from headwater.rules.cohort import Bound
from headwater.rules.numbers import LIMB

MASK = (1 << LIMB) - 1


class Sums(msgspec.Struct, frozen=True):
    """One number an element; `lo` is within one limb once `settled`."""

    hi: Ints
    lo: Ints

    def settled(self) -> "Sums":
        return Sums(self.hi + (self.lo >> LIMB), self.lo & MASK)


def split(number: int) -> tuple[int, int]:
    """The limbs of a number."""
    return number >> LIMB, number & MASK


def columns(numbers: list[int]) -> tuple[Ints, Ints]:
    """Their limbs: hi and lo."""
    pairs = np.array([split(number) for number in numbers], np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def joined(hi: Any, lo: Any) -> int:
    """The number of two limbs, settled or not."""
    return (int(hi) << LIMB) + int(lo)


def counts_hold(counts: Ints, bounds: tuple[Bound, ...]) -> Bools:
    """Whether each count fulfils all bounds."""
    return _all([_compared(counts * 10**9, bound.number, bound.op) for bound in bounds], len(counts))


def sums_hold(sums: Sums, bounds: tuple[Bound, ...]) -> Bools:
    """The same for sums."""
    return _all([_holds(sums, bound.op, *split(bound.number)) for bound in bounds], len(sums.hi))


def averages_hold(sums: Sums, counts: Ints, bounds: tuple[Bound, ...]) -> Bools:
    """The same for sum / count, without a division; never where the count is 0."""
    held = counts > 0
    for bound in bounds:
        hi, lo = split(bound.number)
        scaled = Sums(counts * hi, counts * lo).settled()
        held &= _holds(sums, bound.op, scaled.hi, scaled.lo)
    return held


def _holds(sums: Sums, op: str, hi: Any, lo: Any) -> Bools:
    own = sums.settled()
    below = (own.hi < hi) | ((own.hi == hi) & (own.lo < lo))
    equal = (own.hi == hi) & (own.lo == lo)
    return _chosen(op, below, equal)


def _compared(values: Ints, number: int, op: str) -> Bools:
    # A bound may be larger than 64 bits hold; it is then on the same side of every count.
    number = max(-(1 << 62), min(number, 1 << 62))
    return _chosen(op, values < number, values == number)


def _chosen(op: str, below: Bools, equal: Bools) -> Bools:
    match op:
        case "<":
            return below
        case "<=":
            return below | equal
        case "=":
            return equal
        case "!=":
            return ~equal
        case ">":
            return ~(below | equal)
        case _:
            return ~below


def _all(verdicts: list[Bools], count: int) -> Bools:
    held = np.ones(count, np.bool_)
    for verdict in verdicts:
        held &= verdict
    return held
