"""Values of JSON: where they are, which numbers they are, how they compare."""

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

BILLION = 10**9
INT64, UINT64 = 2**63, 2**64


def at_path(data: Any, path: str) -> Any:
    """What stands at a dotted path of objects; None when nothing does."""
    for key in path.split("."):
        if not isinstance(data, dict) or key not in data:
            return None
        data = data[key]
    return data


def number(value: Any) -> Fraction | None:
    """Its exact value, cut off behind nine decimals; None when it is no number or too big."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e15 < value < 1e15:
        return None
    exact = Fraction(repr(value)) * BILLION
    cut = abs(exact.numerator) // exact.denominator
    return Fraction(cut if exact >= 0 else -cut, BILLION)


def canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def passes(value: Any, tests: Mapping[str, Any]) -> bool:
    """Whether a value (None: missing or null) passes every test of `{op: operand}`."""
    return all(_passes(stored(value), op, operand) for op, operand in tests.items())


def filtered(data: Any, tests: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether data pass `{path: {op: operand}}`."""
    return all(passes(at_path(data, path), each) for path, each in tests.items())


def compares(measured: Fraction | None, bounds: Mapping[str, Any]) -> bool:
    """Whether a measured number keeps within `{op: number}`; None keeps within nothing."""
    if measured is None:
        return not bounds
    return all(_ordered(op, measured, number(bound)) for op, bound in bounds.items())


def stored(value: Any) -> Any:
    """As the store reads it: whole numbers beyond 64 bits are their digits."""
    if isinstance(value, int) and not isinstance(value, bool) and not -INT64 <= value < UINT64:
        return str(value)
    return [stored(one) for one in value] if isinstance(value, list) else value


def _passes(value: Any, op: str, operand: Any) -> bool:
    match op:
        case "is" | "=":
            return _same(value, operand)
        case "!=":
            return not _same(value, operand)
        case "exists":
            return bool((value is not None) == operand)
    if value is None:
        return False
    match op:
        case "in":
            return any(_same(value, one) for one in operand)
        case "contains" if isinstance(value, list):
            return any(_same(one, operand) for one in value)
        case "contains":
            return isinstance(value, str) and isinstance(operand, str) and operand in value
    if isinstance(value, str) and isinstance(operand, str):
        return _ordered(op, value, operand)
    return _is_number(value) and _is_number(operand) and _ordered(op, float(value), float(operand))


def _same(value: Any, operand: Any) -> bool:
    if _is_number(value) and _is_number(operand):
        return float(value) == float(operand)
    return type(value) is type(operand) and not isinstance(value, list | dict) and bool(value == operand)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ordered(op: str, left: Any, right: Any) -> bool:
    return bool(
        {
            "<": left < right,
            "<=": left <= right,
            ">": left > right,
            ">=": left >= right,
            "=": left == right,
            "!=": left != right,
        }[op]
    )


def greatest(values: Sequence[Any]) -> Any:
    """The one that is last as canonical JSON, by code points."""
    return max(values, key=canonical)
