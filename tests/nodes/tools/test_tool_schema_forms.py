"""Any JSON schema becomes one that providers take, strict or plain, or the tool is refused by name."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.tools import StructuredTool
from openai_server.tool_schemas import validate_tools

from voicegraph.nodes.speech.preamble import PREAMBLE
from voicegraph.nodes.tools.arguments import drop_nulls
from voicegraph.nodes.tools.loading import load_tool
from voicegraph.nodes.tools.registry import VoiceTool
from voicegraph.state.errors import InvalidSetting


def tool_of(schema: dict[str, Any], name: str = "odd") -> VoiceTool:
    """Return a tool that takes arguments of this schema."""
    return load_tool(
        StructuredTool(name=name, description="Do it.", args_schema=schema, func=lambda **_: "done")
    )


def offered(argument: Any, rest: Mapping[str, Any] | None = None, *, strict: bool = True) -> Any:
    """Return how one required argument of this schema is offered."""
    tool = tool_of({"type": "object", "properties": {"it": argument}, "required": ["it"], **(rest or {})})
    described = tool.describe(strict=strict)
    assert validate_tools([described]) == []
    assert described["function"].get("strict", False) is strict
    return described["function"]["parameters"]["properties"]["it"]


NODE = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/$defs/Node"}},
    "required": ["value"],
}
POINT = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
CLOSED_POINT = {**POINT, "additionalProperties": False}
NUMBER, TEXT = {"type": "number"}, {"type": "string"}


@pytest.mark.parametrize(
    ("argument", "form"),
    [
        (
            {"type": "array", "items": [NUMBER, NUMBER]},
            {"type": "array", "items": NUMBER, "description": "In this order: number, number."},
        ),
        (
            {"type": "array", "prefixItems": [NUMBER, TEXT], "items": False, "description": "A pair."},
            {
                "type": "array",
                "items": {"anyOf": [NUMBER, TEXT]},
                "maxItems": 2,
                "description": "A pair. In this order: number, string.",
            },
        ),
        (
            {"type": ["array", "null"], "items": POINT},
            {"type": ["array", "null"], "items": CLOSED_POINT},
        ),
        (
            {"type": ["object", "null"], **{k: v for k, v in POINT.items() if k != "type"}},
            {**CLOSED_POINT, "type": ["object", "null"]},
        ),
        ({"allOf": [POINT], "description": "Where."}, {**CLOSED_POINT, "description": "Where."}),
        (
            {"allOf": [POINT, {"properties": {"y": NUMBER}, "required": ["y"]}]},
            {
                "type": "object",
                "properties": {"x": {"type": "integer"}, "y": NUMBER},
                "required": ["x", "y"],
                "additionalProperties": False,
            },
        ),
        ({"oneOf": [NUMBER, TEXT]}, {"anyOf": [NUMBER, TEXT]}),
        ({"anyOf": [TEXT, False]}, TEXT),
        ({"$ref": "#/$defs/Point", "description": "Where."}, {**CLOSED_POINT, "description": "Where."}),
        ({"$ref": "#/definitions/Old"}, CLOSED_POINT),
        ({"enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"enum": ["a", 1]}, {"type": ["string", "integer"], "enum": ["a", 1]}),
        ({"type": "string", "enum": ["a", None]}, {"type": "string", "enum": ["a"]}),
        ({"const": 3}, {"type": "integer", "const": 3}),
        ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "str", "x-order": 1}, TEXT),
        ({"properties": {"x": {"type": "integer", "required": True}}}, CLOSED_POINT),
        ({"items": TEXT}, {"type": "array", "items": TEXT}),
        ({"type": "string", "required": True}, TEXT),
    ],
    ids=str,
)
def test_what_strict_form_can_express_is_offered_strict(argument: Any, form: Any) -> None:
    assert offered(argument, {"$defs": {"Point": POINT}, "definitions": {"Old": POINT}}) == form


@pytest.mark.parametrize(
    ("argument", "form"),
    [
        (True, {}),
        ({}, {}),
        ({"type": "array"}, {"type": "array", "items": {}}),
        ({"type": "array", "items": True}, {"type": "array", "items": {}}),
        ({"type": "array", "items": False}, {"type": "array", "items": {}}),
        ({"type": "object"}, {"type": "object"}),
        ({**POINT, "additionalProperties": NUMBER}, {**POINT, "additionalProperties": NUMBER}),
        ({**POINT, "additionalProperties": {}}, {**POINT, "additionalProperties": True}),
        ({**POINT, "patternProperties": {"^a": NUMBER}}, {**POINT, "additionalProperties": True}),
        ({"type": "string", "not": {"const": "a"}}, {"type": "string", "not": {"const": "a"}}),
        (
            {"allOf": [NUMBER, {"minimum": 1}, {"minimum": 2}]},
            {"type": "number", "minimum": 1, "allOf": [{"minimum": 2}]},
        ),
        ({"type": "any"}, {}),
        (
            {"type": "string", "enum": [f"v{i}" for i in range(1001)]},
            {"type": "string", "enum": [f"v{i}" for i in range(1001)]},
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_it_cannot_express_is_offered_as_plain_schema(argument: Any, form: Any) -> None:
    assert offered(argument, strict=False) == form
    tool = tool_of({"type": "object", "properties": {"it": argument}})
    assert not tool.strict
    assert tool.describe(strict=True) is tool.describe(strict=False)


def test_an_argument_that_nothing_fits_is_not_offered() -> None:
    tool = tool_of({"type": "object", "properties": {"it": False, "city": TEXT}, "required": ["city"]})
    assert list(tool.parameters["properties"]) == ["city"]


def test_a_recursive_schema_keeps_its_references_in_strict_form_alone() -> None:
    assert offered({"$ref": "#/$defs/Node"}, {"$defs": {"Node": NODE}}) == {"$ref": "#/$defs/Node"}
    plain = offered({"$ref": "#/$defs/Node"}, {"$defs": {"Node": NODE}}, strict=False)
    assert plain["properties"] == {"value": {"type": "integer"}, "next": {}}


def test_a_schema_that_is_recursive_as_a_whole_has_both_forms() -> None:
    tool = tool_of(
        {
            "type": "object",
            "properties": {"name": TEXT, "children": {"type": "array", "items": {"$ref": "#"}}},
        }
    )
    assert tool.strict
    for strict in (True, False):
        assert validate_tools([tool.describe(strict=strict)]) == []
    assert drop_nulls({"name": None, "children": [{"name": None}]}, tool.parameters, tool.definitions) == {
        "children": [{}]
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"anyOf": [POINT, {"type": "object", "properties": {"y": NUMBER}, "required": ["y"]}]},
        {"oneOf": [{"$ref": "#/$defs/Point"}, {"type": "null"}], "$defs": {"Point": POINT}},
        {
            "type": "object",
            "properties": {"x": NUMBER, "y": NUMBER},
            "anyOf": [{"required": ["x"]}, {"required": ["y"]}],
        },
        {"allOf": [POINT, {"properties": {"x": TEXT}}]},
        {"$ref": "#/$defs/Point", "$defs": {"Point": POINT}},
        {"$ref": "#/$defs/Node", "$defs": {"Node": NODE}},
        {"type": ["object", "null"], "properties": {}},
        {"type": "object", "properties": {"x": NUMBER}, "not": {"required": ["x"]}, "if": {}, "then": {}},
        {"type": "object"},
        {},
    ],
    ids=str,
)
def test_arguments_are_offered_as_one_object(schema: dict[str, Any]) -> None:
    tool = tool_of(schema)
    for strict in (True, False):
        described = tool.describe(strict=strict)
        assert validate_tools([described]) == []
        assert described["function"]["parameters"]["required"][0] == PREAMBLE


def test_of_several_forms_of_arguments_only_what_all_require_is_required() -> None:
    both = {"type": "object", "properties": {"x": NUMBER, "y": NUMBER}, "required": ["x", "y"]}
    tool = tool_of({"anyOf": [both, {**both, "required": ["x"]}]})
    assert tool.parameters == {**both, "required": ["x"]}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "string"}, "not those of an object"),
        ({"anyOf": [TEXT, {"type": "null"}]}, "not those of an object"),
        ({"type": "object", "properties": {"it": {"$ref": "#/$defs/Nope"}}}, "refers to '#/$defs/Nope'"),
        ({"type": "object", "properties": {"it": {"$ref": "https://example.com/x"}}}, "refers to 'https:"),
        ({"type": "object", "properties": {"it": {"$ref": 3}}}, "a reference in their schema"),
        ({"type": "object", "properties": {"half \ud83d": TEXT}}, "the name of one"),
        (
            {
                "type": "object",
                "properties": {"it": {"$ref": "#/$defs/d0"}},
                "$defs": {
                    f"d{i}": {
                        "anyOf": [{"$ref": f"#/$defs/d{i + 1}"}, {"items": {"$ref": f"#/$defs/d{i + 1}"}}]
                    }
                    for i in range(40)
                }
                | {"d40": TEXT},
            },
            "too large",
        ),
    ],
    ids=["text", "no object", "undefined", "elsewhere", "number", "half a character", "endless"],
)
def test_what_cannot_be_offered_is_refused_with_tool_and_reason(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        tool_of(schema, "odd")
    assert "'odd'" in str(caught.value)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_schema_keeps_no_text_that_cannot_be_sent() -> None:
    argument = {"type": "string", "description": "half \ud83d", "enum": ["\udce4"], "default": float("nan")}
    for strict in (True, False):
        json.dumps(offered(argument, strict=strict), allow_nan=False, ensure_ascii=False).encode()


def test_a_description_is_cut_to_what_openai_takes() -> None:
    tool = StructuredTool(name="odd", description="x" * 2000, args_schema={}, func=lambda **_: "done")
    assert validate_tools([load_tool(tool).describe(strict=True)]) == []


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {"x": NUMBER}}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"x": schema}}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        deep(12),
        {"type": "object", "properties": {f"p{i}": TEXT for i in range(5001)}},
        {"type": "object", "properties": {"it": {"enum": ["x" * 100 + str(i) for i in range(300)]}}},
        {"type": "object", "properties": {"it": {"enum": ["x" * 30_000 + str(i) for i in range(5)]}}},
    ],
    ids=["levels", "properties", "long enum", "characters"],
)
def test_what_exceeds_the_limits_of_strict_form_is_not_strict(schema: dict[str, Any]) -> None:
    tool = tool_of(schema)
    assert not tool.strict
    assert validate_tools([tool.describe(strict=True)]) == []


TEXTS = st.sampled_from(["a", "b", "type", "$ref", "properties", "ä", "\udc80"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from(["object", "array", "string", "integer", "number", "boolean", "null", "any", 3, None])


def keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return schemas, right and wrong ones, whose parts are `inner`."""
    some = st.lists(inner, max_size=3)
    named = st.dictionaries(TEXTS, inner, max_size=3)
    known: dict[str, st.SearchStrategy[Any]] = {
        "type": KINDS | st.lists(KINDS, max_size=3),
        "properties": named,
        "required": st.lists(TEXTS, max_size=3) | st.booleans(),
        "items": inner | some,
        "prefixItems": some,
        "additionalItems": inner,
        "additionalProperties": inner,
        "patternProperties": named,
        "anyOf": some,
        "oneOf": some,
        "allOf": some,
        "not": inner,
        "$ref": st.sampled_from(["#", "#/$defs/a", "#/$defs/b", "#/properties/a", "#/nowhere", "", 3]),
        "enum": st.lists(VALUES, max_size=3),
        "const": VALUES,
        "default": VALUES,
        "description": TEXTS,
        "minimum": VALUES,
        "pattern": TEXTS | st.just("(?=a)"),
        "format": TEXTS | st.just("date"),
        "nullable": st.booleans(),
        "title": TEXTS,
        "x-odd": VALUES,
        "if": inner,
    }
    return st.fixed_dictionaries({}, optional=known)


SCHEMAS = st.recursive(st.booleans() | st.just({}) | VALUES, keywords, max_leaves=12)
ROOTS = st.builds(
    lambda root, definitions: {**root, "$defs": definitions},
    keywords(SCHEMAS),
    st.fixed_dictionaries({"a": SCHEMAS, "b": SCHEMAS}),
)


@settings(max_examples=30)
@given(ROOTS)
def test_each_form_of_any_schema_is_one_that_openai_takes(root: dict[str, Any]) -> None:
    try:
        tool = tool_of(root)
    except InvalidSetting as refused:
        assert "'odd'" in str(refused)
        return
    for strict in (True, False):
        described = tool.describe(strict=strict)
        assert validate_tools([described]) == []
        json.dumps(described, allow_nan=False, ensure_ascii=False).encode()


@settings(max_examples=30)
@given(ROOTS, VALUES)
def test_arguments_are_taken_by_any_schema_without_an_error(root: dict[str, Any], value: Any) -> None:
    drop_nulls(value, root, {"a": root})
    drop_nulls({"a": value, "b": [value]}, root, {"a": root})


@given(VALUES, VALUES)
def test_what_is_no_schema_leaves_the_arguments_as_they_are(value: Any, schema: Any) -> None:
    kept = drop_nulls(value, schema)
    assert json.dumps(kept, sort_keys=True) == json.dumps(value, sort_keys=True) or isinstance(schema, dict)
