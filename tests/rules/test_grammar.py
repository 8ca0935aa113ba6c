"""A cohort's definition: what is read, what is refused and where, and that explanations say the same again."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.clock import DAY_MS
from headwater.errors import InvalidError
from headwater.rules.cohort import (
    All,
    Attribute,
    Bound,
    Definition,
    Metric,
    Node,
    Not,
    Performed,
    Sequence,
    State,
    Step,
    Window,
    leaves,
)
from headwater.rules.cohort import Any as AnyOf
from headwater.rules.cohort import Test as Comparison
from headwater.rules.grammar import MAX_CONDITIONS, MAX_DEPTH, condition, describe, parse
from headwater.rules.numbers import SCALE
from headwater.signals import Signal


def signal(slug: str, type_: Any = "event", **columns: Any) -> Signal:
    about = {"id": "sig_12345678", "workspace": "ws_12345678", "name": slug, "active": True, "rate_limit": None}
    return Signal(**{**about, "enforcement": "quarantine", "slug": slug, "type": type_, **columns})


SIGNALS = {
    one.slug: one
    for one in (
        signal("ordered"),
        signal("addToCart"),
        signal("optedOut"),
        signal("asleep", active=False),
        signal("health-score", "state", value="score"),
        signal("api-calls", "metric", aggregation="sum", period="day", value="calls"),
        signal("logins", "metric", aggregation="count", period="week"),
    )
}


def read(where: Any, subject: Any = "person") -> Definition:
    return parse({"subject": subject, "where": where}, SIGNALS)


def leaf(where: Any) -> Any:
    found = read(where).where
    assert not isinstance(found, All | AnyOf | Not)
    return found


def refused(where: Any) -> tuple[str, str]:
    """The path below `definition.where`, and the message."""
    with pytest.raises(InvalidError) as caught:
        read(where)
    assert caught.value.path.startswith("definition.where")
    assert len(str(caught.value)) < 400
    json.dumps([str(caught.value), caught.value.path]).encode()
    return caught.value.path.removeprefix("definition.where"), str(caught.value)


def performed(**given: Any) -> dict[str, Any]:
    return {"performed": "ordered", **given}


def test_the_definition_of_the_design() -> None:
    found = read(
        {
            "all": [
                performed(count={">=": 3}, within="30d", filter={"itemPrice": {">=": 500}}),
                performed(sum={"of": "itemPrice", ">=": 2000}, between=["2026-01-01", "2026-07-01"]),
                {"sequence": [{"performed": "addToCart"}, {"performed": "ordered"}], "gap": "7d", "within": "90d"},
                {"not": {"performed": "optedOut"}},
                {"any": [{"state": "health-score", "is": "at-risk"}, {"metric": "api-calls", "periods": 7, ">=": 100}]},
            ]
        }
    )
    price, year = Comparison(("itemPrice",), ">=", 500), Window(from_ms=1_767_225_600_000, to_ms=1_782_864_000_000)
    assert found.subject == "person"
    assert found.where == All(
        (
            Performed("ordered", (price,), Window(30 * DAY_MS), "count", None, (Bound(">=", 3 * SCALE),)),
            Performed("ordered", (), year, "sum", ("itemPrice",), (Bound(">=", 2000 * SCALE),)),
            Sequence((Step("addToCart", ()), Step("ordered", ())), 7 * DAY_MS, Window(90 * DAY_MS)),
            Not(Performed("optedOut", (), Window(), "count", None, (Bound(">=", SCALE),))),
            AnyOf(
                (
                    State("health-score", (Comparison((), "=", "at-risk"),)),
                    Metric("api-calls", "sum", "day", 7, (Bound(">=", 100 * SCALE),)),
                )
            ),
        )
    )


def test_several_measures_are_several_conditions() -> None:
    given = performed(avg={"of": "a.b", "<": 1.5}, count={">=": 2, "<=": 4}, sum={"of": "n", "!=": 0})
    found = read(given).where
    assert isinstance(found, All)
    assert [(one.measure, one.of, one.bounds) for one in found.parts if isinstance(one, Performed)] == [
        ("count", None, (Bound(">=", 2 * SCALE), Bound("<=", 4 * SCALE))),
        ("sum", ("n",), (Bound("!=", 0),)),
        ("avg", ("a", "b"), (Bound("<", 1_500_000_000),)),
    ]


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1s", 1_000),
        ("90s", 90_000),
        ("5m", 300_000),
        ("36h", 129_600_000),
        ("30d", 30 * DAY_MS),
        ("2w", 14 * DAY_MS),
        ("3660d", 3660 * DAY_MS),
        ("87840h", 3660 * DAY_MS),
    ],
)
def test_durations(text: str, ms: int) -> None:
    assert leaf(performed(within=text)).window == Window(within_ms=ms)


@pytest.mark.parametrize(
    "duration",
    [
        "",
        "30",
        "d",
        "30 d",
        " 30d",
        "30d\n",
        "0d",
        "-1d",
        "+1d",
        "1.5d",
        "1D",
        "1y",
        "٣d",
        "1e3d",
        "3661d",
        "523w",
        "9999999999d",
        "9" * 5000 + "d",
        30,
        True,
        [],
        {},
        "30d5h",
        "01d",
    ],
)
def test_what_is_no_duration(duration: Any) -> None:
    assert refused(performed(within=duration))[0] == ".within"
    steps = [{"performed": "addToCart"}, {"performed": "ordered"}]
    assert refused({"sequence": steps, "gap": duration})[0] == ".gap"


@pytest.mark.parametrize(
    ("dates", "at"),
    [
        (["2026-07-01", "2026-01-01"], ""),
        (["2026-01-01", "2026-01-01"], ""),
        (["2026-01-01"], ""),
        (["2026-01-01", "2026-02-01", "2026-03-01"], ""),
        ("2026-01-01", ""),
        ({}, ""),
        (["2026-02-30", "2026-03-01"], "[0]"),
        (["2026-01-01", "soon"], "[1]"),
        (["2026-01-01", 20260201], "[1]"),
        (["2026-01-01", None], "[1]"),
    ],
)
def test_what_is_no_range_of_dates(dates: Any, at: str) -> None:
    assert refused(performed(between=dates))[0] == f".between{at}"


def test_a_range_may_have_times_and_zones() -> None:
    window = leaf(performed(between=["2026-01-01T05:30:00+05:30", "2026-01-01T00:00:00.001Z"])).window
    assert window == Window(from_ms=1_767_225_600_000, to_ms=1_767_225_600_001)


def test_null_in_an_optional_place_is_nothing() -> None:
    nothing = {"within": None, "between": None, "filter": None, "count": None, "sum": None, "avg": None}
    assert read(performed(**nothing)) == read(performed())
    assert leaf({"metric": "logins", "periods": None, ">": 1}) == Metric(
        "logins", "count", "week", 1, (Bound(">", SCALE),)
    )


DEEP: Any = {"performed": "ordered"}
for _ in range(200):
    DEEP = {"not": DEEP}

WRONG: list[tuple[Any, str, str]] = [
    # kinds
    (None, "", "object"),
    ([], "", "object"),
    ("ordered", "", "object"),
    ({}, "", "exactly one of"),
    ({"performed": "ordered", "state": "health-score"}, "", "exactly one of"),
    ({"all": []}, ".all", "1 to 100"),
    ({"any": {}}, ".any", "list"),
    ({"all": [performed(), performed(bad=1)]}, ".all[1].bad", "not known"),
    ({"all": [performed()], "within": "3d"}, ".within", "not known"),
    ({"not": [performed()]}, ".not", "object"),
    ({"not": performed(), "any": []}, "", "exactly one of"),
    # signals
    ({"performed": "nosuch"}, ".performed", "no signal 'nosuch'"),
    ({"performed": "gone"}, ".performed", "no signal 'gone'"),
    ({"performed": "orderd"}, ".performed", "no signal 'orderd', did you mean 'ordered'?"),
    ({"performed": "ordered", "count": 3}, ".count", 'must be an object, as in {">=": 3}'),
    ({"performed": "'; DROP TABLE events --"}, ".performed", "no signal"),
    ({"performed": 5}, ".performed", "slug"),
    ({"performed": None}, ".performed", "slug"),
    ({"performed": "\ud800"}, ".performed", "no signal"),
    ({"performed": "x" * 100_000}, ".performed", "no signal"),
    ({"state": "ordered", "is": 1}, ".state", "of type event, not state"),
    ({"state": "api-calls", "is": 1}, ".state", "of type metric, not state"),
    ({"metric": "health-score", ">": 1}, ".metric", "of type state, not metric"),
    ({"metric": "nosuch", ">": 1}, ".metric", "no signal"),
    # measures
    (performed(count=3), ".count", "object"),
    (performed(count={}), ".count", "comparison"),
    (performed(count={">=": "3"}), ".count.>=", "number"),
    (performed(count={">=": True}), ".count.>=", "number"),
    (performed(count={">=": None}), ".count.>=", "number"),
    (performed(count={">=": 10**15}), ".count.>=", "1e15"),
    (performed(count={"=>": 3}), ".count.=>", "not known"),
    (performed(count={"in": [3]}), ".count.in", "not known"),
    (performed(count={"of": "x", "=": 1}), ".count.of", "not known"),
    (performed(sum={">=": 3}), ".sum.of", "required"),
    (performed(sum={"of": "n"}), ".sum", "comparison"),
    (performed(sum={"of": "", ">": 1}), ".sum.of", "property"),
    (performed(avg={"of": "a..b", ">": 1}), ".avg.of", "property"),
    (performed(avg={"of": ["a"], ">": 1}), ".avg.of", "string"),
    (performed(sum={"of": "n", ">": float("inf")}), ".sum.>", "number"),
    (performed(sum={"of": "n", ">": float("nan")}), ".sum.>", "number"),
    (performed(min={"of": "n", ">": 1}), ".min", "not known"),
    # windows
    (performed(within="3d", between=["2026-01-01", "2026-02-01"]), ".between", "exclude"),
    # filters
    (performed(filter=[]), ".filter", "object"),
    (performed(filter={"a": 5}), ".filter.a", "object"),
    (performed(filter={"a": {}}), ".filter.a", "comparison"),
    (performed(filter={"a": {"is": 5}}), ".filter.a.is", "not known"),
    (performed(filter={"a": {"like": "x"}}), ".filter.a.like", "not known"),
    (performed(filter={"": {"=": 5}}), ".filter.", "property"),
    (performed(filter={"a.": {"=": 5}}), ".filter.a.", "property"),
    (performed(filter={".".join("a" * 33): {"=": 5}}), ".filter." + ".".join("a" * 30) + ".…", "property"),
    (performed(filter={"a": {"=": []}}), ".filter.a.=", "string, a number"),
    (performed(filter={"a": {"=": {"b": 1}}}), ".filter.a.=", "string, a number"),
    (performed(filter={"a": {"=": 2**64}}), ".filter.a.=", "64 bits"),
    (performed(filter={"a": {"=": -(2**63) - 1}}), ".filter.a.=", "64 bits"),
    (performed(filter={"a": {"=": "x" * 1025}}), ".filter.a.=", "1024"),
    (performed(filter={"a": {"=": "\udfff"}}), ".filter.a.=", "surrogate"),
    (performed(filter={"\ud800": {"=": 1}}), ".filter.\ufffd", "surrogate"),
    (performed(filter={"x" * 1025: {"=": 1}}), ".filter." + "x" * 60 + "…", "1024"),
    (performed(filter={"a": {"<": True}}), ".filter.a.<", "not true and false"),
    (performed(filter={"a": {"<": None}}), ".filter.a.<", "null"),
    (performed(filter={"a": {"contains": None}}), ".filter.a.contains", "null"),
    (performed(filter={"a": {"exists": 1}}), ".filter.a.exists", "true or false"),
    (performed(filter={"a": {"exists": None}}), ".filter.a.exists", "true or false"),
    (performed(filter={"a": {"in": "abc"}}), ".filter.a.in", "list"),
    (performed(filter={"a": {"in": []}}), ".filter.a.in", "1 to 1000"),
    (performed(filter={"a": {"in": [1] * 1001}}), ".filter.a.in", "1 to 1000"),
    (performed(filter={"a": {"in": [1, None]}}), ".filter.a.in[1]", "null"),
    (performed(filter={"a": {"in": [1, [2]]}}), ".filter.a.in[1]", "string, a number"),
    (performed(filter={f"p{n}": {"=": n} for n in range(21)}), ".filter", "20"),
    (performed(filter={f"p{n}": {">": n, "<": n} for n in range(11)}), ".filter", "20"),
    (performed(filter={"') OR 1=1 --": {"drop": 1}}), ".filter.') OR 1=1 --.drop", "not known"),
    # sequences
    ({"sequence": []}, ".sequence", "2 to 10"),
    ({"sequence": [performed()]}, ".sequence", "2 to 10"),
    ({"sequence": [performed()] * 11}, ".sequence", "2 to 10"),
    ({"sequence": performed()}, ".sequence", "list"),
    ({"sequence": None}, ".sequence", "list"),
    ({"sequence": [performed(), "ordered"]}, ".sequence[1]", "object"),
    ({"sequence": [performed(), performed(within="3d")]}, ".sequence[1].within", "not known"),
    ({"sequence": [performed(), {"performed": "nosuch"}]}, ".sequence[1].performed", "no signal"),
    ({"sequence": [performed(), {"filter": {}}]}, ".sequence[1].performed", "slug"),
    ({"sequence": [performed(), performed(filter={"a": {"?": 1}})]}, ".sequence[1].filter.a.?", "not known"),
    # states, metrics, attributes
    ({"state": "health-score"}, "", "comparison"),
    ({"state": "health-score", "is": 1, "=": 1}, ".is", "only one"),
    ({"state": "health-score", "was": 1}, ".was", "not known"),
    ({"state": "health-score", "is": [1]}, ".is", "string, a number"),
    ({"metric": "api-calls"}, "", "comparison"),
    ({"metric": "api-calls", "is": 1}, ".is", "not known"),
    ({"metric": "api-calls", "periods": 0, ">": 1}, ".periods", "whole number"),
    ({"metric": "api-calls", "periods": 1.0, ">": 1}, ".periods", "whole number"),
    ({"metric": "api-calls", "periods": True, ">": 1}, ".periods", "whole number"),
    ({"metric": "api-calls", "periods": 10_001, ">": 1}, ".periods", "whole number"),
    ({"metric": "api-calls", ">": "1"}, ".>", "number"),
    ({"attribute": "city"}, "", "comparison"),
    ({"attribute": "", "is": 1}, ".attribute", "name of an attribute"),
    ({"attribute": 1, "is": 1}, ".attribute", "string"),
    ({"attribute": "city", "of": 1}, ".of", "not known"),
    # bounds of the whole
    (DEEP, ".not" * MAX_DEPTH, "32 levels"),
    ({"all": [performed()] * 101}, ".all", "1 to 100"),
    ({"all": [{"any": [performed()] * 60}, {"any": [performed()] * 60}]}, ".all[1].any[40]", "100 conditions"),
    ({"all": [performed()] * 99 + [performed(count={">": 1}, sum={"of": "n", ">": 1})]}, ".all[99]", "100 conditions"),
]


@pytest.mark.parametrize(("where", "at", "said"), WRONG, ids=[f"{n}{at[:40]}" for n, (_, at, _) in enumerate(WRONG)])
def test_what_is_wrong_is_refused_where_it_stands(where: Any, at: str, said: str) -> None:
    path, message = refused(where)
    assert path == at
    assert said in message


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        (None, "definition"),
        ([], "definition"),
        ("x", "definition"),
        ({}, "definition.subject"),
        ({"subject": "person"}, "definition.where"),
        ({"where": performed()}, "definition.subject"),
        ({"subject": "person", "where": performed(), "limit": 5}, "definition.limit"),
        ({"subject": "", "where": performed()}, "definition.subject"),
        ({"subject": 1, "where": performed()}, "definition.subject"),
        ({"subject": "a:b", "where": performed()}, "definition.subject"),
        ({"subject": "x" * 129, "where": performed()}, "definition.subject"),
        ({"subject": "\ud800", "where": performed()}, "definition.subject"),
    ],
)
def test_what_is_no_definition(definition: Any, path: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse(definition, SIGNALS)
    assert caught.value.path == path


def test_as_much_as_there_may_be() -> None:
    deep: Any = performed()
    for _ in range(MAX_DEPTH - 1):
        deep = {"not": deep}
    assert len(leaves(read(deep).where)) == 1
    assert len(leaves(read({"all": [performed()] * MAX_CONDITIONS}).where)) == MAX_CONDITIONS
    wide = performed(filter={f"p{n}": {"in": ["x" * 1024] * 1000} for n in range(20)})
    assert len(leaf(wide).tests) == 20
    assert len(leaf({"sequence": [performed()] * 10}).steps) == 10


def test_inactive_signals_and_those_of_any_type_may_have_been_performed() -> None:
    for slug in ("asleep", "health-score", "api-calls"):
        assert leaf({"performed": slug}).signal == slug


def test_a_path_is_the_keys_between_its_dots() -> None:
    assert leaf(performed(filter={"a.b c.'": {"exists": False}})).tests == (
        Comparison(("a", "b c", "'"), "exists", False),
    )


scalars = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.booleans() | st.integers(-5, 2**64 - 1)
scalars |= st.floats(allow_nan=False, allow_infinity=False)
comparable = scalars.filter(lambda value: not isinstance(value, bool))
ops = st.fixed_dictionaries(
    {},
    optional={
        "!=": scalars | st.none(),
        "<": comparable,
        "<=": comparable,
        ">": comparable,
        ">=": comparable,
        "in": st.lists(scalars, min_size=1, max_size=7),
        "contains": scalars,
        "exists": st.booleans(),
    },
)
some_ops = ops.filter(bool)
bounds = st.dictionaries(
    st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
    st.integers(-(10**14), 10**14) | st.floats(-1e9, 1e9),
    min_size=1,
)
property_names = st.lists(st.text("ab'\"\\é ", min_size=1, max_size=3), min_size=1, max_size=3).map(".".join)
filters = st.dictionaries(property_names, some_ops, max_size=2)
windows = st.sampled_from(
    [{}, {"within": "30d"}, {"within": "90s"}, {"within": "2w"}, {"between": ["2026-01-01", "2026-01-02T03:04:05Z"]}]
)
steps = st.builds(lambda f: {"performed": "ordered", "filter": f}, filters)
of_number = st.builds(lambda of, bounds: {"of": of, **bounds}, property_names, bounds)
conditions = st.one_of(
    st.builds(
        lambda f, w, count: performed(filter=f, **w, **count), filters, windows, bounds.map(lambda b: {"count": b})
    ),
    st.builds(lambda f, w: performed(filter=f, **w), filters, windows),
    st.builds(lambda w, sum_, avg: performed(**w, sum=sum_, avg=avg), windows, of_number, of_number),
    st.builds(lambda s, w: {"sequence": s, **w, "gap": "7d"}, st.lists(steps, min_size=2, max_size=3), windows),
    st.builds(lambda tests: {"state": "health-score", **tests}, some_ops),
    st.builds(lambda tests, is_: {"attribute": "city", "is": is_, **tests}, ops, scalars | st.none()),
    st.builds(lambda n, b: {"metric": "logins", "periods": n, **b}, st.integers(1, 10_000), bounds),
)


@given(conditions)
def test_a_condition_told_again_as_json_means_the_same(given: dict[str, Any]) -> None:
    for one in leaves(read(given).where):
        told = json.loads(json.dumps(condition(one)))
        assert read(told).where == one
        assert describe(one)


@given(
    st.recursive(
        conditions,
        lambda inner: st.one_of(
            st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=3)),
            st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=1, max_size=3)),
            st.builds(lambda part: {"not": part}, inner),
        ),
        max_leaves=8,
    )
)
def test_any_tree_is_read_as_it_stands(given: dict[str, Any]) -> None:
    def same(node: Node, given: dict[str, Any]) -> bool:
        match node:
            case Not(part):
                return same(part, given["not"])
            case AnyOf(parts):
                return all(map(same, parts, given["any"]))
            case All(parts) if "all" in given:
                return len(parts) == len(given["all"]) and all(map(same, parts, given["all"]))
            case _:
                return not {"all", "any", "not"} & set(given)

    definition = read(given)
    assert same(definition.where, given)
    assert msgspec.json.decode(msgspec.json.encode(definition), type=Definition) == definition


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(list(SIGNALS)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "subject",
                    "where",
                    "all",
                    "any",
                    "not",
                    "performed",
                    "sequence",
                    "state",
                    "metric",
                    "attribute",
                    "filter",
                    "count",
                    "sum",
                    "avg",
                    "of",
                    "within",
                    "between",
                    "gap",
                    "is",
                    "=",
                    ">=",
                    "in",
                    "exists",
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(json_values)
def test_nothing_but_an_error_with_a_path_comes_of_nonsense(definition: Any) -> None:
    try:
        parse(definition, SIGNALS)
        read(definition)
    except InvalidError as error:
        where = error.path
    else:
        where = "definition"
    assert where.startswith("definition")


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (performed(), "performed 'ordered'"),
        (performed(count={"=": 0}, within="1d"), "performed 'ordered' 0 times in the last 1 day"),
        (
            performed(count={">=": 3, "<": 5}, within="30d", filter={"a.b": {">=": 500}, "c": {"exists": False}}),
            "performed 'ordered' at least 3 and less than 5 times with a.b is at least 500 and c is not there"
            " in the last 30 days",
        ),
        (
            performed(sum={"of": "itemPrice", ">=": 2000.5}, between=["2026-01-01", "2026-07-01"]),
            "sum of itemPrice in 'ordered' from 2026-01-01 to before 2026-07-01 is at least 2000.5",
        ),
        (
            {"sequence": [{"performed": "addToCart"}, performed(filter={"x": {"in": [1, "b"]}})], "gap": "36h"},
            "performed 'addToCart', then 'ordered' with x is one of 1, \"b\","
            " each at most 36 hours after the one before",
        ),
        ({"state": "health-score", "is": "at-risk"}, "state 'health-score' is \"at-risk\""),
        ({"state": "health-score", "!=": None}, "state 'health-score' is not null"),
        ({"attribute": "city", "in": [1, 2, 3, 4, 5, 6, 7]}, "attribute 'city' is one of 1, 2, 3, 4, 5 and 2 more"),
        ({"attribute": "name", "contains": "ö"}, "attribute 'name' contains \"ö\""),
        ({"metric": "api-calls", ">": 9}, "sum of 'api-calls' over the current day is more than 9"),
        ({"metric": "logins", "periods": 4, "<=": 9}, "count of 'logins' over the last 4 weeks is at most 9"),
    ],
)
def test_a_condition_in_plain_words(where: Any, words: str) -> None:
    assert describe(leaf(where)) == words


def test_an_attribute_is_read() -> None:
    assert leaf({"attribute": "city", "is": "Pune", "!=": None}) == Attribute(
        "city", (Comparison((), "=", "Pune"), Comparison((), "!=", None))
    )


def test_the_documented_definition_is_read() -> None:
    text = (Path(__file__).parents[2] / "docs" / "cohorts.md").read_text()
    section = text.split("## A definition", 1)[1].split("\n## ", 1)[0]
    examples = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", section, re.DOTALL)]
    known = SIGNALS | {"purchasedAProduct": signal("purchasedAProduct")}
    assert [len(leaves(parse(example, known).where)) for example in examples] == [6]
