"""Calls and results of histories, whatever ids they come under."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from voicegraph.graph.clients.client_history import read_history
from voicegraph.nodes.replies.reply import acceptable_id
from voicegraph.nodes.text.plain_json import plain_json
from voicegraph.state.schema import ClientMessage

IDS = st.sampled_from(["", "c", "d", "call_" + "x" * 60, "call_" + "x" * 61, "вызов", "c\ud83d", None, 0, 1])


def results_by_call(messages: list[ClientMessage]) -> dict[str, str]:
    """Return what each call asked for and the texts that answer it."""
    asked = {call["id"]: call["args"]["n"] for message in messages for call in message.get("calls", ())}
    told = {message["call_id"]: message["text"] for message in messages if "call_id" in message}
    assert set(told) <= set(asked)
    return {asked[call_id]: text for call_id, text in told.items()}


@given(st.lists(st.lists(IDS, min_size=1, max_size=3), max_size=5))
def test_results_in_order_stay_with_their_calls_under_ids_that_providers_take(
    replies: list[list[Any]],
) -> None:
    raw: list[dict[str, Any]] = []
    number = 0
    for ids in replies:
        numbered = [(id_, str(number + place)) for place, id_ in enumerate(ids)]
        number += len(ids)
        calls = [{"id": id_, "function": {"name": "f", "arguments": {"n": n}}} for id_, n in numbered]
        raw.append({"role": "user", "content": "Go."})
        raw.append({"role": "assistant", "tool_calls": calls})
        raw += [{"role": "tool", "tool_call_id": id_, "content": n} for id_, n in numbered]
    messages = read_history(raw).messages
    ids = [call["id"] for message in messages for call in message.get("calls", ())]
    assert len(set(ids)) == len(ids) == number
    assert all(acceptable_id(call_id) == call_id for call_id in ids)
    assert results_by_call(messages) == {str(n): str(n) for n in range(number)}
    assert read_history(raw).messages == messages


def test_a_result_that_is_told_again_belongs_to_the_same_call() -> None:
    call = {"id": "", "function": {"name": "f", "arguments": {"n": "0"}}}
    named = {"id": "c", "function": {"name": "g", "arguments": {"n": "1"}}}
    raw = [
        {"role": "assistant", "tool_calls": [call, named]},
        {"role": "tool", "tool_call_id": "c", "content": "IN_PROGRESS"},
        {"role": "tool", "tool_call_id": "", "content": "first"},
        {"role": "tool", "tool_call_id": "c", "content": "second"},
    ]
    assert results_by_call(read_history(raw).messages) == {"0": "first", "1": "second"}


def test_a_result_without_an_id_goes_by_the_name_of_its_tool() -> None:
    calls = [{"id": "", "function": {"name": name, "arguments": {"n": name}}} for name in ("f", "g")]
    raw: list[Any] = [
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "name": "g", "content": "of g"},
        {"role": "tool", "name": "f", "content": "of f"},
    ]
    assert results_by_call(read_history(raw).messages) == {"f": "of f", "g": "of g"}


def test_a_result_without_its_call_is_given_to_no_other() -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": {"n": "0"}}}
    raw: list[Any] = [
        {"role": "tool", "tool_call_id": "gone", "content": "of another call"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "mine"},
    ]
    orphan, _, mine = read_history(raw).messages
    assert (orphan.get("call_id"), mine.get("call_id")) == ("gone", "c")


TEXTS = st.text(st.characters(exclude_categories=()))  # Halves of surrogate pairs too.
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.binary() | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS | st.integers(), inner),
)


@given(ANYTHING)
def test_any_value_becomes_json_that_stays_as_it_is(value: Any) -> None:
    plain = plain_json(value)
    json.dumps(plain, allow_nan=False).encode()
    assert plain_json(plain) == plain


def test_a_value_that_holds_itself_comes_to_an_end() -> None:
    value: list[Any] = []
    value.append(value)
    assert "nested too deeply" in json.dumps(plain_json(value))


@given(st.lists(st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "name"]), ANYTHING)))
def test_whatever_a_history_holds_it_is_read(raw: list[Any]) -> None:
    for message in read_history(raw).messages:
        message["text"].encode()
