"""Which histories continue a thread, by what both sides hold of the conversation."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from voicegraph.nodes.window.matching.items import our_items, their_items
from voicegraph.nodes.window.matching.same_conversation import (
    Agreement,
    ClientItems,
    ThreadItems,
    agreement,
    continued_one,
)
from voicegraph.state.schema import ClientMessage

LONG = "Certainly, which day would suit you best?"
ORDERS = ("A table for ten.", "A table for two.")
LONGER = "And how many people shall I expect on that day?"


def thread(*said: str, told: int | None = None) -> ThreadItems:
    """Return a thread: `u:` words, `a:` replies of ours, `t:` replies that a client told."""
    window: list[AnyMessage] = []
    for kind, text in (each.split(":", 1) for each in said):
        made: dict[str, Any] = {"finish_reason": "stop"} if kind == "a" else {}
        window.append(HumanMessage(text) if kind == "u" else AIMessage(text, response_metadata=made))
    items = our_items(window)
    last = max((i for i, item in enumerate(items) if item.role == "user"), default=-1)
    newest = last if last >= 0 else None
    return ThreadItems(items=items, told=last + 1 if told is None else told, newest=newest)


def history(*said: str) -> ClientItems:
    roles: Any = {"u": "user", "a": "assistant", "t": "assistant"}
    entries = (each.split(":", 1) for each in said)
    return ClientItems(
        items=their_items([ClientMessage(role=roles[kind], text=text) for kind, text in entries])
    )


def agreed(last: int, pairs: int, **facts: bool) -> Agreement:
    usual = {"whole_words": True, "equal": True, "proven": True, "whole": True, "certain": False}
    return Agreement(last=last, pairs=pairs, **{**usual, **facts})


def continues(theirs: ClientItems, ours: ThreadItems) -> bool:
    found = agreement(ours, theirs)
    return found is not None and continued_one({"thread": found}) is not None


CONTINUED: dict[str, tuple[ThreadItems, ClientItems]] = {
    "a reply and new words": (thread("u:Hi", "a:Hello."), history("u:Hi", "a:Hello.", "u:Yes.")),
    "a reply that was cut": (thread("u:Hi", "a:Hello. How are you?"), history("u:Hi", "a:Hello.", "u:Yes.")),
    "a reply cut in its first word": (thread("u:Hi", "a:Hello."), history("u:Hi", "a:H", "u:Yes.")),
    "two new messages": (thread("u:Hi", "a:Hello."), history("u:Hi", "a:Hello.", "u:Yes.", "u:A room.")),
    "a newest reply that was not heard": (
        thread("u:Hi", "a:Hello.", "u:A room.", "a:Sure."),
        history("u:Hi", "a:Hello.", "u:A room.", "u:For two."),
    ),
    "an earlier reply that was not heard, by a thread that does not know it": (
        replace(thread("u:Hi", "a:Hello.", "u:A room.", "a:Sure."), reconciled=False),
        history("u:Hi", "u:A room.", "a:Sure.", "u:For two."),
    ),
    "words of the client after a reply": (
        thread("u:Hi", "a:Hello."),
        history("u:Hi", "a:Hello.", "a:Are you still there?", "u:Yes."),
    ),
    "a greeting of the client": (
        thread("t:Good day.", "u:Hi", "a:Hello."),
        history("t:Good day.", "u:Hi", "a:Hello.", "u:Yes."),
    ),
    "a greeting of ours": (thread("a:Good day."), history("a:Good day.", "u:Hi")),
    "numbers in words": (
        thread("u:Hi", "a:Hello.", "u:How much?", "a:It is 25 euros."),
        history("u:Hi", "a:Hello.", "u:How much?", "a:It is twenty-five euros.", "u:Yes."),
    ),
    "a long history without its beginning": (
        thread("u:Hi", "a:Hello.", "u:A room.", f"a:{LONG}", "u:Now.", f"a:{LONGER}", told=4),
        history("u:A room.", f"a:{LONG}", "u:Now.", f"a:{LONGER}", "u:Two."),
    ),
    "a window that was trimmed": (
        thread("u:A room.", f"a:{LONG}", told=3),
        history("u:Hi", "a:Hello.", "u:A room.", f"a:{LONG}", "u:Now."),
    ),
    "words that the model's server refused": (
        thread("u:Hi", "a:Hello.", "u:A room.", "a:Sure.", told=5),
        history("u:Hi", "a:Hello.", "u:Boom!", "t:Sorry.", "u:A room.", "a:Sure.", "u:Now."),
    ),
    "the same request again": (
        thread("u:Hi", "a:Hello.", "u:A room.", "a:Sure."),
        history("u:Hi", "a:Hello.", "u:A room."),
    ),
    "final words after a draft": (
        replace(thread("u:Hi", "a:Hello.", "u:A ro", "a:What?"), provisional=True),
        history("u:Hi", "a:Hello.", "u:A room."),
    ),
    "other words after a draft that its client left": (
        replace(thread("u:Hi", "a:Hello.", "u:Hm", "a:What?"), provisional=True, dropped=True),
        history("u:Hi", "a:Hello.", "u:A room."),
    ),
    "corrected words among many replies": (
        thread("u:Hi", "a:Hello.", "u:A table for to.", f"a:{LONG}", "u:Now.", f"a:{LONGER}"),
        history("u:Hi", "a:Hello.", "u:A table for two.", f"a:{LONG}", "u:Now.", f"a:{LONGER}", "u:Two."),
    ),
}

NOT_CONTINUED: dict[str, tuple[ThreadItems, ClientItems]] = {
    "words alone": (thread("u:Yes.", "a:Fine."), history("u:Yes.", "u:A room.")),
    "a greeting of the client and words": (
        thread("t:Good day.", "u:Yes.", "a:Fine."),
        history("t:Good day.", "u:Yes.", "u:A room."),
    ),
    "words and another reply": (thread("u:Yes.", "a:Fine."), history("u:Yes.", "a:Sure.", "u:A room.")),
    "a reply that goes on in another way": (
        thread("u:Yes.", "a:Fine."),
        history("u:Yes.", "a:Fine, when?", "u:Now."),
    ),
    "a reply that was cut, told whole before": (
        thread("u:Hi", "a:Yes, of course.", "u:A room.", "a:Sure."),
        history("u:Hi", "a:Yes", "u:A room.", "a:Sure.", "u:Now."),
    ),
    "a reply that was heard and is not told": (
        thread("u:Hi", "a:Hello.", "u:A room.", "a:Sure."),
        history("u:Hi", "u:A room.", "a:Sure.", "u:For two."),
    ),
    "words in between that the thread lacks": (
        thread("u:Hi", "a:Hello.", "u:A room.", "a:Sure."),
        history("u:Hi", "a:Hello.", "u:Wait.", "u:A room.", "a:Sure.", "u:Now."),
    ),
    "another number": (
        thread("u:Hi", "a:Hello.", "u:When?", "a:At 7 o'clock in the evening."),
        history("u:Hi", "a:Hello.", "u:When?", "a:At 8 o'clock in the evening.", "u:Yes."),
    ),
    "another name": (
        thread("u:Hi", "a:Hello Ada, how can I help you today?", "u:Yes.", "a:Fine."),
        history("u:Hi", "a:Hello Bob, how can I help you today?", "u:Yes.", "a:Fine.", "u:Now."),
    ),
    "other words before": (
        thread("u:I'm Ada", "a:Hello.", "u:Yes.", "a:Fine."),
        history("u:I'm Bob", "a:Hello.", "u:Yes.", "a:Fine.", "u:Now."),
    ),
    "words before that it does not tell": (
        thread("u:My PIN is 9999", "a:Thanks.", "u:Yes.", "a:Fine."),
        history("u:Yes.", "a:Fine.", "u:What is my PIN?"),
    ),
    "words in between that it does not tell": (
        thread("u:Hi", "a:Hello.", "u:My PIN is 9999", "a:Thanks.", "u:Yes.", "a:Fine."),
        history("u:Hi", "a:Hello.", "u:Yes.", "a:Fine.", "u:What is my PIN?"),
    ),
    "words before that the thread lacks": (
        thread("u:Yes.", "a:Fine."),
        history("u:I'm Bob", "a:Hello.", "u:Yes.", "a:Fine.", "u:Now."),
    ),
    "a greeting that the thread lacks": (
        thread("u:Yes.", "a:Fine."),
        history("t:Good day.", "u:Yes.", "a:Fine.", "u:Now."),
    ),
    "a greeting of another agent": (
        thread("t:I'm Nina.", "u:Yes.", "a:Fine."),
        history("t:I'm Carl.", "u:Yes.", "a:Fine.", "u:Now."),
    ),
    "a later reply that the thread lacks": (
        thread("u:Hi", "a:Hello."),
        history("u:Hi", "a:Hello.", "u:A room.", "t:Sure.", "u:Now."),
    ),
    "later words that it does not tell": (
        thread("u:Hi", "a:Hello.", "u:My PIN is 9999", "a:Thanks."),
        history("u:Hi", "a:Hello.", "u:What is my PIN?"),
    ),
    "nothing new": (thread("u:Hi", "a:Hello."), history("u:Hi", "a:Hello.")),
    "the same first words again": (thread("u:Hi", "a:Hello."), history("u:Hi")),
    "newest words again after another reply": (
        thread("u:Hi", "a:Hello.", "u:A room.", "a:Sure."),
        history("u:Hi", "a:Good day.", "u:A room."),
    ),
    "words like the newest, which are no draft any more": (
        thread("u:Hi", "a:Hello.", "u:A ro", "a:What?"),
        history("u:Hi", "a:Hello.", "u:A room."),
    ),
    "other words than those of the newest turn": (
        replace(thread("u:Hi", "a:Hello.", "u:My PIN is 9999", "a:Thanks."), provisional=True),
        history("u:Hi", "a:Hello.", "u:What is my PIN?"),
    ),
    "another call than that of a draft": (
        replace(thread("u:Hi", "a:Hello.", "u:A ro", "a:What?"), provisional=True),
        history("u:Hi", "a:Good day.", "u:A room."),
    ),
    "words on a thread that holds more": (
        replace(thread("u:Yes.", "a:Fine."), holds_more=True),
        history("u:Yes.", "a:Fine.", "u:What is my PIN?"),
    ),
    "corrected words before few replies": (
        thread("u:A table for to.", "a:Hello.", "u:Yes.", "a:Fine."),
        history("u:A table for two.", "a:Hello.", "u:Yes.", "a:Fine.", "u:Now."),
    ),
    "words of the client before our reply": (
        thread("t:One moment.", "a:Your PIN is 9999.", "u:Yes.", "a:Fine."),
        history("t:One moment.", "u:Yes.", "u:Now."),
    ),
    "replies that a client told once": (
        thread("u:Hi", "t:Hello.", "u:A room.", "a:Sure."),
        history("u:Hi", "t:Hello.", "u:A room.", "u:Now."),
    ),
    "a long history that told more the time before": (
        thread("u:Hi", "a:Hello.", "u:A room.", f"a:{LONG}", "u:Now.", f"a:{LONGER}", told=20),
        history("u:A room.", f"a:{LONG}", "u:Now.", f"a:{LONGER}", "u:Two."),
    ),
    "an empty thread": (thread(), history("u:Hi", "a:Hello.", "u:Yes.")),
}


@pytest.mark.parametrize(("ours", "theirs"), CONTINUED.values(), ids=CONTINUED)
def test_a_history_continues_its_thread(ours: ThreadItems, theirs: ClientItems) -> None:
    assert continues(theirs, ours)


@pytest.mark.parametrize(("ours", "theirs"), NOT_CONTINUED.values(), ids=NOT_CONTINUED)
def test_a_history_does_not_continue_the_thread_of_somebody_else(
    ours: ThreadItems, theirs: ClientItems
) -> None:
    assert not continues(theirs, ours)


def test_the_thread_that_explains_most_is_continued() -> None:
    less, more = (agreed(last, 2) for last in (1, 3))
    assert continued_one({"less": less, "more": more}) == "more"
    assert continued_one({"more": more, "less": less}) == "more"


def test_of_two_threads_that_explain_as_much_none_is_continued() -> None:
    same = agreed(3, 4, certain=True)
    assert continued_one({"one": same, "other": same}) is None


def test_a_thread_without_proof_is_in_the_way_of_one_that_explains_less() -> None:
    unproven = agreed(3, 4, proven=False)
    assert continued_one({"unproven": unproven, "proven": agreed(1, 2)}) is None


def test_a_thread_with_a_draft_is_in_the_way_of_one_without() -> None:
    told = history("u:Hi", "a:Hello.", "u:A room.")
    drafted = replace(thread("u:Hi", "a:Hello.", "u:A ro", "a:What?"), provisional=True)
    found = {"drafted": agreement(drafted, told), "other": agreement(thread("u:Hi", "a:Hello."), told)}
    assert continued_one({name: one for name, one in found.items() if one}) is None


def test_a_thread_with_equal_words_comes_before_one_whose_words_would_be_corrected() -> None:
    end = [f"a:{LONG}", "u:Now.", f"a:{LONGER}"]
    told = history("u:Hi", "a:Hello.", "u:A table for two.", *end, "u:Yes.")
    found = {words: agreement(thread("u:Hi", "a:Hello.", f"u:{words}", *end), told) for words in ORDERS}
    assert continued_one({words: one for words, one in found.items() if one}) == "A table for two."


def test_a_thread_with_the_whole_reply_comes_before_one_whose_reply_would_be_cut_in_a_word() -> None:
    told = ["u:Hi", "a:Take bus 1.", "u:Thanks."]
    found = {
        reply: agreement(thread("u:Hi", f"a:{reply}"), history(*told))
        for reply in ("Take bus 1.", "Take bus 10.", "Take bus 12.")
    }
    assert continued_one({reply: one for reply, one in found.items() if one}) == "Take bus 1."


def test_of_a_whole_reply_and_one_that_would_be_cut_after_a_word_none_is_continued() -> None:
    told = ["u:Hi", "a:Yes.", "u:Thanks."]
    found = {
        reply: agreement(thread("u:Hi", f"a:{reply}"), history(*told)) for reply in ("Yes.", "Yes, sir.")
    }
    assert continued_one({reply: one for reply, one in found.items() if one}) is None


def test_a_short_conversation_proves_nothing_when_not_all_threads_were_seen() -> None:
    short, long = (agreed(1, 2, certain=certain) for certain in (False, True))
    assert continued_one({"short": short}, all_seen=False) is None
    assert continued_one({"long": long}, all_seen=False) == "long"


def test_results_of_calls_that_were_made_on_a_thread_continue_it() -> None:
    words = history("u:Light!").items
    made = ThreadItems(items=thread("u:Light!").items, told=1, calls=frozenset({"c1"}))
    for call_id, is_known in (("c1", True), ("c2", False)):
        told = ClientItems(items=words, answered=frozenset({call_id}), results_last=True)
        assert continues(told, made) == is_known


FEW = st.sampled_from(["Yes.", "No.", "Hi"])
TURNS = st.lists(st.tuples(FEW, FEW, st.sampled_from([0, 1, 9])), min_size=1, max_size=6)
Turns = list[tuple[str, str, int]]


def said(turns: Turns, kind: str = "a") -> list[str]:
    """Return what was said in turns: words, the reply, and how many of its letters were heard."""
    lines: list[str] = []
    for words, reply, heard in turns:
        lines.append(f"u:{words}")
        lines += [f"{kind}:{reply[:heard]}"] if heard else []
    return lines


@given(TURNS, FEW)
def test_a_client_that_tells_all_continues_its_thread_once_it_heard_something(turns: Turns, new: str) -> None:
    *before, (words, reply, _) = turns
    ours = thread(*said(before), f"u:{words}", f"a:{reply}")
    assert continues(history(*said(turns), f"u:{new}"), ours) == any(heard for *_, heard in turns)


@given(TURNS, TURNS, FEW)
def test_no_thread_is_continued_that_holds_words_which_the_client_does_not_tell(
    mine: Turns, others: Turns, new: str
) -> None:
    told = history(*said(mine), f"u:{new}")
    ours = thread(*said(others))
    if continues(told, ours):
        words, mines = ([w for w, *_ in turns] for turns in (others, mine))
        assert words == [*mines, new][: len(words)]
