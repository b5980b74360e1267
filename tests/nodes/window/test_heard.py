"""A reply that was cut off keeps what the caller heard of it: a prefix by words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage

from voicegraph.nodes.replies.reply import SPOKEN
from voicegraph.nodes.speech.preamble import PREAMBLE
from voicegraph.nodes.window.barge_in.heard import UNHEARD, audible, cut_turn, spoken_text

USER = HumanMessage("?")
RESULT = ToolMessage("ok", tool_call_id="call_1")


def reply(text: str) -> AIMessage:
    return AIMessage(text, id="reply")


def calling(text: str, *preambles: str, spoken: str) -> AIMessage:
    calls = [
        ToolCall(name="t", args={PREAMBLE: preamble, "city": "Rome"}, id=f"call_{number}")
        for number, preamble in enumerate(preambles, 1)
    ]
    return AIMessage(text, id="calling", tool_calls=calls, additional_kwargs={SPOKEN: spoken})


def preambles_of(message: AnyMessage) -> list[str]:
    assert isinstance(message, AIMessage)
    return [call["args"][PREAMBLE] for call in message.tool_calls]


def unheard(message: AnyMessage) -> str | None:
    return message.additional_kwargs.get(UNHEARD)


@pytest.mark.parametrize(
    ("said", "heard", "kept"),
    [
        ("It is sunny. Take a hat.", "It is sunny.", "It is sunny."),
        ("It is sunny. Take a hat.", "it is SUNNY", "It is sunny."),
        ("It is sunny. Take a hat.", "  It\nis   sunny take ", "It is sunny. Take"),
        ("It is sunny. Take a hat.", "It is sunny! Take a...", "It is sunny. Take a"),
        ("It is sunny. Take a hat.", "It is sun", "It is"),
        ("It is sunny. Take a hat.", "It is rainy. And so on.", "It is"),
        ("It is sunny. Take a hat.", "Rain", ""),
        ("It is sunny. Take a hat.", "", ""),
        ("It is sunny. Take a hat.", " ... ", ""),
        ("An ice-cream for you, sir.", "an ice cream", "An ice-cream"),
        ("An ice cream for you, sir.", "an ice-cream", "An ice cream"),
        ("An ice-cream for you, sir.", "an ice", "An"),
        ("I don't know, let's see.", "i dont know", "I don't know,"),
        ("Straße – groß. Ja.", "STRASSE GROSS", "Straße – groß."),
        ("Well — then I go.", "well then", "Well — then"),
        ("Well — then I go.", "well", "Well"),
        ("明日は 晴れ です。", "明日は晴れ", "明日は 晴れ"),
    ],
)
def test_the_heard_prefix_is_found_by_its_words(said: str, heard: str, kept: str) -> None:
    cut = cut_turn([USER, reply(said)], heard)[-1]
    assert cut.text == kept
    assert unheard(cut) == said[len(kept) :].strip()
    assert cut.id == "reply"


@pytest.mark.parametrize(
    "heard",
    [
        "It is sunny. Take a hat.",
        "it is sunny take a hat",
        "It is sunny. Take a hat. And more.",
        "itissunnytakeahat",
    ],
)
def test_a_reply_that_was_heard_whole_is_left_alone(heard: str) -> None:
    window: list[AnyMessage] = [USER, reply("It is sunny. Take a hat. 🙂")]
    assert cut_turn(window, heard)[-1] is window[-1]


words = st.text("abcdeé'", min_size=1, max_size=5).filter(lambda word: word.strip("'"))
spoken_words = st.lists(
    st.tuples(words, st.sampled_from([" ", "  ", ", ", ". ", " - ", "\n", "-"])), min_size=1, max_size=12
)


@given(spoken_words, st.data())
def test_any_prefix_by_words_gives_exactly_that_prefix(
    pairs: list[tuple[str, str]], data: st.DataObject
) -> None:
    said = "".join(word + gap for word, gap in pairs).rstrip(" -,\n") + "."
    tokens = [token for token in said.split() if token.strip("-,.")]
    size = data.draw(st.integers(0, len(tokens)))
    shown = data.draw(st.sampled_from([str, str.upper, lambda text: text.replace(",", "").replace(".", "")]))
    cut = cut_turn([USER, reply(said)], shown(" ".join(tokens[:size])))[-1]
    assert [token for token in cut.text.split() if token.strip("-,.")] == tokens[:size]
    assert said.startswith(str(cut.text))


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_heard_and_unheard_make_up_what_was_said(first: str, preamble: str, heard: str) -> None:
    said = f"{first} {preamble}".strip()
    for message in (reply(said), calling(first.strip(), preamble, spoken=said)):
        cut = cut_turn([USER, message], heard)[-1]
        assert said.startswith(spoken_text(cut))
        both = f"{spoken_text(cut)}{unheard(cut) or ''}"
        assert "".join(both.split()) == "".join(said.split())


def test_a_number_that_was_read_out_does_not_hide_the_messages_after_it() -> None:
    window = [
        USER,
        calling("", "Let me look at 25.", spoken="Let me look at 25."),
        RESULT,
        reply("It is gone."),
    ]
    cut = cut_turn(window, "let me look at twenty-five it is")
    assert [spoken_text(cut[1]), spoken_text(cut[3])] == ["Let me look at 25.", "It is"]


def test_a_cut_inside_the_text_takes_the_preambles_too() -> None:
    message = calling("Of course, sure.", "Let me look.", spoken="Of course, sure. Let me look.")
    cut = cut_turn([USER, message, RESULT], "Of course")[1]
    assert cut.text == "Of course,"
    assert preambles_of(cut) == [""]
    assert spoken_text(cut) == "Of course,"
    assert unheard(cut) == "sure. Let me look."


def test_a_cut_inside_a_preamble_keeps_what_was_heard_of_it_and_the_call() -> None:
    message = calling("Sure.", "Let me look.", "And Oslo.", spoken="Sure. Let me look. And Oslo.")
    cut = cut_turn([USER, message, RESULT], "sure let me")[1]
    assert isinstance(cut, AIMessage)
    assert cut.text == "Sure."
    assert preambles_of(cut) == ["Let me", ""]
    assert [call["args"]["city"] for call in cut.tool_calls] == ["Rome", "Rome"]
    assert spoken_text(cut) == "Sure. Let me"


def test_two_equal_preambles_are_told_apart() -> None:
    message = calling("", "Let me look.", "Let me look.", spoken="Let me look. Let me look.")
    assert preambles_of(cut_turn([USER, message], "let me look let")[1]) == ["Let me look.", "Let"]


def test_letters_that_match_by_chance_are_no_part_of_a_preamble() -> None:
    message = calling("I will.", "Look there.", spoken="I will. Look there.")
    assert preambles_of(cut_turn([USER, message], "I will")[1]) == [""]


def test_a_call_without_preamble_keeps_its_arguments_as_they_are() -> None:
    call = ToolCall(name="t", args={"city": "Rome"}, id="call_1")
    message = AIMessage("Sure, sir.", tool_calls=[call])
    cut = cut_turn([USER, message], "sure")[1]
    assert isinstance(cut, AIMessage)
    assert cut.tool_calls[0]["args"] == {"city": "Rome"}


def full_turn() -> list[AnyMessage]:
    first = calling("", "Let me look.", spoken="Let me look. One moment, please.")
    return [HumanMessage("Hi."), reply("Hello."), USER, first, RESULT, reply("It is sunny.")]


@pytest.mark.parametrize(
    ("heard", "spoken", "lost"),
    [
        (
            "let me look one moment please it is",
            ["Let me look. One moment, please.", "It is"],
            [None, "sunny."],
        ),
        ("let me look one moment please", ["Let me look. One moment, please.", ""], [None, "It is sunny."]),
        ("let me look one", ["Let me look. One", ""], ["moment, please.", "It is sunny."]),
        ("let me", ["Let me", ""], ["look. One moment, please.", "It is sunny."]),
        ("", ["", ""], ["Let me look. One moment, please.", "It is sunny."]),
    ],
)
def test_what_was_heard_runs_on_over_the_messages_of_a_turn(
    heard: str, spoken: list[str], lost: list[str | None]
) -> None:
    window = full_turn()
    cut = cut_turn(window, heard)
    assert [spoken_text(cut[3]), spoken_text(cut[5])] == spoken
    assert [unheard(cut[3]), unheard(cut[5])] == lost
    assert cut[4] is window[4]


def test_a_filler_that_was_heard_does_not_get_into_a_preamble() -> None:
    assert preambles_of(cut_turn(full_turn(), "let me look one")[3]) == ["Let me look."]


def test_earlier_turns_are_left_alone() -> None:
    window = full_turn()
    assert cut_turn(window, "")[:3] == window[:3]


def test_without_words_of_the_user_there_is_nothing_to_cut() -> None:
    window: list[AnyMessage] = [reply("Hello.")]
    assert cut_turn(window, "") == window


def test_a_reply_that_is_cut_twice_keeps_all_that_was_unheard() -> None:
    once = cut_turn([USER, reply("One two three four.")], "one two three")
    twice = cut_turn(once, "one")
    assert twice[-1].text == "One"
    assert unheard(twice[-1]) == "two three four."


def test_replies_that_nobody_heard_leave_the_window_and_calls_stay() -> None:
    cut = cut_turn(full_turn(), "")
    assert [message.type for message in audible(cut)] == ["human", "ai", "human", "ai", "tool"]


def test_a_reply_that_was_empty_from_the_start_stays() -> None:
    window: list[AnyMessage] = [USER, reply("")]
    assert audible(window) == window


def test_only_replies_are_spoken() -> None:
    messages: list[Any] = [USER, RESULT, reply("Hi."), calling("", "Let me look.", spoken="Let me look.")]
    assert [spoken_text(message) for message in messages] == ["", "", "Hi.", "Let me look."]


@pytest.mark.parametrize(
    ("said", "heard", "kept"),
    [
        ("你好，我可以帮你预订餐桌。请问几位？", "你好，我可以帮你", "你好，我可以帮你"),
        ("Caf\u00e9 Rome is open today.", "cafe\u0301 rome", "Caf\u00e9 Rome"),
    ],
)
def test_other_scripts_and_forms_of_accents_are_matched(said: str, heard: str, kept: str) -> None:
    messages = [HumanMessage("Hello."), AIMessage(said, id="m")]
    assert cut_turn(messages, heard)[1].text == kept
