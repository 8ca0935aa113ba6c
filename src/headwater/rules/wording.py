"""A condition in plain words, and as the JSON that means it: for explanations."""

import json
from typing import Any

from headwater import clock
from headwater.rules.cohort import Attribute, Bound, Leaf, Metric, Performed, Sequence, State, Test, Window
from headwater.rules.numbers import SCALE, plain, text

UNITS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000}
"""Milliseconds of a duration's units, the longest first."""

_NAMES = {"d": "day", "h": "hour", "m": "minute", "s": "second"}
_COMPARED = {"=": "", "!=": "not ", "<": "less than ", "<=": "at most ", ">": "more than ", ">=": "at least "}
_AGGREGATED = {"sum": "sum", "count": "count", "avg": "average", "min": "least", "max": "greatest"}
_ONCE = (Bound(">=", SCALE),)
_SHOWN = 5  # values of an `in` that are told


def describe(leaf: Leaf) -> str:
    """As a person would say it: `performed 'ordered' at least 3 times in the last 30 days`."""
    match leaf:
        case Performed(signal, tests, window, "count", _, bounds):
            times = "" if bounds == _ONCE else f" {_bounds(bounds)} times"
            return f"performed '{signal}'{times}{_with(tests)}{_when(window)}"
        case Performed(signal, tests, window, measure, of, bounds):
            what = f"{_AGGREGATED[measure]} of {'.'.join(of or ())} in '{signal}'"
            return f"{what}{_with(tests)}{_when(window)} is {_bounds(bounds)}"
        case Sequence(steps, gap, window):
            told = ", then ".join(f"'{step.signal}'{_with(step.tests)}" for step in steps)
            return f"performed {told}{_apart(gap)}{_when(window)}"
        case State(signal, tests):
            return f"state '{signal}' {_joined(tests)}"
        case Attribute(name, tests):
            return f"attribute '{name}' {_joined(tests)}"
        case Metric(signal, aggregation, period, periods, bounds):
            over = f"the current {period}" if periods == 1 else f"the last {periods} {period}s"
            return f"{_AGGREGATED[aggregation]} of '{signal}' over {over} is {_bounds(bounds)}"


def condition(leaf: Leaf) -> dict[str, Any]:
    """The JSON that `rules.grammar` reads this condition from."""
    match leaf:
        case Performed(signal, tests, window, measure, of, bounds):
            about = {"performed": signal, **_json_filter(tests), **_json_window(window)}
            asked = _json_bounds(bounds) if of is None else {"of": ".".join(of), **_json_bounds(bounds)}
            return about if measure == "count" and bounds == _ONCE else {**about, measure: asked}
        case Sequence(steps, gap, window):
            read = [{"performed": step.signal, **_json_filter(step.tests)} for step in steps]
            return {"sequence": read, **({} if gap is None else {"gap": _duration(gap)}), **_json_window(window)}
        case State(signal, tests):
            return {"state": signal, **_json_tests(tests)}
        case Attribute(name, tests):
            return {"attribute": name, **_json_tests(tests)}
        case Metric(signal, _, _, periods, bounds):
            return {"metric": signal, "periods": periods, **_json_bounds(bounds)}


def _bounds(bounds: tuple[Bound, ...]) -> str:
    return " and ".join(f"{_COMPARED[bound.op]}{text(bound.number)}" for bound in bounds)


def _with(tests: tuple[Test, ...]) -> str:
    told = " and ".join(f"{'.'.join(test.path)} {_said(test)}" for test in tests)
    return f" with {told}" if told else ""


def _joined(tests: tuple[Test, ...]) -> str:
    return " and ".join(map(_said, tests))


def _said(test: Test) -> str:
    match test.op, test.operand:
        case "exists", there:
            return "is there" if there else "is not there"
        case "in", tuple(several):
            more = f" and {len(several) - _SHOWN} more" if len(several) > _SHOWN else ""
            return f"is one of {', '.join(map(_json, several[:_SHOWN]))}{more}"
        case "contains", operand:
            return f"contains {_json(operand)}"
        case op, operand:
            return f"is {_COMPARED[op]}{_json(operand)}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _apart(gap: int | None) -> str:
    return "" if gap is None else f", each at most {_told(gap)} after the one before"


def _when(window: Window) -> str:
    if window.within_ms is not None:
        return f" in the last {_told(window.within_ms)}"
    if window.from_ms is not None and window.to_ms is not None:
        return f" from {_date(window.from_ms)} to before {_date(window.to_ms)}"
    return ""


def _told(ms: int) -> str:
    number, unit = _in_units(ms)
    return f"{number} {_NAMES[unit]}{'' if number == 1 else 's'}"


def _duration(ms: int) -> str:
    number, unit = _in_units(ms)
    return f"{number}{unit}"


def _in_units(ms: int) -> tuple[int, str]:
    """In the longest unit that divides it; weeks are told in days."""
    unit = next(unit for unit, size in UNITS.items() if ms % size == 0 and unit != "w")
    return ms // UNITS[unit], unit


def _date(ms: int) -> str:
    moment = clock.to_iso(ms)
    return moment if ms % clock.DAY_MS else moment[:10]


def _json_bounds(bounds: tuple[Bound, ...]) -> dict[str, Any]:
    return {bound.op: plain(bound.number) for bound in bounds}


def _json_filter(tests: tuple[Test, ...]) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for test in tests:
        found.setdefault(".".join(test.path), {})[test.op] = _json_operand(test)
    return {"filter": found} if found else {}


def _json_tests(tests: tuple[Test, ...]) -> dict[str, Any]:
    return {"is" if test.op == "=" else test.op: _json_operand(test) for test in tests}


def _json_operand(test: Test) -> Any:
    return list(test.operand) if isinstance(test.operand, tuple) else test.operand


def _json_window(window: Window) -> dict[str, Any]:
    if window.within_ms is not None:
        return {"within": _duration(window.within_ms)}
    if window.from_ms is not None and window.to_ms is not None:
        return {"between": [_date(window.from_ms), _date(window.to_ms)]}
    return {}
