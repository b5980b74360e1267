"""Step 4 alone: the hidden instruction for the next model call."""

import pytest
from langchain_core.messages import ToolMessage
from one_step import Step, call_of, reply, said

from voicegraph.nodes.heartbeat import FAILED, FINISHED, LAST_STEP, heartbeat
from voicegraph.nodes.turn.interruption import Interruption


def result(status: str, id: str = "t1") -> ToolMessage:
    return ToolMessage("It was so.", tool_call_id="c1", id=id, status=status)


@pytest.mark.parametrize(
    ("statuses", "calls_made", "instruction"),
    [
        (["success"], 1, FINISHED),
        (["success", "error"], 1, FAILED),
        (["success"], 2, LAST_STEP),
        (["error", "success"], 2, f"{FAILED} {LAST_STEP}"),
    ],
)
async def test_the_instruction_tells_how_the_tools_ended_and_whether_more_may_be_called(
    step: Step, statuses: list[str], calls_made: int, instruction: str
) -> None:
    ended = [result(status, f"t{place}") for place, status in enumerate(statuses)]
    async with step(max_steps=3) as one:
        state = one.state(said("?"), reply("", call_of("pay")), *ended, step=calls_made)
        update = await one.run(heartbeat, state)
    assert update == {"turn": {**state["turn"], "instruction": instruction}}


async def test_the_results_of_an_earlier_reply_do_not_count(step: Step) -> None:
    async with step() as one:
        window = [result("error"), reply("", call_of("pay"), id="a2"), result("success", "t2")]
        update = await one.run(heartbeat, one.state(said("?"), *window))
    assert update["turn"]["instruction"] == FINISHED


async def test_a_turn_that_was_stopped_ends(step: Step) -> None:
    stop = Interruption()
    stop.request()
    async with step() as one:
        update = await one.run(heartbeat, one.state(said("?"), result("success")), stop=stop)
    assert update["turn"]["outcome"] == "interrupted"
    assert update["turn"]["finish_reason"] == "interrupted"
