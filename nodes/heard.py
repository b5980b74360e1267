"""Cut a reply to what the caller heard of it: a prefix by words.

Speech-to-text drops punctuation and changes white space and case, so only letters and digits count.
"""

import re
from collections.abc import Sequence

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from .preamble import PREAMBLE
from .reply import SPOKEN

_WORD = re.compile(r"\S+")
_SILENT = re.compile(r"[^\w]+", re.UNICODE)

UNHEARD = "unheard"
"""Key in a message's `additional_kwargs`: what was generated and never heard; kept for the record."""


def spoken_text(message: AnyMessage) -> str:
    """Return what went out to the caller for this message."""
    return str(message.additional_kwargs.get(SPOKEN, message.text)) if isinstance(message, AIMessage) else ""


def cut_turn(messages: Sequence[AnyMessage], heard: str) -> list[AnyMessage]:
    """Return the messages with the replies of the last turn cut to `heard`.

    Where `heard` stops being a prefix of what was spoken, the longest prefix by words counts. A reply of
    which nothing was heard comes back empty, for the record: `audible` takes it out of the window.
    """
    start = next(
        (i for i in range(len(messages) - 1, -1, -1) if isinstance(messages[i], HumanMessage)), len(messages)
    )
    left = _bare(heard)
    kept: list[AnyMessage] = list(messages[: start + 1])
    for message in messages[start + 1 :]:
        if not isinstance(message, AIMessage):
            kept.append(message)
            continue
        size, left, whole = _match(spoken_text(message), left)
        kept.append(message if whole else _cut(message, size))
    return kept


def audible(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return the messages without the replies of which nothing was heard and that called no tool."""
    return [m for m in messages if not (UNHEARD in m.additional_kwargs and _is_empty(m))]


def _is_empty(message: AnyMessage) -> bool:
    return isinstance(message, AIMessage) and not message.tool_calls and not message.text


def _match(spoken: str, heard: str) -> tuple[int, str, bool]:
    """Return how many characters of `spoken` were heard, what is left of `heard`, and if it was all.

    `heard` is bare, without blanks, so that "ice cream" matches "ice-cream"; only whole words count.
    """
    end = 0
    for word in _WORD.finditer(spoken):
        bare = _bare(word.group())
        if not heard or not heard.startswith(bare):
            return end, "", False
        heard = heard[len(bare) :]
        end = word.end()
    return end, heard, True


def _bare(text: str) -> str:
    return _SILENT.sub("", text).casefold()


def _cut(message: AIMessage, size: int) -> AIMessage:
    spoken = spoken_text(message)
    heard, unheard = spoken[:size].strip(), spoken[size:].strip()
    extra = {**message.additional_kwargs, UNHEARD: unheard}
    if not message.tool_calls:
        extra.pop(SPOKEN, None)
        return message.model_copy(update={"content": heard, "additional_kwargs": extra})
    text = message.text if heard.startswith(message.text) else heard
    calls = [
        {**call, "args": {**call["args"], PREAMBLE: _heard_part(call["args"].get(PREAMBLE, ""), heard)}}
        for call in message.tool_calls
    ]
    return message.model_copy(
        update={"content": text, "tool_calls": calls, "additional_kwargs": {**extra, SPOKEN: heard}}
    )


def _heard_part(preamble: object, heard: str) -> str:
    """Return the beginning of the preamble that was heard: all, a part at the end of `heard`, or nothing."""
    text = preamble if isinstance(preamble, str) else ""
    if text in heard:
        return text
    return next((text[:size] for size in range(len(text), 0, -1) if heard.endswith(text[:size])), "")
