"""Models in the environment's way: a turn fails for those that it needs, not for others."""

import logging

import pytest
from calling import CALL, call_with, user_says
from open_voice import OpenVoice

from voicegraph.graph import build_graph, stream_turn
from voicegraph.nodes import TurnFailed
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor

HELLO = user_says("Hello.")


async def test_a_fallback_model_that_cannot_be_reached_does_not_end_the_turn(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "good")
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:9")
    async with open_voice(ScriptedChatModel(["Hi."]), fallback_models=("openai:gpt-4.1",)) as resources:
        result = await build_graph(resources).ainvoke(HELLO, CALL)
    assert result["messages"][-1].text == "Hi."
    [line] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert vars(line)["model"] == "openai:gpt-4.1" and vars(line)["error"].startswith("ALL_PROXY ")


async def test_an_agents_own_model_that_cannot_be_reached_names_the_setting(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "good")
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:9")
    async with open_voice(ScriptedChatModel([])) as resources:
        await resources.store.actors.ensure(Actor())
        await resources.store.agents.create(Actor(), "nina", model="openai:gpt-4.1")
        call = call_with(agent="nina")
        events = [event async for event in stream_turn(build_graph(resources), "Hello.", call)]
    assert isinstance(events[-1], TurnFailed)
    assert (events[-1].error, events[-1].message[:10]) == ("invalid_setting", "ALL_PROXY ")
