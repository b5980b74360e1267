"""Prepare the arguments of a call for the tool."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

_LARGE_INTEGER = re.compile(r"-?[1-9][0-9]{18,999}")
_MOST_OPTIONS = 200
"""Maximum number of schema branches examined for one value."""


def drop_nulls(arguments: Any, schema: Any, definitions: Mapping[str, Any] | None = None) -> Any:
    """Return arguments of this JSON schema without the nulls that mark omitted values.

    Strict form requires every property, in nested objects too, so a model cannot omit them. Never raises:
    values that the schema does not describe are not changed.
    """
    if not isinstance(arguments, dict | list):
        return arguments
    known: Mapping[str, Any] = definitions or {}
    options = list(_options(schema, known))
    if isinstance(arguments, list):
        items = next((option["items"] for option in options if "items" in option), None)
        return [drop_nulls(item, items, known) for item in cast(list[Any], arguments)]
    properties: dict[str, Any] = {}
    required: set[Any] = set()
    for option in options:
        properties.update(_mapping(option.get("properties")))
        names = option.get("required")
        required.update(name for name in _list(names) if isinstance(name, str))
    return {
        name: drop_nulls(value, properties.get(name), known)
        for name, value in cast(dict[str, Any], arguments).items()
        if value is not None or name not in properties or name in required
    }


def restore_integers(arguments: Any, schema: Any, definitions: Mapping[str, Any] | None = None) -> Any:
    """Return arguments of this JSON schema with the integers restored that `call_arguments` gave as digits.

    A string of 19 digits or more becomes an integer if the schema accepts a number and no string. Never
    raises.
    """
    if isinstance(arguments, str) and _LARGE_INTEGER.fullmatch(arguments):
        types = set(map(str, _types(schema, definitions or {})))
        is_number = bool(types & {"integer", "number"}) and "string" not in types
        return int(arguments) if is_number else arguments
    if not isinstance(arguments, dict | list):
        return arguments
    options = list(_options(schema, definitions or {}))
    if isinstance(arguments, list):
        items = next((option["items"] for option in options if "items" in option), None)
        return [restore_integers(item, items, definitions) for item in cast(list[Any], arguments)]
    properties: dict[str, Any] = {}
    for option in options:
        properties.update(_mapping(option.get("properties")))
    return {
        name: restore_integers(value, properties.get(name), definitions)
        for name, value in cast(dict[str, Any], arguments).items()
    }


def definitions_of(schema: Any) -> dict[str, Any]:
    """Return the definitions in a schema that its references use."""
    fields = _mapping(schema)
    return {**_mapping(fields.get("definitions")), **_mapping(fields.get("$defs"))}


def _types(schema: Any, definitions: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the types that a value may have."""
    for option in _options(schema, definitions):
        named = option.get("type")
        yield from _list(named) if isinstance(named, list) else [named]


def _options(schema: Any, definitions: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the schema and all branches that may describe the same value."""
    waiting: list[Any] = [schema]
    seen: set[str] = set()
    for _ in range(_MOST_OPTIONS):
        if not waiting:
            return
        option = _mapping(waiting.pop(0))
        yield option
        for name in ("anyOf", "oneOf", "allOf"):
            waiting += _list(option.get(name))
        reference = option.get("$ref")
        if isinstance(reference, str) and reference not in seen:
            seen.add(reference)
            waiting.append(definitions.get(reference.rpartition("/")[2]))


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else []
