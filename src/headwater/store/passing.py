"""Tests of an event's data as SQL expressions. What `rules.match` does in Python, the store does by these.

A value is taken out of `data` once, as JSON text (`JSONExtractRaw`), and its first character tells its type: `-` and
the digits sort right before `:`, and no other value starts between them. The store reads a whole number beyond 64 bits
as a string of its digits. Nothing a user wrote is part of an expression: paths and operands are parameters.
"""

import struct
from typing import Any

from headwater.rules.cohort import Path, Scalar, Test
from headwater.rules.numbers import LARGEST

_ORDER = ("<", "<=", ">", ">=")


class Parameters(dict[str, Any]):
    """Values on their way to the store, under names of our own."""

    def add(self, value: Any, type_: str) -> str:
        """The placeholder that stands for the value in SQL."""
        name = f"p{len(self)}"
        self[name] = value
        return f"{{{name}:{type_}}}"


def passes(tests: tuple[Test, ...], parameters: Parameters) -> str:
    """An expression that is 1 for the events that pass all tests."""
    return " AND ".join(f"({_test(test, parameters)})" for test in tests) or "1"


def number_at(path: Path, parameters: Parameters) -> str:
    """An expression for the number at a path: Nullable(Decimal(38, 9)), null where there is none (`rules.numbers`)."""
    number = f"toDecimal128OrNull({_raw(path, parameters)}, 9)"
    largest = f"toDecimal128('{LARGEST}', 9)"
    return f"if({number} > -{largest} AND {number} < {largest}, {number}, NULL)"


def is_there(path: Path, parameters: Parameters) -> str:
    """An expression that is 1 where the path leads to something other than null."""
    return f"NOT {_nothing(_raw(path, parameters))}"


def _raw(path: Path, parameters: Parameters) -> str:
    """The value as JSON text; empty where there is none."""
    return f"JSONExtractRaw({_place(path, parameters)})"


def _place(path: Path, parameters: Parameters) -> str:
    return ", ".join(("data", *(parameters.add(key, "String") for key in path)))


def _test(test: Test, parameters: Parameters) -> str:
    place = _place(test.path, parameters)
    raw = f"JSONExtractRaw({place})"
    match test.op, test.operand:
        case "exists", there:
            return f"NOT {_nothing(raw)}" if there else _nothing(raw)
        case "in", tuple(several):
            return _one_of(raw, several, parameters)
        case op, tuple():
            raise ValueError(f"'{op}' takes one value")
        case "=", operand:
            return _equals(raw, operand, parameters)
        case "!=", operand:
            return f"NOT ({_equals(raw, operand, parameters)})"
        case "contains", operand:
            return _contains(place, operand, parameters)
        case _, operand:
            return _compares(raw, test.op, operand, parameters)


def _equals(raw: str, operand: Scalar, parameters: Parameters) -> str:
    if operand is None:
        return _nothing(raw)
    if isinstance(operand, bool):
        return f"{raw} = '{'true' if operand else 'false'}'"
    return _compares(raw, "=", operand, parameters)


def _compares(raw: str, op: str, operand: Scalar, parameters: Parameters) -> str:
    """Number with number, string with string (by bytes, which is by code points); else it does not hold."""
    if op not in (*_ORDER, "="):
        raise ValueError(f"'{op}' is no comparison")
    if isinstance(operand, str):
        return f"{_is_string(raw)} AND JSONExtractString({raw}) {op} {parameters.add(operand, 'String')}"
    if isinstance(operand, int | float) and not isinstance(operand, bool):
        return f"{_is_number(raw)} AND JSONExtractFloat({raw}) {op} {_float(operand, parameters)}"
    return "0"


def _one_of(raw: str, several: tuple[Scalar, ...], parameters: Parameters) -> str:
    strings = [one for one in several if isinstance(one, str)]
    numbers = [one for one in several if isinstance(one, int | float) and not isinstance(one, bool)]
    found = [_equals(raw, one, parameters) for one in (True, False) if any(one is other for other in several)]
    if strings:
        found.append(f"{_is_string(raw)} AND JSONExtractString({raw}) IN {parameters.add(strings, 'Array(String)')}")
    if numbers:
        bits = parameters.add([_bits(one) for one in numbers], "Array(Int64)")
        found.append(f"{_is_number(raw)} AND reinterpretAsInt64(JSONExtractFloat({raw})) IN {bits}")
    return " OR ".join(f"({one})" for one in found) or "0"


def _contains(place: str, operand: Scalar, parameters: Parameters) -> str:
    """Items are taken out of the data, not of the value's text: in there 1e20 is a whole number beyond 64 bits."""
    raw = f"JSONExtractRaw({place})"
    element = "item = 'null'" if operand is None else _equals("item", operand, parameters)
    found = f"startsWith({raw}, '[') AND arrayExists(item -> {element}, JSONExtractArrayRaw({place}))"
    if not isinstance(operand, str):
        return found
    part = parameters.add(operand, "String")
    return f"({found}) OR ({_is_string(raw)} AND position(JSONExtractString({raw}), {part}) > 0)"


def _nothing(raw: str) -> str:
    return f"({raw} IN ('', 'null'))"


def _is_string(raw: str) -> str:
    return f"startsWith({raw}, '\"')"


def _is_number(raw: str) -> str:
    return f"({raw} >= '-' AND {raw} < ':')"


def _float(number: float, parameters: Parameters) -> str:
    """By its bits, so that no digit is lost on the way."""
    return f"reinterpretAsFloat64({parameters.add(_bits(number), 'Int64')})"


def _bits(number: float) -> int:
    """Of the number as float64, as a signed whole number. -0 has those of 0, which is what the store reads, too."""
    bits: int = struct.unpack("<q", struct.pack("<d", float(number) + 0.0))[0]
    return bits
