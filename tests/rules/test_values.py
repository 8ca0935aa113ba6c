"""Numbers and values found in events' data."""

from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.rules.numbers import LARGEST, SCALE, billionths, parsed, plain, text
from headwater.rules.values import at, canonical, path_of, value_of
from headwater.signals import Signal

json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


def metric(path: str = "n") -> Signal:
    named = {"id": "sig_abcdefgh", "workspace": "ws_abcdefgh", "slug": "s", "name": "s", "active": True}
    how: dict[str, Any] = {"rate_limit": None, "enforcement": "quarantine", "aggregation": "sum", "period": "day"}
    return Signal(**named, **how, type="metric", value=path)  # type: ignore[arg-type]


def state(path: str = "n") -> Signal:
    return msgspec.structs.replace(metric(path), type="state", aggregation=None, period=None)


@pytest.mark.parametrize(
    ("number", "decimal"),
    [
        (0, "0"),
        (-0.0, "0"),
        (12, "12"),
        (12.0, "12"),
        (-12.5, "-12.5"),
        (0.1, "0.1"),
        (1e-9, "0.000000001"),
        (1.9999999999, "1.999999999"),
        (-1.9999999999, "-1.999999999"),
        (1e-10, "0"),
        (5e-324, "0"),
        (1e14, "100000000000000"),
        (999_999_999_999_999, "999999999999999"),
        (-999_999_999_999_999, "-999999999999999"),
        (999999999999999.9, "999999999999999.9"),
    ],
)
def test_a_metric_takes_numbers_exactly(number: float, decimal: str) -> None:
    assert value_of(metric(), {"n": number}) == decimal


@pytest.mark.parametrize(
    "value", [None, True, False, "12", "", [], [1], {}, {"n": 1}, LARGEST, -LARGEST, 1e15, 1e300, 2**70, -(10**400)]
)
def test_what_is_no_number_is_missing(value: Any) -> None:
    assert value_of(metric(), {"n": value}) is None
    assert value_of(metric(), {}) is None


@given(number=st.integers(-(10**40), 10**40))
def test_billionths_as_text_and_back(number: int) -> None:
    """Also of sums, which have more digits than any number that came in."""
    assert parsed(text(number)) == number
    assert Fraction(text(number)) == Fraction(number, SCALE)
    assert "." not in text(number) or text(number)[-1] not in ".0"
    assert plain(number) == (Fraction(number, SCALE) if number % SCALE == 0 else float(Fraction(number, SCALE)))


@given(number=st.floats(-1e15, 1e15, exclude_min=True, exclude_max=True))
def test_a_float_is_cut_off_behind_nine_decimals(number: float) -> None:
    exact = Fraction(repr(number)) * SCALE
    cut = abs(exact.numerator) // exact.denominator
    assert billionths(number) == (cut if exact >= 0 else -cut)


@pytest.mark.parametrize(
    ("path", "found"),
    [("a", {"b": {"c": 1}, "": 2}), ("a.b.c", 1), ("a.b", {"c": 1}), ("a.x", None), ("a.b.c.d", None), ("l.0", None)],
)
def test_paths_go_through_objects_alone(path: str, found: Any) -> None:
    assert at({"a": {"b": {"c": 1}, "": 2}, "l": [7], "a.b": 9, "s": "text"}, path_of(path)) == found


@given(value=json)
def test_a_state_is_canonical_json(value: Any) -> None:
    found = value_of(state("deep.n"), {"deep": {"n": value}})
    if value is None:
        assert found is None
        return
    assert found is not None
    assert msgspec.json.decode(found) == value
    assert value_of(state(), {"n": shuffled(value)}) == found


def shuffled(value: Any) -> Any:
    """The same value, its objects' keys in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(each) for each in value] if isinstance(value, list) else value


def test_canonical_json_has_no_blanks_and_sorts_by_code_point() -> None:
    value = {"é": 1, "z": [1, {"b": None, "a": True}], "Z": "\u2028/", "\U0001f600": "", "\uffff": 0.5}
    assert canonical(value) == '{"Z":"\u2028/","z":[1,{"a":true,"b":null}],"é":1,"\uffff":0.5,"😀":""}'


def test_a_state_nested_too_deeply_is_told() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RecursionError):
        value_of(state(), {"n": deep})
