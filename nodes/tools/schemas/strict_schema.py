"""OpenAI's strict form of a tool's arguments (https://platform.openai.com/docs/guides/structured-outputs).

Every object is closed and requires all its properties; optional ones may be null instead.
"""

from collections.abc import Iterator
from typing import Any

from .schema_keywords import ANNOTATIONS, Schema, kind_of, kinds_of
from .schema_merging import nullable

_KNOWN = frozenset(
    "type description enum const anyOf $ref properties required additionalProperties items "
    "pattern format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minItems maxItems".split()
)
_FORMATS = frozenset("date-time time date duration email hostname ipv4 ipv6 uuid".split())
_LEFT_OUT = (ANNOTATIONS - {"description"}) | frozenset(
    "minLength maxLength uniqueItems contentEncoding contentMediaType".split()
)
"""Keywords that strict form does not support; the tool validates its arguments itself."""
_MOST_PROPERTIES = 5_000
_MOST_VALUES = 1_000
_MOST_CHARACTERS = 120_000
_LONG_ENUM, _LONG_ENUM_CHARACTERS = 250, 15_000
_DEEPEST = 10


def strict_arguments(arguments: Schema, definitions: dict[str, Schema]) -> Schema | None:
    """Return the arguments in strict form, `None` if it cannot express them or they exceed its limits."""
    result = _strict(arguments)
    parts = {name: _strict(definition) for name, definition in definitions.items()}
    if result is None or None in parts.values():
        return None
    used = {name: part for name, part in parts.items() if part is not None}
    if used:
        result["$defs"] = used
    return result if _within_limits(result) else None


def _strict(schema: Schema) -> Schema | None:
    if "$ref" in schema:  # It must be the only keyword.
        return {"$ref": schema["$ref"]} if not schema.keys() - ANNOTATIONS - {"$ref"} else None
    result = {
        name: value for name, value in schema.items() if name not in _LEFT_OUT and not name.startswith("x-")
    }
    if not (result.keys() <= _KNOWN and result.keys() & {"type", "anyOf"}):
        return None
    if result.get("format") not in _FORMATS:
        result.pop("format", None)
    if "(?" in result.get("pattern", ""):
        del result["pattern"]
    if "anyOf" in result:
        options = [_strict(option) for option in result["anyOf"]]
        if None in options:
            return None
        result["anyOf"] = options
    kinds = kinds_of(result)
    if "enum" in result:
        result["enum"] = [value for value in result["enum"] if not kinds or _is_of(value, kinds)]
    values = result.get("enum", []) + ([result["const"]] if "const" in result else [])
    if result.get("enum") == [] or any(isinstance(value, list | dict) for value in values):
        return None
    if "const" in result and kinds and not _is_of(result["const"], kinds):
        return None
    if "array" in kinds:
        result["items"] = _strict(result.get("items", {}))
        if result["items"] is None:
            return None
    return _closed(result) if "object" in kinds or "properties" in result else result


def _closed(schema: Schema) -> Schema | None:
    if schema.get("additionalProperties") not in (None, False) or "properties" not in schema:
        return None
    required = schema.get("required", [])
    properties: dict[str, Any] = {}
    for name, value in schema["properties"].items():
        strict = _strict(value)
        if strict is None:
            return None
        properties[name] = strict if name in required else nullable(strict)
    return {**schema, "properties": properties, "required": list(properties), "additionalProperties": False}


def _is_of(value: Any, kinds: list[str]) -> bool:
    kind = kind_of(value)
    return kind in kinds or (kind == "integer" and "number" in kinds)


def _within_limits(schema: Schema) -> bool:
    parts = list(_parts(schema, 1))
    names = [name for part, _ in parts for key in ("properties", "$defs") for name in part.get(key, ())]
    enums = [[str(value) for value in part.get("enum", ())] for part, _ in parts]
    constants = [str(part["const"]) for part, _ in parts if "const" in part]
    characters = sum(map(len, [*names, *constants, *(value for values in enums for value in values)]))
    return (
        sum(len(part.get("properties", ())) for part, _ in parts) <= _MOST_PROPERTIES
        and sum(map(len, enums)) <= _MOST_VALUES
        and characters <= _MOST_CHARACTERS
        and not any(
            len(values) > _LONG_ENUM and sum(map(len, values)) > _LONG_ENUM_CHARACTERS for values in enums
        )
        and max(depth for _, depth in parts) <= _DEEPEST
    )


def _parts(schema: Schema, depth: int) -> Iterator[tuple[Schema, int]]:
    """Yield the schema and all nested ones, each with its nesting level."""
    yield schema, depth
    for name in ("properties", "$defs"):
        for part in schema.get(name, {}).values():
            yield from _parts(part, depth + (name == "properties"))
    for part in schema.get("anyOf", ()):
        yield from _parts(part, depth)
    if "items" in schema:
        yield from _parts(schema["items"], depth + 1)
