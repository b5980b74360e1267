"""What was heard is found in what was spoken, also where text-to-speech rewrote it."""

import pytest
import regex
from counted import events
from hypothesis import example, given
from hypothesis import strategies as st

from voicegraph.nodes.text.words import bare_words
from voicegraph.nodes.window.barge_in.hearing import hear

REWRITTEN = {
    "a number in words": ("You owe 25 euros today.", "You owe twenty-five euros", "You owe 25 euros"),
    "a number that was read out last": ("You owe 25 euros.", "you owe twenty five", "You owe 25"),
    "half of a number": ("You owe 25 euros.", "You owe twenty", "You owe"),
    "a number in words at the end": ("You owe 25.", "You owe twenty-five.", "You owe 25."),
    "a number in digits": ("You owe twenty-five euros now.", "You owe 25 euros", "You owe twenty-five euros"),
    "a number of another language": (
        "Sie schulden 25 Euro heute.",
        "Sie schulden fünfundzwanzig Euro",
        "Sie schulden 25 Euro",
    ),
    "a number between Chinese characters": ("我有25个苹果和梨", "我有二十五个苹果", "我有25个苹果"),
    "a title": ("Dr. Smith is in. Come by.", "Doctor Smith is in.", "Dr. Smith is in."),
    "a title alone": ("Dr. Smith is in.", "Doctor", "Dr."),
    "several titles": (
        "Prof. Miller and Mr. Jones will call.",
        "Professor Miller and Mister Jones will",
        "Prof. Miller and Mr. Jones will",
    ),
    "an amount of money": (
        "It is $1,250.50 a night. Shall I?",
        "It is one thousand two hundred fifty dollars and fifty cents a night",
        "It is $1,250.50 a night.",
    ),
    "a time and a date": (
        "At 10:30 a.m. on March 3rd. Fine?",
        "At ten thirty A M on March third",
        "At 10:30 a.m. on March 3rd.",
    ),
    "half of a time": ("At 10:30 on Monday.", "At ten", "At"),
    "a percentage": ("It rose 5 % more.", "It rose five percent more", "It rose 5 % more."),
    "a sign": ("Salt & pepper, please.", "salt and pepper", "Salt & pepper,"),
    "a decimal": ("Up 1.5 million. Fine?", "up one point five million", "Up 1.5 million."),
    "a year": ("In 2024 we met again.", "in twenty twenty-four we met", "In 2024 we met"),
    "a code that is spelled out": (
        "Your code is A1B2. Write it down.",
        "your code is A one B two. write",
        "Your code is A1B2. Write",
    ),
    "digits one by one": ("Code 4711. Got it?", "code four seven one one", "Code 4711."),
    "all digits but one": ("Code 4711. Got it?", "code four seven one", "Code"),
    "a web address": (
        "See example.com/help or call me.",
        "see example dot com slash help or call",
        "See example.com/help or call",
    ),
    "words that were not heard": (
        "It is really very sunny today and warm.",
        "it is sunny today and",
        "It is really very sunny today and",
    ),
    "a word that was heard otherwise": (
        "It is sunny. Take a hat. Bye.",
        "It is rainy. Take a hat.",
        "It is sunny. Take a hat.",
    ),
    "the tags of SSML": (
        '<speak>Hello <break time="1s"/> there. Bye.</speak>',
        "Hello there",
        '<speak>Hello <break time="1s"/> there.',
    ),
    "a tag before everything": ("<speak>Hello", "Hello", "<speak>Hello"),
    "an audio tag": ("[laughs] That's funny. Bye.", "That's funny", "[laughs] That's funny."),
    "an audio tag that was told alone": ("That's funny. Bye.", "[laughs] That's funny", "That's funny."),
    "markdown": ("It is **very** *good* now.", "it is very good", "It is **very** *good*"),
}


@pytest.mark.parametrize(("spoken", "heard", "kept"), REWRITTEN.values(), ids=REWRITTEN)
def test_what_was_rewritten_does_not_hide_what_follows(spoken: str, heard: str, kept: str) -> None:
    assert spoken[: hear(spoken, heard).size] == kept


UNHEARD = {
    "other words": ("The weather is nice.", "I think the car is red", ""),
    "words that come again much later": (
        "It is sunny. Take a hat. Is it rainy in Rome? It is rainy there.",
        "It is rainy",
        "It is",
    ),
    "other words after a number": ("I have 5 apples, and 6 pears.", "I have no idea what I mean", "I have"),
    "the beginning of a word": ("It is sunny.", "It is sun", "It is"),
    "a short word that comes again": ("Take a hat or a coat.", "Take a a", "Take a"),
    "another short reply": ("Yes.", "OK.", ""),
}


@pytest.mark.parametrize(("spoken", "heard", "kept"), UNHEARD.values(), ids=UNHEARD)
def test_only_what_the_heard_words_can_justify_counts(spoken: str, heard: str, kept: str) -> None:
    assert spoken[: hear(spoken, heard).size] == kept


SCRIPTS = {
    "Thai": ("สวัสดีครับ วันนี้อากาศดี", "สวัสดีครับ วันนี้"),
    "Thai, inside a word": ("วันนี้อากาศดี", "วันนี้อา"),
    "Lao": ("ສະບາຍດີ ມື້ນີ້ອາກາດດີ", "ສະບາຍດີ ມື້ນີ້"),
    "Khmer": ("សួស្តី ខ្ញុំជាភ្នាក់ងារ", "សួស្តី ខ្ញុំ"),
    "Burmese": ("မင်္ဂလာပါ ဒီနေ့", "မင်္ဂလာပါ"),
    "Hindi": ("हाँ, मैं बोल रहा हूँ।", "हाँ, मैं"),
    "Tamil": ("கல் மற்றும் கால்", "கல் மற்றும்"),
    "Turkish": ("İstanbul'da hava güzel", "İstanbul'da hava"),
    "Korean": ("한국어 좋아요", "한국어"),
    "flags": ("🇩🇪🇫🇷 Hello there", "🇩🇪🇫🇷 Hello"),
}


@pytest.mark.parametrize(("spoken", "kept"), SCRIPTS.values(), ids=SCRIPTS)
def test_a_cut_keeps_whole_characters_in_every_script(spoken: str, kept: str) -> None:
    assert spoken[: hear(spoken, kept).size] == kept


@pytest.mark.parametrize("heard", ["istanbul'da hava", "ISTANBUL'DA HAVA", "i\u0307stanbul'da hava"])
def test_a_turkish_capital_is_heard_in_any_case(heard: str) -> None:
    spoken = "İstanbul'da hava güzel"
    assert spoken[: hear(spoken, heard).size] == "İstanbul'da hava"


def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert hear("Caf\u00e9 Rome", "cafe\u0301").size == 4
    assert hear("Cafe\u0301 Rome", "caf\u00e9").size == 5
    assert hear("\u1112\u1161\u11ab \uad6d", "\ud55c").size == 3


@pytest.mark.parametrize(
    ("spoken", "heard", "rest"),
    [
        ("Hello Ada.", "Hello Ada. Are you there?", "Are you there?"),
        ("You owe 25.", "You owe twenty-five. Are you there?", "Are you there?"),
        ("You owe 25 euros.", "You owe twenty-five euros. Are you there?", "Are you there?"),
        ("You owe 25 euros.", "You owe twenty-five euros.", ""),
    ],
)
def test_words_after_all_of_the_spoken_ones_are_found(spoken: str, heard: str, rest: str) -> None:
    found = hear(spoken, heard)
    assert spoken[: found.size] == spoken
    assert heard[found.rest :].strip() == rest


TEXTS = st.lists(
    st.sampled_from(
        [
            "a",
            "the",
            "I'll",
            "25",
            "$5",
            "Dr.",
            "USA",
            "10:30",
            "one",
            "sunny.",
            "<b>",
            "[laughs]",
            "วันนี้",
            "は",
            "🇩🇪",
            "—",
        ]
    ),
    max_size=30,
).map(" ".join) | st.text("a1.<[]> ก\u0e31é", max_size=30)


@given(TEXTS, TEXTS)
@example("", "")
@example("a", "<a>")
def test_whatever_was_heard_the_cut_ends_a_word(spoken: str, heard: str) -> None:
    found = hear(spoken, heard)
    assert 0 <= found.size <= len(spoken)
    assert 0 <= found.rest <= len(heard)
    assert found.size in {0, *(match.end() for match in regex.finditer(r"\X", spoken))}


@given(st.lists(st.text("abcกé", min_size=1, max_size=5), min_size=1, max_size=30), st.data())
def test_a_plain_prefix_is_found_exactly(words: list[str], data: st.DataObject) -> None:
    size = data.draw(st.integers(0, len(words)))
    spoken, heard = " ".join(words), " ".join(words[:size])
    assert spoken[: hear(spoken, heard).size] == heard


@given(st.integers(0, 3000), st.sampled_from(["yes, sure. ", "วันนี้อากาศดี", "[a b] <c d> e "]))
def test_of_a_long_text_the_very_same_prefix_is_found(size: int, words: str) -> None:
    spoken = words * 300
    long, short = hear(spoken, spoken[:size]), hear(spoken[:size] + " x", spoken[:size])
    assert abs(long.size - short.size) <= len(words)
    assert (
        bare_words(spoken[: long.size]) == bare_words(spoken[:size])[: len(bare_words(spoken[: long.size]))]
    )


HUGE = {
    "the same text": ("yes " * 500_000, "yes " * 500_000),
    "half of it": ("yes " * 500_000, "yes " * 250_000),
    "in other letters": ("Yes, " * 400_000, "yes " * 400_000),
    "every second word differs": ("yes " * 500_000, "yes no " * 250_000),
    "numbers": ("25 a " * 400_000, "b 4 " * 500_000),
    "one word": ("a" * 2_000_000, "a" * 1_000_000 + "b"),
    "no blanks": ("วันนี้" * 300_000, "วันนี" * 300_000),
    "tags": ("<b>" * 600_000, "[a] " * 500_000),
    "signs": (" - " * 600_000, "- x" * 600_000),
}


@pytest.mark.parametrize(("spoken", "heard"), HUGE.values(), ids=HUGE)
def test_texts_of_two_megabytes_take_no_longer_than_short_ones(spoken: str, heard: str) -> None:
    assert events(lambda: hear(spoken, heard)) < 500_000
