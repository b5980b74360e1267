"""Decide whether a client's history and a thread are the same conversation.

Many callers say the same everyday words, and none may be answered on another's thread. So the rules are
strict: a reply of ours proves it, the caller's own words never do, and one contradiction refutes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from .items import Item
from .pairing import Pairing, is_heard
from .speculation import resembles

_FEW_REPLIES, _MANY_REPLIES, _MANY_LETTERS = 2, 3, 40
"""Number of replies, or letters of fewer replies, that two callers do not hear by chance."""

_FEWEST_TOLD = 5
"""Number of items of a conversation that every client sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadItems:
    """What was said on a thread; `told` is the number of items in its last request's history."""

    items: Sequence[Item]
    told: int | None = None
    calls: frozenset[str] = frozenset()
    """Ids of the thread's tool calls."""
    reconciled: bool = True
    """False if the last request's history of earlier replies is unknown."""
    holds_more: bool = False
    """True if something was said that is not among the items."""
    newest: int | None = None
    """Index of the newest turn's message, if it may be repeated or was a draft."""
    provisional: bool = False
    """True while the newest turn may turn out to be a draft."""
    dropped: bool = False
    """True if its client left before its end."""

    @property
    def asked(self) -> int:
        """Number of items up to the last user message."""
        return max((i for i, item in enumerate(self.items, start=1) if item.role == "user"), default=0)

    @property
    def settled(self) -> int:
        """Number of items that are certainly as the caller heard them."""
        return self.asked if self.reconciled else 0

    def without_newest(self) -> "ThreadItems | None":
        """Return the thread as it was before its newest turn, `None` if unknown."""
        if self.newest is None:
            return None
        before = replace(self, items=self.items[: self.newest], newest=None)
        return replace(before, told=None if self.told is None else self.told - (self.asked - before.asked))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientItems:
    """A client's items; `answered` are ids of tool calls with results, of the newest if `results_last`."""

    items: Sequence[Item]
    answered: frozenset[str] = frozenset()
    results_last: bool = False

    @property
    def may_lack_beginning(self) -> bool:
        """True unless the history is so short that it must be complete."""
        return len(self.items) >= _FEWEST_TOLD


@dataclass(frozen=True, slots=True, order=True)
class Agreement:
    """How much of a history a thread explains; a greater value explains more."""

    last: int
    """Index of the last common item in the history."""
    pairs: int
    whole_words: bool
    """False if a reply was cut in the middle of a word, which few clients do."""
    equal: bool
    """False if the client has corrected user messages."""
    proven: bool = field(compare=False)
    """True if the history has a reply of ours, or a result of one of our tool calls."""
    whole: bool = field(compare=False)
    """True if the history has everything said on the thread before."""
    certain: bool = field(compare=False)
    """True if no other caller can have had the same conversation."""


def continued_one(found: Mapping[str, Agreement], *, all_seen: bool = True) -> str | None:
    """Return the thread that explains more of the history than all others, `None` if there is no single one.

    A reply of ours must prove it. It must also be certain if the thread has more or other text than the
    history, or not all threads were seen.
    """
    best = max(found.values(), default=None)
    if best is None:
        return None
    likely = [thread_id for thread_id, agreement in found.items() if agreement >= best]
    sure = best.certain or (best.whole and best.equal and all_seen)
    return likely[0] if len(likely) == 1 and best.proven and sure else None


def agreement(ours: ThreadItems, theirs: ClientItems) -> Agreement | None:
    """Return how the history agrees with the thread and continues it; `None` if it does not.

    After the last common item the history may have only new user messages, and the thread at most an unheard
    reply, or a turn that was a draft of these messages. Before it there must be no contradiction.
    """
    if theirs.results_last and not theirs.answered <= ours.calls:
        return None
    found = _agreement(ours, theirs)
    if found is None and _may_replace_newest(ours, theirs) and (before := ours.without_newest()):
        return _agreement(before, theirs)
    return found


def _may_replace_newest(ours: ThreadItems, theirs: ClientItems) -> bool:
    """Return whether the newest message may be the thread's newest one, repeated or now final."""
    if ours.newest is None or theirs.results_last or not theirs.items or theirs.items[-1].role != "user":
        return False
    draft, final = ours.items[ours.newest], theirs.items[-1]
    if draft.words == final.words:
        return True
    return ours.provisional and (ours.dropped or resembles(draft.text, final.text))


def _agreement(ours: ThreadItems, theirs: ClientItems) -> Agreement | None:
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
    # Many calls start with the same greeting.
    replies = [item.words for item in items[1:] if item.role == "assistant"]
    if len(replies) >= _MANY_REPLIES:
        return True
    return len(replies) >= _FEW_REPLIES and sum(map(len, replies)) >= _MANY_LETTERS


def _is_explained(pairs: Sequence[tuple[int, int]], ours: ThreadItems, theirs: ClientItems) -> bool:
    """Return whether items that only one side has can be explained.

    The history may have only what has left the thread's window since the last request. And it may lack the
    beginning of the conversation if it did so before, or starts to do so now.
    """
    (first, _), (_, last) = pairs[0], pairs[-1]
    alone = last + 1 - len(pairs)
    left_window = (ours.told or 0) - ours.asked
    if alone > max(0, left_window):
        return False
    return first == 0 or (theirs.may_lack_beginning and len(theirs.items) + 2 >= (ours.told or 0))


def _proves(ours: ThreadItems, theirs: ClientItems, i: int, j: int) -> bool:
    our, their = ours.items[i], theirs.items[j]
    # The client's own words before or between ours prove nothing.
    return our.own and our.owns(0, min(len(our.words), len(their.words))) and is_heard(our, their)
