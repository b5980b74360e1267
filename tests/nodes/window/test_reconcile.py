"""The client's history is what was heard: a table of conversations, in the notation of `conversations`."""

from collections.abc import Sequence
from typing import Any

import pytest
from conversations import as_history, reconciled, shown
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage

from voicegraph.nodes.tools.results.results import OUTCOME
from voicegraph.nodes.window.barge_in.heard import UNHEARD
from voicegraph.nodes.window.reconcile import Reconciling, reconcile
from voicegraph.state.schema import ClientMessage, LatestTurn
from voicegraph.state.search.neighbours import WITHDRAWN

OLD = "u:Hi|a:Hello Ada|u:Weather?|a:Sunny today".split("|")


CASES: dict[str, tuple[Sequence[str], Sequence[str], dict[str, Any], Sequence[str]]] = {
    "a first request is new": ([], ["u:Hi"], {}, ["u:Hi"]),
    "the next words are added": (
        [*OLD[:2], "|u:Weather?", "a:Sunny today"],
        [*OLD, "u:Thanks"],
        {},
        [*OLD, "u:Thanks"],
    ),
    "case, blanks and punctuation of a reply make no difference": (
        ["|u:Hi there", "a:Hello, Ada. How are you?"],
        ["u:Hi there", "a:hello Ada how are you", "u:Fine"],
        {},
        ["u:Hi there", "a:Hello, Ada. How are you?", "u:Fine"],
    ),
    "a shorter reply is what was heard": (
        [*OLD[:2], "|u:Weather?", "a:Sunny today with some clouds"],
        [*OLD[:3], "a:Sunny today", "u:Stop"],
        {},
        [*OLD[:3], "a:Sunny today", "u:Stop"],
    ),
    "a reply that is missing was not heard": (
        [*OLD[:2], "|u:Weather?", "a:Sunny today"],
        [*OLD[:3], "u:Hello?"],
        {},
        [*OLD[:3], "u:Hello?"],
    ),
    "a missing first reply was not heard": (
        ["|u:Hi", "a:Hello"],
        ["u:Hi", "u:Anyone?"],
        {},
        ["u:Hi", "u:Anyone?"],
    ),
    "the same request again asks for another reply": (
        [*OLD[:2], "|u:Weather?", "a:Sunny today"],
        OLD[:3],
        {},
        OLD[:3],
    ),
    "a speculative turn is withdrawn": (
        [*OLD[:2], "|u:What is the", "a:The what?"],
        [*OLD[:2], "u:What is the weather?"],
        {},
        [*OLD[:2], "u:What is the weather?"],
    ),
    "a speculative turn with other words is withdrawn too": (
        [*OLD[:2], "|u:Hm", "a:Yes?"],
        [*OLD[:2], "u:Weather?"],
        {},
        [*OLD[:2], "u:Weather?"],
    ),
    "a speculative turn goes whose reply is like the one before it": (
        ["u:Hi", "a:A table for ten is free", "|u:Hm", "a:A table for two is free"],
        ["c:Summary: a guest.", "a:A table for ten is free", "u:What does soup cost?"],
        {"request": ["c:Summary: a guest.", "a:A table for ten is free", "u:Hm"]},
        ["u:Hi", "a:A table for ten is free", "u:What does soup cost?"],
    ),
    "a speculative turn goes whose reply equals the one before it": (
        ["u:Hi", "a:A table is free", "|u:My", "a:A table is free"],
        ["c:Summary: a guest.", "a:A table is free", "u:My number is"],
        {"request": ["c:Summary: a guest.", "a:A table is free", "u:My"]},
        ["u:Hi", "a:A table is free", "u:My number is"],
    ),
    "a speculative turn goes and the reply before it is cut": (
        ["u:Hi", "a:Hello Ada how are you", "|u:Fi", "a:Fi?"],
        ["u:Hi", "a:Hello Ada", "u:Fine"],
        {},
        ["u:Hi", "a:Hello Ada", "u:Fine"],
    ),
    "a speculative turn goes and nothing of the reply before it was heard": (
        ["u:Hi", "a:Hello Ada how are you", "|u:Fi", "a:Fi?"],
        ["u:Hi", "u:Fine"],
        {},
        ["u:Hi", "u:Fine"],
    ),
    "a speculative first turn is withdrawn when it was dropped": (
        ["|u:Um", "a:Yes?"],
        ["u:Book a table"],
        {"whole": False},
        ["u:Book a table"],
    ),
    "a speculative first turn is withdrawn when its words go on": (
        ["|u:Book a", "a:Book what?"],
        ["u:Book a table"],
        {},
        ["u:Book a table"],
    ),
    "of a client that keeps no history, like words a while later are the next ones": (
        [*OLD[:2], "|u:What does soup cost?", "a:Three"],
        ["u:What does soda cost?"],
        {"firm": True},
        [*OLD[:2], "u:What does soup cost?", "a:Three", "u:What does soda cost?"],
    ),
    "of a client that keeps no history, the same words a while later are the next ones": (
        [*OLD[:2], "|u:Yes", "a:Fine"],
        ["u:Yes"],
        {"firm": True},
        [*OLD[:2], "u:Yes", "a:Fine", "u:Yes"],
    ),
    "like words at once are a guess and its correction, of a new call on an old thread": (
        [*OLD[:2], "|u:What does", "a:What?"],
        ["u:What does soup cost?"],
        {},
        [*OLD[:2], "u:What does soup cost?"],
    ),
    "a settled turn stays": (
        [*OLD[:2], "|u:Hm", "a:Yes?"],
        [*OLD[:2], "u:Weather?"],
        {"provisional": False},
        [*OLD[:2], "u:Hm", "a:Yes?", "u:Weather?"],
    ),
    "a client that joins with an empty history deletes nothing": (
        [*OLD[:2], "|u:Weather?", "a:Sunny today"],
        ["u:Who am I?"],
        {},
        [*OLD, "u:Who am I?"],
    ),
    "one that joins behind a single whole turn deletes nothing": (
        ["|u:I'm Ada", "a:Hello Ada"],
        ["u:Who am I?"],
        {},
        ["u:I'm Ada", "a:Hello Ada", "u:Who am I?"],
    ),
    "a new call that begins with the same words deletes nothing": (
        [*OLD[:2], "|u:Weather?", "a:Sunny today"],
        ["u:Hi"],
        {},
        [*OLD, "u:Hi"],
    ),
    "the same first request again, however late, asks for another reply": (
        ["|u:Hi", "a:Hello Ada"],
        ["u:Hi"],
        {"provisional": False, "firm": True, "request": ["u:Hi"]},
        ["u:Hi"],
    ),
    "a new call behind the client's own greeting deletes nothing": (
        ["c:Welcome", "u:Hi", "a:Hello Ada", "|u:Bye", "a:Bye Ada"],
        ["a:Welcome", "u:Who am I?"],
        {"provisional": False},
        ["a:Welcome", "u:Hi", "a:Hello Ada", "u:Bye", "a:Bye Ada", "a:Welcome", "u:Who am I?"],
    ),
    "the client's own greeting is taken in": ([], ["a:Welcome", "u:Hi"], {}, ["a:Welcome", "u:Hi"]),
    "what the client said by itself behind a reply is taken in": (
        ["|u:Hi", "a:Hello Ada"],
        ["u:Hi", "a:Hello Ada", "a:Are you there?", "u:Yes"],
        {},
        ["u:Hi", "a:Hello Ada", "a:Are you there?", "u:Yes"],
    ),
    "what the client said by itself in the same message is taken in": (
        ["|u:Hi", "a:Hello, Ada."],
        ["u:Hi", "a:Hello Ada. Are you there?", "u:Yes"],
        {},
        ["u:Hi", "a:Hello, Ada.", "a:Are you there?", "u:Yes"],
    ),
    "a reply that was played on after all is heard": (
        ["|u:Hi", "a:Hello"],
        ["u:Hi", "a:Hello Ada.", "u:Yes"],
        {},
        ["u:Hi", "a:Hello", "a:Ada.", "u:Yes"],
    ),
    "the end of a reply that died with its process is taken in": (
        ["|u:Hi", "a:Hello Ada."],
        ["u:Hi", "a:Hello Ada. How are you?", "u:Fine"],
        {},
        ["u:Hi", "a:Hello Ada.", "a:How are you?", "u:Fine"],
    ),
    "a reply that the client told otherwise is what was heard": (
        ["|u:Weather?", "a:It is sunny"],
        ["u:Weather?", "a:Take a hat", "u:Fine"],
        {},
        ["u:Weather?", "a:Take a hat", "u:Fine"],
    ),
    "words said twice in a row are two messages": (
        [*OLD[:2], "|u:Yes", "a:Great"],
        [*OLD[:2], "u:Yes", "a:Great", "u:Yes"],
        {},
        [*OLD[:2], "u:Yes", "a:Great", "u:Yes"],
    ),
    "words said twice with an unheard reply between are two messages": (
        [*OLD[:2], "|u:Yes", "a:Great"],
        [*OLD[:2], "u:Yes", "u:Yes"],
        {},
        [*OLD[:2], "u:Yes", "u:Yes"],
    ),
    "a client that forgot the beginning goes on": (
        [*OLD[:2], "|u:Weather?", "a:Sunny today"],
        ["a:Sunny today", "u:Thanks"],
        {},
        [*OLD, "u:Thanks"],
    ),
    "a window that forgot the beginning goes on": (
        ["|u:Weather?", "a:Sunny today"],
        [*OLD, "u:Thanks"],
        {},
        ["u:Weather?", "a:Sunny today", "u:Thanks"],
    ),
    "a thread that was lost is told again": ([], [*OLD, "u:Thanks"], {}, [*OLD, "u:Thanks"]),
    "several new words are all taken": (
        ["|u:Hi", "a:Hello Ada"],
        ["u:Hi", "a:Hello Ada", "u:One", "u:Two"],
        {},
        ["u:Hi", "a:Hello Ada", "u:One", "u:Two"],
    ),
    "a dropped turn that has settled is not told again": (
        [*OLD[:2], "u:Hm", "a:Ye", "|u:Weather?", "a:Sunny today"],
        [*OLD, "u:Thanks"],
        {"provisional": False},
        [*OLD[:2], "u:Hm", "a:Ye", "u:Weather?", "a:Sunny today", "u:Thanks"],
    ),
}


@pytest.mark.parametrize(("ours", "theirs", "how", "wanted"), CASES.values(), ids=CASES)
def test_the_window_is_what_the_client_tells(
    ours: list[str], theirs: list[str], how: dict[str, Any], wanted: list[str]
) -> None:
    assert shown(reconciled(ours, theirs, **how).window) == wanted


def test_what_was_withdrawn_or_not_heard_is_kept_for_the_record() -> None:
    done = reconciled(["u:Hi", "a:Hello Ada", "|u:Fi", "a:Fi?"], ["u:Hi", "u:Fine"])
    amended = {
        m.id: (m.additional_kwargs.get(OUTCOME), m.additional_kwargs.get(UNHEARD)) for m in done.amended
    }
    assert amended == {"m1": (None, "Hello Ada"), "m2": (WITHDRAWN, None), "m3": (WITHDRAWN, "Fi?")}


@pytest.mark.parametrize(("lasting", "left"), [(True, ["ai", "tool", "human"]), (False, ["human"])])
def test_a_withdrawn_turn_that_changed_something_outside_is_remembered(
    lasting: bool, left: list[str]
) -> None:
    call = ToolCall(name="book", args={}, id="c1")
    window: list[AnyMessage] = [
        HumanMessage("Book a", id="u"),
        AIMessage("Booking.", id="a", tool_calls=[call], response_metadata={"finish_reason": "tool_calls"}),
        ToolMessage("booked", tool_call_id="c1", id="r"),
        AIMessage("Booked.", id="b", response_metadata={"finish_reason": "stop"}),
    ]
    latest = LatestTurn(turn_id="t", after="", started_at=0.0, whole=False)
    rules = Reconciling(latest=latest, provisional=True, lasting=lambda _: lasting, now=1.0)
    done = reconcile(window, as_history(["u:Book a table"]), rules)
    assert [message.type for message in done.window] == left


def test_the_next_turn_knows_where_this_one_begins() -> None:
    assert reconciled(["|u:Hi", "a:Hello"], ["u:Hi", "a:Hello", "u:More"]).after == "m1"
    assert (
        reconciled(["u:Hi", "a:Hello", "|u:Weather?", "a:Sunny"], ["u:Hi", "a:Hello", "u:Weather?"]).after
        == "m1"
    )
    assert reconciled([], ["u:Hi"]).after == ""


def test_the_result_of_a_clients_tool_goes_behind_its_call_and_may_change() -> None:
    call = ToolCall(name="lamp", args={}, id="c1")
    reply = AIMessage("", id="a", tool_calls=[call], response_metadata={"finish_reason": "tool_calls"})
    latest = LatestTurn(turn_id="t", after="", started_at=0.0, whole=True)
    rules = Reconciling(latest=latest, provisional=True, lasting=lambda _: False, now=1.0)
    window: list[AnyMessage] = [HumanMessage("On", id="u"), reply]
    for text in ("IN_PROGRESS", "done", "done"):
        history = [
            ClientMessage(role="user", text="On"),
            ClientMessage(role="assistant", text="", calls=[{"id": "c1", "name": "lamp", "args": {}}]),
            ClientMessage(role="tool", text=text, call_id="c1"),
        ]
        window = reconcile(window, history, rules).window
        assert [(m.type, m.text) for m in window] == [("human", "On"), ("ai", ""), ("tool", text)]


def test_a_reply_in_two_messages_with_the_clients_tool_between_them_is_not_told_twice() -> None:
    call = ToolCall(name="transfer", args={}, id="c1")
    made = {"finish_reason": "stop"}
    window: list[AnyMessage] = [
        HumanMessage("Sales, please", id="u"),
        AIMessage("I'll transfer you.", id="a1", tool_calls=[call], response_metadata=made),
        ToolMessage("transferred to sales", id="r", tool_call_id="c1"),
        AIMessage("You are there.", id="a2", response_metadata=made),
    ]
    history = [
        ClientMessage(role="user", text="Sales, please"),
        ClientMessage(role="assistant", text="I'll transfer you."),
        ClientMessage(role="assistant", text="", calls=[{"id": "c1", "name": "transfer", "args": {}}]),
        ClientMessage(role="tool", text="transferred to sales", call_id="c1"),
        ClientMessage(role="assistant", text="You are there."),
        ClientMessage(role="user", text="Thanks"),
    ]
    latest = LatestTurn(turn_id="t", after="", started_at=0.0, whole=True)
    rules = Reconciling(latest=latest, provisional=True, lasting=lambda _: False, now=1.0)
    done = reconcile(window, history, rules).window
    assert [m.text for m in done] == [*(m.text for m in window), "Thanks"]


def test_calls_of_a_client_that_nobody_here_made_come_with_their_results() -> None:
    history = [
        ClientMessage(role="user", text="On"),
        ClientMessage(role="assistant", text="", calls=[{"id": "c9", "name": "lamp", "args": {}}]),
        ClientMessage(role="tool", text="done", call_id="c9"),
    ]
    rules = Reconciling(latest=None, provisional=False, lasting=lambda _: False, now=1.0)
    assert [m.type for m in reconcile([], history, rules).window] == ["human", "ai", "tool"]


WORDS = st.sampled_from(["Yes", "No", "Hello", "Weather please", "Book a table", "Thanks a lot"])


@given(st.lists(st.tuples(WORDS, WORDS), max_size=8), WORDS, st.data())
def test_a_client_that_heard_a_prefix_of_the_last_reply_leaves_exactly_that(
    turns: list[tuple[str, str]], last: str, data: st.DataObject
) -> None:
    ours = [item for user, reply in turns for item in (f"u:{user}", f"a:{reply}")]
    reply = "one two three four"
    heard = " ".join(reply.split()[: data.draw(st.integers(0, 4))])
    ours += ["|u:Count", f"a:{reply}"]
    theirs = [
        *(item.removeprefix("|") for item in ours[:-1]),
        *([f"a:{heard}"] if heard else []),
        f"u:{last}",
    ]
    assert shown(reconciled(ours, theirs).window) == theirs


@given(
    st.lists(WORDS.map("u:{}".format) | WORDS.map("a:{}".format), max_size=10), st.lists(WORDS, max_size=6)
)
def test_settled_words_of_the_caller_are_never_taken_away(theirs: list[str], said: list[str]) -> None:
    ours = [item for words in said for item in (f"u:{words}", "a:Well")]
    left = shown(reconciled(ours, theirs, provisional=False).window)
    assert [item for item in left if item.startswith("u:")][: len(said)] == [f"u:{words}" for words in said]
