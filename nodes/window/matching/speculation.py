"""Distinguish drafts from turns: clients send requests before the caller has finished, and discard some."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from langchain_core.messages import AnyMessage, ToolCall

from ....state.schema import LatestTurn
from ...text.words import caller_words, words_of
from .alignment import Match
from .comparison import shared
from .items import Item, digest_of

Fate = Literal["gone", "kept", "unrelated"]

_COMPARED = 500
"""Number of characters of a draft that are compared with the final message."""
_MANY, _MOST_WORDS = 4, 0.8
"""Minimum number of words for a comparison by words, and the share of equal ones that marks a draft."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciling:
    """Inputs of the rules besides the two histories.

    `provisional`: the newest turn may still turn out to be speculative; `firm`: it, or the end of its
    complete reply, is older than drafts usually get; `recent`: the caller cannot have hung up and called
    again since. `lasting` returns whether a call changed something outside: the model must still know of such
    a call if its turn is withdrawn.
    """

    latest: LatestTurn | None
    provisional: bool
    lasting: Callable[[ToolCall], bool]
    now: float
    firm: bool = False
    recent: bool = True


def confirmed(latest: LatestTurn, heard: str) -> LatestTurn:
    """Return the turn, marked as confirmed if some of its reply was heard."""
    return {**latest, "confirmed": True} if heard.strip() else latest


def start_of_latest(window: Sequence[AnyMessage], latest: LatestTurn | None) -> int:
    """Return where the newest turn starts in the window; the window's end if there is none."""
    if latest is None:
        return len(window)
    ids = [message.id for message in window]
    return ids.index(latest["after"]) + 1 if latest["after"] in ids else 0


def fate_of_tail(
    match: Match | None, ours: Sequence[Item], theirs: Sequence[Item], start: int, rules: Reconciling
) -> Fate:
    """Return what happens to our items after the match; `start` is where the newest turn begins.

    They are removed (`gone`) or stay (`kept`). `unrelated` means that the match does not count either.
    """
    if match is None:
        return "unrelated"
    missing = [item for item in ours[match.ours + 1 :] if item.role == "user"]
    if not missing:
        repeated = match.theirs == len(theirs) - 1 and ours[match.ours].role == "user"
        other = repeated and not match.proven and not _is_same_request(ours, theirs, start, rules)
        return "unrelated" if other else "gone"
    first = _is_first(ours, start)
    if rules.provisional and missing[0].begin >= start:
        # A newest message that was said before proves nothing: a client without history sends only that.
        alone = match.theirs == len(theirs) - 1 and theirs[-1].role == "user"
        dropped = rules.recent and not alone and (first or not _was_whole(rules))
        again = rules.recent and _begins_as_latest(ours, theirs, start, rules)
        if (
            match.proven
            or dropped
            or again
            or resembles(missing[0].text, _newest_words(theirs[match.theirs + 1 :]))
        ):
            return "gone"
        if first:
            return "kept"  # Only the greeting matches, which is said once.
    return "kept" if match.proven else "unrelated"


def was_speculative(ours: Sequence[Item], theirs: Sequence[Item], start: int, rules: Reconciling) -> bool:
    """Return whether the newest turn, which the history lacks, was a draft of its new message."""
    draft = next((item.text for item in ours if item.role == "user" and item.begin >= start), None)
    words = _newest_words(theirs)
    if not rules.provisional or rules.latest is None or draft is None or not words:
        return False
    if rules.latest.get("keeps_history") and _is_another_call(theirs, rules.latest):
        return False
    first = _is_first(ours, start)
    if first and not _was_whole(rules) and not rules.firm:
        return True
    if rules.recent and _begins_as_latest(ours, theirs, start, rules):
        return True
    if _sends_new_words_alone(ours, theirs, start, rules):
        return False
    # A client without history may well say something similar next: after the first reply of a thread, which
    # does not show what the client keeps, and after one that the caller has interrupted.
    likely_next = rules.firm and (_is_alone(theirs, rules) or (first and _was_whole(rules)))
    return _continues(draft, words) if likely_next else resembles(draft, words)


def _begins_as_latest(ours: Sequence[Item], theirs: Sequence[Item], start: int, rules: Reconciling) -> bool:
    """Return whether a client with a history sends it up to the newest turn, with another message there.

    Both requests are then the first of a call.
    """
    latest, size = rules.latest, len(theirs)
    if latest is None or not latest.get("keeps_history") or latest.get("history_size") != size:
        return False
    place = next(i for i, item in enumerate(ours) if item.role == "user" and item.begin >= start)
    before = ours[max(0, place + 1 - size) : place]
    return _is_same(before, theirs[:-1])


def _is_same_request(ours: Sequence[Item], theirs: Sequence[Item], start: int, rules: Reconciling) -> bool:
    """Return whether a repeated newest message is the same request again, not said a second time."""
    confirmed = rules.latest is not None and rules.latest.get("confirmed", False)
    if confirmed or _sends_new_words_alone(ours, theirs, start, rules):
        return False
    if rules.latest is not None and _is_another_call(theirs, rules.latest):
        return False
    return rules.provisional or is_repeated(digest_of(theirs), rules)


def is_repeated(request: str, rules: Reconciling) -> bool:
    """Return whether the newest turn answers a request with the same history."""
    return rules.latest is not None and rules.latest.get("request") == request


def _is_same(ours: Sequence[Item], theirs: Sequence[Item]) -> bool:
    """Return whether all items are equal; the client's first one may lack its beginning."""
    if len(ours) != len(theirs):
        return False
    pairs = list(zip(ours, theirs, strict=True))
    if pairs and shared(*pairs[0], 0) == (len(ours[0].words) - len(theirs[0].words), len(theirs[0].words)):
        pairs = pairs[1:]
    return all(our.words == their.words for our, their in pairs)


def _is_another_call(theirs: Sequence[Item], latest: LatestTurn) -> bool:
    """Return whether the history, which lacks the newest turn, differs in length from that turn's."""
    return latest.get("history_size", len(theirs)) != len(theirs)


def _sends_new_words_alone(
    ours: Sequence[Item], theirs: Sequence[Item], start: int, rules: Reconciling
) -> bool:
    """Return whether the client keeps no history: it sends none long after a complete reply.

    A similar message is then the caller's next one. After the first turn of a thread it is unknown.
    """
    return _is_alone(theirs, rules) and rules.firm and _was_whole(rules) and not _is_first(ours, start)


def _is_alone(theirs: Sequence[Item], rules: Reconciling) -> bool:
    """Return whether the newest message comes alone, from a client that has never sent a reply."""
    keeps = rules.latest is not None and rules.latest.get("keeps_history", False)
    return len(theirs) == 1 and not keeps


def _is_first(ours: Sequence[Item], start: int) -> bool:
    """Return whether the newest turn is the thread's first: only the client's own greeting may precede it."""
    return not any(item.begin < start and (item.own or item.role == "user") for item in ours)


def _was_whole(rules: Reconciling) -> bool:
    return rules.latest is not None and rules.latest["whole"]


def _newest_words(theirs: Sequence[Item]) -> str:
    return next((item.text for item in theirs if item.role == "user"), "")


def _continues(draft: str, words: str) -> bool:
    """Return whether the message starts with the whole draft: speech-to-text continued."""
    *before, last = _words(draft) or [""]
    begun = _words(words)[: len(before) + 1]
    return bool(last) and len(begun) > len(before) and begun[:-1] == before and begun[-1].startswith(last)


def resembles(draft: str, words: str) -> bool:
    """Return whether the message resembles a draft: speech-to-text continued, or corrected itself."""
    if _continues(draft, words):
        return True
    mine, theirs = _words(draft), _words(words)
    if len(mine) >= _MANY and len(theirs) >= _MANY:
        blocks = SequenceMatcher(None, mine, theirs, autojunk=False).get_matching_blocks()
        if sum(block.size for block in blocks) >= _MOST_WORDS * min(len(mine), len(theirs)):
            return True
    one, other = caller_words(draft[:_COMPARED]), caller_words(words[:_COMPARED])
    shorter = min(len(one), len(other))
    same = next((i for i in range(shorter) if one[i] != other[i]), shorter)
    return same >= max(3, shorter / 2)


def _words(text: str) -> list[str]:
    text = text[:_COMPARED]
    return [caller_words(text[begin:end]) for begin, end in words_of(text)]
