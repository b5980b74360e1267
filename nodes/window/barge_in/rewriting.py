"""Align heard text with spoken text that text-to-speech rewrote: "25" became "twenty-five".

After each difference the texts must be equal again, and the equal part must outweigh the difference. The rest
at the end of the heard text is judged by its length.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from ...text.words import words_of
from .reading import Token, token

_AHEAD_SPOKEN, _AHEAD_HEARD = 24, 40
"""Maximum number of words until the texts must be equal again after a difference."""
MOST_COMPARED = 20_000
"""Maximum number of word pairs compared to find such places, over a whole text."""
_RUN = 40
"""Maximum letters of equal text examined after a difference."""
_NEAR = 4
"""Maximum number of words by which an explanation may exceed the shortest one."""
_GOOD = 8
"""Excess of equal letters over a difference that ends the search for other explanations."""
_SENTENCE_END = ".!?。！？…"


@dataclass(slots=True)
class Hearing:
    """An alignment of heard and spoken text.

    `size` is the end of the last heard word in the spoken text. `rest` is the start of words in the heard
    text that were not spoken, its length if there are none. `matched` counts equal letters, `unexplained`
    those that are neither equal nor likely to be rewritten. `equal` is the end of the last equal word in the
    spoken and in the heard text. `compared` counts pairs of words.
    """

    size: int
    rest: int
    matched: int = 0
    unexplained: int = 0
    equal: tuple[int, int] = (0, 0)
    compared: int = 0


@dataclass(frozen=True, slots=True)
class _Span:
    """The length range of several words read aloud."""

    least: int = 0
    most: int = 0
    plain: int = 0

    def add(self, part: Token) -> "_Span":
        return _Span(self.least + part.least, self.most + part.most, self.plain + part.plain)

    def unexplained(self, other: "_Span") -> int:
        """Return the number of unexplained letters of two different spans."""
        apart = max(self.least - other.most, other.least - self.most, 0)
        return apart + min(self.plain, other.plain)

    def cost(self, other: "_Span") -> float:
        """Return how many equal letters are needed to accept that one span stands for the other."""
        return 0.5 + self.unexplained(other) - min(self.plain, other.plain) / 2


def align(spoken: str, heard: str, begin: int) -> Hearing:
    """Return how far `spoken` was heard; both texts are the same up to `begin`."""
    return _Alignment(spoken, heard, begin).hearing()


class _Alignment:
    def __init__(self, spoken: str, heard: str, begin: int) -> None:
        self._heard_text = heard
        self._rest: Iterator[Token] = (token(spoken, *span) for span in words_of(spoken, begin))
        self._spoken: list[Token] = []
        self._heard = [part for part in _heard_words(heard, begin) if part.key]
        self._key = "".join(part.key for part in self._heard)
        self._starts = list(accumulate((len(part.key) for part in self._heard), initial=0))
        self._found = Hearing(len(spoken[:begin].rstrip()), len(heard), matched=begin)

    def hearing(self) -> Hearing:
        """Return the best explanation of the heard text."""
        word = place = 0
        while True:
            word, place = self._run(word, place)
            if place >= len(self._key):
                break
            gap = self._gap(word, place) if self._found.compared < MOST_COMPARED else None
            if gap is None:
                self._judge_tail(word, bisect_left(self._starts, place))
                break
            word, place, unexplained = gap
            self._found.unexplained += unexplained
        return self._found

    def _run(self, word: int, place: int) -> tuple[int, int]:
        """Follow equal words and return where they end; signs after them, such as "&", may be rewritten."""
        after = word
        while (part := self._at(word)) is not None:
            if not self._key.startswith(part.key, place):
                break
            word += 1
            if part.key:
                place += len(part.key)
                self._found.size = part.end
                self._found.matched += len(part.key)
                after = word
        if place:
            end = self._heard[bisect_left(self._starts, place) - 1].end
            self._found.equal = (self._found.size, end)
        return after, place

    def _gap(self, word: int, place: int) -> tuple[int, int, int] | None:
        """Return where the texts are equal again, and the number of unexplained letters before."""
        first = bisect_left(self._starts, place)
        spoken, heard = self._ahead(word), self._heard[first : first + _AHEAD_HEARD]
        left, right = _spans(spoken), _spans(heard, self._starts[first] - place)
        best: tuple[float, int, int, int] | None = None
        near = 0
        for total in range(len(spoken) + len(heard)):
            for skipped in range(max(0, total - len(heard)), min(total, len(spoken) - 1) + 1):
                key, other = spoken[skipped].key, total - skipped
                at = self._starts[first + other]
                self._found.compared += 1
                if not key or not self._key.startswith(key, at):
                    continue
                worth = self._gain(word + skipped, at) - left[skipped].cost(right[other])
                if worth > (0 if best is None else best[0]):
                    best = (worth, word + skipped, at, left[skipped].unexplained(right[other]))
            if best is not None and (best[0] >= _GOOD or total > near):
                break
            near = total + _NEAR if best is None else near
        return best and best[1:]

    def _gain(self, word: int, place: int) -> int:
        """Return the number of equal letters from here, up to a word end in both texts."""
        begin, certain = place, place
        self._found.compared += 10
        while place - begin < _RUN and (part := self._at(word)) is not None:
            if not self._key.startswith(part.key, place):
                break
            place += len(part.key)
            if self._starts[bisect_left(self._starts, place)] == place:
                certain = place
            word += 1
        return certain - begin

    def _judge_tail(self, word: int, first: int) -> None:
        """Count rewritten words as heard while the rest of the heard text is long enough for them."""
        heard = self._heard
        while first < len(heard) and (part := self._at(word)) is not None:
            read, written = 1, 0
            if part.words:
                written = self._reading(part, first, self._at(word + 1))
            elif part.key:
                read = _read_of(heard[first], self._ahead(word))
                written = 1 if read else 0
            if not written and (part.key or part.words):
                break
            if written:
                self._found.size = self._spoken[word + read - 1].end
            word, first = word + read, first + written
        part, letters = self._at(word), len(self._key) - self._starts[first]
        half = part is not None and (
            (part.words and letters <= part.most) or part.key.startswith(self._key[-letters:])
        )
        if not letters or half:
            return
        self._found.rest = heard[first].begin
        if part is not None:
            self._found.unexplained += letters

    def _reading(self, part: Token, first: int, following: Token | None) -> int:
        """Return how many heard words are the reading of a rewritten one; 0 if they are too few."""
        sentence = self._sentence(first)
        letters = list(accumulate(len(other.key) for other in sentence))
        enough = (n for n, size in enumerate(letters, 1) if n >= part.words or size >= part.letters)
        written = next(enough, 0)
        if following is None:
            return len(sentence) if written and letters[-1] <= part.most else written
        # Too much for that word, and the next one was not heard.
        return written if following.words or letters[-1] <= part.most else 0

    def _sentence(self, first: int) -> Sequence[Token]:
        """Return the next heard words up to the end of a sentence."""
        parts = self._heard[first : first + _AHEAD_HEARD]
        for number, (one, other) in enumerate(pairwise(parts), start=1):
            between = self._heard_text[one.end - 1 : other.begin]
            if len(between) > 1 and any(sign in between for sign in _SENTENCE_END):
                return parts[:number]
        return parts

    def _at(self, word: int) -> Token | None:
        """Return a spoken word by its index, `None` after the last one."""
        while len(self._spoken) <= word:
            part = next(self._rest, None)
            if part is None:
                return None
            self._spoken.append(part)
        return self._spoken[word]

    def _ahead(self, word: int) -> Sequence[Token]:
        """Return the next spoken words, up to the maximum length of a difference."""
        self._at(word + _AHEAD_SPOKEN)
        return self._spoken[word : word + _AHEAD_SPOKEN]


def _heard_words(text: str, begin: int) -> Iterator[Token]:
    """Yield the heard words; "twenty-five" counts as two, since it may be the reading of a number."""
    for start, end in words_of(text, begin):
        while 0 < (at := text.find("-", start, end)) < end - 1:
            if at > start:
                yield token(text, start, at)
            start = at + 1
        yield token(text, start, end)


def _spans(parts: Sequence[Token], start: int = 0) -> list[_Span]:
    """Return the spans of zero words, one word, two words and so on, after `start` letters."""
    return list(accumulate(parts, _Span.add, initial=_Span(start, start, start)))


def _read_of(heard: Token, spoken: Sequence[Token]) -> int:
    """Return the number of spoken words for a heard "25"; 0 for a word without digits."""
    letters = count = 0
    for part in spoken if heard.words and not heard.least else ():
        letters += len(part.key)
        if letters > heard.letters + 1:
            break
        count += 1
    return count
