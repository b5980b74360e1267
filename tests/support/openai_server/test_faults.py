"""Each fault of the script has the effect on OpenAI's client that it is meant to have."""

import json
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from patience import PATIENCE

from openai_server import (
    OpenAIServer,
    Reply,
    ToolCall,
    bad_request,
    context_too_long,
    error,
    invalid_key,
    not_json,
    out_of_quota,
    overloaded,
    rate_limited,
    server_error,
    text,
    tool_calls,
    unknown_model,
)

ASK: dict[str, Any] = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Hi"}]}


async def hear(server: OpenAIServer, heard: list[str], key: str = "sk-test", **more: Any) -> None:
    async with AsyncOpenAI(base_url=server.base_url, api_key=key, max_retries=0, timeout=PATIENCE) as client:
        async for chunk in await client.chat.completions.create(**{**ASK, **more}, stream=True):
            heard += [c.delta.content for c in chunk.choices if c.delta.content]


async def lines_of(server: OpenAIServer) -> list[str]:
    """Return what is on the wire, for the faults that OpenAI's client hides."""
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{server.base_url}/chat/completions", json={**ASK, "stream": True})
    return [line for line in answer.text.split("\n") if line]


@pytest.mark.parametrize(
    ("reply", "kind", "status", "code"),
    [
        (bad_request(), openai.BadRequestError, 400, "invalid_value"),
        (context_too_long(), openai.BadRequestError, 400, "context_length_exceeded"),
        (invalid_key(), openai.AuthenticationError, 401, "invalid_api_key"),
        (unknown_model(), openai.NotFoundError, 404, "model_not_found"),
        (rate_limited(), openai.RateLimitError, 429, "rate_limit_exceeded"),
        (out_of_quota(), openai.RateLimitError, 429, "insufficient_quota"),
        (server_error(), openai.InternalServerError, 500, None),
        (not_json(502), openai.InternalServerError, 502, None),
        (overloaded(), openai.InternalServerError, 503, None),
        (error(418, "teapot", "No coffee."), openai.APIStatusError, 418, "teapot"),
    ],
)
async def test_a_status_error_is_the_clients_error_of_that_kind(
    reply: Reply, kind: type[openai.APIStatusError], status: int, code: str | None
) -> None:
    async with OpenAIServer(reply) as server:
        with pytest.raises(kind) as caught:
            await hear(server, [])
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert server.requests[0].finished == "complete"


@pytest.mark.parametrize(("seconds", "header"), [(None, None), (2, "2"), (0.25, "0.25")])
async def test_retry_after_is_sent_when_the_script_says_so(seconds: float | None, header: str | None) -> None:
    async with OpenAIServer(rate_limited(retry_after=seconds)) as server:
        with pytest.raises(openai.RateLimitError) as caught:
            await hear(server, [])
    assert caught.value.response.headers.get("retry-after") == header


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"drop_before_headers": True}, []),
        ({"drop_before_first_token": True}, []),
        ({"drop_after": 0}, []),
        ({"drop_after": 2}, ["a", " b"]),
        ({"drop_after": 3}, ["a", " b", " c"]),
        ({"drop_after": 2, "drop_half": True}, ["a", " b"]),
    ],
)
async def test_a_drop_lets_exactly_the_tokens_before_it_through(
    how: str, fault: dict[str, Any], expected: list[str]
) -> None:
    heard: list[str] = []
    async with OpenAIServer(text("a b c", **fault, drop_how=how)) as server:
        with pytest.raises(openai.APIConnectionError):
            await hear(server, heard)
        recorded = await server.async_wait_closed(0)
    assert heard == expected
    assert (recorded.finished, recorded.tokens_sent) == ("dropped", len(expected))


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize(
    "fault", [{"drop_before_headers": True}, {"drop_before_first_token": True}, {"drop_after": 1}]
)
async def test_a_drop_also_breaks_an_answer_that_does_not_stream(how: str, fault: dict[str, Any]) -> None:
    async with OpenAIServer(text("a b", **fault, drop_how=how)) as server, httpx.AsyncClient() as client:
        with pytest.raises(httpx.TransportError):
            await client.post(f"{server.base_url}/chat/completions", json=ASK)


async def test_a_malformed_chunk_breaks_the_stream_where_it_stands() -> None:
    heard: list[str] = []
    async with OpenAIServer(text("a b c", malformed_at=1)) as server:
        with pytest.raises(json.JSONDecodeError):
            await hear(server, heard)
    assert heard == ["a"]


async def test_a_chunk_of_the_wrong_shape_is_json_and_no_chunk() -> None:
    async with OpenAIServer(text("a b", wrong_shape_at=1)) as server:
        lines = await lines_of(server)
    assert lines[2] == 'data: ["not","a","chunk"]' and lines[-1] == "data: [DONE]"


async def test_an_error_inside_the_stream_ends_it() -> None:
    heard: list[str] = []
    async with OpenAIServer(text("a b c", error_chunk_at=2)) as server:
        with pytest.raises(openai.APIError, match="had an error") as caught:
            await hear(server, heard)
    assert type(caught.value) is openai.APIError and heard == ["a", " b"]


async def test_empty_choices_stand_in_the_middle_and_harm_nothing() -> None:
    heard: list[str] = []
    async with OpenAIServer(default=text("a b c", empty_choices_at=(0, 2))) as server:
        await hear(server, heard)
        lines = await lines_of(server)
    assert heard == ["a", " b", " c"]
    assert [at for at, line in enumerate(lines) if '"choices":[]' in line] == [1, 4]


async def test_a_stream_may_end_without_finish_reason_and_without_done() -> None:
    async with OpenAIServer(text("a", finish_reason=None, done=False)) as server:
        lines = await lines_of(server)
    assert len(lines) == 2 and '"content":"a"' in lines[1]


async def test_comments_stand_between_the_tokens_and_in_the_waits() -> None:
    waiting = text("a b", hold_after=1, ping_every=0.001)
    async with OpenAIServer(text("a b", pings=True), waiting) as server:
        assert [line for line in await lines_of(server) if line.startswith(":")] == [": ping"] * 3
        async with (
            httpx.AsyncClient() as client,
            client.stream(
                "POST", f"{server.base_url}/chat/completions", json={**ASK, "stream": True}
            ) as answer,
        ):
            seen: list[str] = []
            async for line in answer.aiter_lines():
                seen.append(line)
                if seen.count(": ping") == 3:
                    waiting.gate.open()
    assert seen[-2:] == ["data: [DONE]", ""]


async def test_tool_arguments_are_sent_as_they_are_valid_or_not() -> None:
    broken = '{"pre_exec_msg": "Let me \\ud83d'
    async with OpenAIServer(tool_calls([ToolCall("clock", broken, id="c", fragment=None)])) as server:
        lines = await lines_of(server)
    opening = json.loads(lines[1].removeprefix("data: "))
    assert opening["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] == broken


@pytest.mark.parametrize("name", ["drop_after", "malformed_at", "error_chunk_at", "hold_after"])
def test_a_fault_that_could_never_happen_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}=4 is outside a reply of 3 tokens"):
        Reply(pieces=("a", "b", "c"), **{name: 4})  # pyright: ignore[reportArgumentType]


async def test_another_key_and_an_unknown_model_are_refused_and_take_no_reply() -> None:
    heard: list[str] = []
    async with OpenAIServer(text("Hi"), require_key="sk-right", models={"gpt-4.1-mini"}) as server:
        with pytest.raises(openai.AuthenticationError):
            await hear(server, heard, key="sk-wrong-one")
        with pytest.raises(openai.NotFoundError, match="gpt-9"):
            await hear(server, heard, key="sk-right", model="gpt-9")
        await hear(server, heard, key="sk-right")
    assert heard == ["Hi"] and [r.status for r in server.requests] == [401, 404, 200]
