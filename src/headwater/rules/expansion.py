"""How large a JSON Schema really is once its references are followed.

The validator follows a reference each time it meets it, so a small schema can ask for exponential work, or, where it
refers to itself, for as much stack as the data is deep. Both are measured here, before the schema is taken.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urljoin

import msgspec

from headwater.errors import InvalidError

MAX_HEIGHT = 64
"""Subschemas inside one another, references followed."""
MAX_COST = 5_000
"""Subschemas, each counted as often as it is referred to."""

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_DATA = frozenset(("const", "enum", "default", "examples"))
_NAMED = frozenset(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"))

Path = tuple[str | int, ...]


class Extent(msgspec.Struct, frozen=True):
    """What following a schema to its ends amounts to."""

    height: int = 1
    cost: int = 1
    loops: int = 0
    """References that lead back to a schema they stand in."""
    branches: bool = False
    """There is an anyOf or oneOf, whose faults are collected for every branch."""


def children(schema: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    """The subschemas right inside one, each with its path from there."""
    for keyword, value in schema.items():
        if keyword in _DATA:
            continue
        if isinstance(value, dict):
            if keyword in _NAMED:
                yield from (((keyword, name), child) for name, child in value.items() if isinstance(child, dict))
            else:
                yield (keyword,), value
        elif isinstance(value, list):
            yield from (((keyword, n), child) for n, child in enumerate(value) if isinstance(child, dict))


def extent(schema: dict[str, Any]) -> Extent:
    """Measures a schema. InvalidError names the reference that leads outside of it or nowhere, or what is too much."""
    measured = _Walk(schema).measure(schema, schema, (), 1)
    if measured.cost > MAX_COST:
        raise InvalidError(f"the schema expands to more than {MAX_COST} subschemas", "schema")
    return measured


class _Walk:
    def __init__(self, root: dict[str, Any]) -> None:
        self._base = _text(root.get("$id"))
        self._known: dict[int, Extent] = {}
        self._open: set[int] = set()
        self._resources: dict[str, dict[str, Any]] = {"": root}
        self._anchors: dict[str, dict[str, Any]] = {}
        self._collect(root, 0)

    def _collect(self, schema: dict[str, Any], depth: int) -> None:
        if depth > MAX_HEIGHT:
            raise InvalidError(f"the schema is nested deeper than {MAX_HEIGHT} levels", "schema")
        if name := _text(schema.get("$id")):
            self._resources[name] = self._resources[urljoin(self._base, name)] = schema
        for keyword in ("$anchor", "$dynamicAnchor"):
            if anchor := _text(schema.get(keyword)):
                self._anchors.setdefault(anchor, schema)
        for _, child in children(schema):
            self._collect(child, depth + 1)

    def measure(self, schema: dict[str, Any], resource: dict[str, Any], path: Path, depth: int) -> Extent:
        if id(schema) in self._open:
            return Extent(loops=1)
        known = self._known.get(id(schema))
        if depth + (known.height if known else 1) > MAX_HEIGHT + 1:
            raise InvalidError(f"the schema is nested deeper than {MAX_HEIGHT} levels", _dotted(path))
        if known is None:
            self._open.add(id(schema))
            resource = schema if _text(schema.get("$id")) else resource
            parts = [self.measure(*part, depth + 1) for part in self._parts(schema, resource, path)]
            self._open.discard(id(schema))
            known = self._known[id(schema)] = _sum(parts, "anyOf" in schema or "oneOf" in schema)
        return known

    def _parts(
        self, schema: dict[str, Any], resource: dict[str, Any], path: Path
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any], Path]]:
        for below, child in children(schema):
            yield child, resource, path + below
        for keyword in _REFERENCES:
            if isinstance(reference := schema.get(keyword), str):
                target, home = self._target(reference, resource, (*path, keyword))
                if target is not None:
                    yield target, home, (*path, keyword)

    def _target(
        self, reference: str, resource: dict[str, Any], path: Path
    ) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        where, _, fragment = reference.partition("#")
        home = self._resources.get(where) or self._resources.get(urljoin(self._base, where)) if where else resource
        if home is None:
            raise InvalidError(f"references outside the schema are not followed: {reference[:200]!r}", _dotted(path))
        target = _pointed(home, fragment) if not fragment or fragment[0] == "/" else self._anchors.get(fragment)
        if not isinstance(target, dict | bool):
            raise InvalidError(f"nothing in the schema is at {reference[:200]!r}", _dotted(path))
        return (target if isinstance(target, dict) else None), home


def _sum(parts: list[Extent], branches: bool) -> Extent:
    return Extent(
        height=1 + max((part.height for part in parts), default=0),
        cost=1 + sum(part.cost for part in parts),
        loops=sum(part.loops for part in parts),
        branches=branches or any(part.branches for part in parts),
    )


def _pointed(schema: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901, in a URI fragment) points at; None where there is nothing."""
    for token in pointer.split("/")[1:]:
        token = unquote(token).replace("~1", "/").replace("~0", "~")
        if isinstance(schema, dict):
            schema = schema.get(token)
        elif isinstance(schema, list) and token.isdecimal() and int(token) < len(schema):
            schema = schema[int(token)]
        else:
            return None
    return schema


def _dotted(path: Path) -> str:
    return ".".join(("schema", *map(str, path)))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
