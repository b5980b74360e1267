"""Alignment: the quick way for ordinary histories finds what looking at all pairs finds."""

import pytest
from counted import events
from hypothesis import given
from hypothesis import strategies as st

from voicegraph.nodes.window.matching.alignment import Match, any_match, best_match, unbroken_match
from voicegraph.nodes.window.matching.items import Item


def items(words: str, *, own: bool = True) -> list[Item]:
    """Return an item a letter: capitals are the caller's words."""
    return [
        Item(
            "user" if word.isupper() else "assistant", word.lower(), place, place + 1, own and word.islower()
        )
        for place, word in enumerate(words)
    ]


def told(match: Match | None) -> tuple[int, int, int, bool] | None:
    return match and (match.score, match.ours, match.theirs, match.proven)


FEW = st.text("ABab", max_size=7)
MANY = st.text("ABCDEFabcdef", max_size=12)


@given(FEW, FEW, st.booleans())
def test_repeated_words_are_aligned_as_by_all_pairs(ours: str, theirs: str, own: bool) -> None:
    mine = items(ours, own=own)
    assert told(best_match(mine, items(theirs))) == told(any_match(mine, items(theirs)))


@given(MANY, MANY, st.integers(0, 12), st.text("ABCXYZ", max_size=2))
def test_histories_that_go_on_are_aligned_as_by_all_pairs(before: str, ours: str, cut: int, new: str) -> None:
    theirs = items((before + ours)[cut:] + new)
    assert told(best_match(items(ours), theirs)) == told(any_match(items(ours), theirs))


def test_a_history_that_tells_all_and_new_words_needs_no_look_at_all_pairs() -> None:
    assert told(unbroken_match(items("AbCd"), items("AbCdE"))) == (12, 3, 3, True)


def test_a_history_that_tells_the_last_and_new_words_needs_no_look_at_all_pairs() -> None:
    assert told(unbroken_match(items("AbCd"), items("CdE"))) == (6, 3, 1, True)


def test_a_reply_that_was_cut_is_left_to_the_look_at_all_pairs() -> None:
    cut = [*items("A"), Item("assistant", "he", 1, 2), *items("C")]
    assert unbroken_match([*items("A"), Item("assistant", "hello", 1, 2, own=True)], cut) is None


LONG = {
    "the same and new words": ("Ab" * 1000, "Ab" * 1000 + "C"),
    "all of it and more before": ("A" * 1000, "b" + "A" * 1999 + "C"),
    "all words equal": ("A" * 2000, "A" * 2000),
    "all but the last": ("A" * 2000, "A" * 1999 + "B"),
    "one of another kind in the middle": ("Ab" * 500 + "Cd" + "Ab" * 500, "Ab" * 1001 + "C"),
    "nothing": ("Ab" * 1000, "Cd" * 1000),
}


@pytest.mark.parametrize(("ours", "theirs"), LONG.values(), ids=LONG)
def test_two_thousand_messages_are_aligned_in_a_moment(ours: str, theirs: str) -> None:
    mine, told = items(ours), items(theirs)
    assert events(lambda: best_match(mine, told)) < 300_000
