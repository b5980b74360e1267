"""The server sees what its client does, and when it leaves."""

import asyncio
import gc
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from patience import PATIENCE

from openai_server import Gate, OpenAIServer, Reply, paced, text

ASK: dict[str, Any] = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Hi"}]}


def client_of(server: OpenAIServer) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=server.base_url, api_key="sk-test", max_retries=0, timeout=PATIENCE)


async def listen(client: AsyncOpenAI, **more: Any) -> list[str]:
    stream = await client.chat.completions.create(**ASK, stream=True, **more)
    return [c.choices[0].delta.content async for c in stream if c.choices and c.choices[0].delta.content]


async def test_requests_are_recorded_with_body_and_headers() -> None:
    async with OpenAIServer(text("a b c")) as server:
        async with client_of(server) as client:
            await listen(client, user="u1")
        (recorded,) = await server.async_wait_for_requests(1)
    assert recorded.body["user"] == "u1" and recorded.messages == ASK["messages"]
    assert recorded.headers["authorization"] == "Bearer sk-test"
    assert (recorded.status, recorded.tokens_sent, recorded.finished) == (200, 3, "complete")


@pytest.mark.parametrize(
    ("reply", "tokens"),
    [
        (text("a b c", hold_before_headers=Gate()), 0),
        (text("a b c", hold_before_first_token=Gate()), 0),
        (text("a b c", hold_after=2), 2),
        (text("a b c", hold_before_done=Gate()), 3),
        (text("a b c", hold_after=2, ping_every=0.001), 2),
        (text("a b c", first_token_delay=60), 0),
        (text("a b c", token_delay=60), 1),
    ],
)
async def test_a_client_that_leaves_while_the_server_waits_is_noticed_meanwhile(
    reply: Reply, tokens: int
) -> None:
    async with OpenAIServer(reply) as server, client_of(server) as client:
        waiting = asyncio.ensure_future(listen(client))
        await server.async_wait_for_requests(1)
        for gate in (reply.hold_before_headers, reply.hold_before_first_token, reply.hold_before_done):
            if gate is not None:
                await gate.async_wait_reached()
        if reply.hold_after is not None:
            await reply.gate.async_wait_reached()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        recorded = await server.async_wait_closed(0)
    assert recorded.finished == "client_closed" and recorded.closed_at is not None
    assert recorded.tokens_sent <= tokens


async def test_a_gate_lets_the_reply_go_on_when_it_is_opened() -> None:
    reply = text("a b c", hold_after=1)
    async with OpenAIServer(reply) as server, client_of(server) as client:
        waiting = asyncio.ensure_future(listen(client))
        await reply.gate.async_wait_reached()
        assert (server.requests[0].tokens_sent, waiting.done()) == (1, False)
        reply.gate.open()
        assert await waiting == ["a", " b", " c"]


def test_plain_code_waits_for_requests_and_their_end_too() -> None:
    reply = text("a b", hold_after=1)
    with OpenAIServer(reply) as server, httpx.Client() as client:
        with client.stream("POST", f"{server.base_url}/chat/completions", json={**ASK, "stream": True}):
            reply.gate.wait_reached()
            assert server.wait_for_requests(1)[0].finished is None
            with pytest.raises(TimeoutError, match="end of request 0"):
                server.wait_closed(0, within=0.01)
        assert server.wait_closed(0).finished == "client_closed"


async def test_a_paced_reply_is_never_ahead_of_its_time() -> None:
    async with OpenAIServer(paced(first=0.02, every=0.002, tokens=20)) as server, client_of(server) as client:
        assert len(await listen(client)) == 20
    recorded = server.requests[0]
    assert recorded.first_token_at is not None and recorded.closed_at is not None
    assert recorded.first_token_at - recorded.received_at >= 0.019
    assert recorded.closed_at - recorded.received_at >= 0.057


async def test_the_end_of_the_server_ends_what_it_was_sending() -> None:
    reply = text("a b", hold_after=1)
    async with client_of(server := OpenAIServer(reply)) as client:
        async with server:
            client.base_url = server.base_url
            waiting = asyncio.ensure_future(listen(client))
            await reply.gate.async_wait_reached()
        with pytest.raises(openai.APIConnectionError):
            await waiting
    assert server.requests[0].finished == "dropped" and server.open_connections == 0


async def test_the_garbage_collector_is_on_again_after_the_last_server() -> None:
    async with OpenAIServer(default=text("a")), OpenAIServer(default=text("b")):
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_port_that_is_taken_is_an_error_where_the_server_is_started() -> None:
    with OpenAIServer() as server:
        with pytest.raises(OSError, match="in use"):
            OpenAIServer(port=server.port).__enter__()
    assert gc.isenabled()


def test_a_script_that_fails_is_an_error_where_the_server_is_stopped() -> None:
    def fail(_: dict[str, Any]) -> Reply:
        raise LookupError("no such answer")

    server = OpenAIServer(fail)
    with pytest.raises(LookupError, match="no such answer"), server:
        assert httpx.post(f"{server.base_url}/chat/completions", json=ASK).status_code == 500
    assert server.unexpected == server.requests
