"""Histories that begin anywhere, or with a summary: what is known is found in them, and stands once."""

import pytest
from conversations import reconciled, shown

OLD = ["u:Hi", "a:Hello Ada.", "u:The lamp, please.", "a:I switch it on.", "a:It is on. Anything else?"]
LIVEKIT = "c:<chat_history_summary>\nAda wants light.\n</chat_history_summary>"
PIPECAT = "u:Conversation summary: Ada wants light."

SHORTENED: dict[str, tuple[list[str], list[str]]] = {
    "the last message of a reply": ([], ["a:It is on. Anything else?"]),
    "the last message of a reply, cut": ([], ["a:It is on."]),
    "all of a reply": ([], ["a:I switch it on.", "a:It is on. Anything else?"]),
    "an agent's summary, and the last message of a reply": ([LIVEKIT], ["a:It is on. Anything else?"]),
    "an agent's summary, and all of a reply": (
        [LIVEKIT],
        ["a:I switch it on.", "a:It is on. Anything else?"],
    ),
    "an agent's summary, and a reply that was cut": ([LIVEKIT], ["a:I switch it on.", "a:It is on."]),
    "an agent's summary, and its beginning": ([LIVEKIT], ["a:I switch it on."]),
    "two summaries": ([LIVEKIT, LIVEKIT.replace("light", "music")], ["a:It is on. Anything else?"]),
    "a caller's summary, and the last message of a reply": ([PIPECAT], ["a:It is on. Anything else?"]),
    "a caller's summary, and all of a reply": (
        [PIPECAT],
        ["a:I switch it on.", "a:It is on. Anything else?"],
    ),
    "a caller's summary, and a reply that was cut": ([PIPECAT], ["a:I switch it on.", "a:It is on."]),
    "a caller's summary, and words with their reply": (
        [PIPECAT],
        ["u:The lamp, please.", "a:I switch it on.", "a:It is on. Anything else?"],
    ),
}


@pytest.mark.parametrize("provisional", [True, False], ids=["at once", "later"])
@pytest.mark.parametrize(("own", "kept"), SHORTENED.values(), ids=SHORTENED)
def test_a_history_that_begins_later_goes_on(own: list[str], kept: list[str], provisional: bool) -> None:
    ours = [*OLD[:2], f"|{OLD[2]}", *OLD[3:]]
    done = reconciled(ours, [*own, *kept, "u:No"], provisional=provisional)
    heard = [item for item in kept if item.startswith("a:")]
    # The first message of the reply was heard, whether it is told or not.
    told = heard if heard[0] == OLD[3] else [OLD[3], *heard]
    assert shown(done.window) == [*OLD[:3], *told, "u:No"]


def test_a_summary_of_a_call_that_is_not_known_is_taken_in() -> None:
    theirs = [PIPECAT, "a:Good evening.", "u:Who am I?"]
    assert shown(reconciled([], theirs).window) == theirs


LOST = ["u:Book one.", "a:It is booked.", "u:Thanks.", "a:You are welcome."]


@pytest.mark.parametrize("provisional", [True, False], ids=["at once", "later"])
def test_a_request_that_comes_again_is_known_though_the_window_lost_what_was_before(
    provisional: bool,
) -> None:
    theirs = [*LOST, "u:Book two."]
    done = reconciled(
        ["|u:Book two.", "a:It is booked."], theirs, provisional=provisional, request=theirs, history_size=5
    )
    assert shown(done.window) == ["u:Book two."]


def test_a_summary_never_takes_the_place_of_the_callers_words() -> None:
    done = reconciled(
        ["|u:Thanks.", "a:You are welcome."], [PIPECAT, "a:You are welcome.", "u:Bye"], history_size=5
    )
    assert shown(done.window) == ["u:Thanks.", "a:You are welcome.", "u:Bye"]
