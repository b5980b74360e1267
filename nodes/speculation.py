"""Tell a draft from a turn: clients ask before the caller has ended, and drop what they asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from langchain_core.messages import AnyMessage, ToolCall

from ..state.schema import LatestTurn
from .alignment import Match
from .items import Item
from .words import caller_words, words_of

Fate = Literal["gone", "kept", "unrelated"]

_COMPARED = 500
"""Characters of a draft that are compared with what came of it."""
_MANY, _MOST_WORDS = 4, 0.8
"""Words of which, and the share in which, a draft and what came of it are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciling:
    """What the rules need besides the two histories.

    `provisional`: the newest turn may still turn out to be speculative; `firm`: it is older than guesses at
    the caller's words mostly get; `recent`: the caller cannot have hung up and called again since. `lasting`
    tells of a call if it changed something outside: then the model must go on knowing of it, whatever becomes
    of its turn.
    """

    latest: LatestTurn | None
    provisional: bool
    lasting: Callable[[ToolCall], bool]
    now: float
    firm: bool = False
    recent: bool = True


def confirmed(latest: LatestTurn, heard: str) -> LatestTurn:
    """Return the turn as one that was no draft, when something of its reply was heard."""
    return {**latest, "confirmed": True} if heard.strip() else latest


def start_of_latest(window: Sequence[AnyMessage], latest: LatestTurn | None) -> int:
    """Return where the newest turn begins in the window; the window's end when there is none."""
    if latest is None:
        return len(window)
    ids = [message.id for message in window]
    return ids.index(latest["after"]) + 1 if latest["after"] in ids else 0


def fate_of_tail(
    match: Match | None, ours: Sequence[Item], theirs: Sequence[Item], start: int, rules: Reconciling
) -> Fate:
    """Tell what becomes of our items after the match: `unrelated` is for histories that do not match at all.

    `start` is where the newest turn begins.
    """
    if match is None:
        return "unrelated"
    missing = [item for item in ours[match.ours + 1 :] if item.role == "user"]
    if not missing:
        repeated = match.theirs == len(theirs) - 1 and ours[match.ours].role == "user"
        other = repeated and not match.proven and not _is_same_request(match, ours, theirs, start, rules)
        return "unrelated" if other else "gone"
    first = _is_first(ours, start)
    if rules.provisional and missing[0].begin >= start:
        dropped = rules.recent and (first or not _was_whole(rules))
        if match.proven or dropped or _similar(missing[0].text, _newest_words(theirs[match.theirs + 1 :])):
            return "gone"
        if first:
            return "kept"  # The client's greeting is there, it was not said twice.
    return "kept" if match.proven else "unrelated"


def was_speculative(ours: Sequence[Item], theirs: Sequence[Item], start: int, rules: Reconciling) -> bool:
    """Tell if the newest turn, of which a history says nothing at all, was a draft of what it says now."""
    draft = next((item.text for item in ours if item.role == "user" and item.begin >= start), None)
    words = _newest_words(theirs)
    if not rules.provisional or rules.latest is None or draft is None or not words:
        return False
    first = _is_first(ours, start)
    if (first and not _was_whole(rules) and not rules.firm) or (
        rules.recent and _begins_as_latest(theirs, rules)
    ):
        return True
    if _sends_new_words_alone(ours, theirs, start, rules):
        return False
    # A while after the first reply of a thread, like words may be the next ones of a client without history.
    settled = rules.firm and first and _was_whole(rules)
    return _goes_on(draft, words) if settled else _similar(draft, words)


def _begins_as_latest(theirs: Sequence[Item], rules: Reconciling) -> bool:
    """Tell if a client that keeps a history tells as little as for the newest turn: both began a call."""
    latest = rules.latest
    return latest is not None and latest.get("keeps_history", False) and latest.get("told") == len(theirs)


def _is_same_request(
    match: Match, ours: Sequence[Item], theirs: Sequence[Item], start: int, rules: Reconciling
) -> bool:
    """Tell if the newest words that come again are the same request, and not said a second time."""
    confirmed = rules.latest is not None and rules.latest.get("confirmed", False)
    if confirmed or _sends_new_words_alone(ours, theirs, start, rules):
        return False
    asked = ours[max(0, match.ours + 1 - len(theirs)) : match.ours + 1]
    same = [item.words for item in asked] == [item.words for item in theirs]
    return rules.provisional or (same and asked[0].begin <= start)


def _sends_new_words_alone(
    ours: Sequence[Item], theirs: Sequence[Item], start: int, rules: Reconciling
) -> bool:
    """Tell if the client keeps no history: it tells none after a reply that went out whole a while ago.

    Then words like those before are the caller's next ones. The first turn of a thread tells no difference.
    """
    keeps = rules.latest is not None and rules.latest.get("keeps_history", False)
    alone = len(theirs) == 1 and not keeps
    return alone and rules.firm and _was_whole(rules) and not _is_first(ours, start)


def _is_first(ours: Sequence[Item], start: int) -> bool:
    """Tell if the newest turn is the thread's first one: only the client's own greeting may be before it."""
    return not any(item.begin < start and (item.own or item.role == "user") for item in ours)


def _was_whole(rules: Reconciling) -> bool:
    return rules.latest is not None and rules.latest["whole"]


def _newest_words(theirs: Sequence[Item]) -> str:
    return next((item.text for item in theirs if item.role == "user"), "")


def _goes_on(draft: str, words: str) -> bool:
    """Tell if the caller's words begin with all of the draft: speech-to-text went on."""
    *before, last = _parted(draft) or [""]
    begun = _parted(words)[: len(before) + 1]
    return bool(last) and len(begun) > len(before) and begun[:-1] == before and begun[-1].startswith(last)


def _similar(draft: str, words: str) -> bool:
    """Tell if the caller's words begin like the draft: speech-to-text went on, or corrected itself."""
    if _goes_on(draft, words):
        return True
    mine, theirs = _parted(draft), _parted(words)
    if len(mine) >= _MANY and len(theirs) >= _MANY:
        blocks = SequenceMatcher(None, mine, theirs, autojunk=False).get_matching_blocks()
        if sum(block.size for block in blocks) >= _MOST_WORDS * min(len(mine), len(theirs)):
            return True
    one, other = caller_words(draft[:_COMPARED]), caller_words(words[:_COMPARED])
    shorter = min(len(one), len(other))
    same = next((i for i in range(shorter) if one[i] != other[i]), shorter)
    return same >= max(3, shorter / 2)


def _parted(text: str) -> list[str]:
    text = text[:_COMPARED]
    return [caller_words(text[begin:end]) for begin, end in words_of(text)]
