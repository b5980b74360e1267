"""Who follows a turn: streams of it get each spoken word once, tracers one run for each model call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from calling import CALL, user_says
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler, get_usage_metadata_callback
from langchain_core.tracers.base import AsyncBaseTracer
from langchain_core.tracers.schemas import Run
from open_voice import OpenVoice
from openai_server import OpenAIServer, ToolCall, text, tool_calls

from voicegraph.graph import build_graph
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply, calls

WORDS: Any = user_says("What time is it?")
THINKING = "<think>He asks the time.</think>It is noon."
TOOL = ToolCall("get_weather", '{"pre_exec_msg": "Let me look.", "city": "Rome"}')
SPOKEN = "Let me look. It is noon."


async def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Sunny in {city}."


@pytest.fixture(params=["raw", "by LangChain"])
def path(request: pytest.FixtureRequest) -> str:
    return request.param


@asynccontextmanager
async def opened(path: str, open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """Give the graph over a model that calls a tool, thinks and answers."""
    if path == "by LangChain":
        call = calls("get_weather", "Let me look.", city="Rome")
        model = ScriptedChatModel([call, ScriptedReply(text=THINKING)])
        async with open_voice(model, tools=[get_weather]) as resources:
            yield build_graph(resources)
        return
    with OpenAIServer(tool_calls([TOOL]), text(THINKING)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        async with open_voice("openai:test", tools=[get_weather]) as resources:
            yield build_graph(resources)


async def test_astream_events_gives_each_spoken_word_once_and_no_thoughts(
    path: str, open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(path, open_voice, monkeypatch) as graph:
        events = [event async for event in graph.astream_events(WORDS, CALL, version="v2")]
    streamed = [event["data"]["chunk"] for event in events if event["event"] == "on_chat_model_stream"]
    assert "".join(chunk.text for chunk in streamed) == SPOKEN
    ended = [event["data"]["output"] for event in events if event["event"] == "on_chat_model_end"]
    assert "".join(message.content for message in ended if message) == SPOKEN


class Tracer(AsyncBaseTracer):
    """Keeps the runs of models with their parents."""

    def __init__(self) -> None:
        super().__init__()
        self.models: list[Run] = []
        self.runs: dict[Any, Run] = {}

    async def _persist_run(self, run: Run) -> None:
        pass

    async def _on_chain_start(self, run: Run) -> None:
        self.runs[run.id] = run

    async def _on_llm_start(self, run: Run) -> None:
        self.models.append(run)


async def test_a_tracer_sees_one_run_for_each_model_call_below_its_step(
    path: str, open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracer = Tracer()
    async with opened(path, open_voice, monkeypatch) as graph:
        await graph.ainvoke(WORDS, {**CALL, "callbacks": [tracer]})
    first, second = tracer.models
    assert {tracer.runs[run.parent_run_id].name for run in (first, second)} == {"call_llm"}  # pyright: ignore
    assert first.error is None
    outputs: Any = second.outputs
    assert outputs["generations"][0][0]["text"] == THINKING


class Counting(AsyncCallbackHandler):
    def __init__(self) -> None:
        self.tokens = ""

    async def on_llm_new_token(self, token: str, **_: Any) -> None:
        self.tokens += token


async def test_a_listener_and_a_callback_do_not_disturb_each_other(
    path: str, open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting()
    async with opened(path, open_voice, monkeypatch) as graph:
        parts = graph.astream(WORDS, {**CALL, "callbacks": [counting]}, stream_mode="messages")
        heard = "".join([chunk.text async for chunk, _ in parts])
    assert heard == SPOKEN
    assert counting.tokens == THINKING


async def test_the_usage_of_models_is_counted_by_langchains_own_callback(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened("raw", open_voice, monkeypatch) as graph:
        with get_usage_metadata_callback() as counted:
            await graph.ainvoke(WORDS, CALL)
    (usage,) = counted.usage_metadata.values()
    assert usage["total_tokens"] == 60


class Failing(BaseCallbackHandler):
    """A callback that breaks down at each token."""

    def on_llm_new_token(self, token: str, **_: Any) -> None:
        raise RuntimeError(token)


async def test_a_callback_that_fails_costs_no_word(
    path: str, open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(path, open_voice, monkeypatch) as graph:
        after = await graph.ainvoke(WORDS, {**CALL, "callbacks": [Failing()]})
    assert after["messages"][-1].text == "It is noon."
