"""The window of a turn that was not stored takes in what the journal has of it, in order."""

import pytest
from langchain_core.messages import AnyMessage, HumanMessage

from voicegraph.graph.turns.unfinished_turn import with_told


def messages(ids: str) -> list[AnyMessage]:
    return [HumanMessage(id_, id=id_) for id_ in ids]


@pytest.mark.parametrize(
    ("window", "told", "whole"),
    [
        ("ab", "", "ab"),
        ("ab", "cd", "abcd"),
        ("abc", "c", "abc"),
        ("abc", "cd", "abcd"),
        ("abef", "cde", "abcdef"),  # Its own words were stored, those of the turn before were not.
        ("abef", "cdeg", "abcdefg"),
        ("", "ab", "ab"),
    ],
)
def test_messages_of_the_journal_stand_where_they_were_said(window: str, told: str, whole: str) -> None:
    assert [message.id for message in with_told(messages(window), messages(told))] == list(whole)
