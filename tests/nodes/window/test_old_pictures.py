"""Pictures stay in the window for some turns, and only as many as fit."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from voicegraph.nodes.window import old_pictures
from voicegraph.nodes.window.matching.items import our_items
from voicegraph.nodes.window.old_pictures import LEFT_OUT, PICTURE_TURNS, without_old_pictures


def shown(words: str, size: int = 10) -> HumanMessage:
    parts: list[Any] = [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * size}}]
    return HumanMessage([{"type": "text", "text": words}, *parts] if words else parts)


def conversation(*messages: HumanMessage) -> list[AnyMessage]:
    return [each for message in messages for each in (message, AIMessage("I see."))]


def pictures(window: list[AnyMessage]) -> list[bool]:
    return ["image_url" in str(message.content) for message in window if isinstance(message, HumanMessage)]


def test_pictures_of_the_newest_turns_stay() -> None:
    window = conversation(*(shown(f"Picture {number}") for number in range(6)))
    left = without_old_pictures(window)
    assert pictures(left) == [False, False, *[True] * PICTURE_TURNS]
    assert [item.words for item in our_items(left)] == [item.words for item in our_items(window)]


def test_pictures_that_are_too_large_together_go_from_the_oldest_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_pictures, "MOST_PICTURE_CHARACTERS", 1_000)
    window = conversation(shown("One", 600), shown("Two", 600), shown("Three", 100))
    assert pictures(without_old_pictures(window)) == [False, True, True]


def test_a_message_without_words_stays_a_message_without_words() -> None:
    window = conversation(shown(""), *(HumanMessage(f"Go on {number}.") for number in range(PICTURE_TURNS)))
    left = without_old_pictures(window)
    assert left[0].text == LEFT_OUT
    assert [item.words for item in our_items(left)] == [item.words for item in our_items(window)]


def test_a_window_without_pictures_stays_as_it_is() -> None:
    window = conversation(*(HumanMessage(f"Words {number}.") for number in range(9)))
    assert without_old_pictures(window) == window
