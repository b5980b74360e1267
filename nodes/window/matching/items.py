"""What was said in turns, from our window and the client's history, in comparable form."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from ....state.schema import ClientMessage
from ...text.words import bare_words, caller_words, without_tags
from ..barge_in.heard import spoken_text
from ..old_pictures import words_of

MOST_CHARACTERS = 4_000
"""Number of characters of a message that are compared."""


@dataclass(frozen=True, slots=True)
class Item:
    """A user message, or everything spoken between two of them; `begin` and `end` are positions."""

    role: Literal["user", "assistant"]
    words: str
    begin: int
    end: int
    own: bool = False
    """True for a reply of our model: only this proves that a history belongs to this thread."""
    texts: tuple[str, ...] = ()
    """The original texts, by message."""
    parts: tuple[int, ...] = ()
    """Offsets in `words` of the second and later messages."""
    mine: tuple[bool, ...] = ()
    """Which messages our model said, empty for all or none."""

    def owns(self, begin: int, end: int) -> bool:
        """Return whether our model said any of the letters from `begin` to `end`."""
        if not self.mine:
            return self.own
        said = zip(self.mine, (0, *self.parts), (*self.parts, len(self.words)), strict=True)
        return any(made and first < end and begin < last for made, first, last in said)

    @property
    def text(self) -> str:
        """The whole text."""
        return " ".join(self.texts)


def our_items(window: Sequence[AnyMessage]) -> list[Item]:
    """Return user messages and our replies in the window; replies without words are skipped."""
    items: list[Item] = []
    begin = 0
    for end in range(1, len(window) + 1):
        message = window[end - 1]
        if isinstance(message, HumanMessage):
            items.append(_said(words_of(message), begin))
        elif end < len(window) and not isinstance(window[end], HumanMessage):
            continue
        else:
            replies = [message for message in window[begin:end] if isinstance(message, AIMessage)]
            items += _replied(
                [spoken_text(message) for message in replies], begin, end, map(_is_own, replies)
            )
        begin = end
    return items


def their_items(history: Sequence[ClientMessage]) -> list[Item]:
    """Return user messages and replies in the client's history, in the same form."""
    items: list[Item] = []
    texts: list[str] = []
    begin = end = 0
    for place, message in enumerate(history):
        if message["role"] == "user":
            items += _replied(texts, begin, end)
            texts = []
            items.append(_said(message["text"], place))
        elif message["role"] == "assistant" and message["text"].strip():
            begin, end = begin if texts else place, place + 1
            texts.append(message["text"])
    return [*items, *_replied(texts, begin, end)]


def _said(text: str, place: int) -> Item:
    return Item("user", caller_words(text[:MOST_CHARACTERS]), place, place + 1, texts=(text,))


def _replied(texts: Sequence[str], begin: int, end: int, own: Iterable[bool] = ()) -> list[Item]:
    words = [spoken_words(text) for text in texts]
    if not any(words):
        return []
    made = tuple(own)
    mine = any(by_us and said for by_us, said in zip(made, words, strict=False))
    parts = tuple(accumulate(map(len, words[:-1]))) if len(words) > 1 else ()
    mixed = made if mine and not all(made) else ()
    return [Item("assistant", "".join(words), begin, end, mine, tuple(texts), parts, mixed)]


def digest_of(items: Sequence[Item]) -> str:
    """Return a digest of the history, independent of punctuation."""
    return digests_of(items)[1]


def digests_of(items: Sequence[Item]) -> tuple[str, str]:
    """Return the digests of a history without its last item, and of all of it."""
    *before, last = [f"{item.role}:{item.words}".encode("utf-8", "replace") for item in items] or [b""]
    digest = hashlib.sha256(b"".join(said + b"\0" for said in before))
    first = digest.hexdigest()[:16]
    digest.update(last)
    return first, digest.hexdigest()[:16]


def spoken_words(text: str) -> str:
    """Return the words of a reply for comparison, without voice tags unless it has nothing else."""
    text = text[:MOST_CHARACTERS]
    return bare_words(without_tags(text)) or bare_words(text)


def _is_own(message: AnyMessage) -> bool:
    return isinstance(message, AIMessage) and "finish_reason" in message.response_metadata
