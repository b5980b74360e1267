"""The settings of a turn: good defaults, and values that cannot work are refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from voicegraph.nodes.turn.limits import TurnLimits


def test_the_defaults_are_those_of_the_design() -> None:
    limits = TurnLimits()
    assert (limits.message_buffer_limit, limits.message_buffer_min, limits.max_steps) == (50, 20, 10)
    assert limits.overlap == "newest"


@pytest.mark.parametrize(
    "values",
    [
        {"message_buffer_limit": 3},
        {"message_buffer_min": 1},
        {"message_buffer_limit": 20, "message_buffer_min": 20},
        {"message_buffer_limit": 10},
        {"max_steps": 0},
        {"first_token_timeout": 0},
        {"stall_timeout": -1},
        {"model_attempts": 0},
        {"hedge_after": 0},
        {"filler_after": 0},
        {"tool_timeout": 0},
        {"tool_result_chars": 5},
        {"max_message_chars": 0},
        {"overlap": "oldest"},
        {"checkpoints_kept": 1},
        {"first_token_timeout": float("nan")},
    ],
    ids=str,
)
def test_a_value_that_cannot_work_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TurnLimits(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"message_buffer_limit": 4, "message_buffer_min": 3},
        {"message_buffer_limit": 21},
        {"max_steps": 1},
        {"hedge_after": None, "filler_after": None},
        {"fallback_models": ["openai:a", "openai:b"]},
    ],
    ids=str,
)
def test_the_outermost_values_are_taken(values: dict[str, Any]) -> None:
    limits = TurnLimits(**values)
    assert {name: getattr(limits, name) for name in values} == {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }


def test_every_sentence_for_the_caller_can_be_spoken() -> None:
    limits = TurnLimits()
    for sentence in (limits.filler, limits.apology, limits.broken_reply, limits.filtered_reply):
        assert sentence.endswith((".", "?"))
