"""What a turn tells its listeners: plain dicts, of which only speech has content."""

from typing import Any

import pytest

from voicegraph.nodes.turn.events import (
    Event,
    Speech,
    ToolFinished,
    ToolStarted,
    TurnFailed,
    TurnFinished,
    decode_event,
    encode_event,
)
from voicegraph.state.usage import Usage

USAGE = Usage(input_tokens=7, output_tokens=3, cached_tokens=0)
EVENTS: list[Event] = [
    Speech(content="Hello."),
    ToolStarted(tool_call_id="call_1", name="get_weather", arguments={"city": "Rome"}),
    ToolFinished(tool_call_id="call_1", name="get_weather", status="success", seconds=0.5),
    TurnFinished(
        turn_id="t", finish_reason="stop", usage=USAGE, steps=1, first_speech_seconds=None, seconds=2.0
    ),
    TurnFailed(
        turn_id="t", error="model", message="no", usage=USAGE, steps=1, first_speech_seconds=0.1, seconds=2.0
    ),
]
each = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)


@each
def test_only_speech_has_content(event: Event) -> None:
    assert ("content" in encode_event(event)) == isinstance(event, Speech)


@each
def test_an_event_comes_out_of_the_stream_as_it_went_in(event: Event) -> None:
    assert decode_event(encode_event(event)) == event


@each
def test_the_type_names_the_event(event: Event) -> None:
    assert encode_event(event)["type"] == event.type


@pytest.mark.parametrize(
    "data",
    [
        None,
        "speech",
        {},
        {"type": "other"},
        {"type": None},
        {"type": "speech"},
        {"type": "speech", "text": "another's"},
        {"content": "Hello."},
    ],
)
def test_parts_that_are_not_ours_are_none(data: Any) -> None:
    assert decode_event(data) is None
