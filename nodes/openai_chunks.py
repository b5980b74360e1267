"""The chunks of OpenAI's chat completions, and of the many servers that speak its protocol nearly."""

import json
from collections.abc import Mapping
from typing import Any, cast

import orjson

from ..state.errors import ModelProtocolError, ModelUnavailable
from ..state.schema import Usage
from .delta import CallFragment, Delta, finish_reason

_NOTHING = Delta()
_STANDARD = frozenset(
    {"role", "content", "refusal", "tool_calls", "function_call", "audio", "annotations", "name"}
)
"""Fields of a delta that are read, or that nobody needs back; all others belong to the provider."""
_STANDARD_CALL = frozenset({"index", "id", "type", "function"})


class ChunkReader:
    """Read the chunks of one completion, or the whole completion of a server that does not stream."""

    def __init__(self, model: str) -> None:
        """Name `model` in errors."""
        self._model = model
        self._calls = 0
        self._last_id: object = None

    def read(self, data: bytes) -> Delta:
        """Return what a chunk adds.

        Raises `ModelUnavailable` for an error inside the stream, `ModelProtocolError` and other exceptions
        for what is no chunk.
        """
        chunk = _loads(data)
        if not isinstance(chunk, dict):
            raise ModelProtocolError(f"{self._model}: sent a chunk of the wrong shape")
        fields = cast(dict[str, Any], chunk)
        if fields.get("error"):
            raise ModelUnavailable(f"{self._model}: reported an error inside its answer")
        usage = fields.get("usage")
        counted = _usage(usage) if usage else None
        if not fields.get("choices"):
            return _NOTHING if counted is None else Delta(usage=counted)
        choice: dict[str, Any] = fields["choices"][0]
        added: dict[str, Any] = choice.get("delta") or choice.get("message") or {}
        extras = None if len(added) == 1 and "content" in added else _extras(added, _STANDARD)
        return Delta(
            text=_text(added),
            calls=self._fragments(added),
            finish_reason=finish_reason(choice.get("finish_reason")),
            usage=counted,
            thinking=extras is not None and any("reason" in name or "think" in name for name in extras),
            extras=extras,
        )

    def _fragments(self, added: dict[str, Any]) -> tuple[CallFragment, ...]:
        calls = added.get("tool_calls")
        if calls:
            return tuple(self._fragment(call) for call in calls)
        legacy = added.get("function_call")
        return (_as_fragment(0, None, legacy, None),) if legacy else ()

    def _fragment(self, call: dict[str, Any]) -> CallFragment:
        index, call_id = call.get("index"), call.get("id") or None
        function: dict[str, Any] = call.get("function") or {}
        if not isinstance(index, int):
            # Some servers count nothing: a new id or, without ids, a name begins another call.
            begins = call_id != self._last_id if call_id else bool(function.get("name"))
            self._calls += begins
            index = max(0, self._calls - 1)
        self._last_id = call_id or self._last_id
        return _as_fragment(index, call_id, function, _extras(call, _STANDARD_CALL))


def _as_fragment(
    index: int, call_id: str | None, function: dict[str, Any], extras: Mapping[str, Any] | None
) -> CallFragment:
    arguments: object = function.get("arguments") or ""
    if not isinstance(arguments, str):  # Given as an object, not as its text.
        arguments = orjson.dumps(arguments).decode()
    return CallFragment(index, call_id, function.get("name") or None, arguments, extras)


def _extras(added: dict[str, Any], standard: frozenset[str]) -> dict[str, Any] | None:
    """Return the provider's own fields, `None` when there are none."""
    if standard.issuperset(added):
        return None
    return {name: value for name, value in added.items() if name not in standard and value} or None


def _text(added: dict[str, Any]) -> str:
    """Return the words for the caller: thoughts are none, a refusal is."""
    content = added.get("content") or added.get("refusal") or ""
    if isinstance(content, str):
        return content
    parts: list[dict[str, Any]] = content
    return "".join(part["text"] for part in parts if part.get("type") == "text")


def _usage(tokens: Mapping[str, Any]) -> Usage:
    details: Mapping[str, Any] = tokens.get("prompt_tokens_details") or {}
    return Usage(
        input_tokens=tokens.get("prompt_tokens") or 0,
        output_tokens=tokens.get("completion_tokens") or 0,
        cached_tokens=details.get("cached_tokens") or 0,
    )


def _loads(data: bytes) -> object:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data)  # Takes the lone half of a character too, when its other half comes later.
