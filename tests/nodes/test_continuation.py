"""Which thread a history goes on with that names none: only one that holds all that it tells."""

from typing import Any

import pytest
from conversations import as_history, windowed
from hypothesis import given
from hypothesis import strategies as st

from voicegraph.nodes.continuation import continued_items
from voicegraph.nodes.items import our_items, their_items

OURS = ["u:Hello?", "a:Hi, how can I help?", "u:A table.", "a:For how many people shall I book it?"]


def continued(ours: list[str], theirs: list[str], *, drafts: bool = False) -> int | None:
    window, _ = windowed(ours)
    return continued_items(our_items(window), their_items(as_history(theirs)), lambda _: drafts)


GOES_ON: dict[str, tuple[list[str], list[str]]] = {
    "all that was said": (OURS, [*OURS, "u:Two."]),
    "a reply that was cut": (OURS, [*OURS[:3], "a:For how many", "u:Two."]),
    "a reply that was not heard": (OURS, [*OURS[:3], "u:Anybody there?"]),
    "a reply that text-to-speech rewrote": (
        [OURS[0], "a:It costs 25 euros. Anything else?"],
        [OURS[0], "a:It costs twenty-five euros. Anything else?", "u:No."],
    ),
    "the same request again": (OURS, OURS[:3]),
    "several new words": (OURS, [*OURS, "u:Two.", "u:No, three."]),
    "a greeting of the client": (["c:Welcome.", *OURS], ["c:Welcome.", *OURS, "u:Two."]),
    "the end of what was said": (OURS, [*OURS[1:], "u:Two."]),
    "more than the window has kept": (OURS[1:], [*OURS, "u:Two."]),
    "words of the client after our reply": (OURS, [*OURS, "c:Are you there?", "u:Two."]),
}


@pytest.mark.parametrize(("ours", "theirs"), GOES_ON.values(), ids=GOES_ON)
def test_a_history_goes_on_with_a_thread_that_holds(ours: list[str], theirs: list[str]) -> None:
    assert continued(ours, theirs)


ANOTHER: dict[str, tuple[list[str], list[str]]] = {
    "words of the caller alone": (OURS, ["u:Hello?", "u:A table."]),
    "the same words with another reply": (OURS, ["u:Hello?", "c:Good day.", "u:A table."]),
    "one equal sentence": (OURS, ["c:For how many people shall I book it?", "u:Two."]),
    "an equal greeting": (["a:Welcome."], ["a:Welcome.", "u:Hello?"]),
    "an equal greeting and first words": (["a:Welcome.", "u:Hello?", "a:Hi."], ["a:Welcome.", "u:Hello?"]),
    "the beginning of the thread": (OURS, [*OURS[:2], "u:A room."]),
    "a reply that this thread has not given": (OURS, [*OURS, "u:Two.", "a:Fine.", "u:Thanks."]),
    "the end of a short call": (
        ["u:I am Ada.", "a:Hello.", "u:Yes.", "a:Sure."],
        ["u:Yes.", "a:Sure.", "u:So?"],
    ),
    "a call in the middle of another one": (
        ["u:Yes.", "a:Sure."],
        ["u:Hello?", "a:Hi.", "u:Yes.", "a:Sure.", "u:So?"],
    ),
    "other words in between": (
        [*OURS[:2], "u:A taxi.", "a:It comes.", *OURS[2:]],
        [*OURS, "u:Two."],
    ),
}


@pytest.mark.parametrize(("ours", "theirs"), ANOTHER.values(), ids=ANOTHER)
def test_a_history_does_not_go_on_with_a_thread_for(ours: list[str], theirs: list[str]) -> None:
    assert continued(ours, theirs) is None


def test_a_thread_with_a_draft_goes_on_without_it() -> None:
    ours, theirs = [*OURS, "u:Tw", "a:What?"], [*OURS, "u:Two."]
    assert continued(ours, theirs) is None
    assert continued(ours, theirs, drafts=True) == 4


SAID = st.sampled_from(["u:Yes.", "u:No.", "u:Hello?", "u:A table."])
REPLIES = st.sampled_from(["a:Sure.", "a:Hi, how can I help?", "a:For how many people shall I book it?"])
TALK: Any = st.lists(st.tuples(SAID, REPLIES).map(list), max_size=5).map(lambda turns: sum(turns, []))


@given(TALK, TALK, TALK, SAID)
def test_a_thread_holds_no_words_that_the_client_does_not_send_unless_replies_prove_it(
    more: list[str], same: list[str], told: list[str], new: str
) -> None:
    ours, theirs = [*more, *same], [*told, *same, new]
    if continued(ours, theirs):
        said = [item for item in ours if item.startswith("u:")]
        sent = [item for item in theirs if item.startswith("u:")]
        known = said in (sent[-len(said) :], sent[-len(said) - 1 : -1])
        replies = {item for item in theirs if item.startswith("a:")} & {*ours}
        assert known or len("".join(replies)) > 20
