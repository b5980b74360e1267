"""Streams of servers that speak OpenAI's protocol nearly: what is heard, which tools run, how the turn ends.

Each is read raw, with and without a tracer that listens, and by LangChain where that passes it on.
"""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.outputs import LLMResult
from langchain_openai import ChatOpenAI
from open_voice import OpenVoice
from openai_server import OpenAIServer, Reply, text

from voicegraph.graph import build_graph, stream_turn
from voicegraph.nodes import Speech, TurnFailed, TurnFinished
from voicegraph.nodes.tools.registry import voice_tool
from voicegraph.nodes.turn.limits import TurnLimits

APOLOGY, BROKEN = TurnLimits().apology, TurnLimits().broken_reply
LIMITS: dict[str, Any] = {"model_attempts": 2, "latency_budget": 20.0, "first_token_timeout": 10.0}
STREAMED = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}

ran: list[Any] = []


async def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    ran.append(city)
    return f"Sunny in {city}."


@voice_tool(side_effects=True)
async def transfer(euros: int) -> str:
    """Transfer money."""
    ran.append(euros)
    return "Done."


async def ring() -> str:
    """Ring the bell."""
    ran.append("ring")
    return "Rung."


def chunk(delta: Any = None, reason: str | None = None, **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": reason}
    return {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
        **fields,
    }


def sse(*chunks: Any, done: bool = True) -> Reply:
    """Return a stream of these chunks; text among them is sent as it is."""
    events = [each if isinstance(each, str) else f"data: {json.dumps(each)}\n\n" for each in chunks]
    return Reply(body="".join([*events, "data: [DONE]\n\n" if done else ""]), headers=STREAMED)


def words(*pieces: str, reason: str | None = None) -> list[dict[str, Any]]:
    return [chunk({"content": piece}, reason) for piece in pieces]


def call(name: str, arguments: Any, index: Any = 0, id: str | None = "a", **fields: Any) -> dict[str, Any]:
    shown = {} if index is None else {"index": index}
    shown |= {} if id is None else {"id": id}
    return shown | {"type": "function", "function": {"name": name, "arguments": arguments}, **fields}


def calls(*each: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return chunk({"tool_calls": list(each)}, reason)


TOOLS_END = chunk({}, "tool_calls")
STOP = chunk({}, "stop")
ANSWER = [text("It is sunny.")]


@dataclass(frozen=True)
class Stream:
    """What a server answers first and then, what the caller hears, and which tools run."""

    first: Reply
    heard: str
    then: Sequence[Reply] = ()
    ends: str = "stop"
    ran: Sequence[Any] = ()
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    langchain: bool = True
    """Whether LangChain passes on what is odd about it."""


BOOKED = "Your table is booked."
THOUGHTS = [chunk({"reasoning_content": "hm "}) for _ in range(20)]
HARMONY = [
    *("<|channel|>", "analysis", "<|message|>", "He asks.", "<|end|>", "<|start|>", "assistant"),
    *("<|channel|>", "final", "<|message|>", "It is noon.", "<|return|>"),
]
ROME, OSLO = '{"city": "Rome"}', '{"city": "Oslo"}'
HALF = words("Your balance is one hundred ")
LOST = f"Your balance is one hundred {BROKEN}"


def weather(arguments: Any, **fields: Any) -> dict[str, Any]:
    return call("get_weather", arguments, **fields)


def broken_off(*chunks: Any, langchain: bool = False, done: bool = False) -> Stream:
    return Stream(sse(*HALF, *chunks, done=done), LOST, ends="failed", langchain=langchain)


STREAMS = {
    "thoughts in a field of their own": Stream(sse(*THOUGHTS, *words("It is noon."), STOP), "It is noon."),
    "a whole message at the end": Stream(
        sse(
            *words("Your table", " is booked."),
            {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": BOOKED}}]},
        ),
        BOOKED,
        langchain=False,
    ),
    "a whole message alone": Stream(
        sse({"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": BOOKED}}]}),
        BOOKED,
        langchain=False,
    ),
    "a whole message with its calls at the end": Stream(
        sse(
            calls(weather(ROME)),
            {
                "choices": [
                    {"finish_reason": "tool_calls", "message": {"tool_calls": [weather(ROME, index=None)]}}
                ]
            },
        ),
        "It is sunny.",
        ANSWER,
        ran=["Rome"],
        langchain=False,
    ),
    "a call that comes again under another index": Stream(
        sse(
            calls(call("transfer", '{"pre_exec_msg": "One moment.", "euros": 100}', 0, "LipwoT0")),
            calls(call("transfer", '{"pre_exec_msg": "One moment.", "euros": 100}', 1, "LipwoT0")),
            TOOLS_END,
        ),
        "One moment. It is sunny.",
        ANSWER,
        ran=[100],
    ),
    "parallel calls with index 0 and empty ids": Stream(
        sse(calls(weather(ROME, id="")), calls(weather(OSLO, id="")), TOOLS_END),
        "It is sunny.",
        ANSWER,
        ran=["Rome", "Oslo"],
    ),
    "parallel calls with index 0 and no ids in one chunk": Stream(
        sse(calls(weather(ROME, id=None), weather(OSLO, id=None)), TOOLS_END),
        "It is sunny.",
        ANSWER,
        ran=["Rome", "Oslo"],
    ),
    "parallel calls without index and ids": Stream(
        sse(calls(weather(ROME, index=None, id=None)), calls(weather(OSLO, index=None, id=None)), TOOLS_END),
        "It is sunny.",
        ANSWER,
        ran=["Rome", "Oslo"],
        langchain=False,
    ),
    "null as arguments": Stream(
        sse(calls(call("ring", "null")), TOOLS_END), "It is sunny.", ANSWER, ran=["ring"]
    ),
    "an empty object before the arguments": Stream(
        sse(calls(weather("{}")), calls({"index": 0, "function": {"arguments": ROME}}), TOOLS_END),
        "It is sunny.",
        ANSWER,
        ran=["Rome"],
    ),
    "a summary of a whole call, encoded": Stream(
        sse(
            calls(weather("")),
            *[calls({"index": 0, "function": {"arguments": piece}}) for piece in ('{"city"', ': "Rome"}')],
            calls(weather(json.dumps(ROME))),
            TOOLS_END,
        ),
        "It is sunny.",
        ANSWER,
        ran=["Rome"],
    ),
    "arguments as an object": Stream(
        sse(calls(weather({"city": "Rome"})), TOOLS_END),
        "It is sunny.",
        ANSWER,
        ran=["Rome"],
        langchain=False,
    ),
    "a call in the old form": Stream(
        sse(
            chunk({"function_call": {"name": "get_weather", "arguments": ""}}),
            chunk({"function_call": {"arguments": ROME}}, "function_call"),
        ),
        "It is sunny.",
        ANSWER,
        ran=["Rome"],
    ),
    "a line break within the arguments": Stream(
        sse(calls(weather('{"city": "Ro\nme"}')), TOOLS_END), "It is sunny.", ANSWER, ran=["Ro\nme"]
    ),
    "stop in each chunk": Stream(sse(*words("Your table", " is", " booked.", reason="stop")), BOOKED),
    "null as the reason in each chunk": Stream(
        sse(*words("Your table", " is", " booked.", reason="null"), STOP), BOOKED
    ),
    "a call after stop": Stream(
        sse(*words("Sure.", reason="stop"), calls(weather(ROME)), TOOLS_END),
        "Sure. It is sunny.",
        ANSWER,
        ran=["Rome"],
    ),
    "an error object that names itself": broken_off(
        {"object": "error", "message": "CUDA out of memory", "code": 500}, done=True
    ),
    "an error event": broken_off('event: error\ndata: {"message": "out of memory"}\n\n', done=True),
    "an error event that is no JSON": broken_off("event: error\ndata: out of memory\n\n"),
    "a detail in place of a chunk": broken_off({"detail": "Internal Server Error"}),
    "a message and a code in place of a chunk": broken_off({"message": "no", "code": "50001"}),
    "an error object without an empty line after it": broken_off('data: {"error": {"message": "no"}}'),
    "the finish reason error": broken_off(chunk({}, "error"), langchain=True, done=True),
    "the finish reason network_error": broken_off(chunk({}, "network_error"), langchain=True, done=True),
    "the finish reason insufficient_system_resource": broken_off(
        chunk({}, "insufficient_system_resource"), langchain=True, done=True
    ),
    "the finish reason ABORT": broken_off(chunk({}, "ABORT"), langchain=True, done=True),
    "no end at all": broken_off(),
    "an end in the middle of a chunk": broken_off('data: {"choices": [{"delta": {"con'),
    "a closing tag alone": Stream(sse(*words("</think>\n\nIt is", " noon."), STOP), "It is noon."),
    "another name for thoughts": Stream(
        sse(*words("<thin", "king>He asks.</THINK", "ING>\n\nIt is noon."), STOP), "It is noon."
    ),
    "thoughts that the template opens": Stream(
        sse(*words("He asks the time. ", "I will say noon.", "</think>\n\nIt is noon."), STOP),
        "It is noon.",
        settings={"thoughts_first": True},
    ),
    "usage of other types": Stream(
        sse(
            *words("Your code is 4711."),
            STOP,
            {"choices": [], "usage": {"prompt_tokens": "7", "completion_tokens": 2.5}},
        ),
        "Your code is 4711.",
    ),
    "cumulative pieces": Stream(
        sse(*words("Your", "Your table", "Your table is", BOOKED), chunk({"content": BOOKED}, "stop")), BOOKED
    ),
    "Harmony's channels": Stream(sse(*words(*HARMONY), STOP), "It is noon."),
    "template tokens": Stream(sse(*words("It is noon.", "<|im_", "end|>", "</s>"), STOP), "It is noon."),
    "a call written as text": Stream(
        sse(
            *words('<tool_call>{"name": "get_weather", ', '"arguments": {"city": "Rome"}}</tool', "_call>"),
            STOP,
        ),
        "It is sunny.",
        ANSWER,
        ran=["Rome"],
    ),
    "a call of an unknown tool written as text": Stream(
        sse(*words('[TOOL_CALLS][{"name": "fly", "arguments": {}}]'), STOP),
        "Second try.",
        [text("Second try.")],
    ),
    "an unfinished thought": Stream(sse(*words("<think>hm"), STOP), "Second try.", [text("Second try.")]),
    "a plain JSON answer": Stream(
        Reply(
            body=json.dumps({"choices": [{"message": {"role": "assistant", "content": "It is noon."}}]}),
            headers=JSON,
        ),
        "It is noon.",
        langchain=False,
    ),
    "a plain JSON answer of another type": Stream(
        Reply(
            body=json.dumps({"choices": [{"message": {"content": "It is noon."}, "finish_reason": "stop"}]}),
            headers={"content-type": "text/plain"},
        ),
        "It is noon.",
        langchain=False,
    ),
    "chunks line by line": Stream(
        Reply(body="\n".join(map(json.dumps, [*words("It is", " noon."), STOP])), headers=JSON),
        "It is noon.",
        langchain=False,
    ),
    "a stream that is called JSON": Stream(
        Reply(body=sse(*words("It is noon."), STOP).body, headers=JSON), "It is noon.", langchain=False
    ),
    "a refusal": Stream(sse(chunk({"refusal": "I can't."}), STOP), "I can't.", langchain=False),
    "an error inside 200 and then fine": Stream(
        sse({"error": {"message": "no", "code": 503}}), "Second try.", [text("Second try.")]
    ),
    "a failed reason before the first word": Stream(
        sse(chunk({}, "error")), "Second try.", [text("Second try.")]
    ),
}


class Tracer(AsyncCallbackHandler):
    """Counts the model's runs, as a tracer sees them."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.ended: list[Any] = []

    async def on_chat_model_start(self, serialized: Any, messages: Any, **fields: Any) -> None:
        self.begun.append(fields["name"])

    async def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        generation: Any = response.generations[0][0]
        self.ended.append(generation.message)

    async def on_llm_error(self, error: BaseException, **_: Any) -> None:
        self.ended.append(error)


class AnyChatModel(ChatOpenAI):
    """A chat model that the fast path does not know: LangChain streams it."""


@asynccontextmanager
async def made_model(path: str) -> AsyncIterator[Any]:
    if path != "by LangChain":
        yield "openai:test"
        return
    async with httpx2.AsyncClient(timeout=None) as client:
        yield AnyChatModel(model="test", max_retries=0, stream_chunk_timeout=None, http_async_client=client)


@pytest.fixture
def turn(open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return how to run a turn, and one after it, against a server that answers like this."""

    async def run(path: str, *replies: Reply, tracer: Tracer | None = None, **settings: Any) -> Any:
        ran.clear()
        config: Any = {"configurable": {"thread_id": "call-42"}, "callbacks": [tracer] if tracer else None}
        with OpenAIServer(*replies) as server:
            monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
            monkeypatch.setenv("OPENAI_API_KEY", "key")
            tools = [get_weather, transfer, ring]
            async with (
                made_model(path) as model,
                open_voice(model, tools=tools, **(LIMITS | settings)) as resources,
            ):
                graph = build_graph(resources)
                events = [event async for event in stream_turn(graph, "What now?", config)]
                asked = len(server.requests)
                server.add(text("</think>Still here." if settings.get("thoughts_first") else "Still here."))
                again = [event async for event in stream_turn(graph, "Hello?", config)]
            server.check()
        assert "".join(event.content for event in again if isinstance(event, Speech)) == "Still here."
        heard = "".join(event.content for event in events if isinstance(event, Speech))
        return heard, events[-1], asked

    return run


PATHS = ["raw", "with a tracer", "by LangChain"]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (name, path)
        for name, stream in STREAMS.items()
        for path in PATHS
        if stream.langchain or path != PATHS[2]
    ],
)
async def test_a_stream_is_read_for_what_it_means(name: str, path: str, turn: Callable[..., Any]) -> None:
    stream = STREAMS[name]
    tracer = Tracer() if path == "with a tracer" else None
    heard, last, asked = await turn(path, stream.first, *stream.then, tracer=tracer, **stream.settings)
    assert heard == stream.heard
    assert isinstance(last, TurnFailed if stream.ends == "failed" else TurnFinished)
    assert ran == list(stream.ran)
    assert asked == 1 + len(stream.then)
    if tracer is not None:
        assert tracer.begun == ["ChatOpenAI"] * (asked + 1)
        assert len(tracer.ended) == asked + 1


async def test_usage_of_other_types_is_counted(turn: Callable[..., Any]) -> None:
    _, last, _ = await turn("raw", STREAMS["usage of other types"].first)
    assert last.usage == {"input_tokens": 7, "output_tokens": 2, "cached_tokens": 0}


async def test_a_tracer_sees_the_whole_message_as_the_model_wrote_it(turn: Callable[..., Any]) -> None:
    tracer = Tracer()
    usage = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
    first = sse(*words("<think>hm</think>", "Sure."), calls(weather(ROME)), TOOLS_END, usage)
    await turn("raw", first, *ANSWER, tracer=tracer)
    message = tracer.ended[0]
    assert message.content == "<think>hm</think>Sure."
    assert [(known["name"], known["args"]) for known in message.tool_calls] == [
        ("get_weather", {"city": "Rome"})
    ]
    assert message.usage_metadata["total_tokens"] == 9
    assert message.response_metadata["finish_reason"] == "tool_calls"


async def test_a_tracer_sees_a_failure(turn: Callable[..., Any]) -> None:
    tracer = Tracer()
    await turn("raw", STREAMS["no end at all"].first, tracer=tracer)
    assert isinstance(tracer.ended[0], Exception)


WRONG_ADDRESSES = {
    "a web page": (
        Reply(body="\n<!doctype html><html></html>", headers={"content-type": "text/html"}),
        1,
        "web page",
    ),
    "an error object of another server": (
        Reply(body='{"error": "Unexpected endpoint or method. (POST /chat/completions)"}', headers=JSON),
        2,
        "inside its answer",
    ),
    "some text": (
        Reply(body="Ollama is running", headers={"content-type": "text/plain"}),
        2,
        "no completion",
    ),
    "other JSON": (Reply(body='{"models": []}', headers=JSON), 2, "no completion"),
    "no credit": (Reply(body='{"error": {"code": 402, "message": "no"}}', headers=JSON), 1, "HTTP 402"),
    "no quota": (sse({"error": {"code": "insufficient_quota"}}), 1, "insufficient_quota"),
}


@pytest.mark.parametrize("name", WRONG_ADDRESSES)
async def test_an_answer_from_somewhere_else_names_the_address(name: str, turn: Callable[..., Any]) -> None:
    reply, attempts, told = WRONG_ADDRESSES[name]
    heard, last, asked = await turn("raw", *[reply] * attempts)
    assert (heard, asked) == (APOLOGY, attempts)
    assert told in last.message
    assert "check OPENAI_BASE_URL (http://127.0.0.1:" in last.message or "http://localhost:" in last.message
