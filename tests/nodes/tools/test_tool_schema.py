"""Tools as the model sees them: closed objects, everything required, the preamble first."""

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from openai_server.tool_schemas import validate_tools
from pydantic import BaseModel, Field, HttpUrl

from voicegraph.nodes.speech.preamble import HEARTBEAT, PREAMBLE
from voicegraph.nodes.tools.arguments import drop_nulls
from voicegraph.nodes.tools.loading import load_tool


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    """A place on the map."""

    x: int
    y: int = 3


HOME = Point(x=1)


class Tree(BaseModel):
    value: int
    children: list["Tree"] = []


def no_arguments() -> None:
    """Do it."""


def plain(city: str, days: int, metric: bool) -> None:
    """Do it."""


def optional(city: str, days: int = 3, note: str | None = None, either: int | str = 1) -> None:
    """Do it."""


def enums(colour: Colour, size: Literal["s", "m"] = "s", unit: Literal["cm"] = "cm") -> None:
    """Do it."""


def lists(
    names: list[str], points: list[Point], more: list[int] | None = None, unique: frozenset[int] = frozenset()
) -> None:
    """Do it."""


def nested(
    there: Annotated[Point, Field(description="Where to")], back: Point | None = None, via: Point = HOME
) -> None:
    """Do it."""


def bounded(
    count: Annotated[int, Field(ge=1, le=5)] = 2,
    name: Annotated[str, Field(min_length=2, max_length=9)] = "ab",
    code: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "ABC",
    odd: Annotated[str, Field(pattern="^(?:a|b)$")] = "a",
) -> None:
    """Do it."""


def formats(day: date, price: Decimal, file: Path, link: HttpUrl) -> None:
    """Do it."""


def mapping(counts: dict[str, int], days: int = 1) -> None:
    """Do it."""


def anything(value: Any, city: str = "Rome") -> None:
    """Do it."""


def untyped_list(items: list) -> None:  # pyright: ignore
    """Do it."""


def pair(both: tuple[int, str]) -> None:
    """Do it."""


def recursive(tree: Tree) -> None:
    """Do it."""


def own_preamble(city: str, pre_exec_msg: str, request_heartbeat: bool = False) -> None:
    """Do it."""


STRICT = [
    no_arguments,
    plain,
    optional,
    enums,
    lists,
    nested,
    bounded,
    formats,
    own_preamble,
    pair,
    recursive,
]
LOOSE = [mapping, anything, untyped_list]


def described(tool: Callable[..., Any]) -> dict[str, Any]:
    schema = load_tool(tool).describe(strict=True)
    assert schema["type"] == "function"
    return schema["function"]


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects in a schema."""
    if isinstance(schema, list):
        for part in schema:
            yield from objects(part)
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for part in schema.values():
            yield from objects(part)


@pytest.mark.parametrize("tool", STRICT)
def test_each_object_of_a_strict_tool_is_closed_and_requires_all(tool: Callable[..., Any]) -> None:
    function = described(tool)
    assert function["strict"] is True
    for found in objects(function["parameters"]):
        assert found["additionalProperties"] is False
        assert found["required"] == list(found["properties"])


@pytest.mark.parametrize("tool", [*STRICT, *LOOSE])
def test_the_provider_accepts_every_tool(tool: Callable[..., Any]) -> None:
    assert validate_tools([load_tool(tool).describe(strict=True)]) == []


@pytest.mark.parametrize("tool", [*STRICT, *LOOSE])
def test_the_preamble_comes_first_and_the_heartbeat_is_gone(tool: Callable[..., Any]) -> None:
    parameters = described(tool)["parameters"]
    assert next(iter(parameters["properties"])) == parameters["required"][0] == PREAMBLE
    assert parameters["properties"][PREAMBLE]["type"] == "string"
    assert "spoken" in parameters["properties"][PREAMBLE]["description"]
    assert HEARTBEAT not in parameters["properties"]
    assert parameters["required"].count(PREAMBLE) == 1


@pytest.mark.parametrize("tool", LOOSE)
def test_what_strict_form_cannot_say_is_offered_as_it_is(tool: Callable[..., Any]) -> None:
    function = described(tool)
    assert "strict" not in function
    own = load_tool(tool).parameters
    assert {key: function["parameters"]["properties"][key] for key in own["properties"]} == own["properties"]
    assert function["parameters"]["required"] == [PREAMBLE, *own.get("required", [])]


def test_optional_arguments_may_be_null() -> None:
    properties = described(optional)["parameters"]["properties"]
    assert properties["city"] == {"type": "string"}
    assert properties["days"] == {"type": ["integer", "null"]}
    assert properties["note"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert properties["either"] == {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}


def test_an_optional_choice_may_be_null_beside_its_values() -> None:
    properties = described(enums)["parameters"]["properties"]
    assert properties["colour"]["enum"] == ["red", "blue"]
    assert properties["size"] == {"anyOf": [{"enum": ["s", "m"], "type": "string"}, {"type": "null"}]}
    assert properties["unit"] == {"anyOf": [{"const": "cm", "type": "string"}, {"type": "null"}]}


def test_only_limits_that_strict_form_knows_are_sent() -> None:
    properties = described(bounded)["parameters"]["properties"]
    assert properties["count"] == {"type": ["integer", "null"], "minimum": 1, "maximum": 5}
    assert properties["name"] == {"type": ["string", "null"]}
    assert properties["code"] == {"type": ["string", "null"], "pattern": "^[A-Z]{3}$"}
    assert properties["odd"] == {"type": ["string", "null"]}


def test_only_formats_that_strict_form_knows_are_sent() -> None:
    properties = described(formats)["parameters"]["properties"]
    assert properties["day"] == {"type": "string", "format": "date"}
    assert properties["file"] == properties["link"] == {"type": "string"}


def test_descriptions_of_tool_and_arguments_are_sent() -> None:
    function = described(nested)
    assert (function["name"], function["description"]) == ("nested", "Do it.")
    assert function["parameters"]["properties"]["there"]["description"] == "Where to"


def test_each_form_is_made_once() -> None:
    tool = load_tool(nested)
    assert tool.describe(strict=True) is tool.describe(strict=True)
    assert tool.describe(strict=False) is tool.describe(strict=False)


@pytest.mark.parametrize("tool", STRICT)
def test_a_tool_that_could_be_strict_has_a_plain_form_too(tool: Callable[..., Any]) -> None:
    loaded = load_tool(tool)
    assert loaded.strict
    assert loaded.describe(strict=True)["function"]["strict"] is True
    plain = loaded.describe(strict=False)["function"]
    assert "strict" not in plain
    assert plain["parameters"]["required"][0] == PREAMBLE


@pytest.mark.parametrize("tool", LOOSE)
def test_a_tool_that_strict_form_cannot_express_is_never_strict(tool: Callable[..., Any]) -> None:
    loaded = load_tool(tool)
    assert not loaded.strict
    assert loaded.describe(strict=True) is loaded.describe(strict=False)


@pytest.mark.parametrize(
    ("tool", "arguments", "left"),
    [
        (optional, {"city": "Rome", "days": None, "note": None}, {"city": "Rome"}),
        (optional, {"city": None, "days": 0, "note": ""}, {"city": None, "days": 0, "note": ""}),
        (nested, {"there": {"x": 1, "y": None}, "back": None}, {"there": {"x": 1}}),
        (nested, {"back": {"x": None, "y": None}}, {"back": {"x": None}}),
        (lists, {"points": [{"x": 1, "y": None}, None], "more": None}, {"points": [{"x": 1}, None]}),
        (mapping, {"counts": {"a": None}, "days": None}, {"counts": {"a": None}}),
        (plain, {"city": "Rome", "unknown": None}, {"city": "Rome", "unknown": None}),
        (recursive, {"tree": {"value": 1, "children": [{"value": None}]}}, None),
    ],
)
def test_a_null_for_what_may_be_left_out_is_left_out(
    tool: Callable[..., Any], arguments: dict[str, Any], left: dict[str, Any] | None
) -> None:
    assert drop_nulls(arguments, load_tool(tool).parameters) == (arguments if left is None else left)
