"""Use the client's text of user messages: speech-to-text corrects itself once it has heard more.

Only the model's replies are known better here: for user messages the client's text is used, in the window and
in the record, under the message's own id.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise, takewhile

from langchain_core.messages import AnyMessage

from ....state.schema import ClientMessage
from ...tools.results.results import OUTCOME
from .alignment import Match
from .comparison import shared, similar
from .items import Item

_LONG = 10_000
"""Length from which different blanks make a different text."""


def correct(
    window: Sequence[AnyMessage],
    history: Sequence[ClientMessage],
    match: Match,
    ours: Sequence[Item],
    theirs: Sequence[Item],
    *,
    began: bool,
) -> tuple[list[AnyMessage], list[AnyMessage]]:
    """Return the window with the client's text of user messages, and the messages that changed.

    `began`: the newest turn's request contained only its message.
    """
    corrected = list(window)
    changed: list[AnyMessage] = []
    for i, j in _same_words(match.pairs, ours, theirs, began=began):
        our, their = window[ours[i].begin], history[theirs[j].begin]
        # Refused or withdrawn messages are marked, and must not come back.
        if _is_same_text(ours[i].text, theirs[j].text) or OUTCOME in our.additional_kwargs:
            continue
        message = our.model_copy(update={"content": their.get("content") or their["text"]})
        corrected[ours[i].begin] = message
        changed.append(message)
    return corrected, changed


def _same_words(
    pairs: Sequence[tuple[int, int]], ours: Sequence[Item], theirs: Sequence[Item], *, began: bool
) -> Iterator[tuple[int, int]]:
    """Yield the pairs of user messages that are the same message, even if their texts differ."""
    for i, j in pairs:
        if ours[i].role == "user" and ours[i].words == theirs[j].words:
            yield i, j
    for i, j in _corrected(pairs, ours, theirs, began=began):
        # A client may join two messages, or split one.
        if ours[i].role == theirs[j].role == "user" and _place(ours, i) == _place(theirs, j):
            yield i, j


def _corrected(
    pairs: Sequence[tuple[int, int]], ours: Sequence[Item], theirs: Sequence[Item], *, began: bool
) -> Iterator[tuple[int, int]]:
    for i, j in pairs:
        if ours[i].words != theirs[j].words and shared(ours[i], theirs[j], j) is None:
            yield i, j
    # Alone between two equal pairs.
    for (i, j), (next_i, next_j) in pairwise(pairs):
        if next_i - i == next_j - j:
            between = zip(range(i + 1, next_i), range(j + 1, next_j), strict=True)
            yield from ((a, b) for a, b in between if next_i - i == 2 or similar(ours[a], theirs[b]))
    # Before the first one: the message that it answers, not a summary of earlier ones.
    i, j = pairs[0][0] - 1, pairs[0][1] - 1
    if i >= 0 and j >= 0 and ours[i + 1].role == "assistant":
        if (began and i == j == 0) or similar(ours[i], theirs[j]):
            yield i, j


def _place(items: Sequence[Item], place: int) -> tuple[int, int]:
    """Return the number of user messages right before and right after."""
    before = takewhile(lambda item: item.role == "user", reversed(items[:place]))
    after = takewhile(lambda item: item.role == "user", items[place + 1 :])
    return sum(1 for _ in before), sum(1 for _ in after)


def _is_same_text(one: str, other: str) -> bool:
    return one == other or (len(one) < _LONG and one.split() == other.split())
