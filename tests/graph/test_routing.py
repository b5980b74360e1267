"""What comes next: the routers as tables."""

from typing import Any, get_args, get_type_hints

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage

from voicegraph.graph.routing import after_heartbeat, after_llm
from voicegraph.state.schema import Outcome, VoiceState, new_turn

CALL = ToolCall(name="get_weather", args={}, id="call_1")
CALLING = AIMessage("", tool_calls=[CALL])
RESULT = ToolMessage("ok", tool_call_id="call_1")


def state(outcome: Outcome, *messages: AnyMessage) -> VoiceState:
    turn = new_turn("turn-1", 1.0)
    turn["outcome"] = outcome
    values: Any = {"messages": [HumanMessage("?"), *messages], "turn": turn}
    return values


@pytest.mark.parametrize(
    ("outcome", "messages", "step"),
    [
        ("running", [CALLING], "execute_tool"),
        ("running", [AIMessage("Let me look.", tool_calls=[CALL])], "execute_tool"),
        ("finished", [AIMessage("Hello.")], "persist_and_trim"),
        ("running", [AIMessage("Hello.")], "persist_and_trim"),
        ("interrupted", [AIMessage("Hel")], "persist_and_trim"),
        ("interrupted", [], "persist_and_trim"),
        ("interrupted", [CALLING, RESULT], "persist_and_trim"),
        ("interrupted", [CALLING], "persist_and_trim"),
        ("failed", [CALLING], "persist_and_trim"),
        ("failed", [], "persist_and_trim"),
    ],
)
def test_only_the_calls_of_a_running_turn_are_executed(
    outcome: Outcome, messages: list[Any], step: str
) -> None:
    assert after_llm(state(outcome, *messages)) == step


@pytest.mark.parametrize(
    ("outcome", "step"),
    [
        ("running", "rebuild_memory"),
        ("interrupted", "persist_and_trim"),
        ("failed", "persist_and_trim"),
        ("finished", "persist_and_trim"),
    ],
)
def test_only_a_running_turn_asks_the_model_again(outcome: Outcome, step: str) -> None:
    assert after_heartbeat(state(outcome, CALLING, RESULT)) == step


@pytest.mark.parametrize(
    ("router", "steps"),
    [
        (after_llm, ("execute_tool", "persist_and_trim")),
        (after_heartbeat, ("rebuild_memory", "persist_and_trim")),
    ],
)
def test_the_routers_name_all_the_steps_that_they_lead_to(router: Any, steps: tuple[str, ...]) -> None:
    assert get_args(get_type_hints(router)["return"]) == steps
