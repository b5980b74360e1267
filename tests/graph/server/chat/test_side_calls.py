"""Side calls over HTTP: they run beside the conversation, which goes on as if they had not been made."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from openai_server import Gate, OpenAIServer, Reply, ToolCall, Usage, server_error, text, tool_calls
from served_app import Serve

from voicegraph.graph import build_graph
from voicegraph.state import Actor

URL = "/v1/chat/completions"
PROMPT = "You are the friendly receptionist of a small hotel. Take bookings and answer questions."
SUMMARIZE = "Compress the older part of a conversation into a short summary that keeps facts."
Message = dict[str, Any]


def system(content: str) -> Message:
    return {"role": "system", "content": content}


def user(content: str) -> Message:
    return {"role": "user", "content": content}


def assistant(content: str) -> Message:
    return {"role": "assistant", "content": content}


BOOK = [system(PROMPT), user("I'd like to book a room.")]
QUOTED = user(
    "Conversation to summarize:\n\n<user>I'd like to book a room.</user>\n<assistant>One two</assistant>"
)
TOOL = {"type": "function", "function": {"name": "record.terms", "parameters": {"type": "object"}}}
SIDE: dict[str, dict[str, Any]] = {
    "a task group's summary": {"messages": [system(SUMMARIZE), QUOTED], "stream": True},
    "a context summary": {
        "messages": [
            system(SUMMARIZE),
            user("Conversation history:\nUSER: I'd like to book a room.\n\nASSISTANT: One two"),
        ],
        "max_tokens": 600,
    },
    "a flow's summary": {
        "messages": [
            system(SUMMARIZE),
            {"role": "developer", "content": f"Conversation history: {[user('Hi'), assistant('One')]}"},
        ],
    },
    "key terms": {
        "messages": [
            system("You keep key terms of a speech recognizer. Call the tool once."),
            user("## Transcript\nUSER: I'd like to book a room.\n\n## Applied keyterms\n(none)"),
        ],
        "stream": True,
        "tools": [TOOL],
        "tool_choice": "required",
    },
    "an answering machine": {
        "messages": [system("Classify the greeting of a call."), user("You've reached Dana.")],
        "stream": True,
        "tools": [TOOL],
        "tool_choice": "required",
    },
    "voicemail": {
        "messages": [
            system("You are a classifier of calls."),
            user("Input:\nHello?\n\nQuestion: a machine?"),
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "response", "schema": {"type": "object"}, "strict": True},
        },
    },
    "a second model": {
        "messages": [system("Rate how angry somebody sounds."), user("This takes ages.")],
        "stream": True,
    },
    "an explicit field": {"messages": [user("Say hello in French.")], "side_call": True, "stream": True},
    "an explicit field in the metadata": {
        "messages": [user("Say hello in French.")],
        "metadata": {"side_call": "true"},
    },
}


@asynccontextmanager
async def talking(
    client: httpx.AsyncClient, gate: Gate, backend: OpenAIServer
) -> AsyncGenerator[asyncio.Task[Any]]:
    """Have a first reply of four words streamed, which waits in its middle until the body is done."""
    backend.add(text("One two three four.", hold_after=2, gate=gate))
    turn = asyncio.create_task(client.post(URL, json={"messages": BOOK, "thread_id": "t", "stream": True}))
    await backend.async_wait_for_requests(1)
    yield turn
    gate.open()


def spoken(answer: httpx.Response) -> str:
    chunks = [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def said(answer: httpx.Response) -> str:
    if answer.headers["content-type"].startswith("text/event-stream"):
        return spoken(answer)
    return answer.json()["choices"][0]["message"]["content"] or ""


def reply_to(body: dict[str, Any]) -> Reply:
    return tool_calls([ToolCall("record_terms", "{}", id="c9")]) if body.get("tools") else text("Beside.")


@pytest.mark.parametrize("body", SIDE.values(), ids=SIDE)
async def test_a_side_call_runs_beside_the_reply_that_is_spoken(
    serve: Serve, backend: OpenAIServer, body: dict[str, Any]
) -> None:
    gate = Gate()
    async with serve("openai:m") as served, served.client() as client:
        async with talking(client, gate, backend) as turn:
            backend.add(reply_to(body))
            side = await client.post(URL, json={**body, "thread_id": "t"})
            assert not turn.done()
        assert spoken(await turn) == "One two three four."
        if body.get("tools"):
            assert '"name":"record.terms"' in side.text
        else:
            assert said(side) == "Beside."
        asked = backend.requests[1].body
        shown = "\n".join(str(message["content"]) for message in asked["messages"])
        assert all(str(message["content"]) in shown for message in body["messages"])
        assert len(asked["messages"]) == len(body["messages"])
        assert [tool["function"]["name"] for tool in asked.get("tools", [])] == (
            ["record_terms"] if body.get("tools") else []
        )
        sent = {name: asked.get(name) for name in ("response_format", "tool_choice")}
        assert sent == {name: body.get(name) for name in sent}
        assert asked.get("max_completion_tokens") == body.get("max_tokens")
        goes_on = [*BOOK, assistant("One two three four."), user("For two nights.")]
        await client.post(URL, json={"messages": goes_on, "thread_id": "t", "stream": True})
        record = await served.record("t")
    assert [message["content"] for message in backend.requests[2].messages[1:]] == [
        "I'd like to book a room.",
        "One two three four.",
        "For two nights.",
    ]
    assert [message["text"] for message in record] == [
        "I'd like to book a room.",
        "One two three four.",
        "For two nights.",
        "Hello.",
    ]


@pytest.mark.parametrize("body", SIDE.values(), ids=SIDE)
async def test_a_side_call_between_turns_leaves_no_trace(
    serve: Serve, backend: OpenAIServer, body: dict[str, Any]
) -> None:
    async with serve("openai:m") as served, served.client() as client:
        backend.add(text("One two."))
        await client.post(URL, json={"messages": BOOK, "thread_id": "t", "stream": True})
        backend.add(reply_to(body))
        await client.post(URL, json={**body, "thread_id": "t"})
        history = [*BOOK, assistant("One two."), user("Two nights.")]
        await client.post(URL, json={"messages": history, "thread_id": "t", "stream": True})
        record = await served.record("t")
    assert PROMPT not in json.dumps(backend.requests[1].messages)
    assert [message["content"] for message in backend.requests[2].messages[1:]] == [
        "I'd like to book a room.",
        "One two.",
        "Two nights.",
    ]
    assert len(record) == 4


async def test_a_summary_of_the_whole_call_after_it_is_a_side_call(
    serve: Serve, backend: OpenAIServer
) -> None:
    async with serve("openai:m") as served, served.client() as client:
        backend.add(text("One two."))
        await client.post(URL, json={"messages": BOOK, "thread_id": "t", "stream": True})
        told = [system("Write a report of the call."), BOOK[1], assistant("One two."), user("Bye.")]
        await client.post(URL, json={"messages": told, "thread_id": "t"})
        record = await served.record("t")
    assert backend.requests[1].messages == told
    assert len(record) == 2


async def test_a_side_call_by_header_makes_no_thread(serve: Serve, backend: OpenAIServer) -> None:
    async with serve("openai:m") as served, served.client() as client:
        headers = {"X-Voicegraph-Side-Call": "true", "X-Thread-Id": "new"}
        answer = await client.post(URL, json={"messages": BOOK}, headers=headers)
        assert answer.headers["x-thread-id"] == "new"
        assert (await client.get("/v1/threads/new")).status_code == 404
        assert (await client.get("/v1/threads")).json()["data"] == []
    assert backend.requests[0].messages == BOOK


async def test_what_looks_like_a_side_call_is_a_turn_when_the_client_says_so(
    serve: Serve, backend: OpenAIServer
) -> None:
    async with serve("openai:m") as served, served.client() as client:
        body = {"messages": [system(SUMMARIZE), QUOTED], "thread_id": "t", "side_call": False}
        await client.post(URL, json=body)
        assert len(await served.record("t")) == 2


async def test_a_client_that_sends_newest_words_alone_is_heard_whatever_its_notes(
    serve: Serve, backend: OpenAIServer
) -> None:
    notes = ["Greet the caller.", "Ask for the date of birth.", "Offer a room now.", "Say goodbye, be quick."]
    async with serve("openai:m") as served, served.client() as client:
        for number, note in enumerate(notes):
            body = {"messages": [system(note), user(f"Words {number}")], "thread_id": "t", "stream": True}
            await client.post(URL, json=body)
        record = await served.record("t")
    # The second request could be either; the third one shows what they are.
    assert [message["text"] for message in record if message["role"] == "user"] == [
        "Words 0",
        "Words 2",
        "Words 3",
    ]


async def test_a_side_call_is_streamed_with_its_usage(serve: Serve, backend: OpenAIServer) -> None:
    backend.add(text("Bonjour.", usage=Usage(prompt=7, completion=3)))
    async with serve("openai:m") as served, served.client() as client:
        asked = {"messages": [user("Hi")], "side_call": True, "stream": True}
        answer = await client.post(URL, json={**asked, "stream_options": {"include_usage": True}})
    *chunks, done = [line[6:] for line in answer.text.split("\n") if line.startswith("data: ")]
    assert done == "[DONE]"
    assert json.loads(chunks[-1])["usage"]["total_tokens"] == 10
    assert json.loads(chunks[-2])["choices"][0]["finish_reason"] == "stop"


async def test_a_side_call_takes_the_agents_model_and_not_its_limit(
    serve: Serve, backend: OpenAIServer
) -> None:
    async with serve("openai:m") as served, served.client() as client:
        await served.resources.store.agents.create(
            Actor(), "brief", model="openai:other", model_settings={"max_completion_tokens": 9, "seed": 1}
        )
        await client.post(URL, json={"messages": [user("Hi")], "model": "brief", "side_call": True})
    body = backend.requests[0].body
    assert (body["model"], body["seed"], body.get("max_completion_tokens")) == ("other", 1, None)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (server_error(), 503, "model_unavailable"),
        (
            Reply(status=401, body='{"error": {"message": "no", "code": "invalid_api_key"}}'),
            502,
            "model_refused",
        ),
        (Reply(status=400, body='{"error": {"message": "Not like this."}}'), 400, "request_refused"),
    ],
    ids=["a server that fails", "a key that is wrong", "a request that is refused"],
)
async def test_a_side_call_that_fails_is_answered_with_an_error(
    serve: Serve, backend: OpenAIServer, failure: Reply, status: int, code: str, stream: bool
) -> None:
    backend.add(failure)
    async with serve("openai:m", model_attempts=1) as served, served.client() as client:
        answer = await client.post(URL, json={"messages": [user("Hi")], "side_call": True, "stream": stream})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_side_call_that_breaks_off_ends_with_an_error_in_the_stream(
    serve: Serve, backend: OpenAIServer
) -> None:
    backend.add(text("One two three.", drop_after=1))
    async with serve("openai:m") as served, served.client() as client:
        answer = await client.post(URL, json={"messages": [user("Hi")], "side_call": True, "stream": True})
    *chunks, error, done = [line[6:] for line in answer.text.split("\n") if line.startswith("data: ")]
    assert chunks
    assert set(json.loads(error)) == {"error"}
    assert done == "[DONE]"


async def test_a_side_call_ends_when_its_client_leaves(serve: Serve, backend: OpenAIServer) -> None:
    backend.add(text("One two.", hold_after=1))
    async with serve("openai:m") as served, served.client() as client:
        asking = asyncio.create_task(client.post(URL, json={"messages": [user("Hi")], "side_call": True}))
        await backend.async_wait_for_requests(1)
        asking.cancel()
        await asyncio.wait([asking])
        assert (await backend.async_wait_closed(0)).finished == "client_closed"


async def test_a_side_call_of_an_unknown_agent_is_refused(serve: Serve) -> None:
    async with serve() as served, served.client() as client:
        answer = await client.post(URL, json={"messages": [user("Hi")], "model": "nobody", "side_call": True})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_the_thread_is_known_from_its_state_in_a_process_that_has_not_served_it(
    serve: Serve, backend: OpenAIServer
) -> None:
    async with serve("openai:m") as served:
        turn: Any = {"history": [*BOOK, assistant("One two."), user("Two nights.")]}
        await build_graph(served.resources).ainvoke(turn, {"configurable": {"thread_id": "t"}})
        async with served.client() as client:
            await client.post(URL, json={**SIDE["an answering machine"], "thread_id": "t"})
    assert PROMPT not in json.dumps(backend.requests[1].messages)
