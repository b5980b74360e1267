"""Model settings in a client's request: valid ones are passed on, others ignored.

Always ignored are `n`, `logprobs`, `logit_bias`, `modalities`, `service_tier`, `store`, `user` and other
fields that refer to a provider's model or account, which the client does not know.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from ...nodes.text.characters import whole_characters
from ...nodes.text.plain_json import plain_json
from .client_tools import tool_choice

_LEGAL_STOPS = 4


def read_settings(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings among the fields of a chat completion request."""
    settings: dict[str, Any] = {}
    for name, read in _READERS.items():
        if name in fields and (value := read(fields[name])) is not None:
            settings[name] = value
    older = settings.pop("max_tokens", None)
    if older is not None:
        settings.setdefault("max_completion_tokens", older)
    choice = tool_choice(fields)
    if isinstance(choice, Mapping) or choice == "required":
        settings["tool_choice"] = choice
    return settings


def _number(least: float, most: float) -> Callable[[Any], float | None]:
    def read(value: Any) -> float | None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return value if is_number and least <= value <= most else None

    return read


def _whole_number(least: int) -> Callable[[Any], int | None]:
    def read(value: Any) -> int | None:
        number = _number(least, 2**63 - 1)(value)
        return int(number) if number is not None and number == int(number) else None

    return read


def _one_of(*words: str) -> Callable[[Any], str | None]:
    return lambda value: value if value in words else None


def _switch(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _stops(value: Any) -> list[str] | None:
    listed = cast(list[Any], value) if isinstance(value, list) else []
    raw = [value] if isinstance(value, str) else listed
    stops = [whole_characters(stop) for stop in raw if isinstance(stop, str) and stop]
    return stops[:_LEGAL_STOPS] or None


def _format(value: Any) -> dict[str, Any] | None:
    """Return the requested response format, `None` for plain text, the default."""
    if not isinstance(value, Mapping):
        return None
    fields = cast(Mapping[str, Any], value)
    if fields.get("type") == "json_object":
        return {"type": "json_object"}
    wanted = fields.get("json_schema")
    if fields.get("type") != "json_schema" or not isinstance(wanted, Mapping):
        return None
    schema = cast(Mapping[str, Any], wanted)
    if not isinstance(schema.get("schema"), Mapping):
        return None
    return {"type": "json_schema", "json_schema": plain_json({"name": "answer", **schema})}


_READERS: dict[str, Callable[[Any], Any]] = {
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "frequency_penalty": _number(-2, 2),
    "presence_penalty": _number(-2, 2),
    "max_tokens": _whole_number(1),
    "max_completion_tokens": _whole_number(1),
    "seed": _whole_number(-(2**63)),
    "stop": _stops,
    "response_format": _format,
    "reasoning_effort": _one_of("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    "verbosity": _one_of("low", "medium", "high"),
    "parallel_tool_calls": _switch,
}
