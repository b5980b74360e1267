"""The window is cut between turns, and no call ever loses its result."""

from collections.abc import Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage

from voicegraph.nodes.window.trim import trim, turn_starts

users = st.integers(1, 3)
groups = st.lists(st.integers(1, 3), max_size=5)
turns = st.tuples(users, groups, st.booleans())
limits = st.integers(4, 30).flatmap(lambda limit: st.tuples(st.just(limit), st.integers(2, limit - 1)))


def make_turn(
    numbers: "count[int]", users: int, groups: Sequence[int], answered: bool = True
) -> list[AnyMessage]:
    """Return the messages of a turn: what the user said, groups of so many tool calls, and the reply."""
    turn: list[AnyMessage] = [HumanMessage("?", id=str(next(numbers))) for _ in range(users)]
    for size in groups:
        calls = [ToolCall(name="t", args={}, id=f"call_{next(numbers)}") for _ in range(size)]
        turn.append(AIMessage("", id=str(next(numbers)), tool_calls=calls))
        turn += [ToolMessage("ok", id=str(next(numbers)), tool_call_id=call["id"] or "") for call in calls]
    return [*turn, AIMessage("!", id=str(next(numbers)))] if answered else turn


def shape(messages: Sequence[AnyMessage]) -> str:
    """Return the window as letters: user, assistant, calling assistant, tool."""
    return "".join(
        "c"
        if isinstance(message, AIMessage) and message.tool_calls
        else {"human": "u", "ai": "a", "tool": "t"}[message.type]
        for message in messages
    )


def assert_calls_are_paired(messages: Sequence[AnyMessage]) -> None:
    expected: list[str | None] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            assert expected, "a result without its call"
            assert message.tool_call_id == expected.pop(0)
            continue
        assert not expected, "a call without its result"
        if isinstance(message, AIMessage):
            expected = [call["id"] for call in message.tool_calls]
    assert not expected, "a call without its result"


def assert_parted(
    whole: Sequence[AnyMessage], evicted: Sequence[AnyMessage], kept: Sequence[AnyMessage]
) -> None:
    """Check that each message is in one of the two, in the old order."""
    at = {id(message): position for position, message in enumerate(whole)}
    for part in (evicted, kept):
        positions = [at[id(message)] for message in part]
        assert positions == sorted(positions)
    assert sorted(at[id(message)] for message in [*evicted, *kept]) == list(range(len(whole)))


@given(limits, st.lists(turns, min_size=1, max_size=25))
def test_after_each_turn_the_window_fits_and_every_provider_takes_it(
    sizes: tuple[int, int], each: list[tuple[int, list[int], bool]]
) -> None:
    (limit, minimum), numbers = sizes, count()
    window: list[AnyMessage] = []
    for users_of, groups_of, answered in each:
        window += make_turn(numbers, users_of, groups_of, answered)
        evicted, kept = trim(window, limit=limit, minimum=minimum)
        assert len(kept) <= limit
        assert isinstance(kept[0], HumanMessage)
        assert_parted(window, evicted, kept)
        assert_calls_are_paired(kept)
        assert_calls_are_paired(evicted)
        window = kept


@given(limits, st.lists(turns, min_size=1, max_size=10))
def test_the_last_reply_always_stays(sizes: tuple[int, int], each: list[tuple[int, list[int], bool]]) -> None:
    numbers = count()
    window = [message for turn in each for message in make_turn(numbers, turn[0], turn[1])]
    _, kept = trim(window, limit=sizes[0], minimum=sizes[1])
    assert kept[-1] is window[-1]


def test_two_hundred_turns_keep_the_window_between_its_limits() -> None:
    numbers, window, evicted_at = count(), list[AnyMessage](), list[int]()
    everything: list[AnyMessage] = []
    for number in range(200):
        turn = make_turn(numbers, 1 + number % 2, [number % 3 + 1] if number % 4 == 0 else [])
        everything += turn
        evicted, window = trim([*window, *turn], limit=50, minimum=20)
        if evicted:
            evicted_at.append(number)
            assert 12 < len(window) <= 20
        assert len(window) <= 50
        assert isinstance(window[0], HumanMessage)
        assert_calls_are_paired(window)
    assert window == everything[-len(window) :]
    assert len(evicted_at) < 30, "the provider's prompt cache was broken too often"


def test_a_window_that_fits_comes_back_as_it_is() -> None:
    window = make_turn(count(), 1, [2], answered=True)
    assert trim(window, limit=len(window), minimum=2) == ([], window)


@pytest.mark.parametrize(
    ("each", "limit", "minimum", "left"),
    [
        ([(1, []), (1, [1]), (1, [])], 7, 6, "uctaua"),
        ([(1, []), (1, [1]), (1, [])], 7, 5, "ua"),
        ([(1, []), (2, []), (1, [])], 6, 5, "uuaua"),
        ([(1, []), (2, []), (1, [])], 6, 4, "ua"),
        ([(1, []), (1, [3])], 7, 2, "ucttta"),
        ([(1, [1, 1, 1])], 6, 2, "uctcta"),
        ([(1, [1, 1, 1])], 5, 2, "ucta"),
        ([(1, [3])], 4, 2, "ua"),
        ([(1, []), (1, [3, 3])], 6, 2, "ucttta"),
        ([(5, [])], 4, 2, "uuua"),
        ([(2, [1])], 4, 2, "uua"),
    ],
)
def test_it_is_cut_at_the_start_of_a_turn_or_between_the_steps_of_one_that_is_too_long(
    each: list[tuple[int, list[int]]], limit: int, minimum: int, left: str
) -> None:
    numbers = count()
    window = [message for users_of, groups_of in each for message in make_turn(numbers, users_of, groups_of)]
    _, kept = trim(window, limit=limit, minimum=minimum)
    assert shape(kept) == left


def test_the_results_of_an_unanswered_step_go_with_their_calls() -> None:
    window = make_turn(count(), 6, [1], answered=False)
    evicted, kept = trim(window, limit=4, minimum=2)
    assert (shape(evicted), shape(kept)) == ("uuct", "uuuu")


def test_a_window_without_words_of_the_user_fits_too() -> None:
    window: list[AnyMessage] = [SystemMessage("a note"), *make_turn(count(), 0, [2, 2])]
    evicted, kept = trim(window, limit=4, minimum=2)
    assert len(kept) <= 4
    assert_parted(window, evicted, kept)
    assert_calls_are_paired(kept)


def test_user_messages_in_a_row_begin_one_turn() -> None:
    numbers = count()
    window = [
        *make_turn(numbers, 2, []),
        *make_turn(numbers, 1, [1]),
        *make_turn(numbers, 3, [], answered=False),
    ]
    assert turn_starts(window) == [0, 3, 7]
    assert turn_starts([]) == []
