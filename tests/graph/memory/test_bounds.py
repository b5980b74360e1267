"""What a process remembers of users and agents is bounded, however many there are."""

from typing import Any

import pytest
from calling import user_says
from open_voice import OpenVoice

from voicegraph.graph import build_graph
from voicegraph.nodes.model.catalog import VoiceModel, check_model_name
from voicegraph.nodes.model.request.request_form import LANGCHAIN
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.nodes.tools.toolbox import Toolbox
from voicegraph.state import Actor
from voicegraph.state.errors import InvalidSetting


async def test_of_many_users_the_newest_are_remembered(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicegraph.state.agents.actors.MOST_KNOWN", 3)
    async with open_voice(ScriptedChatModel(["Hi.", "Hi again."])) as resources:
        users = [Actor("acme", f"user-{number}") for number in range(6)]
        for user in users:
            await resources.store.actors.ensure(user)
        assert list(resources.store.actors._known) == users[3:]
        call: Any = {"configurable": {"thread_id": "call-1", "organization": "acme", "user": "user-0"}}
        await build_graph(resources).ainvoke(user_says("Hello."), call)


def test_bound_tools_of_clients_are_bounded_by_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicegraph.nodes.model.catalog.MOST_TOOL_CHARACTERS", 10_000)
    chat = ScriptedChatModel([])
    model = VoiceModel(name="m", chat=chat)
    for number in range(50):
        described = {"name": f"f{number}", "description": "x" * 1_000, "parameters": {"type": "object"}}
        model.with_tools((), [{"type": "function", "function": described}], LANGCHAIN)
        assert len(model._bound) <= 10
        assert sum(model._sizes) <= 10_000


def test_the_name_of_a_model_is_bounded() -> None:
    with pytest.raises(InvalidSetting, match="at most 200 characters"):
        check_model_name("openai:" + "x" * 200)


def test_sets_of_tools_are_bounded() -> None:
    toolbox = Toolbox()
    for number in range(2000):
        toolbox.of_agent(["archive"] * (number + 1))
    assert len(toolbox._sets) <= 256
    assert list(toolbox.of_agent(["archive"])) == ["archive"]
