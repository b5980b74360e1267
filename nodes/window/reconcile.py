"""Reconcile the window with the client's history, which shows what the caller heard and said.

A reply that is shorter there is cut, a missing one was not heard, and a missing newest turn was speculative
and is withdrawn. User messages get the client's text. Anything else new is added; nothing of a settled turn
is removed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from ...state.schema import ClientMessage
from ...state.search.neighbours import WITHDRAWN
from ..text.words import bare_words
from ..tools.results.results import OUTCOME
from .barge_in.heard import audible, cut_replies
from .barge_in.hearing import end_of, hear
from .client_messages import as_message, with_results
from .matching.alignment import Match, best_match
from .matching.comparison import EQUAL, reworded, shared, worth
from .matching.corrections import correct
from .matching.items import MOST_CHARACTERS, Item, digests_of, our_items, their_items
from .matching.longer_replies import lengthened
from .matching.speculation import Reconciling, fate_of_tail, is_repeated, start_of_latest, was_speculative

_NEAR = 1_000
"""Maximum number of characters after our text before the client's own text starts."""


@dataclass(slots=True)
class Reconciled:
    """The window at the start of the turn; `amended` are messages whose records change.

    They have left the window, or the client has corrected their text.
    """

    window: list[AnyMessage]
    amended: list[AnyMessage] = field(default_factory=list[AnyMessage])
    after: str = ""
    """Id of the last message before this turn's first one."""
    history_size: int = 0
    """Number of items in the client's history."""
    request: str = ""
    """Digest of the client's history."""
    asked_with: str = ""
    """Digest of the history before the newest message."""


@dataclass(frozen=True, slots=True)
class _Histories:
    """Our window and the client's history, and their items."""

    window: list[AnyMessage]
    history: Sequence[ClientMessage]
    ours: list[Item]
    theirs: list[Item]
    start: int
    """Where the newest turn starts in the window."""
    request: str
    """Digest of the whole of the client's history."""
    asked_with: str
    """Digest of it before the newest message."""


def reconcile(
    window: Sequence[AnyMessage], history: Sequence[ClientMessage], rules: Reconciling
) -> Reconciled:
    """Return the window reconciled with the client's `history`, whose new messages are appended."""
    window = with_results(window, history, rules.now)
    both, match = _aligned(window, history, rules)
    history, start = both.history, both.start
    fate = fate_of_tail(match, both.ours, both.theirs, start, rules)
    if match is None or fate == "unrelated":
        drafted = was_speculative(both.ours, both.theirs, start, rules)
        done = _withdraw(window, start if drafted else len(window), rules)
        _add(done, history, rules)
    else:
        done = _follow(both, match, rules, keep=fate == "kept")
    done.history_size, done.request = len(both.theirs), both.request
    done.asked_with = both.asked_with
    return done


def _aligned(
    window: list[AnyMessage], history: Sequence[ClientMessage], rules: Reconciling
) -> tuple[_Histories, Match | None]:
    """Return both histories and their best match, without a summary at the beginning of the client's."""
    ours, theirs = our_items(window), their_items(history)
    asked_with, request = digests_of(theirs)
    start = start_of_latest(window, rules.latest)
    both = _Histories(window, history, ours, theirs, start, request, asked_with)
    if _repeats_the_history(both, rules):
        known = replace(both, ours=[our for our in both.ours if our.begin < start])
        found, match = _proven(known, _best_match(known, rules), rules)
        if match is not None and match.proven and match.theirs == len(found.theirs) - 2:
            return replace(found, ours=ours), match
    match = _best_match(both, rules)
    again = _of_same_request(both, rules)
    if again is not None and (match is None or match.theirs < again.theirs):
        return both, again
    return _proven(both, match, rules)


def _repeats_the_history(both: _Histories, rules: Reconciling) -> bool:
    """Return whether only the newest message differs from the last request, whose turn was then a draft.

    The caller has heard nothing in between. Its reply may resemble the previous one, which the client has.
    """
    latest = rules.latest
    if latest is None or not rules.provisional or rules.firm or len(both.theirs) < 2:
        return False
    return latest.get("asked_with") == both.asked_with and latest.get("request") != both.request


def _proven(both: _Histories, match: Match | None, rules: Reconciling) -> tuple[_Histories, Match | None]:
    """Return the match if it is proven, else one after the client's own words at the start, if any.

    This includes a match of these words with a reply that only resembles them.
    """
    if match is not None and match.proven:
        if match.theirs or worth(both.ours[match.ours], both.theirs[0], 0):
            return both, match
    for begin in _later_beginnings(both.history):
        rest = both.history[begin:]
        shorter = replace(both, history=rest, theirs=their_items(rest))
        found = _best_match(shorter, rules)
        if found is not None and found.proven:
            return shorter, found
    return both, match


def _of_same_request(both: _Histories, rules: Reconciling) -> Match | None:
    """Return the match of a repeated request, `None` for a new one.

    The window may have lost everything said before, and its reply may resemble one of those.
    """
    last = max((i for i, our in enumerate(both.ours) if our.role == "user"), default=-1)
    newest = len(both.theirs) - 1
    if last < 0 or newest < 0 or not is_repeated(both.request, rules):
        return None
    our, their = both.ours[last], both.theirs[newest]
    same = our.role == their.role and our.words == their.words
    return Match(EQUAL, last, newest, False, ((last, newest),)) if same else None


def _later_beginnings(history: Sequence[ClientMessage]) -> Iterator[int]:
    """Yield where our replies may start in a history that starts with the client's own words.

    Clients put a summary there, as a message of the agent or of the caller.
    """
    for begin in range(1, len(history)):
        if history[begin]["role"] == "user":
            return
        if history[begin]["role"] == "assistant":
            yield begin


def _best_match(both: _Histories, rules: Reconciling) -> Match | None:
    """Return the best match; results of this thread's calls prove that it is the same thread."""
    match = best_match(both.ours, both.theirs, corrects_last=rules.provisional)
    if match is None or match.proven:
        return match
    calls = {call["id"] for m in both.window if isinstance(m, AIMessage) for call in m.tool_calls}
    return replace(match, proven=any(message.get("call_id") in calls for message in both.history))


def _follow(both: _Histories, match: Match, rules: Reconciling, *, keep: bool) -> Reconciled:
    """Return the window up to where both histories agree, followed by what is new in theirs."""
    our, their = both.ours[match.ours], both.theirs[match.theirs]
    began = rules.latest is None or rules.latest.get("history_size", 1) == 1
    window, corrected = correct(both.window, both.history, match, both.ours, both.theirs, began=began)
    window, our = lengthened(window, our, their) or (window, our)
    heard, rest = _heard(our, their, match.theirs)
    new = _unmatched(both.history, their, rest)
    if keep:
        done = Reconciled(window)
        if not new and their.role == "user":  # A message of long ago is said again.
            new = list(both.history[their.begin :])
    else:
        missing = [other.begin for other in both.ours[match.ours + 1 :] if other.role == "user"]
        done = _withdraw(window, missing[0] if missing else len(window), rules)
        if heard is not None:
            _cut(done, our.begin if our.role == "assistant" else our.end, heard)
    done.amended = [*corrected, *done.amended]
    answered = None if keep or our.role == "assistant" else our.begin
    if not _add(done, new, rules) and answered is not None:
        # The answer to a message that is already there.
        done.after = _before_turn(done.window, answered, both.start)
    return done


def _before_turn(window: Sequence[AnyMessage], answered: int, start: int) -> str:
    """Return the id of the last message before the turn of the message at `answered`."""
    begin = answered
    while begin > start and isinstance(window[begin - 1], HumanMessage):
        begin -= 1
    begin = min(begin, start) if start <= answered else begin
    return (window[begin - 1].id or "") if begin else ""


def _heard(our: Item, their: Item, place: int) -> tuple[str | None, int]:
    """Return what was heard of the reply, `None` for all of it, and where ours ends in the client's text."""
    if our.role == "user":
        return "", len(their.text)
    if our.words == their.words and len(their.text) <= MOST_CHARACTERS:
        return None, len(their.text)
    begin, size = shared(our, their, place) or (0, 0)
    if not begin and size == len(their.words):  # Cut, or too long to be sure.
        return their.text, hear(our.text, their.text).rest
    if not size and (found := reworded(our, their)):
        return their.text[: found.rest], found.rest
    whole = our.words[begin:] == their.words[:size]
    return None if whole else our.words[:begin] + their.words[:size], end_of(their.text, their.words[:size])


def _withdraw(window: Sequence[AnyMessage], begin: int, rules: Reconciling) -> Reconciled:
    """Remove the messages from `begin` on, except for calls that changed something outside."""
    done = Reconciled(list(window[:begin]))
    kept: set[str | None] = set()
    for message in cut_replies(window[begin:], ""):
        if isinstance(message, AIMessage) and any(map(rules.lasting, message.tool_calls)):
            kept |= {call["id"] for call in message.tool_calls}
            done.window.append(message)
        elif isinstance(message, ToolMessage) and message.tool_call_id in kept:
            done.window.append(message)
        else:
            extra = {**message.additional_kwargs, OUTCOME: WITHDRAWN}
            done.amended.append(message.model_copy(update={"additional_kwargs": extra}))
    return done


def _cut(done: Reconciled, begin: int, heard: str) -> None:
    """Cut the replies from `begin` on to what was heard; unheard ones leave the window."""
    said = cut_replies(done.window[begin:], heard)
    left = audible(said)
    done.amended += [message for message in said if all(message is not other for other in left)]
    done.window[begin:] = left


def _unmatched(history: Sequence[ClientMessage], their: Item, rest: int) -> list[ClientMessage]:
    """Return what follows our text in the client's history; our text ends in its item at `rest`."""
    new: list[ClientMessage] = []
    begin = 0
    for message in history[their.begin : their.end] if their.role == "assistant" else ():
        if message["role"] != "assistant" or not message["text"].strip():
            new.append(message)
            continue
        size = len(message["text"])
        text = message["text"][max(0, rest - begin) :]
        if rest <= begin:
            new.append(message)
        elif bare_words(text[:_NEAR]):  # The client's own words, or a reply that was cut before.
            new.append(ClientMessage(role="assistant", text=text.strip()))
        begin += size + 1
    return [*new, *history[their.end :]]


def _add(done: Reconciled, new: Sequence[ClientMessage], rules: Reconciling) -> bool:
    """Add the client's messages after the aligned point; return whether there were any."""
    known = {call["id"] for m in done.window if isinstance(m, AIMessage) for call in m.tool_calls}
    added = [message for entry in new if (message := as_message(entry, known, rules.now)) is not None]
    done.after = (done.window[-1].id or "") if done.window else ""
    done.window += added
    return bool(added)
