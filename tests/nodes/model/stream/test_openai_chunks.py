"""Chunks of completions as OpenAI sends them, and as others do who say that they do the same."""

import json
from typing import Any

import pytest

from voicegraph.nodes.model.stream.delta import CallFragment, Delta
from voicegraph.nodes.model.stream.openai_chunks import ChunkReader
from voicegraph.state.errors import ContextTooLong, ModelProtocolError, ModelRefused, ModelUnavailable
from voicegraph.state.usage import Usage


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
            Delta("Hi", thinking=True, blocks=({"type": "thinking", "thinking": []},)),
        ),
        (chunk({}, finish_reason="stop"), Delta(finish_reason="stop")),
        (chunk(None, finish_reason="max_tokens"), Delta(finish_reason="length")),
        (chunk({"content": "Hi"}, finish_reason="stop"), Delta("Hi", finish_reason="stop")),
        (
            {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]},
            Delta("Hi", finish_reason="stop", whole=True),
        ),
        (
            {"choices": [{"delta": {"content": ""}, "message": {"content": "Hi"}}]},
            Delta("Hi", whole=True),
        ),
        ({"choices": [{"delta": {"content": "Hi"}, "message": {"content": "Hi all"}}]}, Delta("Hi")),
        ({"choices": [{"text": "Hi"}]}, Delta("Hi")),
        ({"choices": [{"delta": "Hi"}]}, Delta("Hi")),
        ({"choices": [None]}, Delta()),
        ([chunk({"content": "Hi"})], Delta("Hi")),
        (
            chunk({"content": ["H", {"text": "i"}, {"type": "text", "text": "!", "thought": True}]}),
            Delta("Hi", thinking=True, blocks=({"type": "text", "text": "!", "thought": True},)),
        ),
        (chunk({"content": "Hm", "thought": True}), Delta(thinking=True)),
        (
            chunk({"content": "Hm", "extra_content": {"google": {"thought": True}}}),
            Delta(thinking=True, extras={"extra_content": {"google": {"thought": True}}}),
        ),
        (chunk({}, finish_reason="null"), Delta()),
        (chunk({}, finish_reason={"type": "abort"}), Delta(finish_reason="error", failure="abort")),
        ({"choices": [], "error": None, "message": "still here"}, Delta()),
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


@pytest.mark.parametrize(
    ("index", "read_as"), [(None, None), ("1", 1), (" 2 ", 2), (3.0, 3), ("x", None), (True, None)]
)
def test_an_index_may_be_text_or_missing(index: Any, read_as: int | None) -> None:
    (fragment,) = fragments(call(index=index, id="one", function={"name": "f", "arguments": "{}"}))
    assert fragment == CallFragment(read_as, "one", "f", "{}")


@pytest.mark.parametrize(
    "odd",
    [
        {"tool_calls": {"id": "1", "function": {"name": "f", "arguments": "{}"}}},
        {"tool_calls": [None, {"id": 1, "function": {"name": "f", "arguments": {}}}]},
        {"tool_calls": [{"id": "1", "name": "f", "arguments": "{}"}]},
        {"tool_calls": [{"id": "1", "function": {"name": "f", "parameters": {}}}]},
    ],
    ids=["no list", "null in the list, and a number for an id", "flat", "parameters"],
)
def test_a_call_in_an_odd_form_is_a_call(odd: Any) -> None:
    assert fragments(chunk(odd)) == [CallFragment(None, "1", "f", "{}")]


def test_fields_of_a_call_that_only_the_provider_knows_are_kept() -> None:
    signed = {"google": {"thought_signature": "abc"}}
    (fragment,) = fragments(call(index=0, id="1", function={"name": "f"}, extra_content=signed))
    assert fragment.extras == {"extra_content": signed}


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


def test_an_error_in_place_of_an_answer_names_the_address() -> None:
    reader = ChunkReader("openai:m", "http://localhost:1234/v1")
    failed = json.dumps({"error": "Unexpected endpoint"}).encode()
    with pytest.raises(ModelUnavailable, match=r"check OPENAI_BASE_URL \(http://localhost:1234/v1\)$"):
        reader.read(failed)
    reader.read(json.dumps(chunk({"content": "Hi"})).encode())
    with pytest.raises(ModelUnavailable, match="inside its answer$"):
        reader.read(failed)


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        ({"code": 402, "message": "no credits"}, ModelRefused, "HTTP 402"),
        ({"code": "insufficient_quota"}, ModelRefused, "insufficient_quota"),
        ({"code": "429"}, ModelUnavailable, "HTTP 429"),
        ({"code": 400, "message": "the maximum context length is 8"}, ContextTooLong, "HTTP 400"),
        ({"code": "server_error"}, ModelUnavailable, "inside its answer (server_error)"),
    ],
)
def test_the_code_of_an_error_tells_what_it_means(error: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        read({"error": error})
    assert text in str(caught.value)


def test_an_error_within_a_choice_is_an_error() -> None:
    with pytest.raises(ModelUnavailable, match="overloaded"):
        read({"choices": [{"error": {"code": "overloaded"}, "finish_reason": "error"}]})


@pytest.mark.parametrize("data", [b'{"message":"out of memory"}', b"out of memory", b"", b"{}", b"[1,2]"])
def test_an_event_that_is_called_an_error_is_one(data: bytes) -> None:
    with pytest.raises(ModelUnavailable, match="inside its answer$"):
        ChunkReader("openai:m").read(data, "error")


@pytest.mark.parametrize("wrong", [["not", "a", "chunk"], "text", 3, None])
def test_json_that_is_no_chunk_is_an_error(wrong: Any) -> None:
    with pytest.raises(ModelProtocolError):
        read(wrong)


@pytest.mark.parametrize("wrong", [b"{not json", b"\xff\xfe", b'{"choices":["x"]}', b'{"choices":{"a":1}}'])
def test_what_cannot_be_read_is_an_error(wrong: bytes) -> None:
    with pytest.raises((ValueError, ModelProtocolError)):
        ChunkReader("openai:m").read(wrong)
