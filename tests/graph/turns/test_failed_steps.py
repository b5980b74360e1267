"""Whatever breaks down inside a turn, it ends with a spoken sentence, as failed, and the next turn works."""

from collections.abc import Callable
from typing import Any

import pytest
from calling import CALL
from open_voice import OpenVoice

from voicegraph.graph import Resources, build_graph, stream_turn
from voicegraph.nodes import Speech, TurnFailed, TurnFinished
from voicegraph.nodes.testing import ScriptedChatModel, calls
from voicegraph.nodes.turn.limits import TurnLimits
from voicegraph.state import Actor

APOLOGY = TurnLimits().apology


@pytest.fixture
def voice_url(each_url: str) -> str:
    return each_url


async def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Sunny in {city}."


def broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("the caller said a secret")


def group(*_: Any, **__: Any) -> Any:
    raise BaseExceptionGroup("several", [ValueError("a secret"), KeyboardInterrupt()])


def break_memory(resources: Resources, patch: pytest.MonkeyPatch, how: Callable[..., Any]) -> None:
    async def memory(*_: Any) -> Any:
        return how()

    patch.setattr(resources.store.agents, "memory", memory)


def break_models(resources: Resources, patch: pytest.MonkeyPatch, how: Callable[..., Any]) -> None:
    patch.setattr(resources.models, "get", how)


def break_runs(resources: Resources, patch: pytest.MonkeyPatch, how: Callable[..., Any]) -> None:
    patch.setattr(resources.toolbox, "of_agent", how)


PLACES = {"the memory": break_memory, "the models": break_models, "the tools": break_runs}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("how", [broken, group])
async def test_a_step_that_breaks_down_ends_the_turn_in_words(
    place: str, how: Callable[..., Any], open_voice: OpenVoice, caplog: pytest.LogCaptureFixture
) -> None:
    model = ScriptedChatModel(["Hello.", "Still here."])
    async with open_voice(model, tools=[get_weather]) as resources:
        graph = build_graph(resources)
        [_ async for _ in stream_turn(graph, "Hi.", CALL)]
        with pytest.MonkeyPatch.context() as patch:
            PLACES[place](resources, patch, how)
            events = [event async for event in stream_turn(graph, "What now?", CALL)]
        later = [event async for event in stream_turn(graph, "And now?", CALL)]
        history = await resources.store.messages.history(Actor(), "call-42")
    assert "".join(event.content for event in events if isinstance(event, Speech)) == APOLOGY
    assert isinstance(events[-1], TurnFailed)
    assert "secret" not in events[-1].message + caplog.text
    assert "a step failed" in caplog.text
    assert "".join(event.content for event in later if isinstance(event, Speech)) == "Still here."
    assert isinstance(later[-1], TurnFinished)
    assert [r.text for r in history if r.role == "user"] == ["Hi.", "What now?", "And now?"]


async def test_the_first_turn_of_a_thread_may_break_down_too(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(["Here I am."])) as resources:
        graph = build_graph(resources)
        with pytest.MonkeyPatch.context() as patch:
            break_memory(resources, patch, broken)
            events = [event async for event in stream_turn(graph, "Hi.", CALL)]
        later = [event async for event in stream_turn(graph, "And now?", CALL)]
        history = await resources.store.messages.history(Actor(), "call-42")
    assert "".join(event.content for event in events if isinstance(event, Speech)) == APOLOGY
    assert isinstance(events[-1], TurnFailed)
    assert isinstance(later[-1], TurnFinished)
    assert [r.text for r in history if r.role == "user"] == ["Hi.", "And now?"]


async def test_what_was_spoken_before_a_step_broke_down_stays(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel([calls("get_weather", "Let me look.", city="Rome"), "Fine."])
    async with open_voice(model, tools=[get_weather]) as resources:
        graph = build_graph(resources)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("voicegraph.nodes.calls.run_call.CallRun.result", broken)
            events = [event async for event in stream_turn(graph, "The weather?", CALL)]
        later = [event async for event in stream_turn(graph, "And now?", CALL)]
        history = await resources.store.messages.history(Actor(), "call-42")
    assert (
        "".join(event.content for event in events if isinstance(event, Speech)) == f"Let me look. {APOLOGY}"
    )
    assert isinstance(events[-1], TurnFailed)
    assert isinstance(later[-1], TurnFinished)
    assert [record.role for record in history][:2] == ["user", "assistant"]
    assert APOLOGY in [record.text for record in history]
