"""Step 3 alone: every call of the reply gets one result, in order."""

from typing import Any

from langgraph.types import Overwrite
from one_step import Step, call_of, reply, said

from voicegraph.nodes.execute_tool import execute_tool
from voicegraph.nodes.turn.interruption import Interruption


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Sunny in {city}."


def results(update: Any) -> list[tuple[str, str]]:
    messages: Any = update["messages"]
    assert isinstance(messages, Overwrite)
    return [(message.tool_call_id, message.status) for message in messages.value if message.type == "tool"]


async def test_each_call_has_a_result_in_order(step: Step) -> None:
    calls = [
        call_of("get_weather", "c1", city="Rome"),
        call_of("unknown", "c2"),
        call_of("get_weather", "c3"),
    ]
    async with step(tools=[get_weather]) as one:
        update = await one.run(execute_tool, one.state(said("?"), reply("", *calls), step=1))
    assert results(update) == [("c1", "success"), ("c2", "error"), ("c3", "error")]
    assert update["turn"]["outcome"] == "running"


async def test_a_tool_is_announced_and_reported_by_events(step: Step) -> None:
    async with step(tools=[get_weather]) as one:
        await one.run(execute_tool, one.state(said("?"), reply("", call_of("get_weather", city="Rome"))))
    assert [event["type"] for event in one.events] == ["tool_started", "tool_finished"]
    assert one.events[0]["arguments"] == {"city": "Rome"}


async def test_a_stopped_turn_starts_no_tool(step: Step) -> None:
    stop = Interruption()
    stop.request()
    async with step(tools=[get_weather]) as one:
        state = one.state(said("?"), reply("", call_of("get_weather", city="Rome")))
        update = await one.run(execute_tool, state, stop=stop)
    assert results(update) == [("c1", "error")]
    assert update["turn"]["outcome"] == "interrupted"


async def test_without_calls_there_is_nothing_to_do(step: Step) -> None:
    async with step() as one:
        assert await one.run(execute_tool, one.state(said("Hi."))) == {}
