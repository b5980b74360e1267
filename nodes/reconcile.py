"""Bring the window in line with the client's history: that is what the caller heard, and said.

A reply that is shorter there is cut, one that is gone was not heard, a newest turn that is gone was
speculative and is withdrawn. What fits no rule is added; nothing of a turn that has settled is taken away.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage

from ..state.neighbours import WITHDRAWN
from ..state.schema import ClientMessage, LatestTurn
from .alignment import Item, Match, best_match, our_items, their_items
from .client_messages import as_message, with_results
from .heard import audible, bare_words, cut_replies
from .hearing import text_after as text_behind
from .tools.results import OUTCOME


@dataclass(slots=True)
class Reconciled:
    """The window that the turn begins with; `amended` are messages that left it and change in the record."""

    window: list[AnyMessage]
    amended: list[AnyMessage] = field(default_factory=list[AnyMessage])
    after: str = ""
    """Id of the last message before this turn's first one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciling:
    """What the rules need besides the two histories.

    `provisional`: the newest turn may still turn out to be speculative; `firm`: it is older than guesses at
    the caller's words mostly get. `lasting` tells of a call if it changed something outside: then the model
    must go on knowing of it, whatever becomes of its turn.
    """

    latest: LatestTurn | None
    provisional: bool
    lasting: Callable[[ToolCall], bool]
    now: float
    firm: bool = False


def reconcile(
    window: Sequence[AnyMessage], history: Sequence[ClientMessage], rules: Reconciling
) -> Reconciled:
    """Return the window as the client's `history` tells it, with what is new there at its end."""
    window = with_results(window, history, rules.now)
    ours, theirs = our_items(window), their_items(history)
    start = _start_of_latest(window, rules.latest)
    match = best_match(ours, theirs)
    fate = _fate_of_tail(match, ours, theirs, start, rules)
    if match is None or fate == "unrelated":
        new = list(history)
        withdrawn = start if _was_speculative(window, start, theirs, rules) else len(window)
        done = _withdraw(window, withdrawn, rules)
    else:
        item = theirs[match.theirs]
        new = _unmatched(history, ours[match.ours], item)
        end = ours[match.ours].end
        if fate == "kept":
            done = Reconciled(list(window))
            new = new or list(history[item.begin :])
        else:
            missing = [other.begin for other in ours[match.ours + 1 :] if other.role == "user"]
            done = _withdraw(window, missing[0] if missing else len(window), rules)
            _cut(done, ours[match.ours], item.words, end)
    return _with_new(done, new, rules)


def _start_of_latest(window: Sequence[AnyMessage], latest: LatestTurn | None) -> int:
    """Return where the newest turn begins in the window; its end when there is none."""
    if latest is None:
        return len(window)
    ids = [message.id for message in window]
    return ids.index(latest["after"]) + 1 if latest["after"] in ids else 0


def _fate_of_tail(
    match: Match | None, ours: Sequence[Item], theirs: Sequence[Item], start: int, rules: Reconciling
) -> str:
    """Tell what becomes of our items behind the match: `gone`, `kept`, or `unrelated` for no match at all."""
    if match is None:
        return "unrelated"
    missing = [item for item in ours[match.ours + 1 :] if item.role == "user"]
    repeats = match.theirs == len(theirs) - 1
    if not missing:
        # The caller's words came again behind a long while: a new call, unless it tells of our replies.
        later = not rules.provisional or _sends_new_words_alone(start, theirs, rules)
        again = repeats and ours[match.ours].role == "user" and later
        return "unrelated" if again and not match.proven else "gone"
    whole = rules.latest is not None and rules.latest["whole"]
    certain = match.proven or not whole or _similar(missing[0], theirs[match.theirs + 1 :])
    if rules.provisional and certain and missing[0].begin >= start:
        return "gone"
    return "kept" if match.proven else "unrelated"


def _was_speculative(
    window: Sequence[AnyMessage], start: int, theirs: Sequence[Item], rules: Reconciling
) -> bool:
    """Tell if the newest turn, of which a history says nothing at all, was a draft of what it says now."""
    said = [item for item in our_items(window[start:]) if item.role == "user"]
    if not (rules.provisional and rules.latest and said):
        return False
    dropped_first = start == 0 and not rules.latest["whole"]
    return dropped_first or (_similar(said[0], theirs) and not _sends_new_words_alone(start, theirs, rules))


def _sends_new_words_alone(start: int, theirs: Sequence[Item], rules: Reconciling) -> bool:
    """Tell if the client keeps no history: it tells none behind a reply that went out whole a while ago.

    Then words like those before are the caller's next ones. The first turn of a thread tells no difference.
    """
    whole = rules.latest is not None and rules.latest["whole"]
    return rules.firm and whole and start > 0 and len(theirs) == 1


def _similar(draft: Item, theirs: Sequence[Item]) -> bool:
    """Tell if the caller's next words begin like `draft`: speech-to-text went on, or corrected itself."""
    words = next((item.words for item in theirs if item.role == "user"), "")
    shorter = min(len(words), len(draft.words))
    same = next((i for i in range(shorter) if words[i] != draft.words[i]), shorter)
    return same >= max(3, shorter / 2)


def _withdraw(window: Sequence[AnyMessage], begin: int, rules: Reconciling) -> Reconciled:
    """Take the messages from `begin` on out of the window, but for calls that changed something outside."""
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


def _cut(done: Reconciled, item: Item, words: str, end: int) -> None:
    """Cut the matched reply to the client's words; replies behind it were not heard at all."""
    begin = item.begin if item.role == "assistant" else end
    heard = words if item.role == "assistant" else ""
    said = cut_replies(done.window[begin:], heard)
    left = audible(said)
    done.amended += [message for message in said if all(message is not other for other in left)]
    done.window[begin:] = left


def _unmatched(history: Sequence[ClientMessage], our: Item, their: Item) -> list[ClientMessage]:
    """Return what of the client's history stands behind our words."""
    left = our.words
    new: list[ClientMessage] = []
    for message in history[their.begin : their.end]:
        words = bare_words(message["text"]) if message["role"] != "tool" else ""
        told = bool(words and left) and (left.startswith(words) or words.startswith(left))
        if told:
            said = text_behind(message["text"], left)
            left = left[len(words) :]
            if said:  # The client said it by itself, or a reply of which it told less before.
                new.append(ClientMessage(role="assistant", text=said))
        elif message["role"] != "user":
            new.append(message)
    return [*new, *history[their.end :]]


def _with_new(done: Reconciled, new: Sequence[ClientMessage], rules: Reconciling) -> Reconciled:
    """Add what the client says behind the aligned point."""
    known = {call["id"] for m in done.window if isinstance(m, AIMessage) for call in m.tool_calls}
    added = [message for entry in new if (message := as_message(entry, known, rules.now)) is not None]
    if added:
        done.after = (done.window[-1].id or "") if done.window else ""
    elif done.amended or rules.latest is None:
        # The answer to words that stand there already.
        before = [m for m in done.window if not isinstance(m, HumanMessage)]
        done.after = (before[-1].id or "") if before else ""
    else:
        done.after = rules.latest["after"]
    done.window += added
    return done
