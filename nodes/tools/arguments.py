"""The arguments of a call as the tool gets them."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

_MOST_OPTIONS = 200
"""Branches of a schema that are looked at for one value."""


def drop_nulls(arguments: Any, schema: Any, definitions: Mapping[str, Any] | None = None) -> Any:
    """Return arguments of this JSON schema without the nulls that stand for what was left out.

    Strict form makes every property required, in nested objects too, so a model has no other way. Never
    raises: what the schema does not describe stays as it is.
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
