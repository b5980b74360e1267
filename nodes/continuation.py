"""Decide whether a client's history goes on with a thread that it does not name.

Callers say the same sentences, and a model answers them alike. So all that the client sends must be the
thread's, and a reply of ours to the caller's words must be among it.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from .alignment import Match, best_match
from .items import Item
from .likeness import similar

_REPLIES, _ITEMS, _LETTERS = 2, 3, 40
"""Replies of ours, or items of any kind, and their letters, that prove a thread by its end."""


def continued_items(
    ours: Sequence[Item], theirs: Sequence[Item], is_draft: Callable[[Item], bool]
) -> int | None:
    """Return how many items of the history are the thread's, `None` when it is another conversation.

    `is_draft` returns whether words of the caller that the client does not send may have been a draft.
    """
    match = best_match(ours, theirs, corrects_last=False)
    if (
        match is None
        or not _ends_alike(match, ours, theirs, is_draft)
        or not _is_gapless(match, ours, theirs)
    ):
        return None
    return len(match.pairs) if _is_proven(match, ours, theirs) else None


def _is_proven(match: Match, ours: Sequence[Item], theirs: Sequence[Item]) -> bool:
    """Return whether what is alike cannot be what two callers say: a greeting proves nothing."""
    first, begin = match.pairs[0]
    replies = [theirs[j].words for i, j in match.pairs if ours[i].own]
    if any(item.own or item.role == "user" for item in ours[:first]):
        # The client sends the end alone: the rest, which nobody else may hear of, must be the same call's.
        return len(replies) >= _REPLIES and sum(map(len, replies)) >= _LETTERS
    answered = any(ours[i].own for i, _ in match.pairs[1:])
    if begin == 0:
        return answered
    # The window has lost the beginning.
    letters = sum(len(theirs[j].words) for _, j in match.pairs)
    return answered and len(match.pairs) >= _ITEMS and letters >= _LETTERS


def _ends_alike(
    match: Match, ours: Sequence[Item], theirs: Sequence[Item], is_draft: Callable[[Item], bool]
) -> bool:
    """Return whether only new words follow in the history, and in the thread nothing but an unheard draft."""
    if any(item.role == "assistant" for item in theirs[match.theirs + 1 :]):
        return False
    return all(is_draft(item) for item in ours[match.ours + 1 :] if item.role == "user")


def _is_gapless(match: Match, ours: Sequence[Item], theirs: Sequence[Item]) -> bool:
    """Return whether nothing but replies that were not heard is missing between the pairs."""
    for (i, j), (next_i, next_j) in pairwise(match.pairs):
        missing = [item for item in ours[i + 1 : next_i] if item.role == "user"]
        extra = theirs[j + 1 : next_j]
        if len(missing) != len(extra) or any(item.role == "assistant" for item in extra):
            return False
        if not all(similar(our, their) for our, their in zip(missing, extra, strict=True)):
            return False
    return True
