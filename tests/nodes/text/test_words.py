"""Words as they are compared: what counts as the same, and where a text may be cut."""

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from voicegraph.nodes.text.words import bare_words, caller_words, without_tags, words_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("transfer 15 euros", "transfer 1.5 euros"),
        ("at 1030", "at 10.30"),
        ("3,5", "35"),
        ("10-12", "1012"),
        ("-5", "5"),
        ("C", "C++"),
        ("C", "C#"),
        ("*", "#"),
        ("press *", "press #"),
        ("press *", "press"),
        ("AT&T", "ATT"),
        ("50%", "50"),
        ("?", "!"),
        ("हाँ", "हूँ"),
        ("கல்", "கால்"),
        ("ที่", "ที"),
    ],
)
def test_signs_that_change_what_a_caller_means_make_other_words(one: str, other: str) -> None:
    assert caller_words(one) != caller_words(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hi, there!", "hi  there"),
        ("Well — yes...", "well yes"),
        ("I don't know", "i dont know"),
        ("5.", "5"),
        ("Caf\u00e9", "cafe\u0301"),
        ("\u1112\u1161\u11ab", "\ud55c"),
        ("İSTANBUL", "istanbul"),
        ("ISPARTA", "ısparta"),
        ("（５）", "5"),
    ],
)
def test_case_blanks_punctuation_and_forms_of_a_letter_make_no_difference(one: str, other: str) -> None:
    assert caller_words(one) == caller_words(other)
    assert bare_words(one) == bare_words(other)


@pytest.mark.parametrize("silent", ["—", "…", "🙂", "👨‍👩‍👧", "❤️", "´", " \n"])
def test_what_is_not_spoken_has_no_words(silent: str) -> None:
    assert bare_words(silent) == ""


def test_vowel_points_of_hebrew_and_arabic_are_optional() -> None:
    assert bare_words("שָׁלוֹם") == bare_words("שלום")
    assert bare_words("مُحَمَّد") == bare_words("محمد")


@pytest.mark.parametrize(
    ("tagged", "bare"),
    [
        ('<speak>Hello <break time="1s"/>there</speak>', "hellothere"),
        ("[laughs] That's funny", "thatsfunny"),
        ("2 < 3 and 4 > 3", "23and43"),
        ("[here](https://example.com)", "herehttpsexamplecom"),
    ],
)
def test_tags_for_the_voice_are_no_words(tagged: str, bare: str) -> None:
    assert bare_words(without_tags(tagged)) == bare
    assert "".join(bare_words(tagged[begin:end]) for begin, end in words_of(tagged)) == bare


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("An ice-cream, sir.", ["An", "ice-cream,", "sir."]),
        ("<speak>Hello</speak>", ["Hello"]),
        ("ดีครับ", ["ดี", "ค", "รั", "บ"]),
        ("เมื่อ", ["เมื่", "อ"]),
        ("ກຳລັງ", ["ກຳ", "ລັ", "ງ"]),
        ("កម្ពុជា", ["ក", "ម្ពុ", "ជា"]),
        ("か\u3099く", ["か\u3099", "く"]),
        ("はい👨‍👩‍👧です", ["は", "い", "👨‍👩‍👧", "で", "す"]),
        ("क्षत्रिय हाँ", ["क्षत्रिय", "हाँ"]),
    ],
)
def test_a_text_is_parted_at_blanks_and_in_scripts_without_them_at_characters(
    text: str, words: list[str]
) -> None:
    assert [text[begin:end] for begin, end in words_of(text)] == words


LETTERS = st.text(
    st.sampled_from(
        "aI1ıİé\u0301\u0327 \n-<[]>กำ\u0e31\u0e49เາຳกម្ជកா்हँ्कか\u3099한\u1112\u1161🇩🇪👍🏽\u200d👩❤\ufe0f\u0600"
    ),
    max_size=20,
)


@given(LETTERS | st.text(max_size=20))
def test_no_word_ends_inside_a_character(text: str) -> None:
    inside = set(range(len(text))) - {match.start() for match in regex.finditer(r"\X", text)}
    assert not inside & {end for _, end in words_of(text)}


@given(st.text(st.sampled_from("aB1_ .,:-*#$%&@/\\+<=>^`|~!?'\"()[]\n"), max_size=20))
def test_ascii_texts_are_compared_like_all_others(text: str) -> None:
    assert caller_words(f"x {text}") == caller_words(f"x {text} é").removesuffix("é")
