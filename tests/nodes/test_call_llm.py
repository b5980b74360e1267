"""Step 2 alone: one completion, spoken as it comes."""

from typing import Any, cast

from langchain_core.messages import AIMessage
from one_step import Step, said

from voicegraph.nodes.call_llm import call_llm
from voicegraph.nodes.testing import ScriptedReply, calls
from voicegraph.nodes.turn.interruption import Interruption
from voicegraph.state.errors import ModelRefused, VoicegraphError


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return city


def only_message(update: Any) -> AIMessage:
    [message] = cast(list[Any], update["messages"])
    assert isinstance(message, AIMessage)
    return message


async def test_a_reply_is_spoken_and_ends_the_turn(step: Step) -> None:
    async with step(["Hello Ada."]) as one:
        update = await one.run(call_llm, one.state(said("I'm Ada.")))
    assert "".join(event["content"] for event in one.events) == "Hello Ada."
    assert only_message(update).text == "Hello Ada."
    assert update["turn"]["outcome"] == "finished"
    assert update["turn"]["finish_reason"] == "stop"
    assert update["turn"]["step"] == 1
    assert update["turn"]["spoken"] == "Hello Ada."


async def test_a_reply_that_calls_tools_leaves_the_turn_running(step: Step) -> None:
    async with step([calls("get_weather", "Let me look.", city="Rome")], tools=[get_weather]) as one:
        update = await one.run(call_llm, one.state(said("The weather?")))
    assert update["turn"]["outcome"] == "running"
    assert [call["name"] for call in only_message(update).tool_calls] == ["get_weather"]
    assert "".join(event["content"] for event in one.events) == "Let me look."


async def test_the_hidden_instruction_is_for_one_call(step: Step) -> None:
    async with step(["Sunny."]) as one:
        update = await one.run(call_llm, one.state(said("The weather?"), instruction="Tell the user."))
    assert "Tell the user." in "".join(message.text for message in one.model.requests[0].messages)
    assert update["turn"]["instruction"] is None


async def test_a_stopped_turn_does_not_ask_the_model(step: Step) -> None:
    stop = Interruption()
    stop.request()
    async with step([]) as one:
        update = await one.run(call_llm, one.state(said("Hi.")), stop=stop)
    assert update["turn"]["outcome"] == "interrupted"
    assert update["messages"] == []
    assert one.events == []


async def test_a_turn_that_has_failed_does_not_ask_the_model(step: Step) -> None:
    async with step([]) as one:
        assert await one.run(call_llm, one.state(said("Hi."), outcome="failed")) == {}


async def test_a_model_that_fails_leaves_its_error_in_the_turn(step: Step) -> None:
    failed: list[VoicegraphError] = []
    error = ModelRefused("scripted: no credit")
    async with step([error], model_attempts=1, apology="Sorry.") as one:
        update = await one.run(call_llm, one.state(said("Hi.")), failed=failed.append)
    assert update["turn"]["outcome"] == "failed"
    assert update["turn"]["error"] == "model_refused"
    assert "no credit" in update["turn"]["error_message"]
    assert [str(error) for error in failed] == [update["turn"]["error_message"]]
    assert only_message(update).text == "Sorry."


async def test_an_empty_answer_says_so_to_developers(step: Step) -> None:
    async with step([ScriptedReply(text=" ")], model_attempts=1, apology="Sorry.") as one:
        update = await one.run(call_llm, one.state(said("Hi.")))
    assert update["turn"]["outcome"] == "failed"
    assert "the answer was empty" in update["turn"]["error_message"]
