"""Which column becomes which field of the event: `customer=email`, `price=eventProperties.itemPrice:number`."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from headwater.imports.base import Dialect, Flaw, StoppedError
from headwater.imports.values import ABSENT, TYPES, Convert, Type, from_text, from_value

Steps = tuple[str, ...]

MARKS = ("refused_line", "refused_code", "refused_path", "refused_message", "refused_hint", "refused_text")
"""Columns of a file of refused rows beside its own."""

_TEXT_FIELDS: dict[Dialect, frozenset[Steps]] = {
    "bik": frozenset((field,) for field in ("name", "email", "phoneNumber", "eventName", "createdAt")),
    "bigmind": frozenset([("signal",), ("timestamp",), ("reference",), ("identity", "type"), ("identity", "id")]),
}
_DATES: frozenset[Steps] = frozenset([("createdAt",), ("timestamp",)])
_OTHERS: dict[Dialect, dict[Steps, Type]] = {
    "bik": {("isMigration",): "boolean"},
    "bigmind": {("version",): "version", ("identity",): "json"},
}
_DATA: dict[Dialect, str] = {"bik": "eventProperties", "bigmind": "data"}


class Target(NamedTuple):
    """A place in the event, and what kind of value stands there."""

    steps: Steps
    type: Type | None
    """None: as the column has it; text in CSV."""


class Mapping(NamedTuple):
    """What was asked for, before the columns are known."""

    columns: tuple[tuple[str, Target], ...] = ()
    fixed: tuple[tuple[Target, str], ...] = ()
    """The same value in every event."""
    rest: Steps | None = None
    """Where all other columns go, under their own names."""

    def says(self) -> str:
        """The same text for the same mapping."""
        return repr(tuple(self))


Build = Callable[[Sequence[Any]], tuple[bytes, Flaw | None]]
"""From a row's values to its event. With a flaw, the value that is wrong stands in the event as it came."""


def parse(
    dialect: Dialect, columns: Iterable[str], fixed: Iterable[str], rest: str | None, file: Path | None
) -> Mapping:
    """From the options' texts: `column=path[:type]`, `path[:type]=value`. StoppedError for what is no mapping."""
    written = _of_file(file) if file else {}
    pairs = [
        *_columns_of(written.get("columns", {})),
        *(_pair(text, "--map column=path", text.rpartition) for text in columns),
    ]
    values = [*written.get("set", {}).items(), *(_pair(text, "--set path=value", text.partition) for text in fixed)]
    rest = rest or written.get("rest")
    return Mapping(
        tuple((column, _target(dialect, path)) for column, path in pairs),
        tuple(_fixed_of(_target(dialect, path), value) for path, value in values),
        _target(dialect, f"{rest}.*").steps[:-1] if rest else None,
    )


def compiled(mapping: Mapping, dialect: Dialect, header: Sequence[str], typed: bool) -> Build:
    """For a file with these columns. `typed`: its values have types, as Parquet's; else they are text.

    Without any column mapped, each column's name is its path. StoppedError when columns and mapping do not fit.
    """
    placed = _placed(mapping, dialect, header)
    _check_overlap([target.steps for _, target in placed] + [target.steps for target, _ in mapping.fixed])
    convert = from_value if typed else _text_of
    wanted = [(index, header[index], target.steps, convert(target.type)) for index, target in placed]
    fixed = [(target.steps, _fixed(target, value)) for target, value in mapping.fixed]

    def build(values: Sequence[Any]) -> tuple[bytes, Flaw | None]:
        return _built(wanted, fixed, values)

    return build


def unused(mapping: Mapping, header: Sequence[str]) -> list[str]:
    """The columns that no event will have anything of."""
    if mapping.rest is not None or not mapping.columns:
        return []
    used = {column for column, _ in mapping.columns}
    return [column for column in header if column not in used and column not in MARKS]


def _text_of(type_: Type | None) -> Convert:
    return from_text(type_ or "string")


def _built(
    wanted: Sequence[tuple[int, str, Steps, Convert]], fixed: Sequence[tuple[Steps, Any]], values: Sequence[Any]
) -> tuple[bytes, Flaw | None]:
    event: dict[str, Any] = {}
    flaw = None
    for steps, value in fixed:
        _put(event, steps, value)
    for index, column, steps, convert in wanted:
        value = values[index]
        try:
            value = convert(value)
        except ValueError as error:
            flaw = flaw or Flaw("column", ".".join(steps), f"column '{column}' {error}", f"it is {_shown(value)}")
            value = str(value)
        if value is not ABSENT:
            _put(event, steps, value)
    try:
        return _encode(event), flaw
    except UnicodeEncodeError:
        return b"", Flaw("encoding", "", "the row is not in the file's encoding", "give --encoding")


def _put(event: dict[str, Any], steps: Steps, value: Any) -> None:
    inner = event
    for step in steps[:-1]:
        inner = inner.setdefault(step, {})
    inner[steps[-1]] = value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:99] + "…"


# --- from texts to targets ---------------------------------------------------------------------------------------


def _pair(text: str, form: str, split: Callable[[str], tuple[str, str, str]]) -> tuple[str, str]:
    left, equals, right = split("=")
    if not equals or not left or (not right and "column" in form):
        raise StoppedError(f"{text!r} is no mapping: write {form}")
    return left, right


def _fixed_of(target: Target, value: Any) -> tuple[Target, str]:
    """A file's value that is no text keeps its type."""
    if isinstance(value, str):
        return target, value
    return target._replace(type=target.type or "json"), json.dumps(value)


def _target(dialect: Dialect, path: Any) -> Target:
    """`path[:type]`, or `{"path": …, "type": …}`, where the path may be a list of names that have dots in them."""
    type_: Any = None
    if isinstance(path, dict):
        path, type_ = path.get("path"), path.get("type")
    elif isinstance(path, str):
        path, colon, last = path.rpartition(":")
        path, type_ = (path, last) if colon else (last, None)
    steps = tuple(path.split(".")) if isinstance(path, str) else tuple(path) if isinstance(path, list) else ()
    if type_ is not None and type_ not in TYPES:
        raise StoppedError(f"{type_!r} is no type of a value: {', '.join(TYPES)}")
    if not steps or not all(isinstance(step, str) and step for step in steps):
        raise StoppedError(f"{path!r} is no path into an event, as {_DATA[dialect]}.price")
    return Target(steps, _type_there(dialect, steps, type_))


def _type_there(dialect: Dialect, steps: Steps, type_: Type | None) -> Type | None:
    """The type of what stands there; the dialect's own fields have theirs."""
    if steps in _TEXT_FIELDS[dialect]:
        if type_ in (None, "string") or (steps in _DATES and type_ in ("seconds", "milliseconds")):
            return type_ or ("string" if steps not in _DATES else None)
        raise StoppedError(f"{'.'.join(steps)} is text in every event, not {type_}")
    if steps in _OTHERS[dialect]:
        return _OTHERS[dialect][steps]
    if steps[0] == _DATA[dialect]:
        return "json" if len(steps) == 1 else type_
    raise StoppedError(f"{'.'.join(steps)} is no field of a {dialect} event, which has {_fields(dialect)}")


def _fields(dialect: Dialect) -> str:
    own = sorted(".".join(steps) for steps in (*_TEXT_FIELDS[dialect], *_OTHERS[dialect]))
    return ", ".join([*own, f"{_DATA[dialect]}.…"])


def _of_file(file: Path) -> dict[str, Any]:
    try:
        written = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise StoppedError(f"cannot read a mapping from {file}: {error}") from None
    if not isinstance(written, dict) or not written.keys() <= {"columns", "set", "rest"}:
        raise StoppedError(f'{file} is no mapping: {{"columns": {{"column": "path"}}, "set": {{"path": value}}}}')
    for name, type_ in (("columns", dict), ("set", dict), ("rest", str)):
        if not isinstance(written.get(name, type_()), type_):
            raise StoppedError(f"{file}: {name!r} must be {'a text' if type_ is str else 'an object'}")
    return written


def _columns_of(columns: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """A column may go to several places: a list of them."""
    for column, paths in columns.items():
        yield from ((column, path) for path in (paths if isinstance(paths, list) else [paths]))


# --- from targets to columns -------------------------------------------------------------------------------------


def _placed(mapping: Mapping, dialect: Dialect, header: Sequence[str]) -> list[tuple[int, Target]]:
    """Places in the row, and in the event."""
    own = [column for column in header if column not in MARKS]
    columns = mapping.columns
    if not columns and mapping.rest is None:
        columns = tuple((column, _named(dialect, column)) for column in own)
    for column, _ in columns:
        if header.count(column) != 1:
            many = "there are several columns" if column in header else "there is no column"
            raise StoppedError(f"{many} {column!r}; the file has {', '.join(map(repr, own))}")
    placed = [(header.index(column), target) for column, target in columns]
    if mapping.rest is not None:
        used = {column for column, _ in columns}
        placed += [
            (index, Target((*mapping.rest, column), None))
            for index, column in enumerate(header)
            if column and column not in used and column not in MARKS
        ]
    return placed


def _named(dialect: Dialect, column: str) -> Target:
    try:
        return _target(dialect, column)
    except StoppedError as error:
        raise StoppedError(f"column {column!r}: {error}; map the columns with --map, --rest or --mapping") from None


def _check_overlap(places: Sequence[Steps]) -> None:
    """No two values for one place, and none inside another."""
    for index, one in enumerate(places):
        for other in places[index + 1 :]:
            shorter = min(len(one), len(other))
            if one[:shorter] == other[:shorter]:
                raise StoppedError(f"{'.'.join(one)} and {'.'.join(other)} cannot both be filled")


def _fixed(target: Target, text: str) -> Any:
    try:
        return from_text(target.type or "string")(text)
    except ValueError as error:
        raise StoppedError(f"--set {'.'.join(target.steps)} {error}") from None


_encode = msgspec.json.Encoder().encode
