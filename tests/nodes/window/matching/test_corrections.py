"""A caller's words are what the client tells: speech-to-text corrects itself after it has been answered."""

from typing import Any

import pytest
from conversations import as_history, reconciled, shown, windowed

from voicegraph.nodes.tools.results.results import OUTCOME
from voicegraph.nodes.window.reconcile import Reconciling, reconcile
from voicegraph.state.schema import ClientMessage
from voicegraph.state.search.neighbours import WITHDRAWN

CORRECTED = {
    "a decimal point": ("transfer 15 euros", "transfer 1.5 euros"),
    "a time": ("at 1030", "at 10.30"),
    "a minus": ("-5", "5"),
    "a plus": ("C", "C++"),
    "a key": ("*", "#"),
    "a Hindi vowel sign": ("हाँ", "हूँ"),
    "a Tamil vowel sign": ("கல்", "கால்"),
    "a Thai tone": ("ที", "ที่"),
    "punctuation": ("transfer 15 euros", "Transfer 15 euros."),
    "an accent": ("cafe", "café"),
    "other words": ("I need to book a cable", "I need to book a table for two"),
}


@pytest.mark.parametrize(("before", "after"), CORRECTED.values(), ids=CORRECTED)
def test_the_final_transcript_of_words_that_were_answered_replaces_ours(before: str, after: str) -> None:
    done = reconciled([f"|u:{before}", "a:Noted."], [f"u:{after}", "a:Noted.", "u:thanks"])
    assert shown(done.window) == [f"u:{after}", "a:Noted.", "u:thanks"]
    assert [(m.id, m.text) for m in done.amended] == [("m0", after)]
    assert done.window[0].id == "m0"


@pytest.mark.parametrize(("before", "after"), CORRECTED.values(), ids=CORRECTED)
def test_a_correction_of_earlier_words_keeps_the_order_of_turns(before: str, after: str) -> None:
    start = ["u:Hi", "a:Hello Ada."]
    rest = ["a:Noted.", "u:And then?", "a:Then we wait."]
    done = reconciled([*start, f"u:{before}", *rest], [*start, f"u:{after}", *rest, "u:thanks"])
    assert shown(done.window) == [*start, f"u:{after}", *rest, "u:thanks"]


@pytest.mark.parametrize(("before", "after"), CORRECTED.values(), ids=CORRECTED)
def test_words_that_were_not_answered_yet_are_asked_as_corrected(before: str, after: str) -> None:
    start = ["u:Hi", "a:Hello Ada."]
    done = reconciled([*start, f"|u:{before}", "a:Noted."], [*start, f"u:{after}"])
    assert shown(done.window) == [*start, f"u:{after}"]


def test_a_reply_that_was_cut_confirms_corrected_words_too() -> None:
    done = reconciled(
        ["|u:transfer 15 euros", "a:Noted. Anything else?"], ["u:transfer 1.5 euros", "a:Noted.", "u:No"]
    )
    assert shown(done.window) == ["u:transfer 1.5 euros", "a:Noted.", "u:No"]


def test_a_reply_that_text_to_speech_rewrote_confirms_corrected_words_too() -> None:
    done = reconciled(
        ["|u:transfer 15 euros", "a:I sent 15 euros."],
        ["u:transfer 1.5 euros", "a:I sent fifteen euros.", "u:No"],
    )
    assert shown(done.window) == ["u:transfer 1.5 euros", "a:I sent 15 euros.", "u:No"]


@pytest.mark.parametrize(
    ("ours", "theirs", "wanted"),
    [
        (["u:press *", "a:Star."], ["u:press *", "a:Star.", "u:press #"], None),
        (["u:press *", "a:Star."], ["u:press *", "u:press #"], None),
        (["u:press *", "u:press #", "a:Hash."], ["u:press *", "u:press #", "a:Hash.", "u:Bye"], None),
        (["u:15", "a:Noted."], ["u:15", "a:Noted.", "u:1.5"], None),
        (["u:*", "u:#", "a:Fine."], ["u:*", "u:9", "a:Fine.", "u:Bye"], None),
        (["u:?", "a:Yes?"], ["u:?", "a:Yes?", "u:!"], None),
    ],
)
def test_words_that_differ_in_a_sign_are_two_messages(
    ours: list[str], theirs: list[str], wanted: list[str] | None
) -> None:
    assert shown(reconciled(ours, theirs).window) == (wanted or theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (["u:transfer", "u:15 euros"], ["u:transfer 15 euros"]),
        (["u:transfer 15 euros"], ["u:transfer", "u:15 euros"]),
        (["u:transfer", "u:15 euros"], ["u:transfer 1.5 euros"]),
    ],
)
def test_messages_that_the_client_puts_together_or_parts_are_not_said_twice(
    ours: list[str], theirs: list[str]
) -> None:
    done = reconciled([*ours, "a:Noted."], [*theirs, "a:Noted.", "u:thanks"])
    assert shown(done.window) == [*ours, "a:Noted.", "u:thanks"]


def test_a_settled_turn_that_the_client_forgot_is_not_taken_for_its_next_words() -> None:
    ours = ["u:Hi", "a:Hello Ada.", "u:press *", "a:Star."]
    done = reconciled(ours, ["u:Hi", "a:Hello Ada.", "u:press #"], provisional=False)
    assert shown(done.window) == [*ours, "u:press #"]


def test_words_of_another_call_are_not_replaced() -> None:
    ours = ["u:I am Ada", "a:Welcome to Roma.", "|u:Bye", "a:Goodbye."]
    done = reconciled(ours, ["c:Welcome to Roma.", "u:Who am I?"], provisional=False)
    assert shown(done.window)[:4] == [item.removeprefix("|") for item in ours]


def test_a_turn_that_the_client_tells_wholly_otherwise_is_left_alone() -> None:
    start, rest = ["u:Hi", "a:Hello Ada."], ["u:Bye", "a:Goodbye."]
    ours = [*start, "u:Weather?", "a:It is sunny.", *rest]
    done = reconciled(ours, [*start, "u:Who am I?", "a:You are Ada.", *rest, "u:So"])
    assert shown(done.window) == [*ours, "u:So"]


def test_blanks_alone_are_no_correction() -> None:
    done = reconciled(["|u:Hi there", "a:Hello."], ["u: Hi  there\n", "a:Hello.", "u:Bye"])
    assert shown(done.window) == ["u:Hi there", "a:Hello.", "u:Bye"]
    assert done.amended == []


def test_pictures_come_with_the_corrected_words() -> None:
    window, after = windowed(["|u:what is that", "a:A cat."])
    content: list[Any] = [{"type": "text", "text": "What's that?"}, {"type": "image_url", "image_url": {}}]
    history = as_history(["u:What's that?", "a:A cat.", "u:Fine"])
    history[0]["content"] = content
    rules = Reconciling(
        latest={"turn_id": "t", "after": after, "started_at": 0.0, "whole": True},
        provisional=True,
        lasting=lambda _: False,
        now=1.0,
    )
    assert reconcile(window, history, rules).window[0].content == content


def test_words_that_a_provider_refused_do_not_come_back() -> None:
    window, _ = windowed(["u:[left out]", "a:Sorry, I can't talk about that."])
    window[0].additional_kwargs[OUTCOME] = "refused"
    history = [
        *as_history(["u:something bad", "a:Sorry, I can't talk about that."]),
        ClientMessage(role="user", text="Hm"),
    ]
    rules = Reconciling(latest=None, provisional=False, lasting=lambda _: False, now=1.0)
    assert shown(reconcile(window, history, rules).window)[0] == "u:[left out]"


def test_words_that_were_answered_are_no_correction_of_the_newest_ones() -> None:
    told = ["u:Book order 11 now.", "a:It is booked.", "u:Book order 12 now."]
    done = reconciled(["|u:Book order"], told, whole=False, keeps_history=True)
    assert shown(done.window) == told
    assert [(m.text, m.additional_kwargs.get(OUTCOME)) for m in done.amended] == [("Book order", WITHDRAWN)]
