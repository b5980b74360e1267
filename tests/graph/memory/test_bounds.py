"""What a process remembers of users, interrupts and agents is bounded, however many there are."""

from typing import Any

import pytest
from calling import user_says
from open_voice import OpenVoice

from voicegraph.graph import build_graph
from voicegraph.graph.threads.interrupts import Interrupts
from voicegraph.graph.threads.running import Threads
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


class FakeLeases:
    address = 1

    def at(self, moment: float) -> float:
        return moment


def part_of(id_: str, part: int) -> dict[str, Any]:
    return {
        "kind": "interrupt",
        "thread": "call-1",
        "from": 2,
        "id": id_,
        "at": 0.0,
        "again": False,
        "part": part,
        "of": 2,
        "heard": "words ",
    }


def test_interrupts_whose_rest_never_comes_are_forgotten() -> None:
    answers: list[str] = []

    def reply(notice: dict[str, Any], kind: str, **more: Any) -> None:
        answers.append(notice["id"])

    leases: Any = FakeLeases()
    interrupts = Interrupts(leases, Threads("newest"), reply, lambda thread_id: None)
    for number in range(3000):
        interrupts.hear(part_of(f"lost-{number}", 0))
    assert len(interrupts._parts) <= 1000
    interrupts.hear(part_of("whole", 0))
    interrupts.hear(part_of("whole", 1))
    assert answers == ["whole"]


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
