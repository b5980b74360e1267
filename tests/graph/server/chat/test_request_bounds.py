"""What is read of a chat request that holds more than a turn can use."""

import asyncio
from typing import Any

import pytest
from served_app import Serve

from voicegraph.graph.server.api.forgetting import forget_now
from voicegraph.graph.server.chat.request_bounds import MOST_MESSAGES, first_tools, recent_messages
from voicegraph.state import Actor

NOTE: Any = {"role": "system", "content": "Be kind."}
WORDS: Any = {"role": "user", "content": "Hi"}
LONG = "word " * 1_000


def test_a_usual_history_stays_as_it_is() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": [1]}'}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    history = [
        NOTE,
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "A cat."},
        {"role": "assistant", "content": "A cat."},
        WORDS,
    ]
    assert recent_messages(history, 1_000) == history


def test_of_a_long_history_the_end_is_read_and_the_instructions_before_it() -> None:
    history = [NOTE, *[WORDS] * 5_000, {"role": "user", "content": "Last"}]
    recent = recent_messages(history, 1_000)
    assert (len(recent), recent[0], recent[1], recent[-1]) == (MOST_MESSAGES + 1, NOTE, WORDS, history[-1])


@pytest.mark.parametrize(
    ("message", "bounded"),
    [
        ({"role": "assistant", "content": LONG}, {"role": "assistant", "content": LONG[:100]}),
        (
            {"role": "user", "content": [{"type": "text", "text": LONG}]},
            {"role": "user", "content": [{"type": "text", "text": LONG[:100]}]},
        ),
        (
            {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": LONG}}]},
            {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]},
        ),
        (
            {"role": "user", "content": [{"type": "x", "y": [[]] * 5_000}, {"type": "text", "text": "a"}]},
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
        ),
        ({"role": "user", "x": [{"y": [[]] * 5_000}]}, {"role": "user", "x": []}),
        ({"role": "user", "x": {"y": [[]] * 5_000}}, {"role": "user"}),
        ("no message", "no message"),
        (None, None),
    ],
    ids=["a text", "a part", "arguments", "a huge part", "a huge list", "a huge field", "text", "nothing"],
)
def test_a_message_is_read_up_to_a_limit(message: Any, bounded: Any) -> None:
    assert recent_messages([message, WORDS], 100) == [bounded, WORDS]


def test_the_callers_last_words_stay_whole_to_be_refused() -> None:
    assert recent_messages([{"role": "user", "content": LONG}], 100) == [{"role": "user", "content": LONG}]


def test_a_history_of_huge_messages_is_shorter() -> None:
    huge = {"role": "user", "content": [{"type": "text", "text": "a"}] * 900}
    assert len(recent_messages([*[huge] * 100, WORDS], 100)) < 25


def test_as_many_tools_are_offered_as_a_model_takes() -> None:
    small = [{"function": {"name": f"f{n}"}} for n in range(200)]
    assert first_tools(small) == small[:128]
    huge = [{"function": {"name": f"f{n}", "parameters": [[]] * 4_000}} for n in range(10)]
    assert first_tools(huge) == huge[:2]
    long = [{"function": {"name": f"f{n}", "description": "x" * 60_000}} for n in range(10)]
    assert first_tools(long) == long[:3]


async def test_users_are_forgotten_one_after_the_other(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    running = most = 0

    async def forget(*asked: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await forget_now(*asked)
        finally:
            running -= 1

    monkeypatch.setattr("voicegraph.graph.server.api.memory.forget_now", forget)
    async with serve() as served, served.client() as client:
        for name in ("nina", "omar", "rosa"):
            await served.resources.store.agents.create(Actor(), name)
        bodies = [{"what": "agent", "name": name} for name in ("nina", "omar", "rosa")]
        answers = await asyncio.gather(*(client.post("/v1/forget", json=body) for body in bodies))
    assert [answer.json()["complete"] for answer in answers] == [True] * 3
    assert most == 1
