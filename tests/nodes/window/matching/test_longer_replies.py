"""Replies of which the client tells more than our window holds."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from voicegraph.nodes.tools.results.results import OUTCOME
from voicegraph.nodes.window.barge_in.heard import UNHEARD
from voicegraph.nodes.window.matching.items import our_items, their_items
from voicegraph.nodes.window.matching.longer_replies import lengthened


def reply(text: str, unheard: str = "", status: str | None = None) -> AIMessage:
    extra = {UNHEARD: unheard} if unheard else {}
    return AIMessage(text, id="reply", additional_kwargs={**extra, **({OUTCOME: status} if status else {})})


def lengthen(message: AIMessage, *told: str) -> str | None:
    window = [HumanMessage("Count.", id="words"), message]
    history: Any = [{"role": "assistant", "text": text} for text in told]
    found = lengthened(window, our_items(window)[-1], their_items(history)[-1])
    if found is None:
        return None
    longer, item = found
    assert item.words == our_items(longer)[-1].words
    assert UNHEARD not in longer[-1].additional_kwargs
    return str(longer[-1].text)


@pytest.mark.parametrize(
    ("message", "told", "longer"),
    [
        (reply("One two", "three four."), ["One two three four."], "One two three four."),
        (reply("One two", "three four."), ["One two three"], "One two three four."),
        (reply("One two", "three four."), ["One two, three four. Bye."], "One two three four."),
        (reply("One two", "three four."), ["One two"], None),
        (reply("One two", "three four."), ["One"], None),
        (reply("One two", "three four."), ["One two. Goodbye."], None),
        (reply("One two", "three four."), ["One two", "three four."], None),
        (reply("One two"), ["One two three."], None),
        (reply("One two", status="cut"), ["One two, three."], "One two three."),
        (reply("One two", status="cut"), ["One two, three.", "Goodbye."], "One two three."),
        (reply("One two", status="cut"), ["One two", "Goodbye."], None),
        (reply("One two", status="cut"), ["Two three."], None),
        (reply("One tw", status="cut"), ["One two, three."], "One two, three."),
        (reply("On", status="cut"), ["One two."], "One two."),
    ],
)
def test_a_reply_is_as_long_as_the_client_tells(
    message: AIMessage, told: list[str], longer: str | None
) -> None:
    assert lengthen(message, *told) == longer
