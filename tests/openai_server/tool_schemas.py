"""What OpenAI accepts as tools, and as the parameters of a tool with `strict: true`."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
EMPTY_ARRAY = (
    "Invalid '{}': empty array. Expected an array with minimum length 1, but got an empty array instead."
)
NOT_PERMITTED = (
    *("allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas"),
    *("patternProperties", "unevaluatedProperties", "propertyNames", "default"),
)

Schema = Mapping[str, Any]
Context = tuple[str, ...]


def validate_tools(tools: Any) -> list[str]:
    """Return what OpenAI would refuse in the `tools` of a request."""
    if not isinstance(tools, list) or not tools:
        return [EMPTY_ARRAY.format("tools")]
    violations: list[str] = []
    names: set[str] = set()
    tool: Any
    for at, tool in enumerate(tools):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        function: dict[str, Any] = tool.get("function") or {}
        name = str(function.get("name"))
        if tool.get("type") != "function":
            violations.append(
                f"Invalid value: '{tool.get('type')}'. Supported values are: 'function'. (tools[{at}].type)"
            )
        if not NAME.fullmatch(name):
            violations.append(
                f"Invalid 'tools[{at}].function.name': string does not match pattern '^[a-zA-Z0-9_-]+$'."
            )
        if name in names:
            violations.append("tools: Tool names must be unique.")
        names.add(name)
        if function.get("strict"):
            violations += validate_strict_schema(name, function.get("parameters") or {})
    return violations


def validate_strict_schema(name: str, parameters: Schema) -> list[str]:
    """Return what OpenAI would refuse in the parameters of the strict function `name`."""
    found = list(_check(parameters, ()))
    if parameters.get("type") != "object":
        found.insert(
            0,
            f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{parameters.get('type')}\"'.",
        )
    return [f"Invalid schema for function '{name}': {text}" for text in found]


def _check(schema: Schema, context: Context) -> Iterator[str]:
    where = f"In context={context}, "
    for keyword in NOT_PERMITTED:
        if keyword in schema:
            yield f"{where}'{keyword}' is not permitted."
    if "$ref" in schema:
        if others := sorted(set(schema) - {"$ref"}):
            yield f"{where}$ref cannot have keywords {others}."
        return
    if not {"type", "anyOf", "enum", "const"} & set(schema):
        yield f"{where}schema must have a 'type' key."
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "object" in kinds or "properties" in schema:
        yield from _check_object(schema, where)
    if "array" in kinds and "items" not in schema:
        yield f"{where}array schema missing items."
    for key, child in _children(schema):
        yield from _check(child, (*context, *key))


def _check_object(schema: Schema, where: str) -> Iterator[str]:
    if schema.get("additionalProperties") is not False:
        yield f"{where}'additionalProperties' is required to be supplied and to be false."
    properties, required = schema.get("properties") or {}, schema.get("required")
    missing = [key for key in properties if key not in (required or ())]
    if missing or (required is None and properties):
        yield (
            f"{where}'required' is required to be supplied and to be an array including every key in "
            f"properties. Missing '{missing[0]}'."
        )
    for key in required or ():
        if key not in properties:
            yield f"{where}'required' names '{key}', which is no property."


def _children(schema: Schema) -> Iterator[tuple[Context, Schema]]:
    for keyword in ("properties", "$defs", "definitions"):
        for key, child in (schema.get(keyword) or {}).items():
            yield (keyword, key), child
    if isinstance(schema.get("items"), dict):
        yield ("items",), schema["items"]
    for at, child in enumerate(schema.get("anyOf") or ()):
        yield ("anyOf", str(at)), child
