"""Numbers as whole billionths, so that sums are exact and come out the same in any order."""

from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation
from typing import Any

SCALE = 10**9
LIMB = 40
"""Bits of the low limb, where a number of billionths is two of 64 bits: V = hi * 2**LIMB + lo."""
LARGEST = 10**15
"""What is this big or bigger is no number to us: it is left out of sums, and no metric's value."""

_NINE = Decimal("0.000000001")
_WIDE = Context(prec=100)
"""Sums have more digits than a number alone."""


def billionths(value: Any) -> int | None:
    """A JSON number in billionths, cut off (not rounded) behind the ninth decimal; None for what is no number, or too
    big. True and false are no numbers."""
    if type(value) is int:
        return value * SCALE if -LARGEST < value < LARGEST else None
    if type(value) is float and -LARGEST < value < LARGEST:
        return int(Decimal(repr(value)).quantize(_NINE, ROUND_DOWN).scaleb(9))
    return None


def plain(number: int) -> int | float:
    """Billionths as a JSON number: the nearest one."""
    whole, rest = divmod(number, SCALE)
    return number / SCALE if rest else whole


def text(number: int) -> str:
    """Billionths as a decimal, exact: `-12.5`."""
    whole, rest = divmod(abs(number), SCALE)
    decimals = f".{rest:09}".rstrip("0") if rest else ""
    return f"{'-' if number < 0 else ''}{whole}{decimals}"


def parsed(decimal: str) -> int:
    """What `text` wrote. Raises ValueError for anything else."""
    try:
        return int(Decimal(decimal).scaleb(9, _WIDE))
    except InvalidOperation:
        raise ValueError(f"{decimal!r} is no decimal number") from None
