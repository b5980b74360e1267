"""A reply as the objects of OpenAI's protocol: stream chunks, or one completion."""

import json
import time
import uuid
from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import Any

from .script import Reply, ToolCall

Json = dict[str, Any]


class Rendering:
    """One reply to one request, as JSON objects; tool calls without an id get a unique one here."""

    def __init__(self, reply: Reply, request: Json) -> None:
        self.reply = reply
        self._ids = [
            call.id if call.id is not None else f"call_{uuid.uuid4().hex[:24]}" for call in reply.calls
        ]
        options: Json = request.get("stream_options") or {}
        self._usage_asked = reply.usage is not None and bool(options.get("include_usage"))
        self._frame: Json = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": request.get("model") or "test-model",
            "service_tier": "default",
            "system_fingerprint": "fp_test",
        }

    def tokens(self) -> list[Json]:
        """Return the delta of each token, in the order in which they are streamed."""
        calls = [list(self._call_deltas(at, call)) for at, call in enumerate(self.reply.calls)]
        if self.reply.interleaved:
            ordered = (delta for row in zip_longest(*calls) for delta in row if delta is not None)
        else:
            ordered = chain.from_iterable(calls)
        return [{"content": piece} for piece in self.reply.pieces] + [
            {"tool_calls": [delta]} for delta in ordered
        ]

    def chunk(self, delta: Json, finish_reason: str | None = None) -> Json:
        """Return the stream chunk around a delta."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._chunk([choice])

    def role_chunk(self) -> Json:
        """Return the chunk that opens the message."""
        return self.chunk(
            {"role": "assistant", "content": "" if self.reply.pieces else None, "refusal": None}
        )

    def empty_chunk(self) -> Json:
        """Return a chunk without choices in the middle of the stream, as some gateways send."""
        return self._chunk([])

    def closing_chunks(self) -> list[Json]:
        """Return what follows the last token: the finish reason and the usage, where they are due."""
        chunks = [self.chunk({}, self.reply.finish)] if self.reply.finish is not None else []
        if self._usage_asked or (self.reply.usage is not None and self.reply.force_usage):
            chunks.append({**self._chunk([]), "usage": self._usage()})
        return chunks

    def completion(self) -> Json:
        """Return the answer to a request that does not stream."""
        calls = [
            {"id": identity, "type": "function", "function": {"name": call.name, "arguments": call.text}}
            for identity, call in zip(self._ids, self.reply.calls, strict=True)
        ]
        message: Json = {"role": "assistant", "content": "".join(self.reply.pieces) or None, "refusal": None}
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.reply.finish}
        choices = [] if self.reply.empty_choices_at else [choice]
        answer: Json = {**self._frame, "object": "chat.completion", "choices": choices}
        return answer if self.reply.usage is None else {**answer, "usage": self._usage()}

    def _chunk(self, choices: list[Json]) -> Json:
        chunk: Json = {**self._frame, "object": "chat.completion.chunk", "choices": choices}
        if self._usage_asked:
            chunk["usage"] = None  # as OpenAI does on all chunks but the last when usage was asked for
        return chunk

    def _call_deltas(self, at: int, call: ToolCall) -> Iterator[Json]:
        identity: Json = {"id": self._ids[at]}
        opening = call.text if call.fragment is None and isinstance(call.arguments, str) else ""
        yield {
            "index": 0 if self.reply.same_index else at,
            **(identity if self.reply.ids != "never" else {}),
            "type": "function",
            "function": {"name": call.name, "arguments": opening},
        }
        for fragment in call.fragments:
            repeated = identity if self.reply.ids == "every" else {}
            yield {
                "index": 0 if self.reply.same_index else at,
                **repeated,
                "function": {"arguments": fragment},
            }

    def _usage(self) -> Json:
        usage = self.reply.usage
        assert usage is not None
        return {
            "prompt_tokens": usage.prompt,
            "completion_tokens": usage.completion,
            "total_tokens": usage.prompt + usage.completion,
            "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": 0},
        }


def encode(payload: Any) -> bytes:
    """Return compact JSON in UTF-8, as OpenAI sends it; lone surrogates do not fit it and are escaped."""
    try:
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(payload, separators=(",", ":")).encode()


def event(data: bytes, newline: str = "\n") -> bytes:
    """Return one server-sent event."""
    return b"data: " + data + (newline * 2).encode()
