"""Schemas: what is published, what fits, what is said when it does not, and that neither side can do harm."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.errors import InvalidError
from headwater.rules.expansion import MAX_HEIGHT
from headwater.rules.schema import MAX_LOOPING_DEPTH, MAX_NESTING, Fault, compile

Schema = dict[str, Any]


@contextmanager
def at_once(seconds: float = 1.0) -> Iterator[None]:
    """Generous: what is meant by a bomb would take hours."""
    begun = time.perf_counter()
    yield
    assert time.perf_counter() - begun < seconds


def nested(depth: int, leaf: Any = 1, name: str | None = None) -> Any:
    for _ in range(depth):
        leaf = [leaf] if name is None else {name: leaf}
    return leaf


def laughs(depth: int) -> Schema:
    """Every definition refers to the next one twice: 2 ** depth looks at one value."""
    definitions: Schema = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(depth)}
    return {"$ref": "#/$defs/d0", "$defs": definitions | {f"d{depth}": {"type": "string"}}}


ORDER = {
    "type": "object",
    "required": ["orderId", "items"],
    "properties": {
        "orderId": {"type": "string"},
        "total": {"type": "number", "minimum": 0},
        "currency": {"enum": ["INR", "EUR"]},
        "items": {
            "type": "array",
            "items": {"type": "object", "required": ["sku"], "properties": {"count": {"type": "integer"}}},
        },
    },
}
TREE = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
}

# --- what fits, and what is said ---------------------------------------------------------------------------------


def test_what_fits_has_no_fault() -> None:
    order = {"orderId": "1", "items": [{"sku": "a", "count": 2}], "total": 9.5, "currency": "INR", "more": None}
    assert compile(ORDER).ok(order)
    assert compile(ORDER).faults(order) == []


@pytest.mark.parametrize(
    ("data", "path", "kind", "message"),
    [
        ({"items": []}, ("orderId",), "required", "is required"),
        ({"orderId": 1, "items": []}, ("orderId",), "type", "must be a string"),
        ({"orderId": "1", "items": [{"sku": 1}, {}]}, ("items", 1, "sku"), "required", "is required"),
        (
            {"orderId": "1", "items": [{"sku": 1, "count": 1.5}]},
            ("items", 0, "count"),
            "type",
            "must be a whole number",
        ),
        ({"orderId": "1", "items": [], "total": True}, ("total",), "type", "must be a number"),
        ({"orderId": "1", "items": [], "total": -1}, ("total",), "minimum", "must be at least 0"),
        ({"orderId": "1", "items": [], "currency": "X"}, ("currency",), "enum", 'must be one of "INR", "EUR"'),
    ],
)
def test_a_fault_names_its_place(data: Any, path: tuple[str | int, ...], kind: str, message: str) -> None:
    (fault,) = compile(ORDER).faults(data)
    assert (fault.path, fault.kind, fault.message) == (path, kind, message)


def test_all_faults_are_told_up_to_a_bound() -> None:
    data = {"items": [{}] * 30}
    faults = compile(ORDER).faults(data)
    assert {fault.path for fault in faults} == {("orderId",), *(("items", n, "sku") for n in range(30))}
    assert len(compile(ORDER).faults(data, most=7)) == 7


def test_a_forbidden_property_is_named() -> None:
    closed = compile({"properties": {"a": {}}, "additionalProperties": False})
    assert closed.faults({"a": 1, "b": 2, "c": 3}) == [
        Fault(("b",), "additionalProperties", "is not allowed"),
        Fault(("c",), "additionalProperties", "is not allowed"),
    ]


def test_several_types_read_as_a_sentence() -> None:
    (fault,) = compile({"properties": {"a": {"type": ["string", "null"]}}}).faults({"a": 1})
    assert fault.message in ("must be a string or null", "must be null or a string")


def test_a_message_never_holds_the_data() -> None:
    secret = "ada@example.com" * 1000
    schemas: list[Schema] = [
        {"anyOf": [{"type": "null"}, {"minLength": 10**6}]},
        {"not": {}},
        {"contains": {"const": 1}},
    ]
    for schema in schemas:
        for fault in compile({"properties": {"a": schema}}).faults({"a": [secret] if "contains" in schema else secret}):
            assert "ada@" not in fault.message and len(fault.message) <= 320


def test_format_is_an_annotation_in_every_draft() -> None:
    for draft in ("http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"):
        assert compile({"$schema": draft, "properties": {"mail": {"format": "email"}}}).ok({"mail": "none"})


def test_a_schema_that_refers_to_itself_works() -> None:
    tree = compile(TREE)
    assert tree.ok({"name": "a", "children": [{"name": "b", "children": []}]})
    (fault,) = tree.faults({"name": "a", "children": [{"name": "b"}, {"children": []}]})
    assert fault.path == ("children", 1, "name")


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"x": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/x"}}},
        {"$defs": {"x": {"$anchor": "it", "type": "string"}}, "properties": {"a": {"$ref": "#it"}}},
        {
            "$id": "https://example.com/s",
            "$defs": {"a/b": {"type": "string"}},
            "properties": {"a": {"$ref": "#/$defs/a~1b"}},
        },
        {
            "$id": "https://example.com/s",
            "$defs": {"x": {"$id": "/x", "type": "string"}},
            "properties": {"a": {"$ref": "https://example.com/x"}},
        },
        {"definitions": {"$ref": {"type": "string"}}, "properties": {"a": {"$ref": "#/definitions/$ref"}}},
    ],
)
def test_references_inside_a_schema_are_followed(schema: Schema) -> None:
    assert compile(schema).ok({"a": "text"})
    assert not compile(schema).ok({"a": 1})


# --- what is refused at publishing -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ([], "schema"),
        (True, "schema"),
        ("{}", "schema"),
        ({"type": "strng"}, "schema.type"),
        ({"properties": {"a": {"type": "strng"}}}, "schema.properties.a.type"),
        ({"properties": {"a": {"minLength": -1}}}, "schema.properties.a.minLength"),
        ({"required": "a"}, "schema.required"),
        ({"properties": []}, "schema.properties"),
        ({"properties": {"a": {"pattern": "("}}}, "schema.properties.a.pattern"),
        ({"pattern": "^(a+)\\1$"}, "schema.pattern"),
        ({"pattern": "(?=a)"}, "schema.pattern"),
        ({"pattern": "((a{100}){100}){100}"}, "schema.pattern"),
        ({"$schema": "https://example.com/draft"}, "schema"),
        ({"$ref": "file:///etc/passwd"}, "schema.$ref"),
        ({"properties": {"a": {"items": {"$ref": "http://127.0.0.1:1/x"}}}}, "schema.properties.a.items.$ref"),
        ({"$defs": {"unused": {"$ref": "file:///etc/passwd"}}}, "schema.$defs.unused.$ref"),
        ({"$dynamicRef": "https://example.com/x"}, "schema.$dynamicRef"),
        ({"$id": "file:///etc/passwd", "$ref": "shadow"}, "schema.$ref"),
        ({"allOf": [{}, {"$ref": "other.json"}]}, "schema.allOf.1.$ref"),
        ({"$ref": "#/$defs/none"}, "schema.$ref"),
        ({"$ref": "#none"}, "schema.$ref"),
        ({"const": float("nan")}, "schema"),
        ({"const": "\ud800"}, "schema"),
        ({"const": {1: 2}, "minimum": {1, 2}}, "schema"),
    ],
)
def test_what_is_no_schema_is_refused_with_its_place(schema: Any, path: str) -> None:
    with pytest.raises(InvalidError) as refused:
        compile(schema)
    assert refused.value.path == path
    assert len(str(refused.value)) <= 330


def test_nothing_outside_is_read(tmp_path: Any) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"type": "string"}')
    with pytest.raises(InvalidError, match="outside"):
        compile({"$ref": other.as_uri()})


def test_a_schema_is_bounded_in_size_and_depth() -> None:
    with pytest.raises(InvalidError, match="64 KiB"):
        compile({"description": "x" * 70_000})
    assert compile({"description": "x" * 60_000}).ok({})
    for deep in (nested(200, {}, "not"), nested(50_000, {}, "not"), {"const": nested(200)}):
        with pytest.raises(InvalidError, match="nested deeper"):
            compile(deep)


@pytest.mark.parametrize("depth", [MAX_HEIGHT + 1, 2_000])
def test_a_chain_of_references_is_bounded(depth: int) -> None:
    chain: Schema = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(depth)}
    with pytest.raises(InvalidError, match="nested deeper"), at_once():
        compile({"$ref": "#/$defs/d0", "$defs": chain | {f"d{depth}": {}}})


def test_exponential_references_are_refused() -> None:
    assert compile(laughs(8)).ok("text")
    with pytest.raises(InvalidError, match="expands"), at_once():
        compile(laughs(30))


# --- what data cannot do -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["value", "name"])
def test_a_pattern_takes_linear_time(where: str) -> None:
    bomb = "a" * 40 + "!"
    pattern = "^(a+)+$"
    schema: Schema = {"pattern": pattern} if where == "value" else {"propertyNames": {"pattern": pattern}}
    validator = compile(schema)
    with at_once():
        assert validator.faults(bomb if where == "value" else {bomb: 1})
        assert validator.faults("a" * 250_000 + "!" if where == "value" else {"a" * 250_000 + "!": 1})


SCHEMAS: list[Schema] = [
    {},
    ORDER,
    TREE,
    {"uniqueItems": True},
    {"enum": [[[1]]]},
    {"properties": {"a": {"type": "string"}}},
    {"items": {"type": "string"}},
    {"items": {"$ref": "#"}, "type": "array"},
    {"additionalProperties": {"$ref": "#"}, "type": "object"},
    {"items": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, "type": "array"},
    {"items": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}, "type": "array"},
    {"oneOf": [{"type": "string"}, {"items": {"$ref": "#"}}, {"items": {"$ref": "#"}, "minItems": 2}]},
    nested(MAX_HEIGHT // 2 - 2, {"items": {"$ref": "#"}, "type": ["array"]}, "not"),
    {"unevaluatedProperties": False, "properties": {"b": True}},
]


@pytest.mark.parametrize("depth", [10, 40, MAX_LOOPING_DEPTH, MAX_LOOPING_DEPTH + 1, 255, 256, 900])
@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: str(schema)[:60])
def test_deep_data_never_hurts(schema: Schema, depth: int) -> None:
    validator = compile(schema)
    for data in (nested(depth), nested(depth, name="a"), [nested(depth), nested(depth), 1]):
        with at_once():
            assert (validator.faults(data) == []) == validator.ok(data)


def test_data_with_very_many_faults_is_answered_soon() -> None:
    with at_once(2.0):
        for schema in ({"items": {"type": "string"}}, {"anyOf": [{"items": {"type": "string"}}, {"type": "null"}]}):
            assert compile(schema).faults([1] * 120_000)


def test_the_first_fault_of_large_data_is_still_named() -> None:
    (fault,) = compile({"items": {"type": "string"}}).faults(["x"] * 100_000 + [1])
    assert fault == Fault((100_000,), "type", "must be a string", ["string"])


@pytest.mark.parametrize("number", [10**30, -(10**400), 1e308, 5e-324, 0.1, 2**63, 2**64, -(2**63) - 1, float("nan")])
def test_numbers_of_every_size_can_be_held_against_a_schema(number: float) -> None:
    for schema in ({"type": "integer"}, {"maximum": 5}, {"multipleOf": 0.01}, {"const": 10**30}, {"multipleOf": 7}):
        validator = compile(schema)
        assert (validator.faults(number) == []) == validator.ok(number)


@pytest.mark.parametrize("data", ["\ud800", {"\ud800": 1}, {"a": "\udfff"}, {1: 2}, b"bytes", object(), {"a": {1, 2}}])
def test_what_is_no_json_does_not_fit_or_passes_but_never_raises(data: Any) -> None:
    for schema in ({"type": "object", "properties": {"a": {"type": "string"}}}, {"minLength": 1}, {"enum": [1]}):
        validator = compile(schema)
        assert (validator.faults(data) == []) == validator.ok(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
KEYWORDS = st.sampled_from(
    ["type", "properties", "items", "allOf", "anyOf", "not", "required", "enum", "const", "minimum", "pattern"]
) | st.sampled_from(["$ref", "$defs", "$id", "$anchor", "$schema", "if", "then", "maxLength", "additionalProperties"])
ANY_SCHEMA = st.recursive(
    st.booleans() | st.sampled_from(["string", "#", "#/$defs/a", "a", 1, 2.5, None]) | JSON,
    lambda inner: st.dictionaries(KEYWORDS | st.sampled_from("abc"), inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=20,
)


@given(ANY_SCHEMA, JSON)
@settings(max_examples=500, deadline=2000)
def test_any_schema_is_taken_or_refused_and_any_data_answered(schema: Any, data: Any) -> None:
    try:
        validator = compile(schema)
    except InvalidError:
        return
    assert (validator.faults(data) == []) == validator.ok(data)


@given(ANY_SCHEMA, st.lists(st.dictionaries(st.sampled_from("abc"), JSON, max_size=3), max_size=4))
@settings(max_examples=500, deadline=2000)
def test_many_at_once_fit_only_if_each_of_them_does(schema: Any, several: list[Any]) -> None:
    try:
        validator = compile(schema)
    except InvalidError:
        return
    if validator.all_ok(several):
        assert all(map(validator.ok, several)) and not any(None in data.values() for data in several)


DRAFTS = [
    {},
    *({"$schema": f"http://json-schema.org/draft-0{number}/schema#"} for number in (4, 6, 7)),
    {"$schema": "https://json-schema.org/draft/2019-09/schema"},
]


@pytest.mark.parametrize("draft", DRAFTS, ids=lambda draft: draft.get("$schema", "latest"))
def test_many_at_once_are_taken_in_one_call_where_the_schema_allows_it(draft: Schema) -> None:
    schema = {**draft, "type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
    schema = schema if "draft-04" not in str(draft) else {**draft, "required": ["a"], "properties": {"a": {}}}
    validator = compile(schema)
    good = {"id": "x", "a": 1}
    assert validator.all_ok([good] * 100) and validator.all_ok([])
    assert not validator.all_ok([good, {}]) and not validator.all_ok([good, {**good, "b": None}])


def test_a_schema_as_deep_as_may_be_still_takes_one_at_a_time() -> None:
    for deep in (nested(MAX_HEIGHT - 1, {}, "not"), {"const": nested(MAX_NESTING - 2)}):
        validator = compile(deep)
        assert not validator.all_ok([{}]) or validator.ok({})
