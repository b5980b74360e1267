"""Drafts leave no trace, turns that were heard stay, and the same request again is the same turn."""

from typing import Any

import pytest
from conversations import as_history, reconciled, shown
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage

from voicegraph.nodes.window.barge_in.heard import audible, cut_replies
from voicegraph.nodes.window.matching.items import digest_of, their_items
from voicegraph.nodes.window.matching.speculation import confirmed
from voicegraph.nodes.window.reconcile import Reconciling, reconcile
from voicegraph.state.schema import LatestTurn

GREETINGS = {"the client greets": ["c:Welcome."], "the agent greets": ["a:Welcome."], "nobody greets": []}
RELATED = {
    "um": "um hello",
    "I'd like": "I'd like to book a table",
    "transfer 15 euros": "transfer 1.5 euros",
    "I want to buck a table": "I want to book a table for two",
}
UNRELATED = {"hi": "I'd like to book a table", "*": "#", "नमस्ते": "I'd like to book a table"}
WAYS: dict[str, dict[str, Any]] = {
    "answered whole": {"whole": True},
    "dropped": {"whole": False},
    "answered whole, a while ago": {"whole": True, "firm": True},
}


# Without a greeting, only words that go on like a draft tell it from the turns of a client without history.
FIRST_DRAFTS = [
    pytest.param(greeting, how, draft, final, id=f"{greets}, {draft}, {final}, {way}")
    for greets, greeting in GREETINGS.items()
    for way, how in WAYS.items()
    for draft, final in [*RELATED.items(), *UNRELATED.items()]
    if greeting or not how["whole"] or (final.startswith(draft) or (draft in RELATED and "firm" not in how))
]


@pytest.mark.parametrize(("greeting", "how", "draft", "final"), FIRST_DRAFTS)
def test_a_first_draft_leaves_no_trace(
    greeting: list[str], how: dict[str, Any], draft: str, final: str
) -> None:
    ours = [*greeting, f"|u:{draft}", "a:What is it?"]
    if greeting == ["c:Welcome."]:
        ours = ["|c:Welcome.", f"u:{draft}", "a:What is it?"]
    done = reconciled(ours, [*greeting, f"u:{final}"], history_size=len(greeting) + 1, **how)
    assert shown(done.window) == [*(item.replace("c:", "a:") for item in greeting), f"u:{final}"]


@pytest.mark.parametrize("greeting", GREETINGS.values(), ids=GREETINGS)
@pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)
def test_the_draft_of_a_draft_leaves_no_trace(greeting: list[str], how: dict[str, Any]) -> None:
    ours = ["|c:Welcome." if item.startswith("c:") else item for item in greeting]
    once = reconciled(
        [*ours, "|u:hi" if ours != ["|c:Welcome."] else "u:hi", "a:Yes?"], [*greeting, "u:hi I"], **how
    )
    window: list[AnyMessage] = [
        *once.window,
        AIMessage("You?", id="b", response_metadata={"finish_reason": "stop"}),
    ]
    latest = LatestTurn(
        turn_id="t", after=once.after, started_at=0.0, whole=how["whole"], history_size=once.history_size
    )
    rules = Reconciling(
        latest=latest, provisional=True, lasting=lambda _: False, now=1.0, firm=how.get("firm", False)
    )
    done = reconcile(window, as_history([*greeting, "u:hi I would like a table"]), rules)
    assert shown(done.window)[len(greeting) :] == ["u:hi I would like a table"]
    assert len(done.window) == len(greeting) + 1


@pytest.mark.parametrize(
    "how", [{"recent": False, "firm": True}, {"provisional": False, "recent": False, "firm": True}]
)
def test_a_caller_who_calls_again_loses_no_words(how: dict[str, Any]) -> None:
    done = reconciled(["|c:Welcome.", "u:I am Ada", "a:Hello Ada."], ["c:Welcome.", "u:Who am I?"], **how)
    left = shown(done.window)
    assert left[:3] == ["a:Welcome.", "u:I am Ada", "a:Hello Ada."]
    assert left[-1] == "u:Who am I?"


def test_a_second_call_right_after_the_first_one_loses_no_turn() -> None:
    ours = ["c:Welcome.", "u:I am Ada", "a:Hello Ada.", "|u:Bye", "a:Goodbye."]
    done = reconciled(ours, ["c:Welcome.", "u:Who am I?"], keeps_history=True, history_size=4)
    assert shown(done.window)[:5] == [item.replace("c:", "a:").removeprefix("|") for item in ours]


@pytest.mark.parametrize("greeting", [[], ["c:Welcome."]])
def test_a_first_draft_of_a_later_call_leaves_no_trace(greeting: list[str]) -> None:
    old = ["u:I am Ada", "a:Hello Ada."]
    begun = [*greeting, "u:hi", "a:Yes?"]
    begun[0] = f"|{begun[0]}"
    done = reconciled(
        [*old, *begun],
        [*greeting, "u:I'd like a table"],
        keeps_history=True,
        history_size=len(greeting) + 1,
        firm=True,
    )
    wanted = [*old, *(item.replace("c:", "a:") for item in greeting), "u:I'd like a table"]
    assert shown(done.window) == wanted


CONFIRMED = {
    "similar words": ["u:What does soda cost?"],
    "longer words": ["u:What does soup cost today?"],
    "the same words": ["u:What does soup cost?"],
    "other words": ["u:Thanks"],
}


@pytest.mark.parametrize("before", [[], ["u:Hi", "a:Hello Ada."]])
@pytest.mark.parametrize("theirs", CONFIRMED.values(), ids=CONFIRMED)
def test_a_turn_of_which_something_was_heard_stays(before: list[str], theirs: list[str]) -> None:
    ours = [*before, "|u:What does soup cost?", "a:Three."]
    done = reconciled(ours, theirs, provisional=False, confirmed=True)
    assert shown(done.window) == [item.removeprefix("|") for item in [*ours, *theirs]]


@pytest.mark.parametrize(("heard", "wanted"), [("Three", True), ("", False), (" ", False)])
def test_hearing_something_confirms_a_turn(heard: str, wanted: bool) -> None:
    latest = LatestTurn(turn_id="t", after="", started_at=0.0, whole=True)
    assert confirmed(latest, heard).get("confirmed", False) is wanted


def test_next_words_of_a_client_without_history_are_no_correction_of_the_first_ones() -> None:
    ours = ["|u:What does soup cost?", "a:Three."]
    done = reconciled(ours, ["u:What does soda cost?"], firm=True, history_size=1)
    assert shown(done.window) == [ours[0][1:], ours[1], "u:What does soda cost?"]


def test_the_first_turn_that_a_caller_interrupted_stays_for_a_client_without_history() -> None:
    ours = ["|u:I am Ada", "a:Hello"]
    done = reconciled(ours, ["u:Book a table"], firm=True, whole=False, history_size=1)
    assert shown(done.window) == ["u:I am Ada", "a:Hello", "u:Book a table"]


@pytest.mark.parametrize("theirs", ["u:What does soda cost?", "u:Hello?", "u:Thanks"])
@pytest.mark.parametrize("old", [[], ["u:Hello?", "a:Hello Ada."]], ids=["the first turn", "a later turn"])
def test_a_turn_that_a_caller_interrupted_a_while_ago_stays_for_a_client_without_history(
    old: list[str], theirs: str
) -> None:
    ours = [*old, "|u:What does soup cost?", "a:It costs"]
    done = reconciled(ours, [theirs], firm=True, whole=False, history_size=1)
    assert shown(done.window) == [item.removeprefix("|") for item in [*ours, theirs]]


def test_words_that_go_on_replace_a_dropped_turn_of_a_client_without_history() -> None:
    ours = ["u:Hi", "a:Hello Ada.", "|u:What does", "a:What?"]
    done = reconciled(ours, ["u:What does soup cost?"], firm=True, whole=False, history_size=1)
    assert shown(done.window) == ["u:Hi", "a:Hello Ada.", "u:What does soup cost?"]


@pytest.mark.parametrize("how", [{"provisional": True}, {"provisional": False, "recent": False}])
def test_a_call_that_begins_with_the_last_words_of_the_one_before_is_another_call(
    how: dict[str, Any],
) -> None:
    ours = ["u:Hi", "a:Hello Ada.", "|u:Thank you.", "a:Goodbye."]
    done = reconciled(ours, ["u:Thank you."], keeps_history=True, history_size=3, firm=True, **how)
    assert shown(done.window) == [item.removeprefix("|") for item in [*ours, "u:Thank you."]]


def booked(begun: list[AnyMessage]) -> list[AnyMessage]:
    call = ToolCall(name="book", args={}, id="c1")
    made = {"finish_reason": "stop"}
    return [
        *begun,
        AIMessage("Booking.", id="a", tool_calls=[call], response_metadata=made),
        ToolMessage("booked", tool_call_id="c1", id="r"),
        AIMessage("It is booked.", id="b", response_metadata=made),
    ]


OLD_CALL: list[AnyMessage] = [
    HumanMessage("Hi", id="u0"),
    AIMessage("Hello.", id="a0", response_metadata={"finish_reason": "stop"}),
]
TIMES: dict[str, dict[str, Any]] = {
    "at once": {"provisional": True},
    "seconds later": {"provisional": True, "firm": True},
    "a minute later": {"provisional": False, "firm": True, "recent": False},
}


@pytest.mark.parametrize("how", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("greeting", ["Welcome.", ""])
@pytest.mark.parametrize("old", [OLD_CALL, []], ids=["a later call", "a new thread"])
def test_the_same_request_again_is_the_same_turn_however_often_it_comes(
    how: dict[str, Any], greeting: str, old: list[AnyMessage]
) -> None:
    greeted = [AIMessage(greeting, id="g")] if greeting else []
    history = as_history([*([f"c:{greeting}"] if greeting else []), "u:Book a table"])
    window = booked([*old, *greeted, HumanMessage("Book a table", id="u")])
    latest = LatestTurn(
        turn_id="t",
        after="a0" if old else "",
        started_at=0.0,
        whole=True,
        history_size=len(history),
        request=digest_of(their_items(history)),
        keeps_history=bool(old or greeting),
    )
    for number in range(3):
        rules = Reconciling(latest=latest, lasting=lambda _: True, now=1.0, **how)
        done = reconcile(window, history, rules)
        kinds = ["human", "ai"] * bool(old) + ["ai"] * bool(greeting) + ["human", "ai", "tool"]
        assert [message.type for message in done.window] == kinds
        latest.update(after=done.after, history_size=done.history_size, request=done.request)
        reply = AIMessage("It is booked.", id=f"b{number}", response_metadata={"finish_reason": "stop"})
        window = [*done.window, reply]


def test_a_client_without_history_says_yes_twice() -> None:
    ours = ["u:Book?", "a:For two?", "|u:Yes", "a:Booked. Another one?"]
    done = reconciled(ours, ["u:Yes"], firm=True, history_size=1)
    assert shown(done.window) == [item.removeprefix("|") for item in [*ours, "u:Yes"]]


def test_results_of_the_clients_tool_after_a_long_while_say_nothing_twice() -> None:
    call = ToolCall(name="lamp", args={}, id="c1")
    window: list[AnyMessage] = [
        *OLD_CALL,
        HumanMessage("On", id="u"),
        AIMessage("", id="a", tool_calls=[call], response_metadata={"finish_reason": "tool_calls"}),
    ]
    history = as_history(["u:On", "a:"])
    history[1]["calls"] = [{"id": "c1", "name": "lamp", "args": {}}]
    history.append({"role": "tool", "text": "done", "call_id": "c1"})
    latest = LatestTurn(turn_id="t", after="a0", started_at=0.0, whole=True)
    rules = Reconciling(latest=latest, provisional=False, lasting=lambda _: False, now=1.0, firm=True)
    done = reconcile(window, history, rules)
    assert [message.type for message in done.window] == ["human", "ai", "human", "ai", "tool"]


def test_a_history_without_new_words_begins_a_turn_after_the_last_reply() -> None:
    ours = ["|u:Hi", "a:Hello Ada."]
    done = reconciled(ours, ["u:Hi", "a:Hello Ada."])
    assert shown(done.window) == ["u:Hi", "a:Hello Ada."]
    assert done.after == "m1"


def test_a_reply_that_was_withdrawn_is_in_no_window() -> None:
    replies: list[AnyMessage] = [AIMessage("Hello.", id="a")]
    assert audible(cut_replies(replies, "")) == []


def test_a_client_whose_short_history_holds_another_reply_dropped_nothing() -> None:
    ours = ["u:Hi", "a:Hello Ada.", "|u:Where am I?", "a:You are in Rome."]
    done = reconciled(ours, ["c:Please hold the line.", "u:Fine"], keeps_history=True, history_size=2)
    assert shown(done.window)[:4] == [item.removeprefix("|") for item in ours]
