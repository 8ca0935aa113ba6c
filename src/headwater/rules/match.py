"""Tests as closures over decoded data: what `store.passing` is in SQL, for one event at a time.

Numbers compare as float64. A whole number beyond 64 bits in data is a string of its digits, as the store reads it.
"""

import operator
from collections.abc import Callable
from typing import Any

from headwater.rules.cohort import Path, Scalar, Test
from headwater.rules.values import at

Check = Callable[[Any], bool]
"""Whether a JSON value, None for a missing one, passes."""

_LEAST, _MOST = -(1 << 63), (1 << 64) - 1
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def matcher(tests: tuple[Test, ...]) -> Callable[[dict[str, Any]], bool]:
    """Whether an event's data passes all tests."""
    return _all_of([_on_data(test.path, _check(test)) for test in tests])


def value_matcher(tests: tuple[Test, ...]) -> Check:
    """Whether a value passes all tests, whatever their path; None stands for a missing one."""
    return _all_of([_check(test) for test in tests])


def _all_of(checks: list[Check]) -> Check:
    if not checks:
        return lambda _: True
    if len(checks) == 1:
        return checks[0]
    several = tuple(checks)
    return lambda value: all(check(value) for check in several)


def _on_data(path: Path, check: Check) -> Check:
    if len(path) == 1:
        [key] = path
        return lambda data: check(data.get(key))
    return lambda data: check(at(data, path))


def _check(test: Test) -> Check:
    operand: Any = test.operand
    match test.op:
        case "exists":
            return (lambda value: value is not None) if operand else (lambda value: value is None)
        case "=":
            return _equals(operand)
        case "!=":
            equals = _equals(operand)
            return lambda value: not equals(value)
        case "in":
            return _one_of(operand)
        case "contains":
            return _contains(operand)
        case op:
            return _compares(_COMPARE[op], operand)


def _equals(operand: Scalar) -> Check:
    if operand is None or isinstance(operand, bool):
        return lambda value: value is operand
    return _compares(operator.eq, operand)


def _compares(compare: Callable[[Any, Any], bool], operand: Scalar) -> Check:
    if isinstance(operand, str):
        return lambda value: compare(text, operand) if (text := _text(value)) is not None else False
    if isinstance(operand, int | float) and not isinstance(operand, bool):
        number = float(operand)
        return lambda value: compare(found, number) if (found := _number(value)) is not None else False
    return lambda _: False


def _one_of(operand: tuple[Scalar, ...]) -> Check:
    texts = frozenset(one for one in operand if isinstance(one, str))
    numbers = frozenset(float(one) for one in operand if isinstance(one, int | float) and not isinstance(one, bool))
    truths = tuple(one for one in operand if isinstance(one, bool))

    def check(value: Any) -> bool:
        if value is True or value is False:
            return value in truths
        return _text(value) in texts or _number(value) in numbers

    return check


def _contains(operand: Scalar) -> Check:
    equals = _equals(operand)

    def check(value: Any) -> bool:
        if type(value) is list:
            return any(equals(one) for one in value)
        text = _text(value)
        return text is not None and isinstance(operand, str) and operand in text

    return check


def _text(value: Any) -> str | None:
    if type(value) is str:
        return value
    if type(value) is int and not _LEAST <= value <= _MOST:
        return str(value)
    return None


def _number(value: Any) -> float | None:
    if type(value) is float:
        return value
    if type(value) is int and _LEAST <= value <= _MOST:
        return float(value)
    return None
