"""Hints and places: everything that can be wrong has both."""

import re
from pathlib import Path
from typing import Any

import pytest

import headwater
from headwater.dialects import DIALECTS
from headwater.dialects.base import Fault, dotted
from headwater.misfits import detail_of, schema_fault
from headwater.outcomes import Reason
from headwater.rules.hints import CODES, hint_of, place_in
from headwater.rules.schema import compile

SOURCES = Path(headwater.__file__).parent


def codes_in_use() -> set[str]:
    """The codes of all faults that the sources make."""
    text = "".join(path.read_text() for folder in ("dialects", "web") for path in (SOURCES / folder).glob("*.py"))
    text += "".join((SOURCES / name).read_text() for name in ("intake.py", "misfits.py", "shares.py"))
    made = re.findall(r'Fault\(\s*[\w.]+, \([^)]*\)?\)?, "(\w+)"', text)
    made += re.findall(r'fault\([\w".]+, "(\w+)"', text)
    made += re.findall(r'Fault\(\s*\w+, place, "(\w+)"', text)
    return set(made)


def test_every_code_and_every_reason_has_a_hint_of_its_own() -> None:
    used = codes_in_use()
    assert {"required", "identity", "unknown_signal", "schema", "nested", "too_large", "rate_limited"} <= used
    assert used <= CODES and set(Reason) <= CODES
    told = [hint_of(code) for code in CODES]
    assert len(set(told)) == len(told) and all(hint.endswith(".") for hint in told)


def test_a_code_of_tomorrow_has_a_hint_too() -> None:
    assert hint_of("something-new")


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "price": {"type": "number", "minimum": 3, "multipleOf": 2},
        "my prop": {"type": "string", "pattern": "^a", "minLength": 2},
        "tags": {"type": "array", "uniqueItems": True, "items": {"enum": ["a", "b"]}},
        "must be": {"type": "object", "required": ["x is required"]},
        "none": False,
        "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({}, "data.id"),
        ({"id": 1, "price": "x"}, "data.price"),
        ({"id": 1, "price": 1}, "data.price"),
        ({"id": 1, "my prop": 1}, "data.my prop"),
        ({"id": 1, "my prop": "b"}, "data.my prop"),
        ({"id": 1, "tags": ["a", "a"]}, "data.tags"),
        ({"id": 1, "tags": ["c"]}, "data.tags[0]"),
        ({"id": 1, "none": 1}, "data.none"),
        ({"id": 1, "either": 1}, "data.either"),
        ({"id": 1, "more": 1}, "data.more"),
        ([], "data"),
    ],
)
def test_the_place_of_a_schema_violation(data: Any, place: str) -> None:
    with_id = data if isinstance(data, list) else {"id": 1, **data} if data else data
    schema = {**SCHEMA, "properties": {**SCHEMA["properties"], "id": {}}}
    faults = [schema_fault(0, "data", fault) for fault in compile(schema).faults(with_id)]
    assert faults
    assert place_in(Reason.SCHEMA_VIOLATION, detail_of(faults), "timestamp") == place
    assert dotted(faults[0].path).removeprefix(".") == place


def test_the_place_of_what_measures_nothing_and_of_a_date() -> None:
    for reason, text in (
        (Reason.METRIC_VALUE_MISSING, "must be a number below 10^15"),
        (Reason.STATE_VALUE_MISSING, "must be there, and not null"),
    ):
        assert place_in(reason, f"data.usage.calls {text}", "timestamp") == "data.usage.calls"
    assert {dialect.name: place_in(Reason.OUTSIDE_REALTIME_WINDOW, "", dialect.date_field) for dialect in DIALECTS} == {
        "bik": "createdAt",
        "bigmind": "timestamp",
        "segment": "timestamp",
        "cloudevents": "time",
    }
    assert place_in(Reason.TIMESTAMP_IN_FUTURE, "", "timestamp") == "timestamp"


@pytest.mark.parametrize("detail", ["", "is required", "no such words", "x" * 5000])
def test_no_place_where_none_can_be_told(detail: str) -> None:
    assert place_in(Reason.SCHEMA_VIOLATION, detail, "timestamp") is None


def test_a_fault_without_a_path_has_no_hidden_one() -> None:
    fault = Fault(0, (), "type", "must be an object")
    assert place_in(Reason.SCHEMA_VIOLATION, f"{dotted(fault.path)} {fault.text}", "createdAt") is None
