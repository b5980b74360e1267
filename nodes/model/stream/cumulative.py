"""Cumulative streams, in which each piece contains the whole text so far, as DashScope sends them."""

_GROWTH = 2
"""Number of pieces that must start with all text before them to make a stream count as cumulative."""
_MOST_HELD = 4
_FEWEST_LETTERS = 4
"""Minimum letters of the first piece for a stream of two pieces to count as cumulative."""


class NewText:
    """Feed it the pieces of a stream, get the new text of each, cumulative or not.

    A single piece that starts with all previous text proves little: a model may say a word twice. So it waits
    until the next one has grown in the same way. In other streams hardly any piece repeats all previous text,
    and none waits.
    """

    def __init__(self) -> None:
        self._decided = False
        self._cumulative = False
        self._said = ""
        """The first piece; once the stream is cumulative, the whole text so far."""
        self._held: list[str] = []

    def feed(self, piece: str) -> str:
        """Return the new text, as far as it is certain."""
        if self._decided:
            return self._rest_of(piece) if self._cumulative else piece
        if not self._said or self._said.isspace():
            self._said = piece
            return piece
        before = self._held[-1] if self._held else self._said
        if not piece.startswith(before):
            return self._decide(cumulative=False) + piece
        self._held.append(piece)
        if self._grown() >= _GROWTH and any(map(str.isalpha, before)):
            return self._decide(cumulative=True)
        return self._decide(cumulative=False) if len(self._held) >= _MOST_HELD and not self._grown() else ""

    def close(self) -> str:
        """Return the text held back, at the end of the stream."""
        return "" if self._decided else self._decide(cumulative=self._is_likely())

    def _rest_of(self, piece: str) -> str:
        """Return what a cumulative piece adds; one with little in common with the text is all new."""
        known = self._said
        same = _common(known, piece)
        if same < len(known) // 2:
            self._said = known + piece
            return piece
        if len(piece) <= len(known):
            return ""
        self._said = piece
        return piece[same:]

    def _grown(self) -> int:
        """Return the number of pieces that have grown, without repetitions of the first: "ha", "haha"."""
        first = self._said.strip()
        return len({len(piece) for piece in self._held if piece.replace(first, "").strip()})

    def _decide(self, *, cumulative: bool) -> str:
        self._decided, self._cumulative = True, cumulative
        held, self._held = self._held, []
        return "".join(map(self._rest_of, held) if cumulative else held)

    def _is_likely(self) -> bool:
        """Return whether a short stream is cumulative: otherwise it would repeat whole words."""
        first = self._said
        if not self._grown() or first[-1].isspace() or first[0].isspace():
            return False
        letters = sum(map(str.isalpha, first))
        ends_twice = self._held[-1] in self._held[:-1] and " " in self._held[-1].strip()
        return letters >= _FEWEST_LETTERS or (ends_twice and letters > 0)


def _common(text: str, other: str) -> int:
    """Return the length of the common prefix of two texts."""
    low, high = 0, min(len(text), len(other))
    if text[:high] == other[:high]:  # Usually one has grown.
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if text[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
