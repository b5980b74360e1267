"""Normalize words for comparison: without case and punctuation, never splitting a character.

A visible character may be several code points: a letter and its vowel sign, an emoji with a skin tone, a
flag. Unicode calls it a grapheme cluster; the library `regex` finds them.
"""

import re
import unicodedata
from collections.abc import Iterator

import regex

# Scripts without blanks between words (Thai, Lao, Khmer, Burmese, kana, Chinese): each character is a word.
# Thai and Lao write some vowels as separate letters before or after their consonant: they stay with it.
_UNSPACED = r"\p{Line_Break=SA}\p{Han}\p{Hiragana}\p{Katakana}\u30fc"
_VOWELS_BEFORE = r"\u0e40-\u0e44\u0ec0-\u0ec4"
_VOWELS_AFTER = r"\u0e30\u0e32\u0e33\u0e45\u0eb0\u0eb2\u0eb3"
_WORD = regex.compile(
    rf"[{_VOWELS_BEFORE}]?(?=[{_UNSPACED}])\X(?:(?=[\p{{M}}{_VOWELS_AFTER}])\X)*"
    rf"|(?:[\p{{Latin}}\p{{Greek}}\p{{Cyrillic}}\p{{Nd}}]+(?![\p{{M}}{_VOWELS_AFTER}])|(?![{_UNSPACED}\s])\X)+"
)
_ASCII_WORD = re.compile(r"\S+")

# SSML and audio tags control the voice: `<break time="1s"/>`, `[laughs]`. `[text](address)` is a link.
_TAG = re.compile(r"<[^<>\s][^<>]{0,500}>|\[[^\[\]\n]{1,60}\](?!\()")

# Vowel points of Arabic and Hebrew are optional, those of Indic scripts are letters.
_POINTS = r"\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed"
_SILENT = regex.compile(
    rf"[^\w\p{{M}}]+\p{{M}}*|_|^\p{{M}}+|[\u200c\u200d\ufe00-\ufe0f\u20d0-\u20ff{_POINTS}]", regex.UNICODE
)
_ASCII_LETTERS = {code: chr(code).lower() if chr(code).isalnum() else None for code in range(128)}

# Signs that change the meaning: "C++", "*", "1.5", "-5".
_SIGNS = r"\p{S}*#%&@/\\+"
_IN_NUMBER = r"(?<=\d)[.,:\-](?=\d)|(?<![^\s(])[.,\-](?=\d)"
_SAID_NUMBER = re.compile(r"[.,:\-][0-9]")
_ASCII_SAID = {**_ASCII_LETTERS, **{ord(sign): sign for sign in "$*#%&@/\\+<=>^_`|~"}}
_PUNCTUATION = regex.compile(rf"(?:(?!{_IN_NUMBER})[^\w\p{{M}}{_SIGNS}])+", regex.UNICODE)


def words_of(text: str, begin: int = 0) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each spoken word from `begin` on, ignoring tags."""
    pattern = _ASCII_WORD if text.isascii() else _WORD
    for tag in _TAG.finditer(text, begin) if "<" in text or "[" in text else ():
        yield from (word.span() for word in pattern.finditer(text, begin, tag.start()))
        begin = tag.end()
    yield from (word.span() for word in pattern.finditer(text, begin))


def without_tags(text: str) -> str:
    """Return the text without SSML and audio tags."""
    return _TAG.sub(" ", text) if "<" in text or "[" in text else text


def bare_words(text: str) -> str:
    """Return only the letters and digits of a text, case-folded, to compare spoken words."""
    if text.isascii():
        return text.translate(_ASCII_LETTERS)
    return _SILENT.sub("", _folded(text))


def caller_words(text: str) -> str:
    """Return a user message for comparison: like `bare_words`, with signs that change the meaning.

    Words made only of other signs stay as they are.
    """
    if text.isascii() and not _SAID_NUMBER.search(text):
        return text.translate(_ASCII_SAID) or text.strip()
    return _PUNCTUATION.sub("", _folded(text)) or text.strip()


def _folded(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Turkish has two letters "i", which speech-to-text confuses.
    return folded if folded.isascii() else folded.replace("i\u0307", "i").replace("\u0131", "i")
