"""What a test means in SQL and in Python is one thing, on whatever data there is."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from headwater.rules.cohort import Path
from headwater.rules.cohort import Test as Comparison
from headwater.rules.match import matcher
from headwater.rules.numbers import billionths
from headwater.rules.values import at
from headwater.store.compile import Scope, facts
from headwater.store.passing import Parameters, number_at, passes
from stocked import Stocked, stocked

SCALARS: list[Any] = [
    *("", "a", "A", "ab", "b", "é", "e\u0301", "😀", "\uffff", "1", "1.5", "true", "null", "[]", '"', "'", "\\", "\0"),
    *("' OR 1 = 1 --", "{p0:String}", "x\ny\t", "\u2028", "1180591620717411303424", "{{", "$where", "$$", "a" * 1024),
    *(0, 1, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 10**15 - 1, 10**15),
    *(0.0, -0.0, 1.0, 1.5, -1.5, 0.1, 0.1 + 0.2, 1e-7, 5e-324, 1e16, 1e20, 1e22, 1.7976931348623157e308),
    *(0.1234567899, -0.1234567899, 999999999999999.9, 123456789012345.67, 2.0**63, 2.0**64, 2.0**70),
    *(True, False),
]
HUGE = [2**64, -(2**63) - 1, 2**70, 10**40]
"""Of data alone: the grammar takes none of them."""
LISTS = [[], [1], [1.0], ["a"], [True], [None], [2**70], [[1]], [{"a": 1}], ["1", 2, None, False, "é", -0.0], SCALARS]
OBJECTS = [{}, {"p": 1}, {"a": {"b": 1}}, {"": 1}]
VALUES = [*SCALARS, *HUGE, None, *LISTS, *OBJECTS]
ORDERED = [value for value in SCALARS if not isinstance(value, bool)]


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stocked]:
    with stocked(tmp_path_factory.mktemp("passing")) as stock:
        yield stock


def as_read(data: dict[str, Any]) -> Any:
    """As the engine decodes it from a line."""
    return msgspec.json.decode(msgspec.json.encode(data))


def put(stock: Stocked, documents: Sequence[dict[str, Any]]) -> Scope:
    return stock.put([{"identities": [f"n:{n}"], "data": data} for n, data in enumerate(documents)])


def in_sql(stock: Stocked, scope: Scope, expressions: Sequence[str], parameters: Parameters) -> list[list[Any]]:
    """For each expression, what it is for each document."""
    columns = ", ".join(f"{expression} AS c{n}" for n, expression in enumerate(expressions))
    workspace = parameters.add(scope.workspace, "String")
    found = stock.store.columns(
        f"SELECT {columns} FROM events WHERE workspace = {workspace} ORDER BY toUInt64(substring(identities[1], 3))",
        parameters,
    )
    return [found[f"c{n}"].tolist() for n in range(len(expressions))]


def check(stock: Stocked, documents: Sequence[dict[str, Any]], tests: Sequence[Comparison]) -> None:
    scope, parameters = put(stock, documents), Parameters()
    expressions = [f"toUInt8({passes((test,), parameters)})" for test in tests]
    read = [as_read(data) for data in documents]
    for test, found in zip(tests, in_sql(stock, scope, expressions, parameters), strict=True):
        passing = matcher((test,))
        wrong = [(data, bool(got)) for data, got in zip(read, found, strict=True) if passing(data) != bool(got)]
        assert not wrong, (test, wrong[:3])


@pytest.mark.parametrize("op", ["=", "!=", "<", "<=", ">", ">=", "contains", "exists", "in"])
def test_every_operand_on_every_value(stock: Stocked, op: Any) -> None:
    match op:
        case "exists":
            operands: list[Any] = [True, False]
        case "in":
            operands = [(one,) for one in SCALARS] + [("a", 1, True), (False, -0.0, "é"), tuple(SCALARS)]
        case "=" | "!=":
            operands = [*SCALARS, None]
        case "contains":
            operands = SCALARS
        case _:
            operands = ORDERED
    documents = [{}, {"q": 1}, *({"p": value} for value in VALUES)]
    check(stock, documents, [Comparison(("p",), op, operand) for operand in operands])


def test_a_path_enters_objects_alone(stock: Stocked) -> None:
    values = [1, None, "x", [1], {"b": 1}, {"b": None}, {"b": {"c": 1}}, {"b": [{"c": 1}]}, [{"b": 1}], {"1": 1}]
    documents = [{"a": value} for value in values] + [{"a.b": 1}, {"b": {"a": 1}}, {}]
    paths: list[Path] = [("a",), ("a", "b"), ("a", "b", "c"), ("a", "1"), ("a", "b", "c", "d"), ("b", "a"), ("a.b",)]
    check(stock, documents, [Comparison(path, op, 1) for path, op in product(paths, ("=", "!=", "exists"))])


@pytest.mark.parametrize(
    "name",
    ["'", '"', "\\", "' OR 1 = 1 --", "{p0:String}", "a\0b", "`", "😀", "\n", "$", "${where}", "%s", ") --", "é"],
)
def test_a_name_is_a_name_whatever_it_holds(stock: Stocked, name: str) -> None:
    scope = put(stock, [{name: 1}, {name: {name: name}}, {"other": 1}, {}])

    def who(*tests: Comparison) -> list[str]:
        return [row["subject"] for row in stock.ask(facts("ordered", tests, None, scope))]

    assert who(Comparison((name,), "=", 1)) == ["n:0"]
    assert who(Comparison((name, name), "=", name)) == who(Comparison((name, name), "contains", name)) == ["n:1"]
    assert who(Comparison((name, name), "in", (name, "no"))) == ["n:1"]
    assert who(Comparison((name,), "exists", False)) == ["n:2", "n:3"]
    assert who(Comparison((name,), "exists", True), Comparison((name,), "!=", 1)) == ["n:1"]
    assert stock.ask(facts(name, (), None, scope)) == []


def test_data_as_deep_as_can_be_read(stock: Stocked) -> None:
    """Deeper data is refused at receipt: it cannot be decoded within the gateway's recursion limit, Python's own."""
    deepest: Any = 1
    for _ in range(1000 - 150):
        deepest = [deepest]
    check(stock, [{"p": deepest, "q": 1}], [Comparison(("p",), "exists", True), Comparison(("q",), "=", 1)])


def numbers(stock: Stocked, values: Sequence[Any]) -> None:
    documents = [{}, *({"p": {"q": value}} for value in values)]
    scope, parameters = put(stock, documents), Parameters()
    expression = f"toString(reinterpretAsInt128({number_at(('p', 'q'), parameters)}))"
    [found] = in_sql(stock, scope, [expression], parameters)
    meant = [billionths(at(as_read(data), ("p", "q"))) for data in documents]
    got = [None if text is None else int(text) for text in found]
    assert list(zip(documents, got, strict=True)) == list(zip(documents, meant, strict=True))


def test_a_number_is_cut_off_in_the_store_as_in_python(stock: Stocked) -> None:
    edges = [999999999999999.9, -999999999999999.9, 1e15, -1e15, 10**15 - 1, 1 - 10**15, 0.9999999999, 1e-9, 9.9e-10]
    numbers(stock, [*VALUES, *edges])


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.floats(-1e6, 1e6)), min_size=200))
def test_any_number(stock: Stocked, values: list[float]) -> None:
    numbers(stock, values)


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
names = st.sampled_from(["a", "b", "", "é", "'", '"', "\\"]) | words
ours = st.sampled_from(SCALARS) | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
scalars = ours | words
values = st.recursive(
    st.none() | scalars | st.sampled_from(HUGE) | st.integers(-3, 3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
paths = st.lists(names, min_size=1, max_size=3).map(tuple)
ordered = scalars.filter(lambda value: not isinstance(value, bool))
tests = st.one_of(
    st.builds(Comparison, paths, st.sampled_from(["=", "!="]), scalars | st.none()),
    st.builds(Comparison, paths, st.sampled_from(["<", "<=", ">", ">="]), ordered | st.integers(-3, 3)),
    st.builds(Comparison, paths, st.just("in"), st.lists(scalars, min_size=1, max_size=5).map(tuple)),
    st.builds(Comparison, paths, st.just("contains"), scalars | st.integers(-3, 3)),
    st.builds(Comparison, paths, st.just("exists"), st.booleans()),
)


@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.lists(st.dictionaries(names, values, max_size=4), min_size=1, max_size=30), st.lists(tests, min_size=1))
@example([{"a": 2**70}], [Comparison(("a",), "=", str(2**70))])
def test_any_test_on_any_data(stock: Stocked, documents: list[dict[str, Any]], tests: list[Comparison]) -> None:
    check(stock, documents, tests)
