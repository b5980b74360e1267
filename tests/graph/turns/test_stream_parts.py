"""Events leave the graph as plain dicts, in the form that the options of the stream ask for."""

from typing import Any

import pytest
from calling import CALL, user_says
from open_voice import OpenVoice

from voicegraph.graph import build_graph
from voicegraph.graph.turns.stream_parts import carries_only_events
from voicegraph.nodes.testing import ScriptedChatModel


def plain(part: Any) -> Any:
    return part


def named(part: Any) -> Any:
    return part[1] if part[0] == "custom" else None


def of_version_2(part: Any) -> Any:
    return part["data"] if part["type"] == "custom" else None


def placed(part: Any) -> Any:
    return part[1] if part[0] == () else None


FORMS = {
    "one mode": ({"stream_mode": "custom"}, plain),
    "a list of one mode": ({"stream_mode": ["custom"]}, named),
    "a durability": ({"stream_mode": "custom", "durability": "exit"}, plain),
    "version 2": ({"stream_mode": "custom", "version": "v2"}, of_version_2),
    "subgraphs": ({"stream_mode": "custom", "subgraphs": True}, placed),
    "several modes": ({"stream_mode": ["values", "custom"]}, named),
}


@pytest.mark.parametrize(("options", "data_of"), FORMS.values(), ids=FORMS)
async def test_events_are_plain_dicts_with_any_options(
    open_voice: OpenVoice, options: dict[str, Any], data_of: Any
) -> None:
    async with open_voice(ScriptedChatModel(["Hello Ada."])) as resources:
        parts = [
            part async for part in build_graph(resources).astream(user_says("I'm Ada."), CALL, **options)
        ]
    events = [data for part in parts if (data := data_of(part)) is not None]
    assert "".join(event["content"] for event in events[:-1]) == "Hello Ada."
    assert all(event["type"] == "speech" for event in events[:-1])
    assert events[-1]["type"] == "turn_finished"
    assert "content" not in events[-1]


@pytest.mark.parametrize(
    ("options", "only"),
    [
        ({}, False),
        ({"stream_mode": "custom"}, True),
        ({"stream_mode": ("custom",), "version": "v2", "subgraphs": True}, True),
        ({"stream_mode": "messages"}, False),
        ({"stream_mode": ["messages", "custom"]}, False),
        ({"stream_mode": "custom", "print_mode": "values"}, False),
    ],
)
def test_only_the_stream_modes_decide_whether_there_is_more_than_events(
    options: dict[str, Any], only: bool
) -> None:
    assert carries_only_events(options) == only
