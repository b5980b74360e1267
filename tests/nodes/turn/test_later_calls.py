"""Calls that follow each other on one thread: each begins anew, and none is taken for an earlier one."""

from typing import Any

import pytest
from conversations import reconciled, shown

FIRST_CALL = ["c:Welcome to Roma.", "u:I am Ada.", "a:Hello Ada.", "|u:Bye.", "a:Goodbye."]
LATER: dict[str, Any] = {"provisional": False, "recent": False, "firm": True, "keeps_history": True}


def as_window(*items: str) -> list[str]:
    return [item.replace("c:", "a:").removeprefix("|") for item in items]


@pytest.mark.parametrize("said", ["u:I am Ada.", "u:Bye.", "u:Who am I?"])
def test_a_call_that_the_client_greets_as_before_begins_anew(said: str) -> None:
    done = reconciled(FIRST_CALL, ["c:Welcome to Roma.", said], history_size=4, **LATER)
    assert shown(done.window) == as_window(*FIRST_CALL, "c:Welcome to Roma.", said)


@pytest.mark.parametrize("said", ["u:I am Ada.", "u:Bye.", "u:Who am I?"])
@pytest.mark.parametrize("greeted", [True, False], ids=["as the first one", "as the second one"])
def test_a_third_call_that_the_client_greets_begins_anew(said: str, greeted: bool) -> None:
    ours = [*FIRST_CALL, "c:Welcome to Roma.", "|u:Me again.", "a:Yes?"][0 if greeted else 1 :]
    ours[-5] = "u:Bye."
    done = reconciled(ours, ["c:Welcome to Roma.", said], history_size=2, **LATER)
    assert shown(done.window) == as_window(*ours, "c:Welcome to Roma.", said)


@pytest.mark.parametrize("said", ["u:I am Ada.", "u:Bye.", "u:Who am I?"])
@pytest.mark.parametrize("heard", ["a:Welcome to Roma.", "a:Welcome"])
def test_a_call_that_the_agent_greets_as_the_client_did_before_goes_on(said: str, heard: str) -> None:
    ours = [*FIRST_CALL, "|a:Welcome to Roma."]
    ours[3] = "u:Bye."
    done = reconciled(ours, [heard, said], history_size=0, keeps_history=True, firm=True)
    assert shown(done.window) == as_window(*ours[:-1], heard, said)


def test_the_first_words_of_a_later_call_are_withdrawn_as_a_draft() -> None:
    ours = [*FIRST_CALL, "|c:Welcome to Roma.", "u:hi", "a:Yes?"]
    ours[3] = "u:Bye."
    done = reconciled(ours, ["c:Welcome to Roma.", "u:I'd like a table"], keeps_history=True, history_size=2)
    assert shown(done.window) == as_window(*ours[:-3], "c:Welcome to Roma.", "u:I'd like a table")


def test_drafts_of_a_later_call_that_the_agent_greets_as_before_leave_no_trace() -> None:
    ours = ["a:Welcome to Roma.", *FIRST_CALL[1:3], "u:Bye.", "a:Goodbye.", "a:Welcome to Roma."]
    told = ["a:Welcome to Roma.", "u:My number is 9."]
    done = reconciled([*ours, "|u:Hm", "a:Yes?"], told, keeps_history=True, history_size=2)
    assert shown(done.window) == as_window(*ours, told[1])


def test_a_short_reply_is_not_taken_for_the_greeting_that_begins_with_its_letters() -> None:
    ours = ["|c:Welcome to Roma.", "u:Book", "a:We"]
    told = ["c:Welcome to Roma.", "u:I'd like to book a table."]
    done = reconciled(ours, told, whole=False, history_size=2, keeps_history=True)
    assert shown(done.window) == as_window(*told)


@pytest.mark.parametrize("whole", [True, False])
def test_the_third_draft_of_a_later_call_leaves_its_greeting_once(whole: bool) -> None:
    ours = [*FIRST_CALL, "c:Welcome to Roma.", "|u:Book", "a:We"]
    ours[3] = "u:Bye."
    done = reconciled(
        ours, ["c:Welcome to Roma.", "u:Hm"], keeps_history=True, history_size=2, whole=whole, firm=True
    )
    assert shown(done.window) == as_window(*ours[:-2], "u:Hm")


def test_a_reply_with_nearly_the_same_words_in_an_earlier_call_is_another_one() -> None:
    ours = ["u:What is free?", "a:Number 4402 is free at seven, shall I take it?"]
    told = ["c:Welcome.", "u:A taxi.", "a:Number 4409 is free at seven, shall I take it?", "u:No.", "u:Bye."]
    done = reconciled(ours, told, provisional=False, recent=False, firm=True)
    assert shown(done.window) == as_window(*ours, *told)
