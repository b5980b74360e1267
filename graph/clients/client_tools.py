"""Tools that a client runs itself, in all formats that clients use."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from ...nodes.text.characters import whole_characters
from ...nodes.text.plain_json import DEEPEST, plain_json
from ...nodes.tools.names import offered_names

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LegalTools:
    """Tools under names that providers accept; `own_names` maps changed names to the client's."""

    tools: list[dict[str, Any]]
    own_names: dict[str, str]

    def with_legal_choice(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings whose tool choice uses the name under which the tool is offered."""
        choice = settings.get("tool_choice")
        if not isinstance(choice, Mapping):
            return dict(settings)
        own = cast(Mapping[str, Mapping[str, str]], choice)["function"]["name"]
        name = next((name for name, theirs in self.own_names.items() if theirs == own), own)
        return {**settings, "tool_choice": {"type": "function", "function": {"name": name}}}


def read_tools(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tools of a request in OpenAI's format, under the client's own names.

    `tools` may also use the flat format of the Responses API; `functions` is OpenAI's older format. Anything
    else is left out and logged; `tool_choice` may exclude some or all.
    """
    choice = tool_choice(fields)
    if choice == "none":
        return []
    named: dict[str, dict[str, Any]] = {}
    for raw in (*_list(fields.get("tools")), *_list(fields.get("functions"))):
        function = _function(raw)
        if function is None:
            log.info("a tool of the client is not a function and cannot be offered")
        else:
            named[function["name"]] = {"type": "function", "function": function}
    allowed = _allowed(fields.get("tool_choice"))
    if allowed:
        named = {name: tool for name, tool in named.items() if name in allowed}
    return list(named.values())


def tool_choice(fields: Mapping[str, Any]) -> str | dict[str, Any] | None:
    """Return the choice of tools: `none`, `required` or a function as OpenAI has it; `None` for any other."""
    choice = fields.get("tool_choice", fields.get("function_call"))
    if isinstance(choice, str):
        return {"any": "required"}.get(choice, choice) if choice in ("none", "required", "any") else None
    if not isinstance(choice, Mapping):
        return None
    wanted = cast(Mapping[str, Any], choice)
    allowed = _mapping(wanted.get("allowed_tools", wanted))
    if wanted.get("type") == "allowed_tools" and allowed.get("mode") == "required":
        return "required"
    if wanted.get("type") == "any":
        return "required"
    name = _mapping(wanted.get("function")).get("name") or wanted.get("name")
    return {"type": "function", "function": {"name": name}} if isinstance(name, str) else None


def legal_tools(tools: Sequence[Mapping[str, Any]]) -> LegalTools:
    """Return the tools under unique names that every provider accepts."""
    names = offered_names(tool["function"]["name"] for tool in tools)
    return LegalTools(
        [
            {"type": "function", "function": {**tool["function"], "name": names[tool["function"]["name"]]}}
            for tool in tools
        ],
        {name: own for own, name in names.items() if name != own},
    )


def _allowed(choice: object) -> set[str]:
    """Return the names in an `allowed_tools` choice, empty for any other choice."""
    wanted = _mapping(choice)
    if wanted.get("type") != "allowed_tools":
        return set()
    functions = map(_function, _list(_mapping(wanted.get("allowed_tools", wanted)).get("tools")))
    return {function["name"] for function in functions if function is not None}


def _function(raw: object) -> dict[str, Any] | None:
    """Return a function's description, `None` if it is not a function or has no name."""
    tool = _mapping(raw)
    if tool.get("type", "function") != "function":
        return None
    fields = _mapping(tool.get("function", tool))
    name = fields.get("name")
    if not isinstance(name, str) or not name.strip():
        return None
    function: dict[str, Any] = {"name": whole_characters(name)}
    if isinstance(fields.get("description"), str):
        function["description"] = whole_characters(fields["description"])
    function["parameters"] = _parameters(fields.get("parameters", fields.get("input_schema")))
    if isinstance(fields.get("strict"), bool):
        function["strict"] = fields["strict"]
    return function


def _parameters(raw: object) -> dict[str, Any]:
    """Return a schema that can be sent; an invalid or endlessly nested one becomes any object."""
    schema = _plain_schema(cast(object, raw)) if isinstance(raw, Mapping) else None
    if schema is not None and "type" in schema:
        return schema
    return {"type": "object", "properties": {}, **(schema or {})}


def _plain_schema(raw: object) -> dict[str, Any] | None:
    """Return a copy that can be sent, `None` for a schema nested too deeply."""
    try:
        written = orjson.dumps(raw)
    except TypeError:  # An unpaired surrogate, a long number, a Python object, or too many levels.
        return None if _is_deeper(raw, DEEPEST) else plain_json(raw)
    # Counting is much quicker than walking the schema, and nearly all are small.
    shallow = written.count(b"{") + written.count(b"[") <= DEEPEST
    return orjson.loads(written) if shallow or not _is_deeper(raw, DEEPEST) else None


def _is_deeper(value: object, depth: int) -> bool:
    if isinstance(value, Mapping):
        inner = list(cast(Mapping[str, object], value).values())
    elif isinstance(value, list):
        inner = cast(list[object], value)
    else:
        return False
    return depth <= 0 or any(_is_deeper(item, depth - 1) for item in inner)


def _list(value: object) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}
