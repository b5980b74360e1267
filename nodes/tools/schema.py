"""A tool as the model sees it: OpenAI's strict form, the spoken preamble as its first argument.

Strict form (https://platform.openai.com/docs/guides/structured-outputs): every object closed, every
property required; what was optional may be null instead.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from ..preamble import HEARTBEAT, PREAMBLE

_PREAMBLE_SCHEMA = {
    "type": "string",
    "description": "One short sentence, spoken to the user at once, before the tool runs. "
    "Say what you are about to do, in the user's language.",
}
_UNSUPPORTED = {"default", "title", "$schema"}


def describe_tool(tool: BaseTool) -> dict[str, Any]:
    """Return the tool's description for a request to the model.

    A schema that strict form cannot express (a free-form mapping, say) stays as it is, not strict.
    """
    described: dict[str, Any] = deepcopy(convert_to_openai_tool(tool))
    function = described["function"]
    parameters: dict[str, Any] = function.get("parameters") or {"type": "object", "properties": {}}
    properties = {
        name: schema
        for name, schema in parameters.get("properties", {}).items()
        if name not in (PREAMBLE, HEARTBEAT)
    }
    parameters = {**parameters, "properties": properties}
    parameters["required"] = [name for name in parameters.get("required", []) if name in properties]
    strict = _strict(parameters)
    chosen = strict if strict is not None else parameters
    chosen["properties"] = {PREAMBLE: _PREAMBLE_SCHEMA, **chosen["properties"]}
    chosen["required"] = [PREAMBLE, *chosen["required"]]
    function["parameters"] = chosen
    if strict is not None:
        function["strict"] = True
    return described


def optional_arguments(tool: BaseTool) -> frozenset[str]:
    """Return the arguments that strict form made required: a null there means that it was left out."""
    parameters = convert_to_openai_tool(tool)["function"].get("parameters") or {}
    return frozenset(parameters.get("properties", {})) - frozenset(parameters.get("required", []))


def _strict(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the schema in strict form, or `None` when it has none."""
    result = {key: value for key, value in schema.items() if key not in _UNSUPPORTED}
    for key in ("anyOf", "allOf"):
        if key in result:
            options = [_strict(option) for option in result[key]]
            if None in options:
                return None
            result[key] = options
    if "oneOf" in result or "patternProperties" in result:
        return None
    for key in ("$defs", "definitions"):
        if key in result:
            definitions = {name: _strict(value) for name, value in result[key].items()}
            if None in definitions.values():
                return None
            result[key] = definitions
    if isinstance(result.get("items"), Mapping):
        items = _strict(result["items"])
        if items is None:
            return None
        result["items"] = items
    if result.get("type") == "object" or "properties" in result:
        return _strict_object(result)
    return result


def _strict_object(schema: dict[str, Any]) -> dict[str, Any] | None:
    if schema.get("additionalProperties") or "properties" not in schema:
        return None
    required = set(schema.get("required", []))
    properties: dict[str, Any] = {}
    for name, value in schema["properties"].items():
        strict = _strict(value)
        if strict is None:
            return None
        properties[name] = strict if name in required else _nullable(strict)
    return {**schema, "properties": properties, "required": list(properties), "additionalProperties": False}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    kind = schema.get("type")
    if "anyOf" in schema:
        if any(option.get("type") == "null" for option in schema["anyOf"]):
            return schema
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    if isinstance(kind, str) and "enum" not in schema:
        return schema if kind == "null" else {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}
