"""A cohort's definition, read from JSON: `parse` gives the typed tree of `rules.cohort`, or says what is wrong where.

`docs/cohorts.md` describes the grammar. Nothing here is lenient: what is not understood is refused, since a condition
that is quietly left out makes a cohort of the wrong people.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NoReturn

from rapidfuzz import process
from rapidfuzz.distance import OSA

from headwater import clock
from headwater.errors import InvalidError
from headwater.rules.cohort import (
    All,
    Attribute,
    Bound,
    Definition,
    Metric,
    Node,
    Not,
    Op,
    Path,
    Performed,
    Scalar,
    Sequence,
    State,
    Step,
    Test,
    Window,
)
from headwater.rules.cohort import Any as AnyOf
from headwater.rules.identity import MAX_TYPE
from headwater.rules.numbers import SCALE, billionths
from headwater.rules.wording import UNITS, condition, describe
from headwater.signals import Signal, SignalType

__all__ = ["condition", "describe", "parse"]

ROOT = "definition"
"""Where a definition stands in the body of a request: what the path of every fault begins with."""

MAX_DEPTH = 32
"""Conditions inside one another, and keys of a path."""
MAX_CONDITIONS = 100
MAX_TESTS = 20
"""Of one filter, state or attribute."""
MAX_STEPS = 10
MAX_VALUES = 1_000
"""Of one `in`."""
MAX_TEXT = 1_024
MAX_PERIODS = 10_000
LONGEST_MS = 3_660 * clock.DAY_MS
"""Ten years: the longest `within` and `gap`."""

_ALIKE = 0.7
"""From here on a name that is not known may be one that is, misspelt."""

_BOUND_OPS = ("=", "!=", "<", "<=", ">", ">=")
_OPS = (*_BOUND_OPS, "in", "contains", "exists")
_MEASURES = ("count", "sum", "avg")
_DURATION = re.compile(r"([1-9][0-9]{0,9})([smhdw])", re.ASCII)
_LEAST, _MOST = -(1 << 63), (1 << 64) - 1
_SHOWN = 60  # characters of a stranger's text in a message or path


def parse(definition: Any, signals: Mapping[str, Signal]) -> Definition:
    """The tree of a decoded JSON definition.

    `signals`: the workspace's, by slug. Raises InvalidError, its path from `definition` on:
    `definition.where.all[3].within`.
    """
    given = _object(definition, ROOT, ("subject", "where"))
    for needed in ("subject", "where"):
        if needed not in given:
            _fail(f"'{needed}' is required", f"{ROOT}.{needed}")
    return Definition(_subject(given["subject"]), _Reader(signals).node(given["where"], f"{ROOT}.where", 1))


class _Reader:
    """Reads conditions, and counts them."""

    def __init__(self, signals: Mapping[str, Signal]) -> None:
        self._signals = signals
        self._left = MAX_CONDITIONS
        self._kinds: dict[str, Callable[[dict[str, Any], str, int], Node]] = {
            "all": self._all,
            "any": self._any,
            "not": self._not,
            "performed": self._performed,
            "sequence": self._sequence,
            "state": self._state,
            "metric": self._metric,
            "attribute": self._attribute,
        }

    def node(self, value: Any, path: str, depth: int) -> Node:
        if depth > MAX_DEPTH:
            _fail(f"conditions may be at most {MAX_DEPTH} levels deep", path)
        if not isinstance(value, dict):
            _fail("a condition must be an object", path)
        kinds = [kind for kind in self._kinds if kind in value]
        if len(kinds) != 1:
            known = ", ".join(f"'{kind}'" for kind in self._kinds)
            _fail(f"a condition needs exactly one of {known}", path)
        return self._kinds[kinds[0]](value, path, depth)

    def _all(self, given: dict[str, Any], path: str, depth: int) -> Node:
        return All(self._parts(given, "all", path, depth))

    def _any(self, given: dict[str, Any], path: str, depth: int) -> Node:
        return AnyOf(self._parts(given, "any", path, depth))

    def _parts(self, given: dict[str, Any], kind: str, path: str, depth: int) -> tuple[Node, ...]:
        _object(given, path, (kind,))
        parts = _list(given[kind], f"{path}.{kind}", 1, MAX_CONDITIONS, "conditions")
        return tuple(self.node(part, f"{path}.{kind}[{n}]", depth + 1) for n, part in enumerate(parts))

    def _not(self, given: dict[str, Any], path: str, depth: int) -> Node:
        _object(given, path, ("not",))
        return Not(self.node(given["not"], f"{path}.not", depth + 1))

    def _performed(self, given: dict[str, Any], path: str, depth: int) -> Node:
        given = _object(given, path, ("performed", "filter", *_MEASURES, "within", "between"), optional=True)
        signal, tests, window = self._signal(given, "performed", path), _filter(given, path), _window(given, path)
        asked = [measure for measure in _MEASURES if measure in given]
        found: list[Node] = []
        for measure in asked or ["count"]:
            self._count(path)
            of, bounds = _measure(given, measure, path) if asked else (None, (Bound(">=", SCALE),))
            found.append(Performed(signal, tests, window, measure, of, bounds))  # type: ignore[arg-type]
        return All(tuple(found)) if len(found) > 1 else found[0]

    def _sequence(self, given: dict[str, Any], path: str, depth: int) -> Node:
        self._count(path)
        given = _object(given, path, ("sequence", "gap", "within", "between"), optional=True)
        steps = _list(given.get("sequence"), f"{path}.sequence", 2, MAX_STEPS, "steps")
        gap = _duration(given["gap"], f"{path}.gap") if "gap" in given else None
        read = tuple(self._step(step, f"{path}.sequence[{n}]") for n, step in enumerate(steps))
        return Sequence(read, gap, _window(given, path))

    def _step(self, value: Any, path: str) -> Step:
        given = _object(value, path, ("performed", "filter"), optional=True)
        return Step(self._signal(given, "performed", path), _filter(given, path))

    def _state(self, given: dict[str, Any], path: str, depth: int) -> Node:
        self._count(path)
        tests = _value_tests(given, "state", path)
        return State(self._signal(given, "state", path, "state"), tests)

    def _attribute(self, given: dict[str, Any], path: str, depth: int) -> Node:
        self._count(path)
        tests = _value_tests(given, "attribute", path)
        name = _text(given["attribute"], f"{path}.attribute")
        if not name:
            _fail("'attribute' must be the name of an attribute", f"{path}.attribute")
        return Attribute(name, tests)

    def _metric(self, given: dict[str, Any], path: str, depth: int) -> Node:
        self._count(path)
        _object(given, path, ("metric", "periods", *_BOUND_OPS))
        slug = self._signal(given, "metric", path, "metric")
        signal = self._signals[slug]
        assert signal.aggregation and signal.period, "every metric signal has them (rules.signal)"
        periods = _whole(given.get("periods"), f"{path}.periods", MAX_PERIODS, default=1)
        return Metric(slug, signal.aggregation, signal.period, periods, _bounds(given, path, ("metric", "periods")))

    def _signal(self, given: dict[str, Any], key: str, path: str, type_: SignalType | None = None) -> str:
        path = f"{path}.{key}"
        slug = given.get(key)
        if not isinstance(slug, str):
            _fail(f"'{key}' must be a signal's slug", path)
        signal = self._signals.get(slug)
        if signal is None:
            _fail(f"there is no signal '{_shown(slug)}'{_meant(slug, list(self._signals))}", path)
        if type_ and signal.type != type_:
            _fail(f"'{slug}' is a signal of type {signal.type}, not {type_}", path)
        return slug

    def _count(self, path: str) -> None:
        self._left -= 1
        if self._left < 0:
            _fail(f"a cohort may have at most {MAX_CONDITIONS} conditions", path)


def _subject(value: Any) -> str:
    path = f"{ROOT}.subject"
    text = _text(value, path)
    if not text or len(text) > MAX_TYPE or ":" in text:
        _fail("'subject' must be 'person' or a type of identity, as in 'account'", path)
    return text


def _window(given: dict[str, Any], path: str) -> Window:
    if "within" in given and "between" in given:
        _fail("'within' and 'between' exclude each other", f"{path}.between")
    if "within" in given:
        return Window(within_ms=_duration(given["within"], f"{path}.within"))
    if "between" in given:
        return _between(given["between"], f"{path}.between")
    return Window()


def _between(value: Any, path: str) -> Window:
    dates = _list(value, path, 2, 2, "dates")
    first, last = (_date(date, f"{path}[{n}]") for n, date in enumerate(dates))
    if first >= last:
        _fail("the first date of 'between' must be before the second", path)
    return Window(from_ms=first, to_ms=last)


def _date(value: Any, path: str) -> int:
    ms = clock.parse_iso(value) if isinstance(value, str) else None
    if ms is None:
        _fail("must be a date in ISO 8601, as in '2026-01-31' (UTC)", path)
    return ms


def _duration(value: Any, path: str) -> int:
    """In milliseconds."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        _fail("must be a whole number and a unit (s, m, h, d or w), as in '30d'", path)
    ms = int(found[1]) * UNITS[found[2]]
    if ms > LONGEST_MS:
        _fail("must be at most 3660d", path)
    return ms


def _measure(given: dict[str, Any], measure: str, path: str) -> tuple[Path | None, tuple[Bound, ...]]:
    path = f"{path}.{measure}"
    if measure == "count":
        return None, _bounds(_object(given[measure], path, _BOUND_OPS), path)
    asked = _object(given[measure], path, ("of", *_BOUND_OPS))
    if "of" not in asked:
        _fail("'of' is required: the property to take the number from", f"{path}.of")
    return _path(asked["of"], f"{path}.of"), _bounds(asked, path, ("of",))


def _bounds(given: dict[str, Any], path: str, beside: Collection[str] = ()) -> tuple[Bound, ...]:
    ops = [op for op in given if op not in beside]
    if not ops:
        _fail(f"a comparison is required: one of {' '.join(_BOUND_OPS)}", path)
    return tuple(Bound(op, _bound(given[op], f"{path}.{op}")) for op in ops)  # type: ignore[arg-type]


def _bound(value: Any, path: str) -> int:
    number = billionths(value)
    if number is None:
        _fail("must be a number of less than 1e15", path)
    return number


def _meant(slug: str, known: list[str]) -> str:
    """A hint, where one of the known slugs is much like this one."""
    near = process.extractOne(slug[:200], known, scorer=OSA.normalized_similarity, score_cutoff=_ALIKE)
    return f", did you mean '{near[0]}'?" if near else ""


def _filter(given: dict[str, Any], path: str) -> tuple[Test, ...]:
    path = f"{path}.filter"
    wanted = given.get("filter", {})
    if not isinstance(wanted, dict):
        _fail("'filter' must be an object of properties", path)
    tests: list[Test] = []
    for name, ops in wanted.items():
        here = f"{path}.{_shown(name)}"
        tests += _tests(_path(name, here), _object(ops, here, _OPS), here)
        _check_tests(tests, path)
    return tuple(tests)


def _value_tests(given: dict[str, Any], kind: str, path: str) -> tuple[Test, ...]:
    """Of a state or an attribute: `is` says the same as `=`."""
    _object(given, path, (kind, "is", *_OPS))
    if "is" in given and "=" in given:
        _fail("'is' and '=' say the same: only one of them", f"{path}.is")
    tests = [Test((), _op(key), _operand(key, value, f"{path}.{key}")) for key, value in given.items() if key != kind]
    if not tests:
        _fail(f"a comparison is required: 'is', or one of {' '.join(_OPS)}", path)
    return tuple(tests)


def _tests(keys: Path, ops: dict[str, Any], path: str) -> list[Test]:
    if not ops:
        _fail(f"a comparison is required: one of {' '.join(_OPS)}", path)
    return [Test(keys, _op(op), _operand(op, value, f"{path}.{op}")) for op, value in ops.items()]


def _check_tests(tests: list[Test], path: str) -> None:
    if len(tests) > MAX_TESTS:
        _fail(f"a filter may have at most {MAX_TESTS} comparisons", path)


def _op(key: str) -> Op:
    return "=" if key == "is" else key  # type: ignore[return-value]  # `_object` let only these through


def _operand(op: str, value: Any, path: str) -> Scalar | tuple[Scalar, ...]:
    match op:
        case "exists":
            if not isinstance(value, bool):
                _fail("'exists' takes true or false", path)
            return value
        case "in":
            several = _list(value, path, 1, MAX_VALUES, "values")
            return tuple(_scalar(one, f"{path}[{n}]") for n, one in enumerate(several))
        case "=" | "!=" | "is":
            return None if value is None else _scalar(value, path)
        case _:
            scalar = _scalar(value, path)
            if isinstance(scalar, bool) and op != "contains":
                _fail(f"'{op}' compares numbers or strings, not true and false", path)
            return scalar


def _scalar(value: Any, path: str) -> Scalar:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, int):
        if not _LEAST <= value <= _MOST:
            _fail("a whole number beyond 64 bits is kept as a string of its digits: compare it with that", path)
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    only = "null can only be compared by '=' and '!='" if value is None else "must be a string, a number, true or false"
    return _fail(only, path)


def _path(value: Any, path: str) -> Path:
    keys = tuple(_text(value, path).split("."))
    if not all(keys) or len(keys) > MAX_DEPTH:
        _fail(f"must be a property's name, or up to {MAX_DEPTH} of them joined by dots, as in 'address.city'", path)
    return keys


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        _fail("must be a string", path)
    if len(value) > MAX_TEXT:
        _fail(f"must have at most {MAX_TEXT} characters", path)
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        _fail("must be Unicode text: it holds half of a surrogate pair", path)
    return value


def _whole(value: Any, path: str, most: int, default: int) -> int:
    if value is None:
        return default
    if type(value) is not int or not 1 <= value <= most:
        _fail(f"must be a whole number from 1 to {most}", path)
    return value


def _list(value: Any, path: str, least: int, most: int, what: str) -> list[Any]:
    if not isinstance(value, list):
        _fail(f"must be a list of {what}", path)
    if not least <= len(value) <= most:
        _fail(f"must have {least if least == most else f'{least} to {most}'} {what}", path)
    return value


def _object(value: Any, path: str, known: Collection[str], optional: bool = False) -> dict[str, Any]:
    """The value as an object of known keys. `optional`: what is null counts as not there."""
    if not isinstance(value, dict):
        example = ', as in {">=": 3}' if ">=" in known else ""
        _fail(f"must be an object{example}", path)
    for key in value:
        if key not in known:
            _fail(f"'{_shown(key)}' is not known here, only {', '.join(known)}", f"{path}.{_shown(key)}")
    return {key: each for key, each in value.items() if each is not None} if optional else value


def _shown(text: object) -> str:
    """What a stranger wrote, cut to a length that can be read, and without what cannot be printed."""
    whole = str(text)
    plain = "".join(character if character.isprintable() else "\ufffd" for character in whole[:_SHOWN])
    return plain + "…" if len(whole) > _SHOWN else plain


def _fail(message: str, path: str) -> NoReturn:
    raise InvalidError(message, path)
