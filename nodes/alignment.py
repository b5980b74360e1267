"""Find where the client's history and our window tell the same conversation, by words.

Local alignment as Smith and Waterman have it (doi:10.1016/0022-2836(81)90087-5): equal items score, gaps
cost, and what one side alone has at either end is free. Clients shorten their histories, and so do we.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from ..state.schema import ClientMessage
from .heard import bare_words, spoken_text

_EQUAL, _PREFIX, _GAP = 3, 2, 1


@dataclass(frozen=True, slots=True)
class Item:
    """Words of the caller, or all that was spoken between two of them; `begin` and `end` are positions."""

    role: Literal["user", "assistant"]
    words: str
    begin: int
    end: int
    own: bool = False
    """True for a reply that a model of ours made: only that proves that a history tells of this thread."""


@dataclass(frozen=True, slots=True, order=True)
class Match:
    """A pair of equal items that ends an alignment; the better alignment is greater, then the later pair."""

    score: int
    ours: int
    theirs: int = field(compare=False)
    proven: bool = field(compare=False)
    """True when they tell of this very thread: by a reply of our own, or by earlier words of the caller."""


def our_items(window: Sequence[AnyMessage]) -> list[Item]:
    """Return the caller's words and our replies in the window; replies without words are none."""
    items: list[Item] = []
    begin = 0
    for end in range(1, len(window) + 1):
        if isinstance(window[end - 1], HumanMessage):
            items.append(Item("user", bare_words(str(window[end - 1].text)), begin, end))
        elif end < len(window) and not isinstance(window[end], HumanMessage):
            continue
        elif words := bare_words(" ".join(spoken_text(message) for message in window[begin:end])):
            items.append(Item("assistant", words, begin, end, own=any(map(_is_own, window[begin:end]))))
        begin = end
    return items


def their_items(history: Sequence[ClientMessage]) -> list[Item]:
    """Return the caller's words and the replies in the client's history, in the same way."""
    items: list[Item] = []
    for place, message in enumerate(history):
        words = bare_words(message["text"])
        last = items[-1] if items else None
        if message["role"] == "user":
            items.append(Item("user", words, place, place + 1))
        elif message["role"] == "assistant" and words:
            if last is not None and last.role == "assistant":
                items[-1] = Item("assistant", last.words + words, last.begin, place + 1)
            else:
                items.append(Item("assistant", words, place, place + 1))
    return items


def best_match(ours: Sequence[Item], theirs: Sequence[Item]) -> Match | None:
    """Return the last pair of the best alignment, `None` when nothing is equal."""
    best: Match | None = None
    # The last words are new, so they prove nothing: two calls may well begin with the same ones.
    newest = max((j for j, their in enumerate(theirs) if their.role == "user"), default=0)
    above: list[tuple[int, bool]] = [(0, False)] * (len(theirs) + 1)
    for i, our in enumerate(ours):
        row: list[tuple[int, bool]] = [(0, False)]
        for j, their in enumerate(theirs):
            score, proven = max((above[j + 1][0] - _GAP, above[j + 1][1]), (row[j][0] - _GAP, row[j][1]))
            worth = _worth(our, their)
            if worth:
                before, proven_before = above[j]
                proof = our.own or (our.role == "user" and j < newest)
                match = Match(before + worth, i, j, proven_before or proof)
                if best is None or match > best:
                    best = match
                score, proven = max((score, proven), (match.score, match.proven))
            row.append((score, proven) if score > 0 else (0, False))
        above = row
    return best


def _worth(our: Item, their: Item) -> int:
    if our.role != their.role:
        return 0
    if our.words == their.words:
        return _EQUAL
    if our.role == "user":
        return 0
    # Cut to what was heard; or longer, by what the client said itself behind it.
    return _PREFIX if our.words.startswith(their.words) or their.words.startswith(our.words) else 0


def _is_own(message: AnyMessage) -> bool:
    return isinstance(message, AIMessage) and "finish_reason" in message.response_metadata
