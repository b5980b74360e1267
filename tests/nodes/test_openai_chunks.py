"""Chunks of completions as OpenAI sends them, and as others do who say that they do the same."""

import json
from typing import Any

import pytest

from voicegraph.nodes.delta import CallFragment, Delta
from voicegraph.nodes.openai_chunks import ChunkReader
from voicegraph.state.errors import ModelProtocolError, ModelUnavailable
from voicegraph.state.schema import Usage


def chunk(delta: Any = None, **choice: Any) -> dict[str, Any]:
    return {"id": "1", "choices": [{"index": 0, "delta": delta, **choice}]}


def call(**fields: Any) -> dict[str, Any]:
    return chunk({"tool_calls": [fields]})


def read(*chunks: Any) -> list[Delta]:
    reader = ChunkReader("openai:m")
    return [reader.read(json.dumps(each).encode()) for each in chunks]


@pytest.mark.parametrize(
    ("sent", "delta"),
    [
        (chunk({"content": "Hi"}), Delta("Hi")),
        (chunk({"role": "assistant", "content": None, "refusal": None}), Delta()),
        (chunk({"content": None, "refusal": "I can't."}), Delta("I can't.")),
        (
            chunk({"reasoning_content": "Hm", "reasoning": ""}),
            Delta(thinking=True, extras={"reasoning_content": "Hm"}),
        ),
        (
            chunk({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Hi"}]}),
            Delta("Hi"),
        ),
        (chunk({}, finish_reason="stop"), Delta(finish_reason="stop")),
        (chunk(None, finish_reason="max_tokens"), Delta(finish_reason="length")),
        (chunk({"content": "Hi"}, finish_reason="stop"), Delta("Hi", finish_reason="stop")),
        ({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}, Delta("Hi", (), "stop")),
        ({"id": "1", "choices": []}, Delta()),
        ({"id": "1", "choices": None}, Delta()),
        ({"prompt_filter_results": []}, Delta()),
        ({"choices": [], "usage": None}, Delta()),
        (
            {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}},
            Delta(usage=Usage(input_tokens=7, output_tokens=2, cached_tokens=0)),
        ),
        (
            {**chunk({"content": "Hi"}), "usage": {"prompt_tokens_details": {"cached_tokens": 5}}},
            Delta("Hi", usage=Usage(input_tokens=0, output_tokens=0, cached_tokens=5)),
        ),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
def test_a_chunk_adds_what_it_says(sent: Any, delta: Delta) -> None:
    assert read(sent) == [delta]


def fragments(*chunks: Any) -> list[CallFragment]:
    return [fragment for delta in read(*chunks) for fragment in delta.calls]


def test_a_call_comes_in_fragments() -> None:
    opening = call(index=1, id="call_1", type="function", function={"name": "f", "arguments": ""})
    assert fragments(opening, call(index=1, function={"arguments": '{"a'})) == [
        CallFragment(1, "call_1", "f", ""),
        CallFragment(1, None, None, '{"a'),
    ]


def test_calls_without_an_index_are_told_apart_by_their_ids() -> None:
    sent = [
        call(id="one", function={"name": "f", "arguments": "{"}),
        call(id="", function={"name": None, "arguments": "}"}),
        call(id="two", index=None, function={"name": "f", "arguments": "{}"}),
        call(id="two", index=None, function={"arguments": " "}),
    ]
    assert [fragment.index for fragment in fragments(*sent)] == [0, 0, 1, 1]


def test_calls_without_index_and_id_are_told_apart_by_their_names() -> None:
    whole = {"name": "f", "arguments": "{}"}
    both = chunk({"tool_calls": [{"function": whole}, {"function": whole}]})
    assert [fragment.index for fragment in fragments(both)] == [0, 1]


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ({"name": "f", "arguments": {"city": "Rome"}}, '{"city":"Rome"}'),
        ({"name": "f", "arguments": None}, ""),
        ({"name": "f"}, ""),
    ],
)
def test_arguments_may_be_an_object_or_missing(function: Any, arguments: str) -> None:
    assert fragments(call(index=0, id="1", function=function)) == [CallFragment(0, "1", "f", arguments)]


def test_a_call_in_the_old_form_is_a_call() -> None:
    old = chunk({"function_call": {"name": "f", "arguments": "{}"}}, finish_reason="function_call")
    assert read(old) == [Delta("", (CallFragment(0, None, "f", "{}"),), "tool_calls")]


def test_half_a_character_is_kept_for_its_other_half() -> None:
    halves = [
        b'{"choices":[{"delta":{"content":"\\ud83d"}}]}',
        b'{"choices":[{"delta":{"content":"\\ude00"}}]}',
    ]
    reader = ChunkReader("openai:m")
    assert [reader.read(half).text for half in halves] == ["\ud83d", "\ude00"]


@pytest.mark.parametrize("error", [{"message": "sk-secret"}, "sk-secret"])
def test_an_error_inside_the_stream_may_be_tried_again_and_is_not_quoted(error: Any) -> None:
    with pytest.raises(ModelUnavailable, match="^openai:m: reported an error inside its answer$"):
        read({"error": error})


@pytest.mark.parametrize("wrong", [["not", "a", "chunk"], "text", 3, None])
def test_json_that_is_no_chunk_is_an_error(wrong: Any) -> None:
    with pytest.raises(ModelProtocolError):
        read(wrong)


@pytest.mark.parametrize("wrong", [b"{not json", b"\xff\xfe", b'{"choices":["x"]}', b'{"choices":{"a":1}}'])
def test_what_cannot_be_read_is_an_error(wrong: bytes) -> None:
    with pytest.raises((ValueError, AttributeError, KeyError)):
        ChunkReader("openai:m").read(wrong)
