"""Decide whether a client's history and a thread are the same conversation.

Everyday words are said by many callers, and none may be answered on the thread of another. So the rules are
strict: a reply of ours proves it, the caller's own words never do, and one contradiction refutes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from .items import Item
from .pairing import Pairing, is_heard
from .speculation import resembles

_FEW_REPLIES, _MANY_REPLIES, _MANY_LETTERS = 2, 3, 40
"""Replies, and letters of fewer ones, that two callers do not hear by chance after the same words."""

_FEWEST_TOLD = 5
"""Items of a conversation that every client tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadItems:
    """What was said on a thread; `told` is the number of items in the history of its last request."""

    items: Sequence[Item]
    told: int | None = None
    calls: frozenset[str] = frozenset()
    """Ids of the tool calls that were made on it."""
    reconciled: bool = True
    """False when what the last request told of earlier replies is not known."""
    holds_more: bool = False
    """True when something was said on it that is not among the items."""
    newest: int | None = None
    """Where the words of the newest turn stand, if they may be said again or were a draft."""
    provisional: bool = False
    """True while the newest turn may still turn out to be a draft."""
    dropped: bool = False
    """True when its client left before its end."""

    @property
    def asked(self) -> int:
        """Number of items up to the last words of the caller."""
        return max((i for i, item in enumerate(self.items, start=1) if item.role == "user"), default=0)

    @property
    def settled(self) -> int:
        """Number of items that are known to be as the caller heard them."""
        return self.asked if self.reconciled else 0

    def without_newest(self) -> "ThreadItems | None":
        """Return the thread as it was before its newest turn, `None` if that is not known."""
        if self.newest is None:
            return None
        before = replace(self, items=self.items[: self.newest], newest=None)
        return replace(before, told=None if self.told is None else self.told - (self.asked - before.asked))


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldItems:
    """What a client tells; `answered` are ids of tool calls with results, of the newest if `results_last`."""

    items: Sequence[Item]
    answered: frozenset[str] = frozenset()
    results_last: bool = False

    @property
    def may_lack_beginning(self) -> bool:
        """True unless it tells so little that it is all that was said."""
        return len(self.items) >= _FEWEST_TOLD


@dataclass(frozen=True, slots=True, order=True)
class Agreement:
    """How much of a history a thread explains; the greater one explains more."""

    last: int
    """Where the last item that both have stands in the history."""
    pairs: int
    whole_words: bool
    """False when a reply was cut in the middle of a word, which few clients do."""
    equal: bool
    """False when the client has corrected words of the caller."""
    proven: bool = field(compare=False)
    """True when the history tells a reply of ours, or a result of a tool call of ours."""
    whole: bool = field(compare=False)
    """True when the history tells all that was said on the thread before."""
    certain: bool = field(compare=False)
    """True when no other caller can have had the same conversation."""


def continued_one(found: Mapping[str, Agreement], *, all_seen: bool = True) -> str | None:
    """Return the thread that explains more of the history than all others, `None` for none or several.

    A reply of ours must prove it. It must be certain, too, when the thread holds more or other words than the
    history tells, or not all threads were seen.
    """
    best = max(found.values(), default=None)
    if best is None:
        return None
    likely = [thread_id for thread_id, agreement in found.items() if agreement >= best]
    sure = best.certain or (best.whole and best.equal and all_seen)
    return likely[0] if len(likely) == 1 and best.proven and sure else None


def agreement(ours: ThreadItems, theirs: ToldItems) -> Agreement | None:
    """Return how the history agrees with the thread and goes on after it; `None` if it does not.

    After the last common item the history holds new words of the caller alone, and the thread a reply that
    was not heard at most, or a turn that was a draft of these words. Before it neither contradicts the other.
    """
    if theirs.results_last and not theirs.answered <= ours.calls:
        return None
    found = _agreement(ours, theirs)
    if found is None and _may_replace_newest(ours, theirs) and (before := ours.without_newest()):
        return _agreement(before, theirs)
    return found


def _may_replace_newest(ours: ThreadItems, theirs: ToldItems) -> bool:
    """Return whether the newest words may be those of the thread's newest turn: once more, or final now."""
    if ours.newest is None or theirs.results_last or not theirs.items or theirs.items[-1].role != "user":
        return False
    draft, final = ours.items[ours.newest], theirs.items[-1]
    if draft.words == final.words:
        return True
    return ours.provisional and (ours.dropped or resembles(draft.text, final.text))


def _agreement(ours: ThreadItems, theirs: ToldItems) -> Agreement | None:
    pairing = Pairing(ours.items, theirs.items, ours.settled)
    for i, j in pairing.last_pairs(results_last=theirs.results_last):
        pairs = pairing.pairs_before(i, j)
        if pairs is not None and _is_explained(pairs, ours, theirs):
            return Agreement(
                last=j,
                pairs=len(pairs),
                whole_words=not any(pairing.cuts_word(*pair) for pair in pairs),
                equal=not any(pairing.corrects(*pair) for pair in pairs),
                proven=bool(theirs.answered & ours.calls) or any(_proves(ours, theirs, *p) for p in pairs),
                whole=pairs[0][0] == 0 and not ours.holds_more,
                certain=_is_certain([theirs.items[j] for _, j in pairs]),
            )
    return None


def _is_certain(items: Sequence[Item]) -> bool:
    # Many calls begin with the same greeting.
    replies = [item.words for item in items[1:] if item.role == "assistant"]
    if len(replies) >= _MANY_REPLIES:
        return True
    return len(replies) >= _FEW_REPLIES and sum(map(len, replies)) >= _MANY_LETTERS


def _is_explained(pairs: Sequence[tuple[int, int]], ours: ThreadItems, theirs: ToldItems) -> bool:
    """Return whether what one side alone has can be explained.

    The history may tell what has left the thread's window since the last request, no more. And it may lack
    the beginning of the conversation if it did so the time before, or begins to do so now.
    """
    (first, _), (_, last) = pairs[0], pairs[-1]
    alone = last + 1 - len(pairs)
    left_window = (ours.told or 0) - ours.asked
    if alone > max(0, left_window):
        return False
    return first == 0 or (theirs.may_lack_beginning and len(theirs.items) + 2 >= (ours.told or 0))


def _proves(ours: ThreadItems, theirs: ToldItems, i: int, j: int) -> bool:
    our, their = ours.items[i], theirs.items[j]
    # What the client itself said before or between our words proves nothing.
    return our.own and our.owns(0, min(len(our.words), len(their.words))) and is_heard(our, their)
