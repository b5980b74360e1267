"""The real `openai` client against a real server process, whose model is a real HTTP server."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from forked_python import run_python
from openai_server import Gate, OpenAIServer, Reply, overloaded, paced, server_error, text
from patience import PATIENCE
from serving import Process, serving

from voicegraph.state import Actor, open_store

HI: Any = [{"role": "user", "content": "Hi"}]
SETTINGS = {"VOICEGRAPH_MODEL_ATTEMPTS": "1", "VOICEGRAPH_FILLER_AFTER": "30"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("serve")
    with OpenAIServer() as backend, serving(folder, backend, settings=SETTINGS) as process:
        yield process
        backend.check()


@pytest.fixture
async def client(server: Process) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


async def stored(server: Process, thread: str, count: int) -> list[tuple[str, str]]:
    """Return the stored messages of a thread as soon as there are so many."""
    store = await open_store(server.database_url)
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                records = await store.messages.history(Actor(), thread)
                if len(records) >= count:
                    return [(record.role, record.text) for record in records]
    finally:
        await store.close()


async def test_a_stream_is_read_with_its_usage(server: Process, client: openai.AsyncOpenAI) -> None:
    server.backend.add(text("Hello there."))
    stream = await client.chat.completions.create(
        model="default", messages=HI, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hello there."
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 10


async def test_a_whole_reply_is_read(server: Process, client: openai.AsyncOpenAI) -> None:
    server.backend.add(text("Hello there."))
    reply = await client.chat.completions.create(model="default", messages=HI)
    assert reply.choices[0].message.content == "Hello there."


async def test_agents_are_listed_as_models(client: openai.AsyncOpenAI) -> None:
    assert "default" in [model.id async for model in client.models.list()]
    assert (await client.models.retrieve("default")).id == "default"


async def test_an_unknown_agent_is_an_error_of_the_client(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        await client.chat.completions.create(model="nobody", messages=HI)
    assert error.value.code == "model_not_found"


@pytest.mark.parametrize(
    "broken",
    [
        server_error(),
        overloaded(),
        text("Hello there.", drop_before_headers=True),
        text("Hello there.", drop_after=1),
        text("Hello there.", malformed_at=1),
    ],
    ids=["500", "503", "no headers", "broken off", "no json"],
)
async def test_a_broken_backend_is_speech(server: Process, client: openai.AsyncOpenAI, broken: Any) -> None:
    server.backend.add(broken)
    stream = await client.chat.completions.create(model="default", messages=HI, stream=True)
    said = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert said.endswith(("Please try again in a moment.", "Could you say that again?"))


async def test_a_client_that_leaves_stops_the_model_and_loses_nothing(
    server: Process, client: openai.AsyncOpenAI
) -> None:
    asked = len(server.backend.requests)
    server.backend.add(text("One two three four", hold_after=2))
    stream = await client.chat.completions.create(
        model="default", messages=HI, stream=True, extra_body={"thread_id": "left"}
    )
    said = ""
    async for chunk in stream:
        said += chunk.choices[0].delta.content or ""
        if said == "One two":
            break
    await stream.close()
    left = time.monotonic()
    ended = await server.backend.async_wait_closed(asked)
    assert ended.finished == "client_closed"
    assert ended.closed_at is not None
    print(f"the model's connection closed {1000 * (ended.closed_at - left):.1f} ms after the client's")
    assert await stored(server, "left", 2) == [("user", "Hi"), ("assistant", "One two")]


async def test_headers_come_at_once_and_pings_until_the_first_word(server: Process) -> None:
    gate = Gate()
    server.backend.add(text("Hello.", hold_before_headers=gate))
    url = f"{server.url}/v1/chat/completions"
    async with (
        httpx.AsyncClient(timeout=PATIENCE) as client,
        client.stream("POST", url, json={"messages": HI, "stream": True}) as answer,
    ):
        lines = answer.aiter_lines()
        assert [await anext(lines) for _ in range(4)] == [": ping", "", ": ping", ""]
        gate.open()
        rest = [line async for line in lines]
    assert json.loads(rest[0].removeprefix("data: "))["choices"][0]["delta"]["role"] == "assistant"


async def test_a_client_that_reads_nothing_holds_nobody_up(server: Process) -> None:
    asked = len(server.backend.requests)
    server.backend.add(paced(first=0, every=0, tokens=4000), text("Hello."))
    body = json.dumps({"messages": HI, "stream": True}).encode()
    reader, writer = await asyncio.open_connection(*server.url.removeprefix("http://").split(":"))
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await server.backend.async_wait_closed(asked)
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        answer = await client.post(f"{server.url}/v1/chat/completions", json={"messages": HI})
    assert answer.json()["choices"][0]["message"]["content"] == "Hello."
    writer.close()
    del reader


@contextmanager
def ending_in_a_turn(
    folder: Path, reply: Reply, settings: dict[str, str]
) -> Iterator[tuple[Process, Iterator[str]]]:
    """Tell a server to end when two words of a reply have come; give it, and the rest of the stream."""
    with (
        OpenAIServer(reply) as backend,
        serving(folder, backend, settings=settings) as server,
        httpx.Client(timeout=PATIENCE) as client,
        client.stream(
            "POST",
            f"{server.url}/v1/chat/completions",
            json={"messages": HI, "stream": True, "thread_id": "t"},
        ) as answer,
    ):
        chunks = answer.iter_text()
        while "two" not in next(chunks):
            pass
        server.process.terminate()
        yield server, chunks


def test_an_ending_server_lets_a_turn_end_and_stores_it(tmp_path: Path) -> None:
    gate = Gate()
    reply = text("One two three", hold_after=2, gate=gate)
    with ending_in_a_turn(tmp_path, reply, SETTINGS) as (server, rest):
        with pytest.raises(httpx.HTTPError):
            while True:  # Until it listens no more.
                httpx.get(f"{server.url}/health")
        gate.open()
        assert "three" in "".join(rest)
        assert server.process.wait(timeout=PATIENCE) == 0
        assert asyncio.run(stored(server, "t", 2)) == [("user", "Hi"), ("assistant", "One two three")]


def test_an_ending_server_interrupts_a_turn_that_takes_too_long(tmp_path: Path) -> None:
    settings = {**SETTINGS, "VOICEGRAPH_SHUTDOWN_SECONDS": "0.2"}
    with ending_in_a_turn(tmp_path, text("One two three", hold_after=2), settings) as (server, rest):
        assert "".join(rest).endswith("data: [DONE]\n\n")
        assert server.process.wait(timeout=PATIENCE) == 0
        assert asyncio.run(stored(server, "t", 2)) == [("user", "Hi"), ("assistant", "One two")]


def test_without_a_key_no_other_machine_is_served(tmp_path: Path) -> None:
    with OpenAIServer() as backend, pytest.raises(AssertionError, match="voicegraph keys create"):
        with serving(tmp_path, backend, "--host", "0.0.0.0"):
            pass


def served(*options: str) -> tuple[int, str, str]:
    """Start a server that is refused; return its exit code, output and errors."""
    environment = {"PATH": os.environ["PATH"], "OPENAI_API_KEY": "test"}
    return run_python(["-m", "voicegraph.graph", "serve", *options], env=environment)


def test_a_port_that_is_taken_ends_the_command_with_one_line(server: Process, tmp_path: Path) -> None:
    port = server.url.rpartition(":")[2]
    code, out, errors = served("--port", port, "--db", f"sqlite:///{tmp_path}/other.db")
    assert (code, out, errors.count("\n")) == (2, "", 1)
    assert errors.startswith(f"voicegraph: port {port} is in use")


def test_a_second_server_on_one_file_is_refused_in_one_line(server: Process) -> None:
    code, _, errors = served("--port", "0", "--db", server.database_url)
    assert (code, errors.count("\n")) == (2, 1)
    assert "another server has" in errors and "PostgreSQL" in errors
