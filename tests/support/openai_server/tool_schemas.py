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
PERMITTED = {
    *(
        "type",
        "description",
        "enum",
        "const",
        "anyOf",
        "$ref",
        "$defs",
        "definitions",
        "properties",
        "required",
    ),
    *("additionalProperties", "items", "pattern", "format", "minimum", "maximum", "exclusiveMinimum"),
    *("exclusiveMaximum", "multipleOf", "minItems", "maxItems", "title", "minLength", "maxLength"),
}
KINDS = {"null", "boolean", "integer", "number", "string", "array", "object"}

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
        if len(function.get("description") or "") > 1024:
            violations.append(
                f"Invalid 'tools[{at}].function.description': string too long. Expected a string with "
                "maximum length 1024."
            )
        parameters = function.get("parameters") or {}
        violations += (validate_strict_schema if function.get("strict") else validate_schema)(
            name, parameters
        )
    return violations


def validate_schema(name: str, parameters: Any) -> list[str]:
    """Return what OpenAI would refuse in the parameters of a function that is not strict."""
    found: list[str] = []
    if not isinstance(parameters, Mapping) or parameters.get("type") != "object":
        found.append("schema must be a JSON Schema of 'type: \"object\"'.")
    elif set(parameters) & {"oneOf", "anyOf", "allOf", "enum", "not"}:
        found.append(
            "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top "
            "level."
        )
    found += _check_plain(parameters, parameters, ())
    return [f"Invalid schema for function '{name}': {text}" for text in found]


def _check_plain(schema: Any, root: Any, context: Context) -> Iterator[str]:
    """Yield what is no JSON schema, and an array without items."""
    where = f"In context={context}, "
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        yield f"{where}{schema!r} is not of type 'object', 'boolean'."
        return
    kinds = schema.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if kind not in KINDS:
            yield f"{where}{kind!r} is not valid under any of the given schemas."
    if (kinds == "array" or "array" in kinds) and "items" not in schema:
        yield f"{where}array schema missing items."
    if not isinstance(schema.get("required", []), list):
        yield f"{where}{schema['required']!r} is not of type 'array'."
    if "$ref" in schema and not _finds(root, schema["$ref"]):
        yield f"{where}reference to component '{schema['$ref']}' which was not found in the schema."
    for key, child in _children(schema):
        yield from _check_plain(child, root, (*context, *key))


def _finds(root: Any, reference: str) -> bool:
    for part in reference.removeprefix("#").split("/")[1:]:
        if not isinstance(root, dict) or part not in root:
            return False
        root = root[part]
    return reference.startswith("#")


def validate_strict_schema(name: str, parameters: Schema) -> list[str]:
    """Return what OpenAI would refuse in the parameters of the strict function `name`."""
    found = list(_check(parameters, ()))
    if parameters.get("type") != "object":
        found.insert(
            0,
            f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{parameters.get('type')}\"'.",
        )
    found += _limits(parameters)
    found += _check_plain(parameters, parameters, ())
    return [f"Invalid schema for function '{name}': {text}" for text in found]


def _limits(parameters: Schema) -> Iterator[str]:
    parts = list(_levels(parameters, 1))
    names = [name for part, _ in parts for key in ("properties", "$defs") for name in part.get(key) or ()]
    enums = [list(map(str, part.get("enum") or ())) for part, _ in parts]
    texts = [*names, *(str(part["const"]) for part, _ in parts if "const" in part), *sum(enums, [])]
    if sum(map(len, texts)) > 120_000:
        yield "total string length of property names, definition names, enum and const values exceeds 120000."
    if sum(map(len, enums)) > 1000:
        yield "more than 1000 enum values across all properties."
    if any(len(values) > 250 and sum(map(len, values)) > 15_000 for values in enums):
        yield "an enum of more than 250 strings exceeds 15000 characters."
    if sum(len(part.get("properties") or ()) for part, _ in parts) > 5000:
        yield "more than 5000 object properties."
    if (deepest := max(level for _, level in parts)) > 10:
        yield f"{deepest} levels of nesting exceeds limit of 10."


def _levels(schema: Schema, level: int) -> Iterator[tuple[Schema, int]]:
    yield schema, level
    for key, child in _children(schema):
        if isinstance(child, dict):
            yield from _levels(child, level + (key[0] in ("properties", "items")))


def _check(schema: Schema, context: Context) -> Iterator[str]:
    where = f"In context={context}, "
    for keyword in NOT_PERMITTED:
        if keyword in schema:
            yield f"{where}'{keyword}' is not permitted."
    if "$ref" in schema:
        if others := sorted(set(schema) - {"$ref"}):
            yield f"{where}$ref cannot have keywords {others}."
        return
    if not {"type", "anyOf"} & set(schema):
        yield f"{where}schema must have a 'type' key."
    if odd := sorted(set(schema) - PERMITTED - {*NOT_PERMITTED}):
        yield f"{where}'{odd[0]}' is not permitted."
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "object" in kinds or "properties" in schema:
        yield from _check_object(schema, where)
    if "array" in kinds and "items" not in schema:
        yield f"{where}array schema missing items."
    for value in schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        if schema.get("type") and not any(_is_of(value, kind) for kind in kinds):
            yield f"{where}enum value {value} does not validate against {{'type': '{schema['type']}'}}."
    for key, child in _children(schema):
        yield from _check(child, (*context, *key))


def _is_of(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    types: dict[str, Any] = {
        "null": type(None),
        "string": str,
        "array": list,
        "object": dict,
        "number": int | float,
        "integer": int | float,
    }
    return kind in types and isinstance(value, types[kind])


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
    if "items" in schema:
        yield ("items",), schema["items"]
    for at, child in enumerate(schema.get("anyOf") or ()):
        yield ("anyOf", str(at)), child
