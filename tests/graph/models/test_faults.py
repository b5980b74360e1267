"""Every fault of a provider, over real HTTP: the caller hears something, and the next turn works."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from calling import CALL
from langchain_openai import ChatOpenAI
from open_voice import OpenVoice
from openai_server import (
    Gate,
    OpenAIServer,
    Recorded,
    Reply,
    ToolCall,
    context_too_long,
    not_json,
    overloaded,
    rate_limited,
    server_error,
    text,
    tool_calls,
    validate_messages,
)

from voicegraph.graph import Resources, build_graph, stream_turn
from voicegraph.nodes import Speech, TurnFailed, TurnFinished
from voicegraph.nodes.turn.limits import TurnLimits
from voicegraph.state import Actor

LIMITS: dict[str, Any] = {
    "first_token_timeout": 10.0,
    "stall_timeout": 10.0,
    "latency_budget": 20.0,
    "model_attempts": 2,
}
IMPATIENT = {"first_token_timeout": 0.8}
UNSTEADY = {"stall_timeout": 0.4}
APOLOGY = TurnLimits().apology
BROKEN = TurnLimits().broken_reply
FILTERED = TurnLimits().filtered_reply
HELLO = "Hello there, how are you?"
ROME = ToolCall("get_weather", '{"pre_exec_msg": "Let me look.", "city": "Rome"}')
OSLO = ToolCall("get_weather", '{"pre_exec_msg": "Then Oslo.", "city": "Oslo"}')


async def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Sunny in {city}."


@dataclass(frozen=True)
class Fault:
    """What the provider does in the first turn, what the caller hears then, and how the turn ends."""

    replies: Callable[[], list[Reply]]
    heard: str
    ends: str = "stop"
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


FAULTS = {
    "500 and then fine": Fault(lambda: [server_error(), text(HELLO)], HELLO),
    "503 and then fine": Fault(lambda: [overloaded(), text(HELLO)], HELLO),
    "503 all the time": Fault(lambda: [overloaded(), overloaded()], APOLOGY, "failed"),
    "429 without Retry-After": Fault(lambda: [rate_limited(), text(HELLO)], HELLO),
    "429 with a short Retry-After": Fault(lambda: [rate_limited(0.05), text(HELLO)], HELLO),
    "429 with a Retry-After beyond the budget": Fault(lambda: [rate_limited(60)], APOLOGY, "failed"),
    "an HTML page": Fault(lambda: [not_json(502), text(HELLO)], HELLO),
    "slow headers": Fault(
        lambda: [text(HELLO, hold_before_headers=Gate()), text(HELLO)], HELLO, settings=IMPATIENT
    ),
    "slow first token": Fault(
        lambda: [text(HELLO, hold_before_first_token=Gate()), text(HELLO)], HELLO, settings=IMPATIENT
    ),
    "silence, twice": Fault(
        lambda: [text(HELLO, hold_before_headers=Gate())] * 2, APOLOGY, "failed", settings=IMPATIENT
    ),
    "a stall": Fault(
        lambda: [text(HELLO, hold_after=2)], f"Hello there, {BROKEN}", "failed", settings=UNSTEADY
    ),
    "a stall with pings": Fault(
        lambda: [text(HELLO, hold_after=2, ping_every=0.05)],
        f"Hello there, {BROKEN}",
        "failed",
        settings=UNSTEADY,
    ),
    "a drop before the headers": Fault(lambda: [text(HELLO, drop_before_headers=True), text(HELLO)], HELLO),
    "a drop before the first token": Fault(
        lambda: [text(HELLO, drop_before_first_token=True), text(HELLO)], HELLO
    ),
    "a reset after the first token": Fault(
        lambda: [text(HELLO, drop_after=2)], f"Hello there, {BROKEN}", "failed"
    ),
    "a close after the first token": Fault(
        lambda: [text(HELLO, drop_after=2, drop_how="close")], f"Hello there, {BROKEN}", "failed"
    ),
    "a malformed first chunk": Fault(lambda: [text(HELLO, malformed_at=0), text(HELLO)], HELLO),
    "a malformed chunk": Fault(lambda: [text(HELLO, malformed_at=2)], f"Hello there, {BROKEN}", "failed"),
    "an error inside the stream": Fault(
        lambda: [text(HELLO, error_chunk_at=2)], f"Hello there, {BROKEN}", "failed"
    ),
    "a chunk of the wrong shape": Fault(lambda: [text(HELLO, wrong_shape_at=0), text(HELLO)], HELLO),
    "empty choices": Fault(lambda: [text(HELLO, empty_choices_at=(0, 2))], HELLO),
    "no finish reason": Fault(lambda: [text(HELLO, finish_reason=None)], HELLO),
    "no finish reason after calls": Fault(
        lambda: [tool_calls([ROME], finish_reason=None), text("Sunny.")], "Let me look. Sunny."
    ),
    "no [DONE]": Fault(lambda: [text(HELLO, done=False)], HELLO),
    "an empty answer and then fine": Fault(lambda: [text(""), text(HELLO)], HELLO),
    "length": Fault(lambda: [text(HELLO, finish_reason="length")], HELLO, "length"),
    "length within a call": Fault(
        lambda: [tool_calls([ToolCall("get_weather", '{"pre_exec_msg": "Let me')], finish_reason="length")],
        "Let me",
        "length",
    ),
    "content_filter": Fault(
        lambda: [text("Well,", finish_reason="content_filter")], f"Well, {FILTERED}", "content_filter"
    ),
    "content_filter at once": Fault(
        lambda: [text("", finish_reason="content_filter")], FILTERED, "content_filter"
    ),
    "bad JSON arguments": Fault(
        lambda: [tool_calls([ToolCall("get_weather", '{"pre_exec_msg": "Hm.", "city": }')]), text("Again?")],
        "Hm. Again?",
    ),
    "arguments that do not fit": Fault(
        lambda: [tool_calls([ToolCall("get_weather", '{"pre_exec_msg": "Hm.", "town": 3}')]), text("Again?")],
        "Hm. Again?",
    ),
    "an unknown tool": Fault(lambda: [tool_calls([ToolCall("fly", "{}")]), text("I can't.")], "I can't."),
    "duplicate tool-call ids": Fault(
        lambda: [
            tool_calls([ToolCall(ROME.name, ROME.text, "one"), ToolCall(OSLO.name, OSLO.text, "one")]),
            text("Sunny."),
        ],
        "Let me look. Then Oslo. Sunny.",
    ),
    "no tool-call ids": Fault(
        lambda: [tool_calls([ROME, OSLO], ids="never"), text("Sunny.")], "Let me look. Then Oslo. Sunny."
    ),
    "ids on each fragment": Fault(
        lambda: [tool_calls([ROME, OSLO], ids="every"), text("Sunny.")], "Let me look. Then Oslo. Sunny."
    ),
    "two calls interleaved by index": Fault(
        lambda: [tool_calls([ROME, OSLO], interleaved=True), text("Sunny.")], "Let me look. Then Oslo. Sunny."
    ),
    "two calls that share the index 0": Fault(
        lambda: [tool_calls([ROME, OSLO], ids="every").but(same_index=True), text("Sunny.")],
        "Let me look. Then Oslo. Sunny.",
    ),
    "a call with a name that no provider takes": Fault(
        lambda: [tool_calls([ToolCall("functions.fly to", "{}", "x" * 60)]), text("I can't.")], "I can't."
    ),
    "a stall behind the finish reason": Fault(
        lambda: [text(HELLO, hold_before_done=Gate())], HELLO, settings=UNSTEADY
    ),
    "text and calls": Fault(
        lambda: [tool_calls([ROME], content="Sure."), text("Sunny.")], "Sure. Let me look. Sunny."
    ),
    "a drop within the arguments": Fault(lambda: [tool_calls([ROME], drop_after=5)], APOLOGY, "failed"),
    "usage that was not asked for": Fault(lambda: [text(HELLO, force_usage=True)], HELLO),
    "bytes cut anywhere": Fault(lambda: [text("Grüße aus Köln 😀.", split_bytes=3)], "Grüße aus Köln 😀."),
    "a context that is too long": Fault(lambda: [context_too_long(), text(HELLO)], HELLO),
}


async def hear(graph: Any, words: str) -> tuple[str, Any]:
    """Run a turn; return all that was spoken, and its last event."""
    events = [event async for event in stream_turn(graph, words, CALL)]
    return "".join(event.content for event in events if isinstance(event, Speech)), events[-1]


def is_raw(request: Recorded) -> bool:
    """Tell if the bytes of the answer were asked for, not its parsed chunks."""
    return request.headers.get("x-stainless-raw-response") == "stream"


async def stored_conversation(resources: Resources) -> list[dict[str, Any]]:
    """Return the stored messages as a request to OpenAI would hold them."""
    from langchain_core.messages import convert_to_openai_messages  # pyright: ignore

    values = (await build_graph(resources).aget_state(CALL)).values
    return convert_to_openai_messages(values["messages"])


class AnyChatModel(ChatOpenAI):
    """A chat model that the fast path does not know: LangChain streams it."""


@asynccontextmanager
async def made_model(stream: str) -> AsyncIterator[Any]:
    """Give the same model, whose answers are read raw or come through LangChain."""
    if stream == "raw":
        yield "openai:test"
        return
    async with httpx2.AsyncClient(timeout=None) as client:
        yield AnyChatModel(
            model="test",
            max_retries=0,
            stream_usage=True,
            stream_chunk_timeout=None,
            http_async_client=client,
        )


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("stream", ["raw", "by LangChain"])
async def test_a_fault_is_survived(
    name: str, stream: str, open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await survive(FAULTS[name], stream, open_voice, monkeypatch)


ENDINGS = ("503 all the time", "a reset after the first token", "length within a call", "bad JSON arguments")


class TestOnPostgreSQL:
    @pytest.fixture
    def voice_url(self, postgres_url: str) -> str:
        return postgres_url

    @pytest.mark.parametrize("name", ENDINGS)
    async def test_a_fault_is_survived(
        self, name: str, open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await survive(FAULTS[name], "raw", open_voice, monkeypatch)


async def survive(fault: Fault, stream: str, open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run turns before, in and after a fault, and look at what was heard, sent and stored."""
    with OpenAIServer(text("Before."), text("Before."), *fault.replies()) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        async with (
            made_model(stream) as model,
            open_voice(model, tools=[get_weather], **(LIMITS | fault.settings)) as resources,
        ):
            graph = build_graph(resources)
            await hear(graph, "First.")
            await hear(graph, "Second.")
            heard, last = await hear(graph, "What now?")
            server.add(text("Still here."))
            again, end = await hear(graph, "Are you there?")
            stored = await stored_conversation(resources)
            history = await resources.store.messages.history(Actor(), "call-42")
        server.check()
    assert {is_raw(request) for request in server.requests} == {stream == "raw"}
    assert heard == fault.heard
    assert isinstance(last, TurnFailed if fault.ends == "failed" else TurnFinished)
    if isinstance(last, TurnFinished):
        assert last.finish_reason == fault.ends
    assert again == "Still here."
    assert isinstance(end, TurnFinished)
    assert validate_messages(stored) == []
    assert [r.text for r in history if r.role == "user"] == [
        "First.",
        "Second.",
        "What now?",
        "Are you there?",
    ]
    assert len({record.id for record in history}) == len(history)


async def test_a_fallback_model_answers_when_the_first_does_not(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_model(body: dict[str, Any]) -> Reply:
        return text("From the second.") if body["model"] == "second" else overloaded()

    with OpenAIServer(default=by_model) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        async with open_voice("openai:first", fallback_models=("openai:second",), **LIMITS) as resources:
            heard, _ = await hear(build_graph(resources), "Hello?")
    assert heard == "From the second."
    assert [recorded.body["model"] for recorded in server.requests] == ["first", "first", "second"]


async def test_a_fallback_model_answers_when_the_first_hangs(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_model(body: dict[str, Any]) -> Reply:
        return (
            text("From the second.") if body["model"] == "second" else text("x", hold_before_headers=Gate())
        )

    with OpenAIServer(default=by_model) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        async with open_voice(
            "openai:first", fallback_models=("openai:second",), latency_budget=4, first_token_timeout=3
        ) as resources:
            heard, _ = await hear(build_graph(resources), "Hello?")
    assert heard == "From the second."
    assert [recorded.body["model"] for recorded in server.requests] == ["first", "second"]


async def test_a_hedge_answers_when_the_first_request_is_late(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = text("Too late.", hold_before_first_token=Gate())
    with OpenAIServer(late, text("In time.")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        async with open_voice("openai:test", hedge_after=0.05, first_token_timeout=5) as resources:
            heard, _ = await hear(build_graph(resources), "Hello?")
            loser = await server.async_wait_closed(0)
            winner = await server.async_wait_closed(1)
    assert heard == "In time."
    assert loser.finished == "client_closed"
    assert winner.finished == "complete"


async def test_an_interrupted_model_call_is_closed(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voicegraph.graph import interrupt

    with OpenAIServer(text(HELLO, hold_after=2)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        async with open_voice("openai:test") as resources:
            graph = build_graph(resources)
            stream = stream_turn(graph, "Hello?", CALL)
            await anext(stream)
            await interrupt(graph, "call-42")
            assert (await server.async_wait_closed(0)).finished == "client_closed"
