"""Estimate the length of words read aloud: text-to-speech says "25" as "twenty-five", "Dr." as "Doctor".

This is independent of language: a number has about as many words as nonzero digits, and so on.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from ...text.words import bare_words

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)(?!00)\d\d")
_SIGN = re.compile(r"[%$€£¥₹&@#*+=/°<>^~|\\]")
_MARKDOWN = "*_#~`"
_VOWEL = re.compile(r"[aeiouyäöüáéíóúàèìòùâêîôûåæøœ]", re.IGNORECASE)
_DOTTED = re.compile(r"\w\.\w")
_SHORT = 6
"""Maximum number of letters of an abbreviation."""
_LONGEST_WORD = 200
_LONGEST_KNOWN = 20
"""Maximum length of a word that is cached."""

# Maximum number of spoken letters per written one.
_FOR_DIGIT, _FOR_SIGN, _FOR_ABBREVIATION, _FOR_CAPITAL = 10, 12, 14, 8


class Token(NamedTuple):
    """A word of a text from `begin` to `end`, and how long it may be when read aloud.

    `key` is compared; `least` and `most` are numbers of letters. `words` is the minimum number of words of
    the reading, 0 for a word that is read as written.
    """

    begin: int
    end: int
    key: str
    least: int
    most: int
    words: int

    @property
    def letters(self) -> int:
        """Number of letters of a rewritten word's reading, in languages that write it as one word."""
        return self.words * (5 if self.words < 3 else 4)

    @property
    def plain(self) -> int:
        """Number of letters that are read as written."""
        return 0 if self.words else len(self.key)


def token(text: str, begin: int, end: int) -> Token:
    """Return the word in the text from `begin` to `end`."""
    raw = text[begin:end]
    return Token(begin, end, *(_known_sound(raw) if len(raw) <= _LONGEST_KNOWN else _sound(raw)))


def _sound(raw: str) -> tuple[str, int, int, int]:
    """Return a word's key, the minimum and maximum letters of its reading, and its number of words."""
    key = bare_words(raw)
    size = len(key)
    if size > _LONGEST_WORD:
        return key, size, size, 0
    raw = raw.strip(_MARKDOWN) or raw
    signs = len(_SIGN.findall(raw))
    if any(map(str.isdigit, raw)):
        digits = sum(map(str.isdigit, key))
        letters = len(bare_words(_ORDINAL.sub("", raw))) - digits
        most = _FOR_DIGIT * digits + _FOR_CAPITAL * letters + _FOR_SIGN * (signs + len(_DOTTED.findall(raw)))
        return key, 0, most, _words_of_numbers(raw) + (letters > 0)
    if signs:
        return key, size, size + _FOR_SIGN * signs, 1
    if size > 1 and _is_code(raw, key):
        return key, 2, size + _FOR_CAPITAL * size, 1
    # The end of a sentence, or "approx.": the next word decides.
    return key, size, max(size, _FOR_ABBREVIATION) if "." in raw and size <= _SHORT else size, 0


_known_sound = lru_cache(maxsize=4096)(_sound)


def _is_code(raw: str, key: str) -> bool:
    """Return whether a word may be spelled out or be an abbreviation: "USA", "Dr.", "km", "e.g."."""
    short = len(key) <= _SHORT and (raw.isupper() or not _VOWEL.search(key))
    return raw.isascii() and (short or _DOTTED.search(raw) is not None)


def _words_of_numbers(raw: str) -> int:
    words = 0
    for number in _NUMBER.findall(_GROUPED.sub("", raw)):
        first, *others = re.split(r"[.,:]", number)
        # In "1.5" the point is spoken, in "12.50" and "3:30" it is not.
        words += _words_of_number(first) + sum(_words_of_number(part) + (len(part) != 2) for part in others)
    return words


def _words_of_number(digits: str) -> int:
    """Return the minimum number of words of an integer: one for 12 and 20, two for 25, four for 4711."""
    said = digits.lstrip("0") or "0"
    if _YEAR.fullmatch(said):
        return _words_of_number(said[:2]) + _words_of_number(said[2:])
    padded = said.zfill((len(said) + 2) // 3 * 3)
    words = 0
    for place in range(0, len(padded), 3):
        hundreds, tens, ones = padded[place : place + 3]
        part = 2 * (hundreds != "0") + (tens != "0") + (ones != "0" and tens != "1")
        words += part + (part > 0 and place + 3 < len(padded))  # A thousand, a million.
    return max(1, min(words, len(said)) if len(said) > 3 else words)
