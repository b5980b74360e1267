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
    return unbroken_match(ours, theirs) or any_match(ours, theirs)


def unbroken_match(ours: Sequence[Item], theirs: Sequence[Item]) -> Match | None:
    """Return the best match when the client tells all that we know, or the last of it and new words.

    No other alignment can score more, and nearly all histories are such: looking at all pairs of 40 messages
    takes longer than all else that is done before the model is asked.
    """
    place = len(ours) - len(theirs) + 1
    if ours and place <= 1:
        place = 0
        begins = range(len(theirs) - len(ours) + 1)
        begin = next((j for j in begins if _same(ours, theirs[j : j + len(ours)])), None)
    else:
        told, new = ours[place:], theirs[-1:]
        known = {our.words for our in ours if our.role == "user"}
        is_new = bool(new) and new[0].role == "user" and new[0].words not in known
        begin = 0 if told and is_new and _same(told, theirs[:-1]) else None
    if begin is None:
        return None
    length = len(ours) - place
    newest = _newest(theirs)
    proven = any(_proves(our, j, newest) for j, our in enumerate(ours[place:], start=begin))
    return Match(_EQUAL * length, len(ours) - 1, begin + length - 1, proven)


def any_match(ours: Sequence[Item], theirs: Sequence[Item]) -> Match | None:
    """Return the last pair of the best of all alignments."""
    best: Match | None = None
    newest = _newest(theirs)
    above: list[tuple[int, bool]] = [(0, False)] * (len(theirs) + 1)
    for i, our in enumerate(ours):
        row: list[tuple[int, bool]] = [(0, False)]
        for j, their in enumerate(theirs):
            score, proven = max((above[j + 1][0] - _GAP, above[j + 1][1]), (row[j][0] - _GAP, row[j][1]))
            worth = _worth(our, their)
            if worth:
                before, proven_before = above[j]
                match = Match(before + worth, i, j, proven_before or _proves(our, j, newest))
                if best is None or match > best:
                    best = match
                score, proven = max((score, proven), (match.score, match.proven))
            row.append((score, proven) if score > 0 else (0, False))
        above = row
    return best


def _same(ours: Sequence[Item], theirs: Sequence[Item]) -> bool:
    return all(
        our.role == their.role and our.words == their.words for our, their in zip(ours, theirs, strict=True)
    )


def _newest(theirs: Sequence[Item]) -> int:
    """Return where the last words stand: they are new and prove nothing, as two calls may begin with them."""
    return max((j for j, their in enumerate(theirs) if their.role == "user"), default=0)


def _proves(our: Item, place: int, newest: int) -> bool:
    return our.own or (our.role == "user" and place < newest)


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
