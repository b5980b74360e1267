"""What a caller puts in is checked and completed before anything of it is kept."""

import json
from typing import Any

import pytest
from calling import user_says
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from voicegraph.graph.clients.incoming import incoming_messages, turn_input
from voicegraph.nodes.replies.reply import CREATED_AT
from voicegraph.nodes.turn.limits import TurnLimits
from voicegraph.state.errors import InvalidMessage

LIMITS = TurnLimits(max_message_chars=20)


def taken(messages: Any) -> list[Any]:
    return incoming_messages({"messages": messages}, LIMITS, 12.5)


@pytest.mark.parametrize(
    "messages",
    [
        [("user", "Hi.")],
        ("user", "Hi."),
        "Hi.",
        ["Hi."],
        HumanMessage("Hi."),
        [HumanMessage("Hi.")],
        [{"role": "user", "content": "Hi."}],
        [{"role": "User ", "content": "Hi."}],
        [{"role": "user", "content": [{"type": "text", "text": "Hi."}]}],
    ],
    ids=repr,
)
def test_the_words_of_the_user_may_come_in_many_forms(messages: Any) -> None:
    (message,) = taken(messages)
    assert isinstance(message, HumanMessage)
    assert message.text == "Hi."


def test_several_messages_stay_in_order() -> None:
    messages = taken([("system", "Note."), ("user", "One."), ("user", "Two.")])
    assert [(type(message), message.text) for message in messages] == [
        (SystemMessage, "Note."),
        (HumanMessage, "One."),
        (HumanMessage, "Two."),
    ]


def test_each_message_gets_an_id_of_its_own_and_its_time() -> None:
    one, two = taken([("user", "One."), ("user", "Two.")])
    assert one.id and two.id and one.id != two.id
    assert one.additional_kwargs == two.additional_kwargs == {CREATED_AT: 12.5}


def test_an_id_and_a_time_that_it_has_already_stay() -> None:
    given = HumanMessage("Hi.", id="message-1", additional_kwargs={CREATED_AT: 3.0, "mine": True})
    (message,) = taken([given])
    assert message.id == "message-1"
    assert message.additional_kwargs == {CREATED_AT: 3.0, "mine": True}


def test_what_the_caller_gave_is_not_changed() -> None:
    given = HumanMessage("Hi.")
    taken([given])
    assert given.id is None
    assert given.additional_kwargs == {}


@pytest.mark.parametrize(
    ("graph_input", "text"),
    [
        ({}, "there is no message"),
        ({"messages": None}, "there is no message"),
        ({"messages": []}, "the list is empty"),
        ("Hi.", "there is no message"),
        (["Hi."], "there is no message"),
        (user_says(""), "the message is empty"),
        (user_says(" \n "), "the message is empty"),
        (user_says("x" * 21), "21 characters, 20 are taken at most"),
        ({"messages": [("user", "One."), ("user", "x" * 21)]}, "max_message_chars"),
        ({"messages": [("system", "x" * 21)]}, "max_message_chars"),
        ({"messages": [3]}, "not a message"),
        ({"messages": [None]}, "not a message"),
        ({"messages": [("user",)]}, "not a message"),
        ({"messages": [("nobody", "Hi.")]}, "not a message"),
        ({"messages": [{"role": "user"}]}, "not a message"),
        ({"messages": [("user", {"text": "Hi."})]}, "not a message"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_cannot_be_used_is_refused_in_one_line(graph_input: Any, text: str) -> None:
    with pytest.raises(InvalidMessage) as caught:
        incoming_messages(graph_input, LIMITS, 12.5)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_words_are_never_quoted_in_an_error() -> None:
    with pytest.raises(InvalidMessage) as caught:
        taken([("nobody", "my secret")])
    assert "secret" not in str(caught.value)


def test_a_message_of_just_the_limit_is_taken() -> None:
    assert taken([("user", "x" * 20)])[0].text == "x" * 20


def test_halves_of_characters_become_what_can_be_stored() -> None:
    assert taken([("user", "Hi \ud83d\ude42 \udcff")])[0].text == "Hi 🙂 \ufffd"


def test_a_reply_without_text_is_no_empty_message() -> None:
    assert isinstance(taken([("user", "Hi."), AIMessage("")])[1], AIMessage)


def told(messages: Any) -> list[tuple[str, str]]:
    taken = turn_input({"messages": messages}, LIMITS, 12.5)
    return [(message["role"], message["text"]) for message in taken.get("history", [])]


def test_a_history_is_read_as_clients_of_the_endpoint_send_it() -> None:
    call = {"id": "", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    history = [
        {"role": "User", "content": "Go."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "", "content": {"answer": 42}},
        HumanMessage("And?"),
    ]
    assert told(history) == [
        ("user", "Go."),
        ("assistant", ""),
        ("tool", '{"answer": 42}'),
        ("user", "And?"),
    ]


def test_an_older_message_of_a_history_may_be_empty_or_long() -> None:
    history = [HumanMessage(""), AIMessage("x" * 30), HumanMessage("Hi.")]
    assert told(history) == [("assistant", "x" * 30), ("user", "Hi.")]


def test_what_a_message_holds_beside_its_content_is_made_storable() -> None:
    extra = {"data": b"abc", "other": object(), "name\ud83d": 10**30}
    (message,) = taken([HumanMessage("Hi.", id="m\ud83d", name="a b", additional_kwargs=extra)])
    assert (message.id, message.name) == ("m\ufffd", "a_b")
    assert json.dumps(message.additional_kwargs, allow_nan=False).encode()


def test_a_call_and_its_result_get_the_same_id_where_theirs_cannot_be_sent() -> None:
    call = {"name": "f", "args": {"n": float("nan")}, "id": "c" * 60}
    made, result = taken([AIMessage("", tool_calls=[call]), ToolMessage("done", tool_call_id="c" * 60)])
    assert made.tool_calls[0]["id"] == result.tool_call_id != "c" * 60
    assert made.tool_calls[0]["args"] == {"n": None}
