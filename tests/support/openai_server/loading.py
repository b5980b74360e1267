"""Scripts as JSON, for the server as a process of its own."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from . import failures
from .script import Reply, ToolCall, Usage, paced, text, tool_calls
from .watched import Gate

HOLDS = ("hold_before_headers", "hold_before_first_token", "hold_before_done")
FIELDS = {field.name for field in fields(Reply)} - {"gate", "pieces", "calls"}
NAMED: dict[str, Callable[..., Reply]] = {
    "bad_request": failures.bad_request,
    "context_too_long": failures.context_too_long,
    "invalid_key": failures.invalid_key,
    "unknown_model": failures.unknown_model,
    "rate_limited": failures.rate_limited,
    "out_of_quota": failures.out_of_quota,
    "server_error": failures.server_error,
    "overloaded": failures.overloaded,
    "not_json": failures.not_json,
    "error": failures.error,
    "paced": paced,
}


@dataclass(frozen=True)
class Script:
    """What a server is told to do."""

    replies: tuple[Reply, ...] = ()
    default: Reply | None = None
    require_key: str | None = None
    models: frozenset[str] | None = None
    strict: bool = True


def script_from_json(source: str) -> Script:
    """Return the script in a JSON text: a list of replies, or an object with the fields of `Script`."""
    loaded: Any = json.loads(source)
    data: dict[str, Any] = {"replies": loaded} if isinstance(loaded, list) else loaded
    known = {field.name for field in fields(Script)}
    if unknown := set(data) - known:
        raise ValueError(
            f"unknown in a script: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}"
        )
    models = data.get("models")
    return Script(
        replies=tuple(reply_from_json(item) for item in data.get("replies", [])),
        default=None if data.get("default") is None else reply_from_json(data["default"]),
        require_key=data.get("require_key"),
        models=None if models is None else frozenset(models),
        strict=data.get("strict", True),
    )


def reply_from_json(data: Mapping[str, Any]) -> Reply:
    """Return the reply that a JSON object describes.

    Its content is `text`, `tool_calls` (objects with the fields of `ToolCall`; their arguments may be an
    object), or one of the functions in `NAMED` with its arguments: `{"rate_limited": {"retry_after": 1}}`.
    All other keys are fields of `Reply`; a hold is `"forever"`, since nobody can open a gate from another
    process.
    """
    rest = dict(data)
    named = [name for name in NAMED if name in rest]
    content = {key: rest.pop(key) for key in ("text", "by", "tool_calls", *named) if key in rest}
    if unknown := set(rest) - FIELDS:
        raise ValueError(
            f"unknown in a reply: {', '.join(sorted(unknown))}; known: {', '.join(sorted(FIELDS))}"
        )
    options = {key: _value(key, value) for key, value in rest.items()}
    if named:
        return NAMED[named[0]](**content[named[0]], **options)
    by = content.get("by", "words")
    if "tool_calls" in content:
        return tool_calls(
            [_call(call) for call in content["tool_calls"]], content=content.get("text", ""), by=by, **options
        )
    return text(content["text"], by=by, **options) if "text" in content else Reply(**options)


def _call(data: Mapping[str, Any]) -> ToolCall:
    arguments = data.get("arguments", "{}")
    if isinstance(arguments, dict):
        arguments = json.dumps(arguments)
    elif not isinstance(arguments, str):
        arguments = tuple(arguments)
    return ToolCall(**{**data, "arguments": arguments})


def _value(key: str, value: Any) -> Any:
    if value is None:
        return None
    if key in HOLDS:
        if value != "forever":
            raise ValueError(f'{key} must be "forever", not {value!r}')
        return Gate()
    if key == "usage":
        return Usage(**value)
    return tuple(value) if isinstance(value, list) else value
