"""Find how far a spoken text was heard, from what a client says was heard.

Usually that is a prefix by words. Where text-to-speech rewrote something, the texts are aligned.
"""

from .rewriting import Hearing, align
from .words import bare_words, without_tags, words_of

_LONGEST = 8_000
"""Characters that are compared by words: more is only known to be heard while it is the very same text."""
_LONGER = 4 * _LONGEST
"""Characters that so many heard ones may have had when they were written, tags included."""
_SAME_TEXT = 2_000
"""Characters from which on texts are first compared as they are."""
_LONGEST_WORD = 1_000


def hear(spoken: str, heard: str) -> Hearing:
    """Return how far `spoken` was heard. Blanks do not count, so that "ice cream" matches "ice-cream"."""
    begin = _same_beginning(spoken, heard)
    spoken = spoken[: begin + _LONGER]
    near = heard[: begin + _LONGEST]
    key = bare_words(without_tags(near[begin:]))
    size, place = len(spoken[:begin].rstrip()), 0
    for start, end in words_of(spoken, begin):
        bare = bare_words(spoken[start:end])
        if not bare:
            continue
        if not key.startswith(bare, place):
            if place < len(key):
                return align(spoken, near, begin)
            return Hearing(size, len(heard), matched=begin + place)
        place += len(bare)
        size = end
    rest = _after(near, key[:place], begin)
    return Hearing(size, rest if rest < len(near) else len(heard), matched=begin + place)


def text_after(text: str, bare: str) -> str:
    """Return what of a text follows the words that are `bare`; empty when the text does not begin so."""
    size = _after(text, bare, 0)
    return text[size:].strip() if bare_words(without_tags(text[:size])) == bare else ""


def _after(text: str, bare: str, begin: int) -> int:
    """Return where the words that are `bare` end in the text, its length when nothing follows them."""
    place, size = 0, begin
    for start, end in words_of(text, begin):
        word = bare_words(text[start:end])
        if word and place >= len(bare):
            return size
        place += len(word)
        size = end
    return len(text)


def _same_beginning(spoken: str, heard: str) -> int:
    """Return where the last word begins up to which two long texts are the very same; 0 for short ones."""
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
    # Nothing is cut inside a tag.
    opened = [at for sign in "<[" if (at := spoken.rfind(sign, near, same)) >= 0]
    return min([begins[-1], *opened]) if len(begins) > 1 else 0
