"""Values of JSON and tests on them, for what is compared case by case; whole workspaces are `truth.plans`."""

from typing import Any

from hypothesis import strategies as st

from truth.plans import CITIES, HUGE, ODD, ORDERS, PRICES, TAGS, USUAL, put
from truth.values import INT64

NUMBERS = st.sampled_from(PRICES + HUGE)
SCALARS = st.one_of(NUMBERS, st.sampled_from(CITIES), st.booleans(), st.none())
VALUES = st.sampled_from(PRICES + HUGE + CITIES + ODD + TAGS)
OPERANDS = st.one_of(NUMBERS.filter(lambda n: -INT64 <= n < INT64), st.sampled_from([*CITIES, "10"]), st.booleans())
JSON = st.recursive(
    st.one_of(SCALARS, st.text(max_size=5), st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=5,
)


def _operand(op: str) -> st.SearchStrategy[Any]:
    if op == "in":
        return st.lists(OPERANDS, min_size=1, max_size=3)
    if op == "exists":
        return st.booleans()
    return st.one_of(OPERANDS, st.none()) if op in ("=", "!=") else OPERANDS


TESTS = st.lists(st.sampled_from([*ORDERS, "in", "contains", "exists"]), min_size=1, max_size=2, unique=True).flatmap(
    lambda ops: st.fixed_dictionaries({op: _operand(op) for op in ops})
)
"""`{op: operand}`"""
FILTERS = st.dictionaries(st.sampled_from(list(USUAL)), TESTS, min_size=1, max_size=2)


@st.composite
def payloads(draw: st.DrawFn) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for path in draw(st.lists(st.sampled_from(list(USUAL)), max_size=4, unique=True)):
        put(data, path, draw(VALUES))
    return data
