"""Encode the events of a turn as OpenAI's chat completion objects, streamed or whole.

Chunks are assembled from prepared bytes: only the text itself is encoded for each token.
"""

import json
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import orjson

from ....state.usage import Usage

DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"
"""A comment that keeps the connection alive; clients ignore it."""

_REASONS = {"length": "length", "content_filter": "content_filter", "tool_calls": "tool_calls"}


def finish_reason(reason: str | None) -> str:
    """Return OpenAI's finish reason: `stop` if the reply was interrupted or failed."""
    return _REASONS.get(reason or "", "stop")


class Chunks:
    """Encodes the chunks of one completion; `model` is the client's name for the agent.

    A client that offered `functions` (OpenAI's older format) gets its call in that format too.
    """

    def __init__(self, model: str, *, functions: bool = False) -> None:
        self.id = f"chatcmpl-{uuid4().hex}"
        self.created = int(time.time())
        self.model = model
        self._functions = functions
        self.calls: list[dict[str, Any]] = []
        head = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": model}
        self._head = b"data: " + orjson.dumps(head)[:-1]
        self._before = self._head + b',"choices":[{"index":0,"delta":{"content":'
        self._after = b'},"logprobs":null,"finish_reason":null}]}\n\n'
        self._begun = False

    def text(self, text: str) -> bytes:
        """Return the chunk of a piece of speech, preceded by the role the first time."""
        return self._role() + self._before + orjson.dumps(text) + self._after

    def tool_call(self, call_id: str, name: str, arguments: Mapping[str, Any]) -> bytes:
        """Return the chunk of a call of one of the client's own tools."""
        function = {"name": name, "arguments": _as_json(arguments)}
        call = {"id": call_id, "type": "function", "function": function}
        self.calls.append(call)
        delta: dict[str, Any] = {"tool_calls": [{"index": len(self.calls) - 1, **call}]}
        if self._functions and len(self.calls) == 1:  # The older format has one call per reply.
            delta["function_call"] = function
        return self._role() + self._chunk(delta, None)

    def finish(self, reason: str | None) -> bytes:
        """Return the last chunk of the only choice."""
        return self._role() + self._chunk({}, self._reason(reason))

    def usage(self, usage: Usage) -> bytes:
        """Return the chunk with the tokens that were used."""
        return self._head + b',"choices":[],"usage":' + orjson.dumps(usage_object(usage)) + b"}\n\n"

    def whole(self, text: str, reason: str | None, usage: Usage) -> dict[str, Any]:
        """Return the completion as one object, for a client that does not stream."""
        message: dict[str, Any] = {"role": "assistant", "content": text or None, "refusal": None}
        if self.calls:
            message["tool_calls"] = self.calls
            if self._functions:
                message["function_call"] = self.calls[0]["function"]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._reason(reason)}
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [choice],
            "usage": usage_object(usage),
        }

    def _reason(self, reason: str | None) -> str:
        told = finish_reason(reason)
        return "function_call" if self._functions and told == "tool_calls" else told

    def _role(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return self._chunk({"role": "assistant", "content": ""}, None)

    def _chunk(self, delta: Mapping[str, Any], reason: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return self._head + b',"choices":' + orjson.dumps([choice]) + b"}\n\n"


def _as_json(arguments: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(arguments).decode()
    except TypeError:  # An integer of more than 64 bits.
        return json.dumps(arguments, ensure_ascii=False)


def usage_object(usage: Usage) -> dict[str, Any]:
    """Return the tokens of a turn, summed over its steps, as an OpenAI usage object."""
    return {
        "prompt_tokens": usage["input_tokens"],
        "completion_tokens": usage["output_tokens"],
        "total_tokens": usage["input_tokens"] + usage["output_tokens"],
        "prompt_tokens_details": {"cached_tokens": usage["cached_tokens"]},
    }
