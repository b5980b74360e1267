"""Combine JSON schemas: intersection, union, nullable."""

from collections.abc import Sequence
from typing import Any

from .schema_keywords import ANNOTATIONS, Schema, kinds_of

_NULL: Schema = {"type": "null"}


def merged(first: Schema, second: Schema) -> Schema | None:
    """Return the intersection of both, with the first's annotations; `None` if it cannot be expressed."""
    result = dict(first)
    for name, value in second.items():
        if name not in result:
            result[name] = value
        elif name == "required":
            result[name] = list(dict.fromkeys([*result[name], *value]))
        elif name == "properties":
            properties = _merged_properties(result[name], value)
            if properties is None:
                return None
            result[name] = properties
        elif name == "additionalProperties":
            result[name] = False if value is False or result[name] is False else value
        elif name == "type":
            kinds = [kind for kind in kinds_of(first) if kind in kinds_of(second)]
            if not kinds:
                return None
            result[name] = kinds[0] if len(kinds) == 1 else kinds
        elif name not in ANNOTATIONS and result[name] != value:
            return None
    return result


def union(options: Sequence[Schema]) -> Schema:
    """Return the union of the options; without options, it accepts everything."""
    distinct = [option for at, option in enumerate(options) if option not in options[:at]]
    if len(distinct) == 1:
        return distinct[0]
    return {} if not distinct or {} in distinct else {"anyOf": distinct}


def nullable(schema: Schema) -> Schema:
    """Return the schema extended by null."""
    kinds, options = kinds_of(schema), schema.get("anyOf", [])
    if "null" in kinds or not schema.keys() - ANNOTATIONS or any("null" in kinds_of(o) for o in options):
        return schema
    if not schema.keys() - ANNOTATIONS - {"anyOf"}:
        return {**schema, "anyOf": [*options, _NULL]}
    if kinds and not schema.keys() & {"enum", "const", "anyOf", "allOf", "oneOf", "$ref", "not"}:
        return {**schema, "type": [*kinds, "null"]}
    notes = {name: value for name, value in schema.items() if name in ANNOTATIONS}
    return {**notes, "anyOf": [{k: v for k, v in schema.items() if k not in notes}, _NULL]}


def as_arguments(root: Schema, definitions: dict[str, Schema]) -> Schema | None:
    """Return the schema of an object for a tool's arguments, `None` if `root` does not describe an object.

    Providers refuse `anyOf` and the like at the root: the properties of all branches are offered, and those
    not required by every branch are optional.
    """
    root = _resolved(root, definitions)
    if root.keys() & {"type"} and "object" not in kinds_of(root):
        return None
    options: list[list[Schema]] = [
        [_resolved(option, definitions) for option in root.get(name, [])] for name in ("anyOf", "oneOf")
    ]
    branches = [[option for option in some if _may_be_object(option)] for some in options]
    if any(some and not left for some, left in zip(options, branches, strict=True)):
        return None
    together = [_resolved(part, definitions) for part in root.get("allOf", [])]
    properties: dict[str, list[Schema]] = {}
    required = list(root.get("required", []))
    for part in (root, *together, *(branch for some in branches for branch in some)):
        for name, schema in part.get("properties", {}).items():
            properties.setdefault(name, []).append(schema)
    for part in together:
        required += part.get("required", [])
    for some in branches:
        required += [name for name in properties if some and all(name in b.get("required", []) for b in some)]
    result: Schema = {"type": "object", "properties": {n: union(some) for n, some in properties.items()}}
    result["required"] = [name for name in dict.fromkeys(required) if name in properties]
    if "additionalProperties" in root:
        result["additionalProperties"] = root["additionalProperties"]
    return result


def _resolved(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return {**definitions[name], **{k: v for k, v in schema.items() if k != "$ref"}} if name else schema


def _may_be_object(schema: Schema) -> bool:
    return "object" in kinds_of(schema) or "type" not in schema


def _merged_properties(first: dict[str, Schema], second: dict[str, Any]) -> dict[str, Schema] | None:
    result = dict(first)
    for name, schema in second.items():
        whole = merged(result[name], schema) if name in result else schema
        if whole is None:
            return None
        result[name] = whole
    return result
