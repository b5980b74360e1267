"""What the model is told of a tool call."""

from typing import get_args

import pytest
from langchain_core.messages import ToolCall

from voicegraph.nodes.tools.results.results import OUTCOME, OWN_NAME, SENTENCES, Outcome, tool_message

CALL = ToolCall(name="get_weather", args={"city": "Rome"}, id="call_1")


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_a_result_answers_its_call_and_tells_how_it_went(outcome: Outcome) -> None:
    message = tool_message("m1", CALL, outcome, "Sunny.", created_at=12.5, limit=100)
    assert (message.tool_call_id, message.name, message.text) == ("call_1", "get_weather", "Sunny.")
    assert message.additional_kwargs == {OUTCOME: outcome, "created_at": 12.5}
    assert message.status == ("success" if outcome == "success" else "error")


def test_the_same_call_always_gets_the_same_message_id() -> None:
    first, second = (
        tool_message("m1", CALL, "success", text, created_at=1.0, limit=100) for text in ("a", "b")
    )
    assert first.id == second.id


def test_a_long_result_is_clipped_and_says_so() -> None:
    message = tool_message("m1", CALL, "success", "x" * 101, created_at=1.0, limit=100)
    assert message.text.startswith("x" * 100 + "…")
    assert "x" * 101 not in message.text
    assert "cut" in message.text


def test_a_result_of_just_the_limit_is_whole() -> None:
    assert tool_message("m1", CALL, "success", "x" * 100, created_at=1.0, limit=100).text == "x" * 100


def test_an_empty_result_is_never_sent_empty() -> None:
    assert tool_message("m1", CALL, "success", "", created_at=1.0, limit=100).text == "(no output)"


def test_each_outcome_without_a_text_of_its_own_has_a_sentence() -> None:
    assert set(SENTENCES) == set(get_args(Outcome)) - {"success", "bad_arguments", "unknown_tool"}
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())


def test_a_clipped_result_does_not_end_in_half_a_character() -> None:
    message = tool_message("m1", CALL, "success", "ab\u0301c", created_at=1.0, limit=2)
    assert message.text.startswith("a…")


def test_a_text_of_any_outcome_can_be_sent() -> None:
    message = tool_message("m1", CALL, "error", "half \udce4\x00", created_at=1.0, limit=100)
    assert message.text == "half \ufffd"


def test_the_own_name_of_a_tool_is_noted_where_it_is_offered_under_another() -> None:
    same, other = (
        tool_message("m1", CALL, "success", "", created_at=1.0, limit=9, tool=name)
        for name in ("get_weather", "get.weather")
    )
    assert OWN_NAME not in same.additional_kwargs
    assert (other.name, other.additional_kwargs[OWN_NAME]) == ("get_weather", "get.weather")
