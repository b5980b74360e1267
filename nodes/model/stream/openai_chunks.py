"""Read the chunks of OpenAI's chat completions, and of the many servers with similar protocols."""

import json
from dataclasses import replace
from typing import Any

import orjson

from ....state.errors import ContentFiltered, ContextTooLong, ModelError, ModelProtocolError
from ....state.usage import Usage
from ...text.json_values import is_list, is_object, list_of, object_of
from ...text.json_work import SMALL, is_too_much
from ..errors.model_errors import error_inside
from ..errors.reported_errors import ReportedError, is_error_event, reported_error
from .content_blocks import holds_thoughts, provider_fields, split_content
from .delta import MOST_FRAGMENTS, CallFragment, Delta
from .finish_reasons import FAILED, failure, finish_reason
from .token_counts import usage_of

_NOTHING = Delta()
_STANDARD = frozenset(
    {"role", "content", "refusal", "tool_calls", "function_call", "audio", "annotations", "name", "thought"}
)
"""Fields of a delta that are read or are not sent back; all others belong to the provider."""
_STANDARD_CALL = frozenset({"index", "id", "type", "function", "name", "arguments", "parameters"})


class ChunkReader:
    """Reads the chunks of one completion, or the whole completion of a server that does not stream."""

    def __init__(self, model: str, address: str = "") -> None:
        """Errors name `model`, and the server's `address` if it sends no chunk at all."""
        self.begun = False
        """True once a chunk of a completion has arrived."""
        self.ended = False
        """True once the completion has a finish reason."""
        self._model = model
        self._address = address

    def read(self, data: bytes, event: str = "") -> Delta:
        """Return what a chunk adds; `event` is the name of its server-sent event.

        Raises a `ModelError` for an error inside the stream, `ModelProtocolError` or `ValueError` for
        anything that is not a chunk.
        """
        if len(data) > SMALL and is_too_much(data):
            raise ModelProtocolError(f"{self._model}: sent a chunk of too many values")
        if event and is_error_event(event):
            raise self._error(_named_error(data, event))
        chunk = _loads(data)
        fields = chunk if is_object(chunk) else _only(chunk)
        if not is_object(fields):
            raise self._odd()
        choices = fields.get("choices")
        if not choices or "error" in fields:
            self._raise_reported(fields)
        usage = fields.get("usage")
        if not choices:
            self.begun = self.begun or choices is not None
            counted = usage_of(usage) if usage else None
            return _NOTHING if counted is None else Delta(usage=counted)
        return self._read_choice(choices, usage)

    def unlike_a_completion(self) -> ModelError:
        """Return the error for an answer without any completion: the address may be wrong."""
        return ModelProtocolError(f"{self._model}: answered with no completion{self._where()}")

    def _read_choice(self, choices: object, usage: object) -> Delta:
        fields: object = (choices[0] or {}) if is_list(choices) else None
        if not is_object(fields):
            raise self._odd()
        if fields.get("error"):
            self._raise_reported(fields)
        self.begun = True
        reason = finish_reason(fields.get("finish_reason"))
        if reason is not None:
            self.ended = True
            usage = usage or fields.get("usage")  # Moonshot puts it here.
        counted = usage_of(usage) if usage else None
        added, message = fields.get("delta"), fields.get("message")
        if message and not _says_anything(added):
            delta = _delta(message, reason, counted, whole=True)
        else:
            delta = _delta(fields.get("text") if added is None else added, reason, counted)
        return replace(delta, failure=failure(fields["finish_reason"])) if reason == FAILED else delta

    def _raise_reported(self, fields: dict[str, Any]) -> None:
        reported = reported_error(fields)
        if reported is not None:
            raise self._error(reported)

    def _error(self, reported: ReportedError) -> ModelError:
        error = error_inside(self._model, reported.code, reported.text)
        if not self.begun and not isinstance(error, ContextTooLong | ContentFiltered):
            error.args = (f"{error}{self._where()}",)
        return error

    def _odd(self) -> ModelError:
        return ModelProtocolError(f"{self._model}: sent a chunk of the wrong shape")

    def _where(self) -> str:
        return f": check OPENAI_BASE_URL ({self._address})" if self._address else ""


def _named_error(data: bytes, event: str) -> ReportedError:
    """Return the error for an event named as one, whatever its data."""
    try:
        fields = object_of(_only(_loads(data)))
    except ValueError:
        fields = {}
    return reported_error(fields, event) or ReportedError(None, data.decode(errors="replace"))


def _only(value: object) -> object:
    """Return the only item of a list: Gemini wraps errors in one."""
    return value[0] if is_list(value) and len(value) == 1 else value


def _says_anything(added: object) -> bool:
    fields = object_of(added)
    said = any(fields.get(name) for name in ("content", "tool_calls", "function_call", "refusal"))
    return said or (isinstance(added, str) and bool(added))


def _delta(added: object, reason: str | None, usage: Usage | None, *, whole: bool = False) -> Delta:
    fields = object_of(added)
    content = fields.get("content") if fields else added
    if isinstance(content, str) and len(fields) < 2:  # Nearly all chunks are like this.
        return Delta(content, finish_reason=reason, usage=usage, whole=whole)
    extras = provider_fields(fields, _STANDARD)
    text, blocks = split_content(content or fields.get("refusal"))
    google = object_of(object_of(fields.get("extra_content")).get("google"))
    is_thought = fields.get("thought") is True or google.get("thought") is True
    return Delta(
        text="" if is_thought else text,
        calls=_fragments(fields),
        finish_reason=reason,
        usage=usage,
        thinking=is_thought or holds_thoughts(extras, blocks),
        extras=extras,
        blocks=blocks,
        whole=whole,
    )


def _fragments(added: dict[str, Any]) -> tuple[CallFragment, ...]:
    calls = added.get("tool_calls")
    if calls:
        first = (list_of(calls) or [calls])[: MOST_FRAGMENTS + 1]
        return tuple(_fragment(object_of(call)) for call in first if call)
    legacy = object_of(added.get("function_call"))
    return (_fragment({"index": 0, "function": legacy}),) if legacy else ()


def _fragment(call: dict[str, Any]) -> CallFragment:
    function = object_of(call.get("function")) or call
    name, call_id = function.get("name"), call.get("id")
    arguments: object = function.get("arguments", function.get("parameters"))
    if arguments is None:
        arguments = ""
    elif not isinstance(arguments, str):  # Given as an object instead of text.
        arguments = orjson.dumps(arguments).decode()
    return CallFragment(
        index=_as_index(call.get("index")),
        id=None if call_id in (None, "") else str(call_id),
        name=name if isinstance(name, str) and name else None,
        arguments=arguments,
        extras=provider_fields(call, _STANDARD_CALL),
    )


def _as_index(index: object) -> int | None:
    if isinstance(index, str):
        return int(index) if index.strip().isdecimal() else None
    return int(index) if isinstance(index, int | float) and not isinstance(index, bool) else None


def _loads(data: bytes) -> object:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data)  # Also accepts an unpaired surrogate, whose other half comes later.
