"""Find how far a spoken text was heard, from a client's report.

Usually that is a prefix. Where text-to-speech rewrote something, the texts are aligned.
"""

from ...text.words import bare_words, without_tags, words_of
from .rewriting import MOST_COMPARED, Hearing, align

_LONGEST = 4_000
"""Number of characters compared by words at a time."""
_LONGER = 4 * _LONGEST
"""Maximum characters of written text, including tags, for `_LONGEST` heard ones."""
_PARTS = 4
"""Maximum number of comparisons of `_LONGEST` characters, each after identical text."""
_SAME_TEXT = 2_000
"""Minimum length of texts that are first compared character by character."""
_LONGEST_WORD = 1_000


def hear(spoken: str, heard: str) -> Hearing:
    """Return how far `spoken` was heard. Blanks do not count, so that "ice cream" matches "ice-cream"."""
    size = end = matched = unexplained = parts = compared = 0
    while True:
        left, right = spoken[size:], heard[end:]
        begin = _same_beginning(left, right)
        near = right[: begin + _LONGEST]
        found = _hear_near(left[: begin + _LONGER], near, begin)
        parts, compared = parts + 1, compared + found.compared
        matched, unexplained = matched + found.matched, unexplained + found.unexplained
        last = len(near) == len(right) or parts == _PARTS or compared >= MOST_COMPARED
        if last or found.equal[1] < len(near) // 2:
            rest = end + found.rest if found.rest < len(near) else len(heard)
            return Hearing(size + found.size, rest, matched, unexplained)
        # Only the beginning was compared: continue after the last equal word.
        size, end = size + found.equal[0], end + found.equal[1]


def _hear_near(spoken: str, heard: str, begin: int) -> Hearing:
    key = bare_words(without_tags(heard[begin:]))
    size, place = len(spoken[:begin].rstrip()), 0
    for start, end in words_of(spoken, begin):
        bare = bare_words(spoken[start:end])
        if not bare:
            continue
        if not key.startswith(bare, place):
            if place < len(key):
                return align(spoken, heard, begin)
            return Hearing(size, len(heard), begin + place, equal=(size, len(heard)))
        place += len(bare)
        size = end
    rest = end_of(heard, key[:place], begin)
    return Hearing(size, rest, begin + place, equal=(size, rest))


def end_of(text: str, bare: str, begin: int = 0) -> int:
    """Return where the words `bare` end in the text, its length if no word follows."""
    place, size = 0, begin
    for start, end in words_of(text, begin):
        word = bare_words(text[start:end])
        if word and place >= len(bare):
            return size
        place += len(word)
        size = end
    return len(text)


def has_end(text: str, letters: int) -> bool:
    """Return whether a word of the text ends after this number of letters."""
    place = 0
    for start, end in words_of(text):
        if place >= letters:
            break
        place += len(bare_words(text[start:end]))
    return place == letters


def _same_beginning(spoken: str, heard: str) -> int:
    """Return the start of the last word in the identical prefix of two long texts; 0 for short ones."""
    if min(len(spoken), len(heard)) < _SAME_TEXT:
        return 0
    same, step = 0, 1 << 16
    while step:
        part = spoken[same : same + step]
        if part and part == heard[same : same + step]:
            same += len(part)
        else:
            step >>= 1
    near = max(0, same - _LONGEST_WORD)
    begins = [near + start for start, _ in words_of(spoken[near:same])]
    # Never cut inside a tag.
    opened = [at for sign in "<[" if (at := spoken.rfind(sign, near, same)) >= 0]
    return min([begins[-1], *opened]) if len(begins) > 1 else 0
