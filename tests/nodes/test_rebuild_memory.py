"""Step 1 alone: prompt and window before the model call."""

from langchain_core.messages import ToolMessage
from langgraph.types import Overwrite
from one_step import Step, call_of, reply, said

from voicegraph.nodes.rebuild_memory import rebuild_memory
from voicegraph.state.schema import LatestTurn

BEGUN = LatestTurn(turn_id="turn-1", after="", started_at=1000.0, whole=False)


async def test_the_prompt_holds_the_agents_memory(step: Step) -> None:
    async with step() as one:
        update = await one.run(rebuild_memory, one.state(said("Hi.")))
    assert "persona" in update["system_prompt"]
    assert update["agent"]["name"] == "default"
    assert update["latest"]["turn_id"] == "turn-1"


async def test_an_unchanged_memory_is_not_rendered_again(step: Step) -> None:
    async with step() as one:
        state = one.state(said("Hi."))
        stamp = (await one.run(rebuild_memory, state))["memory_stamp"]
        update = await one.run(rebuild_memory, {**state, "memory_stamp": stamp, "latest": BEGUN})
    assert set(update) == {"agent"}


async def test_a_call_without_result_gets_one_that_says_so(step: Step) -> None:
    async with step() as one:
        window = [said("Hi."), reply("", call_of("pay")), said("And now?", id="u2")]
        update = await one.run(rebuild_memory, one.state(*window))
    messages = update["messages"]
    assert isinstance(messages, Overwrite)
    assert [message.id for message in messages.value if not isinstance(message, ToolMessage)] == [
        "u1",
        "a1",
        "u2",
    ]
    assert isinstance(messages.value[2], ToolMessage)
    assert update["stored_through"] == ""


async def test_a_memory_that_cannot_be_read_ends_the_turn_in_words(step: Step) -> None:
    async with step() as one:
        update = await one.run(rebuild_memory, one.state(said("Hi.")), agent="agent-unknown")
    assert update["turn"]["outcome"] == "failed"
    assert update["turn"]["error"] == "agent_not_found"
    assert "agent-unknown" in update["turn"]["error_message"]
    assert [event["type"] for event in one.events] == ["speech"]
