"""JSON Schema: publishing one, and holding an event's data against it.

Schemas come from strangers and data comes from other strangers, so both are bounded: references outside are refused,
patterns are matched in linear time (no look-around, no back-references), and neither a schema nor data can ask for
exponential work or for more stack than there is. `format` is an annotation, as draft 2020-12 has it by default.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import jsonschema_rs
import msgspec

from headwater.errors import InvalidError
from headwater.rules.expansion import Extent, extent

MAX_BYTES = 64 * 1024
"""The largest schema, as compact JSON."""
MAX_NESTING = 100
"""Arrays and objects inside one another in a schema's JSON text (the library's own bound is a little higher)."""
MAX_LOOPING_DEPTH = 64
"""How deep data may be nested for a schema that refers to itself: the validator's stack grows with both."""

_MOST_WORK = 20_000
"""Subschemas times values up to which every fault is collected: about a quarter of a second at the very worst."""
_PATTERNS = jsonschema_rs.RegexOptions(size_limit=1 << 18, dfa_size_limit=1 << 21)
_MASK = "the value"

Path = tuple[str | int, ...]


class Fault(msgspec.Struct, frozen=True):
    """One way in which data does not fit."""

    path: Path
    """From the top of the data; of a missing or a forbidden property, its own path."""
    kind: str
    """The JSON Schema keyword: `required`, `type`, …; `schema` when the place cannot be told cheaply."""
    message: str
    """Reads on from the path's name: `is required`, `must be a number`."""
    expected: Any = None
    """The keyword's value: `["number"]` for `type`, the name for `required`."""


class Validator:
    """A compiled schema. Thread-safe; raises nothing on any data."""

    def __init__(
        self, compiled: jsonschema_rs.Validator, size: Extent, several: jsonschema_rs.Validator | None = None
    ) -> None:
        """`several`: `all_ok` for a list of values, where the schema allows it."""
        self._compiled = compiled
        self._is_valid: Callable[[Any], bool] = compiled.is_valid
        self._size = size
        self._are_valid: Callable[[list[Any]], bool] | None = several.is_valid if several else None

    def ok(self, data: Any) -> bool:
        """Whether the data fits. A fraction of a microsecond for an ordinary event."""
        if self._size.loops and _depth(data, MAX_LOOPING_DEPTH) > MAX_LOOPING_DEPTH:
            return False
        try:
            return self._is_valid(data)
        except ValueError:  # no JSON (lone surrogates), or too deep for what the keyword has to compare
            return False

    def all_ok(self, several: list[Any]) -> bool:
        """True when each of them fits and none has a property that is null; False says nothing about any of them.

        For a hundred at once, a third of the time that `ok` takes for them one by one.
        """
        try:
            return self._are_valid is not None and self._are_valid(several)
        except ValueError:
            return False

    def faults(self, data: Any, most: int = 100) -> list[Fault]:
        """Why the data does not fit, up to `most` faults in the schema's order; empty when it does.

        All of them as long as that is cheap; else the first, else one without a place.
        """
        if self.ok(data):
            return []
        try:
            found = [fault for error in self._errors(data) for fault in _faults(error)]
        except ValueError:
            found = []
        return found[:most] or [Fault((), "schema", "does not fit its schema, or is nested too deeply for it")]

    def _errors(self, data: Any) -> Iterator[jsonschema_rs.ValidationError]:
        if self._work(data) <= _MOST_WORK:
            yield from self._compiled.iter_errors(data)
        elif not self._size.loops and not self._size.branches:
            try:
                self._compiled.validate(data)
            except jsonschema_rs.ValidationError as error:
                yield error

    def _work(self, data: Any) -> int:
        """A bound on how often the library looks at something when it collects faults."""
        values = self._size.cost * _count(data, _MOST_WORK)
        if not self._size.loops:
            return values
        depth = _depth(data, MAX_LOOPING_DEPTH)
        return values * self._size.loops**depth if depth <= MAX_LOOPING_DEPTH else _MOST_WORK + 1


def compile(schema: object) -> Validator:
    """A validator of a JSON Schema, draft 2020-12 unless its `$schema` says otherwise.

    InvalidError when it is none, refers outside of itself, or is too large; its path is the fault's place, with
    `schema` for the whole: `schema.properties.a.type`.
    """
    if not isinstance(schema, dict):
        raise InvalidError("a JSON Schema must be an object", "schema")
    text = _check_text(schema)
    size = extent(schema)
    try:
        compiled = _compiled(schema)
    except jsonschema_rs.ValidationError as error:
        raise InvalidError(_why_none(error), _dotted(error.instance_path)) from None
    except ValueError as error:
        raise InvalidError(f"no valid JSON Schema: {error}"[:300], "schema") from None
    return Validator(compiled, size, _compiled(_list_of(schema)) if _stands_alone(text) else None)


def _compiled(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        schema, validate_formats=False, retriever=_refuse, pattern_options=_PATTERNS, mask=_MASK
    )


def _stands_alone(text: bytes) -> bool:
    """Whether the schema means the same inside another one: it refers to nothing by its place, and has no name."""
    named = b'"$id"' in text or (b"/draft-04/" in text and b'"id"' in text)
    return not named and b'Ref"' not in text and b'"$ref"' not in text


def _list_of(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema for lists of what fits `schema` and has no property that is null."""
    draft = {"$schema": schema["$schema"]} if "$schema" in schema else {}
    without_null = {"additionalProperties": {"not": {"type": "null"}}}
    return {**draft, "type": "array", "items": {"allOf": [schema, without_null]}}


def _check_text(schema: dict[str, Any]) -> bytes:
    if _depth(schema, MAX_NESTING) > MAX_NESTING:
        raise InvalidError(f"the schema's JSON is nested deeper than {MAX_NESTING} levels", "schema")
    try:
        text = json.dumps(schema, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise InvalidError(f"the schema is no JSON: {error}"[:300], "schema") from None
    if len(text) > MAX_BYTES:
        raise InvalidError(f"the schema is larger than {MAX_BYTES // 1024} KiB", "schema")
    return text


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"references outside the schema are not followed: {uri[:200]!r}")


def _why_none(error: jsonschema_rs.ValidationError) -> str:
    if error.instance_path[-1:] == ["pattern"] or "patternProperties" in error.instance_path[-2:]:
        return "no valid pattern here: look-around and back-references are not supported, nor very large repetitions"
    return f"no valid JSON Schema: {error.message}"[:300]


def _dotted(path: list[str | int]) -> str:
    return ".".join(("schema", *map(str, path)))


def _faults(error: jsonschema_rs.ValidationError) -> list[Fault]:
    path, kind, expected = tuple(error.instance_path), error.kind.name, error.kind.value
    if kind == "required":
        return [Fault((*path, expected), kind, "is required", expected)]
    if kind in ("additionalProperties", "unevaluatedProperties"):
        return [Fault((*path, name), kind, "is not allowed") for name in expected]
    return [Fault(path, kind, _message(kind, expected, error.message), expected if kind in _SAID else None)]


_TYPES = {
    "string": "a string",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "an object",
    "array": "an array",
    "null": "null",
}
_SAID: dict[str, str] = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be greater than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "minProperties": "must have at least {} properties",
    "maxProperties": "must have at most {} properties",
    "pattern": "must match the pattern {}",
    "const": "must be {}",
    "enum": "must be one of {}",
    "type": "must be {}",
}


def _message(kind: str, expected: Any, said: str) -> str:
    if kind == "type":
        return "must be " + " or ".join(_TYPES.get(name, name) for name in expected)
    if kind in _SAID:
        shown = ", ".join(map(_json, expected)) if kind == "enum" else _json(expected)
        return _SAID[kind].format(shown)[:300]
    return {"falseSchema": "is not allowed", "uniqueItems": "must not hold an item twice"}.get(
        kind, f"does not fit: {said}"[:300]
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _depth(data: Any, most: int) -> int:
    """How deep arrays and objects lie inside one another; `most` + 1 stands for deeper."""
    level, depth = [data], 0
    while depth <= most:
        level = [value for value in level if isinstance(value, dict | list)]
        if not level:
            return depth
        level = [child for value in level for child in (value.values() if isinstance(value, dict) else value)]
        depth += 1
    return depth


def _count(data: Any, most: int) -> int:
    """How many values there are, at least `most` where there are more."""
    todo, count = [data], 0
    while todo and count < most:
        value = todo.pop()
        count += 1
        if isinstance(value, dict | list):
            todo.extend(value.values() if isinstance(value, dict) else value)
    return count
