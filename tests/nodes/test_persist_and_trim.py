"""Step 5 alone: what is stored of a turn, what stays in the window, and how the end is announced."""

from typing import Any

from langgraph.types import Overwrite
from one_step import Step, reply, said

from voicegraph.nodes.persist_and_trim import persist_and_trim
from voicegraph.nodes.turn.interruption import Interruption
from voicegraph.state.schema import LatestTurn

BEGUN = LatestTurn(turn_id="turn-1", after="", started_at=1000.0, whole=False)
ENDED: dict[str, Any] = {"outcome": "finished", "finish_reason": "stop", "step": 1, "spoken": "One two."}


def window(update: Any) -> list[str]:
    messages: Any = update["messages"]
    assert isinstance(messages, Overwrite)
    return [message.text for message in messages.value]


async def test_the_end_is_announced_and_the_turn_is_stored(step: Step) -> None:
    async with step() as one:
        state = {**one.state(said("Count."), reply("One two."), **ENDED), "latest": BEGUN}
        update = await one.run(persist_and_trim, state)
        stored = await one.stored()
    [event] = one.events
    assert (event["type"], event["finish_reason"], event["steps"]) == ("turn_finished", "stop", 1)
    assert [message.text for message in stored] == ["Count.", "One two."]
    assert update["stored_through"] == "a1"
    assert update["latest"] == {**BEGUN, "whole": True, "ended_at": 1000.0}
    assert "messages" not in update


async def test_a_failed_turn_is_announced_with_its_error_from_the_state(step: Step) -> None:
    failed: dict[str, Any] = {"outcome": "failed", "error": "model_timeout", "error_message": "m: too late"}
    async with step() as one:
        await one.run(persist_and_trim, one.state(said("Hi."), reply("Sorry."), **failed), resumed=True)
    [event] = one.events
    assert (event["type"], event["error"], event["message"]) == (
        "turn_failed",
        "model_timeout",
        "m: too late",
    )


async def test_an_interrupted_reply_is_cut_to_what_was_heard(step: Step) -> None:
    async with step() as one:
        state = one.state(said("Count."), reply("One two."), **ENDED)
        update = await one.run(persist_and_trim, state, stop=Interruption(heard="One"))
        stored = await one.stored()
    assert window(update) == ["Count.", "One"]
    assert [(message.text, message.unheard) for message in stored] == [("Count.", None), ("One", "two.")]


async def test_a_turn_that_has_ended_is_cut_without_a_second_announcement(step: Step) -> None:
    async with step() as one:
        state = {**one.state(said("Count."), reply("One two."), **ENDED), "latest": BEGUN}
        first = await one.run(persist_and_trim, state)
        one.events.clear()
        ended = {**state, **first, "stored_through": "u1"}
        again = await one.run(persist_and_trim, ended, stop=Interruption(heard="One"))
        stored = await one.stored()
    assert one.events == []
    assert window(again) == ["Count.", "One"]
    assert again["latest"] == {**first["latest"], "confirmed": True}
    assert [(message.text, message.unheard) for message in stored] == [("Count.", None), ("One", "two.")]


async def test_a_long_window_is_trimmed_and_its_messages_are_due(step: Step) -> None:
    woken: list[str] = []
    turns = [message for at in range(3) for message in (said("Hi.", f"u{at}"), reply("Yes?", id=f"a{at}"))]
    async with step(message_buffer_limit=4, message_buffer_min=2) as one:
        state = one.state(*turns, **ENDED)
        update = await one.run(persist_and_trim, state, consolidate=lambda _, agent: woken.append(agent))
        stored = await one.stored()
    assert len(window(update)) == 2
    assert [message.evicted_at is not None for message in stored] == [True] * 4 + [False] * 2
    assert woken == [one.agent["id"]]
