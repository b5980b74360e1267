"""A client's history, and how a thread must end to be continued by it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ....nodes.window.matching.items import Item, spoken_words, their_items
from ....nodes.window.matching.same_conversation import ClientItems
from ....state.schema import ClientMessage
from ...clients.client_history import read_history

_HEAD = 24
"""Number of letters compared first between two replies."""
_FURTHEST = 2
"""Maximum distance in the history of user messages that are adjacent on the thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConversation:
    """A client's history, and the parts used to find its thread.

    `answered` is the last user message before the last reply, `unanswered` those after it except the newest.
    `reply` is the text of the last reply, `reply_words` its normalized words.
    """

    items: ClientItems
    answered: str | None
    unanswered: Sequence[str]
    reply: str
    reply_words: str
    said: Sequence[str]
    """All user messages except the newest."""
    newest: str
    """The newest user message, empty if tool results come after it."""

    @classmethod
    def read(cls, messages: Sequence[Any], limit: int) -> Self | None:
        """Read the last `limit` messages; `None` if nothing in them can be from one of our threads."""
        # Notes do not count as messages; there are few of them.
        history = read_history(messages[-4 * limit :]).messages[-limit:]
        said = [place for place, message in enumerate(history) if message["role"] == "user"]
        newest, replied = said[-1] if said else -1, _last(history, _is_reply)
        results = {message["call_id"] for message in history if "call_id" in message}
        new = {message["call_id"] for message in history[max(newest, replied) + 1 :] if "call_id" in message}
        if (replied < 0 and not results) or (newest <= replied and not new):
            return None
        items = their_items(history)
        before = [place for place in said if place < replied]
        after = [place for place in said if place > replied]
        unanswered = after if new else after[:-1]
        return cls(
            items=ClientItems(items=items, answered=frozenset(new or results), results_last=bool(new)),
            answered=history[before[-1]]["text"] if before else None,
            unanswered=[history[place]["text"] for place in unanswered],
            reply=history[replied]["text"] if replied >= 0 else "",
            reply_words=_last_reply(items),
            said=[history[place]["text"] for place in (said if new else said[:-1])],
            newest="" if new else history[newest]["text"],
        )

    @property
    def words(self) -> list[str]:
        """User messages; a matching thread's last one must be among them."""
        return [*self.unanswered, *([] if self.answered is None else [self.answered])]

    @property
    def first_reply(self) -> str:
        """The last reply if no user message precedes it, else the empty string."""
        return self.reply if self.answered is None else ""

    def may_follow(self, words: str | None, replies: Sequence[str] | None = None) -> bool:
        """Return whether the history may continue a thread with this last user message and these replies.

        `replies` is `None` if not everything spoken is known.
        """
        if words and words in self.unanswered:
            return True
        if (words or None) != self.answered and not (words and self.first_reply):
            return False
        if replies is None or not self.reply_words:
            return True
        ours, theirs = "".join(map(spoken_words, replies)), self.reply_words
        return bool(ours) and (
            ours.startswith(theirs[:_HEAD]) or theirs.startswith(ours[:_HEAD]) or ours[:_HEAD] in theirs
        )

    def may_be_said(self, words: Sequence[str], *, whole: bool) -> bool:
        """Return whether the history may contain a thread's last user messages, all of them if `whole`."""
        place, far = len(self.said), len(self.words)
        for word in reversed(words):
            if not place:
                return self.items.may_lack_beginning
            near = range(place - 1, max(place - 1 - far, -1), -1)
            place = next((at for at in near if self.said[at] == word), -1)
            if place < 0:
                return False
            far = _FURTHEST
        return not whole or place <= _FURTHEST


def _last(history: Sequence[ClientMessage], is_one: Callable[[ClientMessage], bool]) -> int:
    return next((place for place in range(len(history) - 1, -1, -1) if is_one(history[place])), -1)


def _is_reply(message: ClientMessage) -> bool:
    return message["role"] == "assistant" and bool(message["text"].strip())


def _last_reply(items: Sequence[Item]) -> str:
    return next((item.words for item in reversed(items) if item.role == "assistant"), "")
