"""Pieces of text that hold all of the text so far, beside those of a model that repeats itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegraph.nodes.model.stream.cumulative import NewText


def new_in(pieces: list[str]) -> list[str]:
    text = NewText()
    return [*(text.feed(piece) for piece in pieces), text.close()]


def heard(*pieces: str) -> str:
    return "".join(new_in(list(pieces)))


@pytest.mark.parametrize(
    "pieces",
    [
        ("Your", "Your table", "Your table is", "Your table is booked."),
        ("Your table", "Your table is booked."),
        ("Your", "Your table is booked.", "Your table is booked."),
        ("Your", "Your table", "Your table is booked.", "", "Your table is booked."),
        ("", "Your", "Your table is", "Your table is booked."),
        ("Y", "Yo", "You", "Your table is booked."),
    ],
)
def test_cumulative_pieces_are_heard_once(pieces: tuple[str, ...]) -> None:
    assert heard(*pieces) == "Your table is booked."


def test_a_short_reply_that_grows_once_and_comes_again_is_heard_once() -> None:
    assert heard("Hi", "Hi there.", "Hi there.") == "Hi there."


def test_cumulative_digits_are_heard_once_when_words_follow() -> None:
    assert heard("1", "12", "12 euros", "12 euros, please") == "12 euros, please"


def test_a_text_that_is_written_anew_goes_on_where_it_differs() -> None:
    before = ("Your", "Your table", "Your table is", "Your table is")
    assert heard(*before, "Your table is, yes") == "Your table is, yes"
    assert heard(*before, " booked.") == "Your table is booked."
    assert heard(*before, "Your tab") == "Your table is"


@pytest.mark.parametrize(
    "pieces",
    [
        ("ha", "ha", "ha!"),
        ("ha", "haha", "hahaha"),
        ("No ", "No ", "No way."),
        ("no", "no!"),
        ("Bye", " bye", " bye."),
        ("Knock ", "knock ", "who"),
        ("Row, row. ", "Row, row. ", "Row, row. Gently."),
        ("5", "55", "555"),
        ("7", "7", "7", "7", "7"),
        ("very ", "very ", "very ", "very ", "very ", "good"),
        ("好", "好的", "，我"),
        ("\n", "\n\n", "Hi"),
    ],
)
def test_a_model_that_repeats_itself_loses_nothing(pieces: tuple[str, ...]) -> None:
    assert heard(*pieces) == "".join(pieces)


def test_ordinary_pieces_never_wait() -> None:
    pieces = ["It", " is", " it", " is", " noon."]
    assert new_in(pieces) == [*pieces, ""]


@given(st.lists(st.text("abc é.", min_size=1, max_size=4).filter(str.strip), min_size=3, max_size=12))
def test_any_text_may_come_cumulatively(added: list[str]) -> None:
    pieces = ["Say ", *added]
    sent = ["".join(pieces[: count + 1]) for count in range(len(pieces))]
    assert heard(*sent) == "".join(pieces)


words = st.sampled_from(["ha", "no", "ja", "very", "Row", "5", "x"])


@given(st.lists(st.tuples(words, st.sampled_from([" ", ", ", "! "])), min_size=1, max_size=12))
def test_words_that_come_one_by_one_are_all_heard(each: list[tuple[str, str]]) -> None:
    for pieces in ([word + end for word, end in each], [end + word for word, end in each]):
        assert heard(*pieces) == "".join(pieces)
