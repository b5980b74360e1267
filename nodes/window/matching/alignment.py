"""Find where the client's history and our window contain the same conversation, by words.

Local alignment after Smith and Waterman (doi:10.1016/0022-2836(81)90087-5): equal items score, gaps cost, and
extra items at either end are free. Clients shorten their histories, and so do we.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from .comparison import EQUAL, PREFIX, loose_worth, shared, worth
from .items import Item

_GAP = 1
_MOST_ITEMS = 128
"""Number of items at the end of a history that are compared pairwise; usual histories do not need this."""
_FEW_ITEMS = 12
"""Number of items at the end of a history that are compared loosely."""


@dataclass(frozen=True, slots=True, order=True)
class Match:
    """The last pair of an alignment, ordered by score, then by position."""

    score: int
    ours: int
    theirs: int = field(compare=False)
    proven: bool = field(compare=False)
    """True if the history provably belongs to this thread: by a reply of ours, or earlier user messages."""
    pairs: tuple[tuple[int, int], ...] = field(default=(), compare=False)
    """All pairs of the alignment, in order."""


def best_match(ours: Sequence[Item], theirs: Sequence[Item], *, corrects_last: bool = True) -> Match | None:
    """Return the last pair of the best alignment, `None` if nothing is equal.

    With `corrects_last`, the last pair may be similar user messages: the client corrected one, and has no
    reply to it.
    """
    match = unbroken_match(ours, theirs) or _followed_match(ours, theirs)
    if match is None:
        match = _with_next_reply(_with_nearer_reply(any_match(ours, theirs), ours, theirs), ours, theirs)
        if _leaves_some(match, ours, theirs):
            match = any_match(ours, theirs, loosely=True, corrects_last=corrects_last)
    return match


def _followed_match(ours: Sequence[Item], theirs: Sequence[Item]) -> Match | None:
    """Return the match of a history with a new message after a reply that was cut or reworded.

    All user messages are equal, which is enough to pair the replies between them.
    """
    size = min(len(ours), len(theirs) - 1)
    place, begin = len(ours) - size, len(theirs) - 1 - size
    pairs = list(zip(range(place, len(ours)), range(begin, begin + size), strict=True))
    said = [our.words for our in ours if our.role == "user"]
    if (
        size < 2
        or not said
        or theirs[-1].role != "user"
        or theirs[-1].words in said
        or said.count(said[-1]) > 1
    ):
        return None
    if any(ours[i].role != theirs[j].role for i, j in pairs) or ours[-1].role != "assistant":
        return None
    equal = [(i, j) for i, j in pairs if ours[i].words == theirs[j].words]
    if sum(ours[i].role == "user" for i, _ in equal) < sum(ours[i].role == "user" for i, _ in pairs):
        return None
    i, j = pairs[-1]
    if not (worth(ours[i], theirs[j], j) or loose_worth(ours[i], theirs[j])):
        return None
    if equal[-1] != (i, j):
        equal.append((i, j))
    proven = any(_proves(ours[i], theirs[j], j, len(theirs) - 1) for i, j in equal)
    return Match(EQUAL * len(equal), i, j, proven, tuple(equal))


def _with_nearer_reply(match: Match | None, ours: Sequence[Item], theirs: Sequence[Item]) -> Match | None:
    """Return the match with its last reply paired with ours to the same message, if that is it reworded.

    A later reply of ours, to a message that the client lacks, may be more similar only by chance.
    """
    if match is None or len(match.pairs) < 2:
        return match
    *pairs, (i, j) = match.pairs
    nearer = pairs[-1][0] + 1
    if j != pairs[-1][1] + 1 or not ours[nearer].role == theirs[j].role == "assistant" or nearer == i:
        return match
    if not loose_worth(ours[nearer], theirs[j]):
        return match
    return Match(match.score, nearer, j, match.proven, (*pairs, (nearer, j)))


def _with_next_reply(match: Match | None, ours: Sequence[Item], theirs: Sequence[Item]) -> Match | None:
    """Return the match extended by the replies right after it, if theirs is ours reworded."""
    if match is None or match.ours + 1 == len(ours) or match.theirs + 1 == len(theirs):
        return match
    i, j = match.ours + 1, match.theirs + 1
    if not ours[i].role == theirs[j].role == "assistant" or not loose_worth(ours[i], theirs[j]):
        return match
    return Match(match.score + PREFIX, i, j, match.proven or ours[i].own, (*match.pairs, (i, j)))


def _leaves_some(match: Match | None, ours: Sequence[Item], theirs: Sequence[Item]) -> bool:
    """Return whether both sides have unmatched items in the same place, which may be reworded.

    The newest message does not count, nor do two replies to equal messages.
    """
    pairs = match.pairs if match else ()
    for (i, j), (next_i, next_j) in pairwise([(-1, -1), *pairs, (len(ours), _newest(theirs))]):
        left = (next_i - i - 1, next_j - j - 1)
        enclosed = i >= 0 and next_i < len(ours)
        if min(left) > 0 and not (enclosed and left == (1, 1) and ours[i + 1].role == "assistant"):
            return True
    return False


def unbroken_match(ours: Sequence[Item], theirs: Sequence[Item]) -> Match | None:
    """Return the best match if the client's history has all of ours, or its end and a new message.

    No other alignment can score more, and nearly all histories are like this: comparing all pairs of 40
    messages takes longer than all other work before the model call.
    """
    place = len(ours) - len(theirs) + 1
    if ours and place <= 1:
        place = 0
        begin = _find(ours, theirs)
    else:
        known_part, new = ours[place:], theirs[-1:]
        known = {our.words for our in ours if our.role == "user"}
        is_new = bool(new) and new[0].role == "user" and new[0].words not in known
        begin = 0 if known_part and is_new and _same(known_part, theirs[:-1]) else None
    if begin is None:
        return None
    length = len(ours) - place
    newest = _newest(theirs)
    proven = any(_proves(our, theirs[j], j, newest) for j, our in enumerate(ours[place:], start=begin))
    pairs = tuple(zip(range(place, len(ours)), range(begin, begin + length), strict=True))
    return Match(EQUAL * length, len(ours) - 1, begin + length - 1, proven, pairs)


_Pairs = tuple[int, int, "_Pairs | None"]
_Cell = tuple[int, bool, _Pairs | None]
_NOTHING: _Cell = (0, False, None)


def any_match(
    ours: Sequence[Item], theirs: Sequence[Item], *, loosely: bool = False, corrects_last: bool = False
) -> Match | None:
    """Return the last pair of the best of all alignments of the last items.

    With `loosely`, the last few may be similar user messages or reworded replies.
    """
    best: tuple[int, int, int, bool, _Pairs] | None = None
    newest = _newest(theirs)
    last = max((i for i, our in enumerate(ours) if our.role == "user"), default=0)
    # The newest message is new, unless it is the last known one, which a request may repeat.
    said_last = len(theirs) - 1 if theirs and theirs[-1].role == "user" else len(theirs)
    near, nearly = (len(ours) - _FEW_ITEMS, len(theirs) - _FEW_ITEMS) if loosely else (len(ours), 0)
    skipped = max(0, len(theirs) - _MOST_ITEMS)
    above: list[_Cell] = [_NOTHING] * (len(theirs) - skipped + 1)
    for i in range(max(0, len(ours) - _MOST_ITEMS), len(ours)):
        our, left, row = ours[i], _NOTHING, [_NOTHING]
        for j in range(skipped, len(theirs)):
            their, up, before = theirs[j], above[j - skipped + 1], above[j - skipped]
            cell = left if left[0] > up[0] or (left[0] == up[0] and left[1]) else up
            cell = (cell[0] - _GAP, cell[1], cell[2]) if cell[0] > _GAP else _NOTHING
            if our.role == their.role and not (j == said_last and i < last):
                value, certain = worth(our, their, j), True
                if not value and i >= near and j >= nearly and _may_differ(i, j, our, before[2], newest):
                    value, certain = loose_worth(our, their), our.role != "user"
                if value:
                    score, proven = (
                        before[0] + value,
                        before[1] or (certain and _proves(our, their, j, newest)),
                    )
                    pairs = (i, j, before[2])
                    ends = certain or (corrects_last and i == last and theirs[j + 1].role == "user")
                    # A client's greeting and newest message may be those of an earlier call.
                    if ends and (best is None or (proven, score, i) > (best[3], *best[:2])):
                        best = (score, i, j, proven, pairs)
                    if (score, proven) > cell[:2]:
                        cell = (score, proven, pairs)
            row.append(cell)
            left = cell
        above = row
    return best and Match(*best[:4], pairs=_unwound(best[4]))


def _may_differ(i: int, j: int, our: Item, pairs: _Pairs | None, newest: int) -> bool:
    """Return whether a pair may be the same reworded: for a reply, the messages that it answers must match.

    A model gives nearly the same answer to many messages.
    """
    if our.role == "user":
        return j < newest
    return j == 0 or (pairs is not None and pairs[:2] == (i - 1, j - 1))


def _find(ours: Sequence[Item], theirs: Sequence[Item]) -> int | None:
    """Return the position of all our items in theirs."""
    if _same(ours, theirs[: len(ours)]):
        return 0
    codes: dict[tuple[str, str], int] = {}
    looked_for, text = (
        "".join(chr(codes.setdefault((item.role, item.words), len(codes))) for item in items)
        for items in (ours, theirs)
    )
    at = text.find(looked_for)
    return at if at >= 0 else None


def _same(ours: Sequence[Item], theirs: Sequence[Item]) -> bool:
    return all(
        our.role == their.role and our.words == their.words for our, their in zip(ours, theirs, strict=True)
    )


def _newest(theirs: Sequence[Item]) -> int:
    """Return the index of the last message: it is new and proves nothing, as two calls may start with it."""
    return max((j for j, their in enumerate(theirs) if their.role == "user"), default=0)


def _proves(our: Item, their: Item, place: int, newest: int) -> bool:
    if our.role == "user" or not our.mine:
        return our.own or (our.role == "user" and place < newest)
    # A client may say the same things between our replies in any call.
    begin, size = shared(our, their, place) or (0, len(our.words))
    return our.owns(begin, begin + size)


def _unwound(pairs: _Pairs | None) -> tuple[tuple[int, int], ...]:
    unwound: list[tuple[int, int]] = []
    while pairs is not None:
        i, j, pairs = pairs
        unwound.append((i, j))
    return tuple(reversed(unwound))
