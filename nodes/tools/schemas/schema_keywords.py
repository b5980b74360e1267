"""The keywords of a JSON schema that contain no other schemas."""

import json
from collections.abc import Mapping
from typing import Any, cast

from ...text.characters import whole_characters

Schema = dict[str, Any]

KINDS = ("null", "boolean", "integer", "number", "string", "array", "object")
"""The types of JSON schema."""
ARRAYS = ("items", "prefixItems", "additionalItems", "unevaluatedItems")
BRANCHES = ("allOf", "anyOf", "oneOf")
ANNOTATIONS = frozenset("description default examples example deprecated readOnly writeOnly".split())
"""Keywords that neither allow nor forbid anything."""
DROPPED = frozenset(
    "title $schema $id $comment $anchor $dynamicAnchor $ref $defs definitions nullable discriminator".split()
)
_TEXTS = frozenset("description pattern format contentEncoding contentMediaType".split())
_NUMBERS = frozenset(
    "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minItems maxItems minLength maxLength "
    "minProperties maxProperties minContains maxContains".split()
)
_ALIASES = {"str": "string", "text": "string", "int": "integer", "float": "number", "double": "number"} | {
    "bool": "boolean",
    "list": "array",
    "tuple": "array",
    "dict": "object",
    "map": "object",
    "none": "null",
}
"""Type names of other languages that are not valid in JSON schema."""


def keyword(name: str, value: Any) -> Schema:
    """Return the keyword to keep, nothing if its value is not valid in JSON schema."""
    name = whole_characters(name)
    if name == "type":
        kinds = _kinds(value)
        return {name: kinds[0] if len(kinds) == 1 else kinds} if kinds else {}
    if name == "required":
        names = cast(list[Any], value if isinstance(value, list) else [])
        return {name: [whole_characters(str(key)) for key in names]} if isinstance(value, list) else {}
    if name == "enum" and not (isinstance(value, list | tuple) and value):
        return {}
    if name in _TEXTS and not isinstance(value, str):
        return {}
    if name in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float)):
        return {}
    if isinstance(value, str):
        return {name: whole_characters(value)}
    try:
        kept = json.loads(whole_characters(json.dumps(value, ensure_ascii=False, allow_nan=False)))
    except (TypeError, ValueError, RecursionError):
        return {}
    return {} if _has_references(kept) else {name: kept}


def infer_type(schema: Schema) -> None:
    """Set the type that other keywords imply: providers require it."""
    if "type" in schema:
        return
    values: list[Any] = [schema["const"]] if "const" in schema else schema.get("enum", [])
    if "properties" in schema:
        schema["type"] = "object"
    elif values:
        kinds = list(dict.fromkeys(kind_of(value) for value in values))
        schema["type"] = kinds[0] if len(kinds) == 1 else kinds


def kinds_of(schema: Mapping[str, Any]) -> list[str]:
    """Return the types that the schema names, as a list."""
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def kind_of(value: Any) -> str:
    """Return the type of a JSON value."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    if isinstance(value, int | float):
        return "integer" if isinstance(value, int) or value.is_integer() else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _kinds(value: Any) -> list[str]:
    named = cast(list[Any], value if isinstance(value, list | tuple) else [value])
    lower = [kind.lower() for kind in named if isinstance(kind, str)]
    kinds = [_ALIASES.get(kind, kind) for kind in lower]
    known = list(dict.fromkeys(kind for kind in kinds if kind in KINDS))
    return known if len(lower) == len(named) and all(kind in KINDS for kind in kinds) else []


def _has_references(value: Any) -> bool:
    """Return whether a value that is copied unread refers to definitions, which are dropped."""
    if isinstance(value, dict):
        parts = cast(dict[str, Any], value)
        return "$ref" in parts or any(map(_has_references, parts.values()))
    return isinstance(value, list) and any(map(_has_references, cast(list[Any], value)))
