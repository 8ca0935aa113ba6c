"""Data held against a schema: what of it the schema sees, and in which words its faults are told."""

from typing import Any

from headwater.dialects.base import Dialect, Fault, cut, dotted
from headwater.rules.schema import Fault as SchemaFault


def judged_data(dialect: Dialect, data: dict[str, Any]) -> dict[str, Any]:
    """What a schema sees of an event's data that came in this dialect."""
    if dialect.nulls_absent and None in data.values():
        return {key: value for key, value in data.items() if value is not None}
    return data


def schema_fault(index: int, properties: str, fault: SchemaFault) -> Fault:
    """A fault as it is told about an event, whose data are in the field `properties`."""
    return Fault(index, (properties, *fault.path), "schema", _words(fault))


def detail_of(faults: list[Fault]) -> str:
    """Up to ten faults as one line, kept with the rejected event."""
    return "; ".join(f"{dotted(fault.path).removeprefix('.')} {cut(fault.text, 300)}" for fault in faults[:10])


def _words(fault: SchemaFault) -> str:
    if fault.kind == "required":
        return "is required"
    if fault.kind == "type":
        return f"must be {_form(fault.expected)}"
    return fault.message


def _form(expected: object) -> str:
    """JSON Schema's name of a type, or several, as one reads it."""
    names = expected if isinstance(expected, list) else [expected]
    return " or ".join(f"an {name}" if str(name)[0] in "aeiou" else f"a {name}" for name in map(str, names))
