"""Chunks of LangChain's chat models, whoever the provider is, as deltas."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk

from voicegraph.nodes.model.stream.delta import CallFragment, Delta
from voicegraph.nodes.model.stream.langchain_chunks import read_chunk
from voicegraph.state.usage import Usage

THINKING = {"type": "thinking", "thinking": "hm", "index": 0}
SIGNATURE = {"type": "thinking", "signature": "abc", "index": 0}
REASONING = {"type": "reasoning", "summary": [{"text": "hm"}], "id": "rs_1"}


def chunk(content: Any = "", **fields: Any) -> AIMessageChunk:
    return AIMessageChunk(content=content, **fields)


@pytest.mark.parametrize(
    ("given", "delta"),
    [
        (chunk("Hi"), Delta("Hi")),
        (chunk([{"type": "text", "text": "Hi", "index": 1}]), Delta("Hi")),
        (chunk(["H", {"type": "text", "text": "i"}]), Delta("Hi")),
        (chunk([THINKING]), Delta(thinking=True, blocks=(THINKING,))),
        (chunk([SIGNATURE]), Delta(thinking=True, blocks=(SIGNATURE,))),
        (chunk([REASONING]), Delta(thinking=True, blocks=(REASONING,))),
        (
            chunk([{"type": "redacted_thinking", "data": "x"}]),
            Delta(thinking=True, blocks=({"type": "redacted_thinking", "data": "x"},)),
        ),
        (
            chunk([{"type": "text", "text": "hm", "thought": True}]),
            Delta(thinking=True, blocks=({"type": "text", "text": "hm", "thought": True},)),
        ),
        (chunk([{"type": "refusal", "refusal": "I can't."}]), Delta("I can't.")),
        (chunk(additional_kwargs={"refusal": "I can't."}), Delta("I can't.")),
        (
            chunk(additional_kwargs={"reasoning_content": "hm"}),
            Delta(thinking=True, extras={"reasoning_content": "hm"}),
        ),
        (chunk(additional_kwargs={"signatures": ["x"]}), Delta(extras={"signatures": ["x"]})),
        (
            chunk([{"type": "tool_use", "id": "1", "name": "f", "input": {}, "index": 1}]),
            Delta(),
        ),
    ],
    ids=str,
)
def test_a_chunk_adds_what_it_says(given: AIMessageChunk, delta: Delta) -> None:
    assert read_chunk(given) == delta


@pytest.mark.parametrize("index", [2, None])
def test_a_call_comes_in_fragments(index: int | None) -> None:
    pieces = [
        tool_call_chunk(name="f", args="", id="1", index=index),
        tool_call_chunk(name=None, args='{"a', id=None, index=index),
    ]
    deltas = [read_chunk(chunk(tool_call_chunks=[piece])) for piece in pieces]
    assert [fragment for delta in deltas for fragment in delta.calls] == [
        CallFragment(index, "1", "f", ""),
        CallFragment(index, None, None, '{"a'),
    ]


def test_a_model_that_does_not_stream_gives_its_calls_whole() -> None:
    message: Any = AIMessage(
        "Sure.",
        tool_calls=[{"name": "f", "args": {"a": 1}, "id": "1"}],
        invalid_tool_calls=[
            {"name": "g", "args": '"{}"', "id": "2", "error": None, "type": "invalid_tool_call"}
        ],
    )
    assert read_chunk(message).calls == (
        CallFragment(0, "1", "f", '{"a":1}'),
        CallFragment(1, "2", "g", '"{}"'),
    )


def test_a_call_in_the_old_form_is_a_call() -> None:
    legacy = chunk(additional_kwargs={"function_call": {"name": "f", "arguments": "{}"}})
    assert read_chunk(legacy).calls == (CallFragment(0, None, "f", "{}"),)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"finish_reason": "stop"}, "stop"),
        ({"stop_reason": "end_turn"}, "stop"),
        ({"stopReason": "max_tokens"}, "length"),
        ({"done_reason": "stop"}, "stop"),
        ({"finish_reason": "SAFETY"}, "content_filter"),
        ({"finish_reason": "null"}, None),
        ({"status": "completed"}, None),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "failed"}, "error"),
        ({"model_name": "m"}, None),
    ],
    ids=str,
)
def test_the_finish_reason_has_many_places(metadata: dict[str, Any], reason: str | None) -> None:
    assert read_chunk(chunk(response_metadata=metadata)).finish_reason == reason


def test_usage_is_counted() -> None:
    tokens: Any = {
        "input_tokens": 7,
        "output_tokens": 2,
        "total_tokens": 9,
        "input_token_details": {"cache_read": 5},
    }
    expected = Usage(input_tokens=7, output_tokens=2, cached_tokens=5)
    assert read_chunk(chunk(usage_metadata=tokens)).usage == expected
