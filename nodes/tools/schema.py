"""A tool as the model sees it: OpenAI's strict form, the spoken preamble as its first argument.

Strict form (https://platform.openai.com/docs/guides/structured-outputs): every object closed, every
property required; what was optional may be null instead.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, cast

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from ..preamble import HEARTBEAT, PREAMBLE

_PREAMBLE_SCHEMA = {
    "type": "string",
    "description": "One short sentence, spoken to the user at once, before the tool runs. "
    "Say what you are about to do, in the user's language.",
}
_STRICT = frozenset(
    "type description enum const anyOf $ref $defs definitions properties required additionalProperties items "
    "pattern format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minItems maxItems".split()
)
_STRICT_FORMATS = frozenset("date-time time date duration email hostname ipv4 ipv6 uuid".split())
_LEFT_OUT = frozenset("default title $schema examples deprecated minLength maxLength uniqueItems".split())
"""Keywords that strict form has not; the tool checks its arguments by itself."""


def describe_tool(tool: BaseTool, *, strict: bool) -> dict[str, Any] | None:
    """Return the tool's description for a request to the model, in strict form or as plain JSON schema.

    `None` when strict form cannot express its arguments (a free-form mapping, say).
    """
    described: dict[str, Any] = deepcopy(convert_to_openai_tool(tool))
    function = described["function"]
    parameters: dict[str, Any] | None = _own_parameters(function.get("parameters"))
    if strict:
        parameters = _strict(parameters)
        function["strict"] = True
    if parameters is None:
        return None
    parameters["properties"] = {PREAMBLE: _PREAMBLE_SCHEMA, **parameters["properties"]}
    parameters["required"] = [PREAMBLE, *parameters["required"]]
    function["parameters"] = parameters
    return described


def _own_parameters(parameters: dict[str, Any] | None) -> dict[str, Any]:
    """Return the arguments that the tool itself takes, without those that every tool gets."""
    parameters = parameters or {"type": "object", "properties": {}}
    properties = {
        name: schema
        for name, schema in parameters.get("properties", {}).items()
        if name not in (PREAMBLE, HEARTBEAT)
    }
    required = [name for name in parameters.get("required", []) if name in properties]
    return {**parameters, "properties": properties, "required": required}


def drop_nulls(arguments: Any, schema: Mapping[str, Any]) -> Any:
    """Return arguments of this JSON schema without the nulls that stand for what was left out.

    Strict form makes every property required, in nested objects too, so a model has no other way.
    """
    options: list[dict[str, Any]] = [dict(schema), *schema.get("anyOf", [])]
    if isinstance(arguments, list):
        items = next((option["items"] for option in options if "items" in option), dict[str, Any]())
        return [drop_nulls(item, items) for item in cast(list[Any], arguments)]
    if not isinstance(arguments, dict):
        return arguments
    properties: dict[str, Any] = {
        name: part for option in options for name, part in option.get("properties", {}).items()
    }
    optional = properties.keys() - {name for option in options for name in option.get("required", [])}
    return {
        name: drop_nulls(value, properties.get(name, {}))
        for name, value in cast(dict[str, Any], arguments).items()
        if value is not None or name not in optional
    }


def _strict(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the schema in strict form, or `None` when it has none."""
    result = {key: value for key, value in schema.items() if key not in _LEFT_OUT}
    if not (result.keys() <= _STRICT and result.keys() & {"type", "anyOf", "$ref"}):
        return None
    if result.get("format") not in _STRICT_FORMATS:
        result.pop("format", None)
    if "(?" in result.get("pattern", ""):
        del result["pattern"]
    for key in ("$defs", "definitions"):
        if key in result:
            definitions = {name: _strict(value) for name, value in result[key].items()}
            if None in definitions.values():
                return None
            result[key] = definitions
    if "anyOf" in result:
        result["anyOf"] = [_strict(option) for option in result["anyOf"]]
        if None in result["anyOf"]:
            return None
    if result.get("type") == "array":
        result["items"] = _strict(result["items"]) if isinstance(result.get("items"), Mapping) else None
        if result["items"] is None:
            return None
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
    if isinstance(kind, str) and not schema.keys() & {"enum", "const"}:
        return schema if kind == "null" else {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}
