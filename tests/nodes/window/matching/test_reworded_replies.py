"""Replies that the client tells as text-to-speech had them, and histories that begin anywhere."""

import pytest
from conversations import reconciled, shown
from hypothesis import given
from hypothesis import strategies as st

RETOLD = {
    "a number": ("You owe 25 euros. Anything else?", "You owe twenty-five euros. Anything else?"),
    "a number alone": ("25.", "Twenty-five."),
    "a title": ("Dr. Smith is in.", "Doctor Smith is in."),
    "SSML": ('<speak>Hello <break time="1s"/>Ada.</speak>', "Hello Ada."),
    "audio tags": ("[laughs] That's funny.", "That's funny."),
    "audio tags that only the client has": ("That's funny.", "[laughs] That's funny."),
    "markdown": ("It is **very** good.", "It is very good."),
    "a price and a time": ("It's $12.50 at 3:30.", "It's twelve dollars fifty at three thirty."),
    "a sign": ("Salt & pepper, then.", "Salt and pepper, then."),
}


@pytest.mark.parametrize(("ours", "theirs"), RETOLD.values(), ids=RETOLD)
def test_a_reply_as_text_to_speech_had_it_is_the_same_reply(ours: str, theirs: str) -> None:
    done = reconciled(["|u:Tell me", f"a:{ours}"], ["u:Tell me", f"a:{theirs}", "u:Thanks"])
    assert shown(done.window) == ["u:Tell me", f"a:{ours}", "u:Thanks"]


@pytest.mark.parametrize(("ours", "theirs"), RETOLD.values(), ids=RETOLD)
def test_all_replies_may_be_told_so(ours: str, theirs: str) -> None:
    window = ["u:Tell me", f"a:{ours}", "u:Again", f"a:{ours}"]
    done = reconciled(window, ["u:Tell me", f"a:{theirs}", "u:Again", f"a:{theirs}", "u:Thanks"])
    assert shown(done.window) == [*window, "u:Thanks"]


def test_a_reply_that_was_rewritten_and_cut_is_cut() -> None:
    done = reconciled(
        ["|u:Tell me", "a:You owe 25 euros. Shall I pay them now?"],
        ["u:Tell me", "a:You owe twenty-five euros. Shall I", "u:No"],
    )
    assert shown(done.window) == ["u:Tell me", "a:You owe 25 euros. Shall I", "u:No"]


def test_what_the_client_said_itself_after_a_rewritten_reply_is_taken_in() -> None:
    done = reconciled(
        ["|u:Tell me", "a:You owe 25 euros."],
        ["u:Tell me", "a:You owe twenty-five euros. Are you there?", "u:Yes"],
    )
    assert shown(done.window) == ["u:Tell me", "a:You owe 25 euros.", "a:Are you there?", "u:Yes"]


def test_what_the_client_said_itself_after_a_cut_and_rewritten_reply_is_taken_in() -> None:
    done = reconciled(
        ["|u:Tell me", "a:You owe 25 euros to Dr. Smith."],
        ["u:Tell me", "a:You owe twenty-five", "a:Are you there, Smith?", "u:Yes"],
    )
    assert shown(done.window) == ["u:Tell me", "a:You owe 25", "a:Are you there, Smith?", "u:Yes"]


def test_a_history_that_begins_with_a_rewritten_reply_goes_on() -> None:
    window = ["u:Hi", "a:Hello Ada.", "u:Tell me", "a:You owe 25 euros today."]
    done = reconciled(window, ["a:You owe twenty-five euros today.", "u:Thanks"], provisional=False)
    assert shown(done.window) == [*window, "u:Thanks"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Yes.", "OK."),
        ("Sunny today", "Rainy today"),
        ("I will call you.", "Please hold the line."),
        ("Yes.", "No."),
    ],
)
def test_another_reply_is_not_taken_for_ours(ours: str, theirs: str) -> None:
    done = reconciled(["|u:Tell me", f"a:{ours}"], ["u:Tell me", f"a:{theirs}", "u:Thanks"])
    assert shown(done.window) == ["u:Tell me", f"a:{theirs}", "u:Thanks"]


def test_a_history_that_begins_inside_a_chain_of_replies_tells_none_twice() -> None:
    window = ["u:one", "a:First reply.", "a:Second reply."]
    for provisional in (True, False):
        done = reconciled(window, ["a:Second reply.", "u:two"], provisional=provisional)
        assert shown(done.window) == [*window, "u:two"]


def test_a_chain_of_equal_replies_is_kept() -> None:
    window = ["u:one", "a:OK.", "a:OK."]
    assert shown(reconciled(window, ["a:OK.", "u:two"]).window) == [*window, "u:two"]


def test_the_last_reply_of_a_chain_may_be_cut() -> None:
    done = reconciled(["|u:one", "a:First reply.", "a:Second reply is long."], ["a:Second reply", "u:two"])
    assert shown(done.window) == ["u:one", "a:First reply.", "a:Second reply", "u:two"]


def test_a_history_that_begins_inside_a_message_goes_on() -> None:
    window = ["u:please book a table for two", "a:I have booked a table for two people."]
    for begun in (["a:a table for two people."], ["u:a table for two", window[1]]):
        assert shown(reconciled(window, [*begun, "u:Thanks"]).window) == [*window, "u:Thanks"]


SAID = st.sampled_from(["Yes", "No, thanks", "Book a table", "The 2nd one", "हाँ", "*"])
REPLIES = st.lists(
    st.sampled_from(["OK.", "Sure, for 25 people?", "Let me see.", "<b>Done</b> now.", "It is open."]),
    min_size=1,
    max_size=3,
)


@given(st.lists(st.tuples(SAID, REPLIES), min_size=1, max_size=6), st.booleans(), st.data())
def test_a_history_that_begins_anywhere_leaves_the_window_and_adds_the_new_words(
    turns: list[tuple[str, list[str]]], greeted: bool, data: st.DataObject
) -> None:
    window = ["c:Welcome to Roma."] * greeted
    for said, replies in turns:
        window += [f"u:{said}", *(f"a:{reply}" for reply in replies)]
    # Words and replies that stand only once: otherwise a cut history may be told from two places.
    window = [f"{item} {number}" for number, item in enumerate(window)]
    begin = data.draw(st.integers(0, len(window)))
    provisional = begin < len(window) and data.draw(st.booleans())
    told = [*window[begin:], "u:Something new"]
    left = shown(reconciled(window, told, provisional=provisional, firm=True).window)
    assert left == [item.replace("c:", "a:", 1) for item in [*window, "u:Something new"]]


def test_a_reply_that_was_rewritten_is_not_taken_for_that_of_a_draft_which_is_more_alike() -> None:
    window = ["u:Soup?", "a:It costs 25 euros. Would you like some?", "|u:Is that", "a:It costs"]
    told = ["u:Soup?", "a:It costs twenty-five euros. Would you like some?", "u:A table, please."]
    done = reconciled(window, told, whole=False)
    assert shown(done.window) == [*window[:2], told[-1]]
