"""A client's settings beside those of the model and the agent."""

from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_openai import ChatOpenAI

from voicegraph.nodes.model.request.client_settings import with_client_settings, with_format_in_body
from voicegraph.nodes.testing import ScriptedChatModel

OWN = ScriptedChatModel([])
LIMITS: list[tuple[dict[str, Any], dict[str, Any], int | None]] = [
    ({}, {"max_completion_tokens": 9}, 9),
    ({"max_completion_tokens": 5}, {"max_completion_tokens": 9}, 5),
    ({"max_tokens": 5}, {"max_completion_tokens": 9}, 5),
    ({"max_tokens": 9}, {"max_completion_tokens": 5}, 5),
    ({"max_completion_tokens": 5}, {"temperature": 1}, 5),
    ({"temperature": 0}, {"temperature": 1}, None),
]


@pytest.mark.parametrize(("settings", "theirs", "limit"), LIMITS)
def test_the_lowest_limit_on_a_replys_length_counts(
    settings: dict[str, Any], theirs: dict[str, Any], limit: int | None
) -> None:
    merged = with_client_settings(settings, theirs, OWN)
    assert merged.get("max_completion_tokens") == limit
    assert "max_tokens" not in merged


def test_other_settings_of_the_client_count_before_the_agents() -> None:
    assert with_client_settings({"temperature": 0, "seed": 1}, {"temperature": 1}, OWN) == {
        "temperature": 1,
        "seed": 1,
    }


def test_another_provider_through_langchain_is_given_what_every_chat_model_takes() -> None:
    theirs: dict[str, Any] = {
        "temperature": 1,
        "stop": ["x"],
        "response_format": {},
        "tool_choice": "required",
    }
    chat = GenericFakeChatModel(messages=iter([]))
    assert with_client_settings({"seed": 1}, theirs, chat) == {"seed": 1, "stop": ["x"]}


def test_the_form_of_the_answer_goes_into_the_body_that_langchain_passes_on() -> None:
    chat = ChatOpenAI(model="m", api_key="k", extra_body={"top_k": 5})  # pyright: ignore[reportArgumentType]
    settings = {"seed": 1, "response_format": {"type": "json_object"}}
    assert with_format_in_body(settings, chat) == {
        "seed": 1,
        "extra_body": {"top_k": 5, "response_format": {"type": "json_object"}},
    }
    assert with_format_in_body(settings, OWN) == settings
