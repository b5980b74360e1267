"""The server speaks OpenAI's protocol to OpenAI's own client."""

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk
from patience import PATIENCE

from openai_server import OpenAIServer, Reply, ToolCall, Usage, text, tool_calls

ASK: dict[str, Any] = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Hi"}]}


def client_of(server: OpenAIServer, key: str = "sk-test") -> AsyncOpenAI:
    return AsyncOpenAI(base_url=server.base_url, api_key=key, max_retries=0, timeout=PATIENCE)


async def stream(client: AsyncOpenAI, **more: Any) -> AsyncStream[ChatCompletionChunk]:
    return await client.chat.completions.create(**ASK, stream=True, **more)


async def chunks_of(server: OpenAIServer, **more: Any) -> list[ChatCompletionChunk]:
    async with client_of(server) as client:
        return [chunk async for chunk in await stream(client, **more)]


def deltas(chunks: list[ChatCompletionChunk]) -> list[str]:
    return [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]


def fragments(chunks: list[ChatCompletionChunk]) -> list[tuple[int, str | None, str | None, str | None]]:
    calls = [call for c in chunks if c.choices for call in c.choices[0].delta.tool_calls or []]
    return [
        (c.index, c.id, c.function and c.function.name, c.function and c.function.arguments) for c in calls
    ]


async def test_text_is_streamed_in_words_after_a_role_chunk_and_before_the_finish_reason() -> None:
    async with OpenAIServer(text("Hello there. 😀")) as server:
        chunks = await chunks_of(server)
    assert deltas(chunks) == ["Hello", " there.", " 😀"]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks] == [None] * 4 + ["stop"]
    server.check()


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (text("Hi, you", by="characters"), list("Hi, you")),
        (text(["He", "llo"]), ["He", "llo"]),
        (text("naïve 😀 words", split_bytes=1), ["naïve", " 😀", " words"]),
        (text("a b", newline="\r\n"), ["a", " b"]),
        (text("a b", pings=True, role="at_once"), ["a", " b"]),
    ],
)
async def test_fragmentation_changes_the_pieces_and_never_the_text(reply: Reply, expected: list[str]) -> None:
    async with OpenAIServer(reply) as server:
        assert deltas(await chunks_of(server)) == expected


async def test_a_tool_call_is_opened_by_name_and_id_and_then_fragmented() -> None:
    call = ToolCall("clock", '{"zone": 1}', id="call_1", fragment=6)
    async with OpenAIServer(tool_calls([call], content="One moment.")) as server:
        chunks = await chunks_of(server)
    assert deltas(chunks) == ["One", " moment."]
    opening = (0, "call_1", "clock", "")
    assert fragments(chunks) == [opening, (0, None, None, '{"zone'), (0, None, None, '": 1}')]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_interleaved_calls_alternate_by_index_and_may_repeat_one_id() -> None:
    calls = [ToolCall("a", ("{", "}"), id="same"), ToolCall("b", ("{", " ", "}"), id="same")]
    async with OpenAIServer(tool_calls(calls, interleaved=True, ids="every")) as server:
        found = fragments(await chunks_of(server))
    assert [index for index, *_ in found] == [0, 1, 0, 1, 0, 1, 1]
    assert {identity for _, identity, *_ in found} == {"same"}


async def test_ids_that_the_script_leaves_open_are_new_in_each_request() -> None:
    async with OpenAIServer(default=tool_calls([ToolCall("a", fragment=None), ToolCall("a")])) as server:
        found = fragments(await chunks_of(server)) + fragments(await chunks_of(server))
    assert len({identity for _, identity, *_ in found if identity}) == 4
    assert found[0][2:] == ("a", "{}")


@pytest.mark.parametrize("reason", ["length", "content_filter", None])
async def test_the_finish_reason_is_the_scripts(reason: str | None) -> None:
    async with OpenAIServer(text("Hi", finish_reason=reason)) as server:
        assert (await chunks_of(server))[-1].choices[0].finish_reason == reason


async def test_usage_comes_last_without_choices_when_it_is_asked_for() -> None:
    reply = text("Hi", usage=Usage(prompt=50, completion=2, cached=40))
    async with OpenAIServer(default=reply) as server:
        asked = await chunks_of(server, stream_options={"include_usage": True})
        not_asked = await chunks_of(server)
    usage = asked[-1].usage
    assert usage is not None and usage.prompt_tokens_details is not None
    assert (asked[-1].choices, usage.total_tokens, usage.prompt_tokens_details.cached_tokens) == ([], 52, 40)
    assert all(chunk.usage is None for chunk in [*asked[:-1], *not_asked])


async def test_without_stream_the_answer_is_one_object() -> None:
    async with OpenAIServer(tool_calls([ToolCall("clock", id="c")], content="Wait.")) as server:
        async with client_of(server) as client:
            answer = await client.chat.completions.create(**ASK)
    message = answer.choices[0].message
    assert message.content == "Wait." and message.tool_calls is not None
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.usage is not None and answer.usage.total_tokens == 30


async def test_replies_are_taken_in_order_and_may_depend_on_the_request() -> None:
    def echo(body: dict[str, Any]) -> Reply:
        return text(body["messages"][-1]["content"].upper())

    async with OpenAIServer(text("first"), echo, default=text("rest")) as server:
        said = ["".join(deltas(await chunks_of(server))) for _ in range(4)]
    assert said == ["first", "HI", "rest", "rest"]


async def test_a_request_without_a_reply_is_an_error_that_check_finds() -> None:
    async with OpenAIServer() as server:
        with pytest.raises(openai.InternalServerError, match="no reply for request 0"):
            await chunks_of(server)
    with pytest.raises(AssertionError, match="unexpected"):
        server.check()


async def test_models_are_listed() -> None:
    async with OpenAIServer(models={"b", "a"}) as server, client_of(server) as client:
        assert [model.id async for model in client.models.list()] == ["a", "b"]


async def test_one_connection_serves_many_requests() -> None:
    async with OpenAIServer(default=text("Hi")) as server, client_of(server) as client:
        for _ in range(3):
            assert [chunk async for chunk in await stream(client)]
            assert server.open_connections == 1
    assert [request.finished for request in server.requests] == ["complete"] * 3
