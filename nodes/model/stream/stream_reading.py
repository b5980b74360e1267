"""Interpret a model's stream, with the same rules for every server and for LangChain's models."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from ...speech.spoken_text import SpokenText
from .call_assembly import MOST_CALLS
from .cumulative import NewText
from .delta import CallFragment, Delta
from .written_calls import may_be_call, written_calls

PIECE = 4_000
"""Characters of a chunk that are read at once: at most some milliseconds of work."""
_FIRST_WRITTEN = 1 << 20
"""Index of the first call written as text: higher than any server's own."""


class Reading:
    """Feed it the deltas of one stream as sent, get the deltas of a reply.

    Their text is new in each and can be spoken; other pieces show that the model is working. A call of an
    `offered` tool that is written as text becomes a real one, unless there are real ones.
    """

    def __init__(self, offered: Collection[str] = (), *, thoughts_first: bool = False) -> None:
        """Hold all text back up to the tag that closes thoughts, if the model's template opens them."""
        self._offered = offered
        self._new_text = NewText()
        self._words = SpokenText(thoughts_first=thoughts_first)
        self._pieces: list[str] = []
        self._opening = ""
        self._spoke = False
        self._called = False

    def read(self, delta: Delta) -> Iterable[Delta]:
        """Yield the interpreted delta, in pieces if it is long, so that other tasks can run in between."""
        if delta.calls:
            self._called = True
        if not delta.text:
            if delta.thinking:
                self._words.skip_opening()
            return (delta,)
        new = self._missing(delta.text) if delta.whole else self._new_text.feed(delta.text)
        self._pieces.append(new)
        return (self._meaning(delta, new),) if len(new) <= PIECE else self._in_pieces(delta, new)

    def _in_pieces(self, delta: Delta, new: str) -> Iterator[Delta]:
        """Yield the text of a delta piece by piece, everything else with the last one."""
        last = (len(new) - 1) // PIECE * PIECE
        alone = Delta(whole=delta.whole, thinking=delta.thinking)
        for at in range(0, last, PIECE):
            yield self._meaning(alone, new[at : at + PIECE])
        yield self._meaning(delta, new[last:])

    def _meaning(self, delta: Delta, new: str) -> Delta:
        words = self._words.feed(new) if new else ""
        if words and not self._spoke:
            words = self._begin(words)
        if words == delta.text:
            return delta
        return replace(delta, text=words, thinking=delta.thinking or not words)

    def close(self) -> Delta | None:
        """Return what was held back until the end of the stream, or `None`."""
        text = self._words.feed(self._new_text.close()) + self._words.close()
        blocks = self._words.written
        if self._opening:
            text = self._opening + text
            if written_calls(text, self._offered):
                blocks, text = [*blocks, text], ""
        calls: list[CallFragment] = []
        for block in () if self._called else blocks:
            for name, arguments in written_calls(block, self._offered):
                if len(calls) <= MOST_CALLS:
                    calls.append(CallFragment(_FIRST_WRITTEN + len(calls), None, name, arguments))
        return Delta(text=text, calls=tuple(calls)) if text or calls else None

    def _begin(self, words: str) -> str:
        """Return the start of the reply, empty while it may be a call written as JSON."""
        opening, self._opening = self._opening + words, ""
        if may_be_call(opening, self._offered):
            self._opening = opening
            return ""
        self._spoke = True
        return opening

    def _missing(self, text: str) -> str:
        """Return the parts of a whole message that did not come in pieces before."""
        self._words.feed(self._new_text.close())
        known = "".join(self._pieces).strip()
        if not (self._spoke or self._opening):
            if known:  # Only thoughts, perhaps never closed.
                self._words = SpokenText()
            return text
        return text.lstrip()[len(known) :] if text.lstrip().startswith(known) else ""
