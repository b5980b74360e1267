"""Nothing that a client or a model's server sends holds up the event loop: others are served meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import orjson
import pytest
from open_voice import OpenVoice
from openai_server import OpenAIServer, Reply, ToolCall, text, tool_calls
from serving_here import Here, serving_here

from voicegraph.graph import build_graph
from voicegraph.graph.server.app import create_app
from voicegraph.nodes import voice_tool
from voicegraph.nodes.turn.limits import TurnLimits

NoStall = Callable[[], AbstractAsyncContextManager[object]]

CHAT = "/v1/chat/completions"
LONGEST = TurnLimits().max_reply_chars


@voice_tool()
async def long_text() -> str:
    """Give five million characters."""
    return "word " * 1_000_000


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with OpenAIServer(default=text("Hello there."), strict=False) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        yield server


@pytest.fixture
async def server(open_voice: OpenVoice, backend: OpenAIServer) -> AsyncIterator[Here]:
    async with (
        open_voice("openai:m", tools=[long_text], model_attempts=1) as resources,
        serving_here(create_app(build_graph(resources))) as here,
    ):
        # The first turn imports and builds what the others use.
        assert (await here.post(CHAT, body(user("Hi")))).status == 200
        yield here


def user(words: str) -> dict[str, Any]:
    return {"role": "user", "content": words}


def assistant(words: str) -> dict[str, Any]:
    return {"role": "assistant", "content": words}


def body(*messages: Any, **fields: Any) -> bytes:
    return orjson.dumps({"messages": messages, **fields})


def padded(raw: bytes) -> bytes:
    """Return the body with a field that is not read, nine million bytes in all."""
    return raw[:-1] + b',"x":"' + b"y" * (9_000_000 - len(raw)) + b'"}'


HISTORIES = {
    "2,000 equal messages": [user("Yes."), assistant("Hello there.")] * 1_000,
    "2,000 equal words of the caller": [user("Yes.")] * 2_000,
    "100,000 assistant messages in a row": [assistant("Hello there, and more words.")] * 100_000,
    "100,000 system messages": [{"role": "system", "content": "Be kind."}] * 100_000,
    "a message of 9 MB": [user("Hi"), assistant("word " * 1_800_000)],
    "arguments of 9 MB": [
        user("Hi"),
        {
            "role": "assistant",
            "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "[" + "[]," * 3_000_000}}],
        },
    ],
    "100,000 parts": [user("Hi"), {"role": "user", "content": [{"type": "text", "text": "a"}] * 100_000}],
    "a part of 100,000 lists": [
        user("Hi"),
        {"role": "user", "content": [{"type": "x", "y": [[]] * 100_000}]},
    ],
}


@pytest.mark.parametrize("history", HISTORIES)
async def test_a_huge_history_is_answered_without_a_stall(
    server: Here, no_stall: NoStall, history: str
) -> None:
    first = body(*HISTORIES[history], user("And now?"), thread_id="t")
    later = [*HISTORIES[history], user("And now?"), assistant("Hello there."), user("Go on.")]
    requests = [first, body(*later, thread_id="t"), body(*later)]
    async with no_stall():
        assert [(await server.post(CHAT, each)).status for each in requests] == [200, 200, 200]


BODIES = {
    "nested 10,000": b'{"messages":[{"role":"user","content":"Hi"}],"x":'
    + b"[" * 10_000
    + b"]" * 10_000
    + b"}",
    "nested 2,000,000": b'{"messages":' + b'[{"a":' * 1_000_000 + b"1}]" * 1_000_000 + b"}",
    "3,000,000 lists": body(user("Hi"))[:-1] + b',"x":[' + b"[]," * 3_000_000 + b"[]]}",
    "4,000,000 numbers": body(user("Hi"))[:-1] + b',"x":[' + b"1," * 4_000_000 + b"1]}",
    "lists in UTF-16": ('{"x":["' + '\\"' * 5 + "[]," * 700_000 + '[]"]}').encode("utf-16"),
}


@pytest.mark.parametrize("sent", BODIES)
async def test_a_body_that_takes_long_to_decode_is_refused_without_a_stall(
    server: Here, no_stall: NoStall, sent: str
) -> None:
    async with no_stall():
        for path in (CHAT, "/v1/agents", "/v1/blocks", "/v1/import"):
            assert (await server.post(path, BODIES[sent])).status in (400, 413)


async def test_a_body_of_nearly_the_largest_size_is_answered_without_a_stall(
    server: Here, no_stall: NoStall
) -> None:
    whole, half = body(user("Hi")), b'{"messages":[{"role":"user","content":"Hi \\ud83d"}]}'
    async with no_stall():
        assert [(await server.post(CHAT, padded(each))).status for each in (whole, half)] == [200, 200]


async def test_2_000_tools_of_a_client_are_offered_as_far_as_a_model_takes_them(
    server: Here, backend: OpenAIServer, no_stall: NoStall
) -> None:
    schema = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(20)}}
    tools = [
        {"type": "function", "function": {"name": f"tool_{n}", "parameters": schema}} for n in range(2_000)
    ]
    async with no_stall():
        assert (await server.post(CHAT, body(user("Hi"), tools=tools))).status == 200
    offered = [tool["function"]["name"] for tool in backend.requests[-1].body["tools"]]
    assert offered[-128:] == [f"tool_{n}" for n in range(128)]


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    return (
        b"data: "
        + orjson.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
        + b"\n\n"
    )


EVENTS = {"content-type": "text/event-stream"}


def streamed(*chunks: bytes, finish: str = "stop") -> Reply:
    """Return a reply of these chunks; as bytes, since the server must not take the time that is measured."""
    whole = b"".join((*chunks, chunk({}, finish), b"data: [DONE]\n\n"))
    return Reply(body=whole.decode(), headers=EVENTS)


def called(*arguments: str) -> Reply:
    """Return a reply that calls a tool with these fragments of arguments."""
    call = {"index": 0, "id": "call_1", "type": "function"}
    named = chunk({"tool_calls": [{**call, "function": {"name": "long_text", "arguments": ""}}]})
    pieces = [chunk({"tool_calls": [{"index": 0, "function": {"arguments": each}}]}) for each in arguments]
    return streamed(named, *pieces, finish="tool_calls")


def calls(count: int) -> list[dict[str, Any]]:
    return [
        {"index": n, "id": f"call_{n}", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        for n in range(count)
    ]


def fragments(*arguments: str) -> bytes:
    """Return a chunk with these fragments of one call, each with its name, as some servers have it."""
    return chunk(
        {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": each}} for each in arguments]}
    )


WORDS = "word " * 400_000
REPLIES: dict[str, Callable[[], Reply]] = {
    "2 MB in many chunks": lambda: streamed(*[chunk({"content": "word "})] * 400_000),
    "2 MB in one chunk": lambda: streamed(chunk({"content": WORDS})),
    "10 MB in one chunk": lambda: streamed(chunk({"content": WORDS * 5})),
    "2 MB of thoughts": lambda: streamed(chunk({"content": f"<think>{WORDS}</think>Yes."})),
    "reasoning in many chunks": lambda: streamed(
        *[chunk({"reasoning_content": "word "})] * 40_000, chunk({"content": "Yes."})
    ),
    "a chunk of 3,000,000 lists": lambda: streamed(b'data: {"x":[' + b"[]," * 3_000_000 + b"[]]}\n\n"),
    "a line without an end": lambda: Reply(body="data: " + "x" * 13_000_000, headers=EVENTS),
    "arguments nested 9,000": lambda: called("[" * 9_000 + "]" * 9_000),
    "blanks in arguments": lambda: called('{"pre_exec_msg":', *" " * 15_000, '"Hm."}'),
    "blanks in a code fence": lambda: called("```" + " " * 19_000 + "x```"),
    "letters in a code fence": lambda: called("```" + "l" * 19_000),
    "escapes in a preamble": lambda: called('{"pre_exec_msg":"', *["\\u0041"] * 3_000, '"}'),
    "a key in a list 1,300 times": lambda: called('{"a":[' + '"pre_exec_msg",' * 1_300),
    "30,000 calls in one chunk": lambda: streamed(chunk({"tool_calls": calls(30_000)})),
    "3,000 calls, a chunk each": lambda: streamed(*[chunk({"tool_calls": [each]}) for each in calls(3_000)]),
    "100,000 fragments in one chunk": lambda: streamed(fragments('{"a":"', *["}"] * 15_000, *[""] * 85_000)),
    "900 fragments in each chunk": lambda: streamed(fragments('{"a":"'), *[fragments(*["}"] * 900)] * 20),
    "200,000 tags in one chunk": lambda: streamed(chunk({"content": "<s>" * 200_000})),
    "brackets in a written call": lambda: streamed(chunk({"content": "<tool_call>" + "[" * 2_000_000})),
    "parameters in a written call": lambda: streamed(
        chunk({"content": "<tool_call>" + "<parameter=a>" * 7_000})
    ),
    "20,000 blocks": lambda: streamed(
        chunk({"content": [{"type": "x", "id": str(n)} for n in range(20_000)]})
    ),
    "5,000 pieces that hold the text so far": lambda: streamed(
        *[chunk({"content": "abcd" * n}) for n in range(1, 2_000)]
    ),
}


@pytest.mark.parametrize("reply", REPLIES)
async def test_a_huge_reply_is_spoken_to_its_limit_without_a_stall(
    server: Here, backend: OpenAIServer, no_stall: NoStall, reply: str
) -> None:
    made = REPLIES[reply]()
    async with no_stall():
        backend.add(made)
        answer = await server.post(CHAT, body(user("Hi"), stream=True, thread_id="t"))
        assert answer.status == 200
        said = orjson.loads((await server.post(CHAT, body(user("Go on."), thread_id="t"))).body)
    assert said["choices"][0]["message"]["content"] == "Hello there."


@pytest.mark.parametrize("reply", ["2 MB in many chunks", "2 MB in one chunk", "10 MB in one chunk"])
async def test_a_reply_is_cut_at_its_limit_whatever_the_chunks(
    server: Here, backend: OpenAIServer, no_stall: NoStall, reply: str
) -> None:
    made = REPLIES[reply]()
    async with no_stall():
        for side_call in (False, True):
            backend.add(made)
            answer = await server.post(CHAT, body(user("Hi"), side_call=side_call))
            choice = orjson.loads(answer.body)["choices"][0]
            assert len(choice["message"]["content"]) in (LONGEST, LONGEST - 1)  # Without a blank at the end.
            assert choice["finish_reason"] == "length"


@pytest.mark.parametrize("words", ["", "Let me see."])
async def test_a_reply_that_calls_more_tools_than_anybody_runs_is_broken_off_in_words(
    server: Here, backend: OpenAIServer, caplog: pytest.LogCaptureFixture, words: str
) -> None:
    backend.add(streamed(chunk({"content": words}), chunk({"tool_calls": calls(129)}), finish="tool_calls"))
    answer = orjson.loads((await server.post(CHAT, body(user("Hi"), thread_id="t"))).body)
    limits = TurnLimits()
    said = f"{words} {limits.broken_reply}" if words else limits.apology
    assert answer["choices"][0]["message"]["content"] == said
    assert [record for record in caplog.records if record.message == "the model failed"][0].error == (  # type: ignore[attr-defined]
        "model_protocol"
    )


async def test_as_many_calls_as_a_reply_may_hold_are_run(server: Here, backend: OpenAIServer) -> None:
    backend.add(streamed(chunk({"tool_calls": calls(128)}), finish="tool_calls"))
    answer = orjson.loads((await server.post(CHAT, body(user("Hi"), thread_id="t"))).body)
    assert answer["choices"][0]["message"]["content"] == "Hello there."
    results = [message for message in backend.requests[-1].body["messages"] if message["role"] == "tool"]
    assert len(results) == 128


async def test_a_tool_result_of_5_mb_is_clipped_without_a_stall(
    server: Here, backend: OpenAIServer, no_stall: NoStall
) -> None:
    backend.add(tool_calls([ToolCall("long_text")]))
    async with no_stall():
        assert (await server.post(CHAT, body(user("Hi"), thread_id="t"))).status == 200
    assert len(backend.requests[-1].body["messages"][-1]["content"]) < 10_000


def memory_file(messages: int, threads: int, versions: int) -> bytes:
    at, block, agent = "2026-11-01T12:00:00Z", "block-" + "0" * 32, "agent-" + "0" * 32
    said = [
        {"sequence": n, "id": f"m{n}", "turn_id": f"t{n}", "role": "user", "text": "Hi", "created_at": at}
        for n in range(messages)
    ]
    changes = [
        {"version": n + 1, "value": f"{n}", "changed_by": "user", "changed_at": at} for n in range(versions)
    ]
    calls = [{"id": f"call-{n}", "created_at": at, "updated_at": at, "messages": []} for n in range(threads)]
    calls.append({"id": "long", "created_at": at, "updated_at": at, "messages": said})
    one = {"id": agent, "name": "imported", "created_at": at, "updated_at": at, "blocks": [block]}
    return orjson.dumps(
        {
            "format": "voicegraph.memory",
            "version": 1,
            "exported_at": at,
            "agents": [{**one, "threads": calls}],
            "blocks": [{"id": block, "label": "human", "limit": 2_000, "versions": changes}],
        }
    )


@pytest.mark.parametrize(
    ("messages", "threads", "versions"),
    [
        (20_000, 1, 1),
        pytest.param(40_000, 1, 1, marks=pytest.mark.soak),
        pytest.param(1, 20_000, 1, marks=pytest.mark.soak),
        pytest.param(1, 1, 40_000, marks=pytest.mark.soak),
    ],
)
async def test_a_large_memory_file_is_imported_and_exported_without_a_stall(
    server: Here, no_stall: NoStall, messages: int, threads: int, versions: int
) -> None:
    file = memory_file(messages, threads, versions)
    assert (await server.post("/v1/import", (await server.get("/v1/export")).body)).status == 200  # Imports.
    async with no_stall():
        assert (await server.post("/v1/import", file)).status == 200
        assert (exported := await server.get("/v1/export")).status == 200
    for task in asyncio.all_tasks():  # Else its end would wait for the index, which goes on at a next start.
        if "Worker._run" in str(task.get_coro()):
            task.cancel()
    [agent] = [agent for agent in orjson.loads(exported.body)["agents"] if agent["name"] == "imported"]
    assert len(agent["threads"]) == threads + 1
    assert sum(len(thread["messages"]) for thread in agent["threads"]) == messages
