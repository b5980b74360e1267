"""A window that a crash left behind becomes one that every provider accepts."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage

from voicegraph.nodes.tools.results.results import OUTCOME
from voicegraph.nodes.window.repair import repair, unanswered


def calling(*ids: str, id: str = "reply") -> AIMessage:
    return AIMessage("", id=id, tool_calls=[ToolCall(name="t", args={}, id=call_id) for call_id in ids])


def result(call_id: str, text: str = "ok", outcome: str = "success") -> ToolMessage:
    return ToolMessage(text, tool_call_id=call_id, additional_kwargs={OUTCOME: outcome})


def fate(reply: AIMessage, call: ToolCall) -> ToolMessage:
    return result(call["id"] or "", f"lost of {reply.id}", "cancelled")


def written(messages: Sequence[AnyMessage]) -> list[str]:
    """Return the window in short: text, `calls a b`, `a=ok`."""
    return [
        f"{message.tool_call_id}={message.text}"
        if isinstance(message, ToolMessage)
        else " ".join(["calls", *(str(call["id"]) for call in message.tool_calls)])
        if isinstance(message, AIMessage) and message.tool_calls
        else str(message.text)
        for message in messages
    ]


USER, ANSWER = HumanMessage("?"), AIMessage("!")


@pytest.mark.parametrize(
    ("window", "mended"),
    [
        ([USER, calling("a", "b"), USER], ["?", "calls a b", "a=lost of reply", "b=lost of reply", "?"]),
        ([USER, calling("a", "b"), result("b")], ["?", "calls a b", "a=lost of reply", "b=ok"]),
        ([USER, calling("a", "b"), result("b"), result("a")], ["?", "calls a b", "a=ok", "b=ok"]),
        ([USER, calling("a"), USER, result("a"), ANSWER], ["?", "calls a", "a=ok", "?", "!"]),
        ([result("x"), USER, calling("a"), result("a"), result("y")], ["?", "calls a", "a=ok"]),
        ([USER, calling("a"), result("a"), result("a"), ANSWER], ["?", "calls a", "a=ok", "!"]),
        ([USER, calling("a"), result("a", "wait", "running")], ["?", "calls a", "a=lost of reply"]),
        (
            [USER, calling("a"), result("a"), calling("a", id="2")],
            ["?", "calls a", "a=ok", "calls a", "a=lost of 2"],
        ),
        ([], []),
    ],
    ids=[
        "none",
        "one missing",
        "wrong order",
        "late",
        "orphans",
        "doubled",
        "still running",
        "same id",
        "empty",
    ],
)
def test_each_call_is_answered_once_and_in_order(window: list[AnyMessage], mended: list[str]) -> None:
    assert written(repair(window, fate)) == mended


def test_a_window_in_order_keeps_its_very_messages() -> None:
    window: list[AnyMessage] = [USER, calling("a", "b"), result("a"), result("b"), ANSWER, USER]
    mended = repair(window, fate)
    assert [id(message) for message in mended] == [id(message) for message in window]


turns = st.lists(st.lists(st.integers(1, 3), max_size=3), min_size=1, max_size=5)
damages = st.lists(st.tuples(st.sampled_from(["drop", "move", "double", "orphan"]), st.randoms()), max_size=6)


def make_window(turns: list[list[int]]) -> list[AnyMessage]:
    window: list[AnyMessage] = []
    for number, groups in enumerate(turns):
        window.append(HumanMessage("?"))
        for step, size in enumerate(groups):
            ids = [f"call_{number}_{step}_{index}" for index in range(size)]
            window += [calling(*ids, id=f"reply_{number}_{step}"), *map(result, ids)]
        window.append(AIMessage("!"))
    return window


def damage(window: list[AnyMessage], kind: str, random: Any) -> None:
    results = [position for position, message in enumerate(window) if isinstance(message, ToolMessage)]
    if kind == "orphan":
        window.insert(random.randint(0, len(window)), result(f"nobody_{random.random()}"))
    elif results:
        at = random.choice(results)
        victim = window[at] if kind == "double" else window.pop(at)
        if kind != "drop":
            window.insert(random.randint(0, len(window)), victim.model_copy())


@given(turns, damages)
def test_any_damage_to_the_results_is_mended(groups: list[list[int]], harm: list[tuple[str, Any]]) -> None:
    whole = make_window(groups)
    window = list(whole)
    for kind, random in harm:
        damage(window, kind, random)
    left = Counter(message.tool_call_id for message in window if isinstance(message, ToolMessage))
    mended = repair(window, fate)
    others = [message for message in whole if not isinstance(message, ToolMessage)]
    assert [id(m) for m in mended if not isinstance(m, ToolMessage)] == [id(m) for m in others]
    assert [m.tool_call_id if isinstance(m, ToolMessage) else m.type for m in mended] == [
        m.tool_call_id if isinstance(m, ToolMessage) else m.type for m in whole
    ]
    for message in mended:
        if isinstance(message, ToolMessage):
            assert (message.text == "ok") == bool(left[message.tool_call_id])
    assert repair(mended, fate) == mended


def test_replies_with_open_calls_are_found() -> None:
    open_one, settled, waiting = calling("a", "b", id="1"), calling("c", id="2"), calling("d", id="3")
    window = [open_one, result("a"), settled, result("c"), waiting, result("d", outcome="running"), ANSWER]
    assert unanswered(window) == [open_one, waiting]


def test_nothing_is_open_in_a_whole_window() -> None:
    assert unanswered(make_window([[2], [], [1, 3]])) == []
