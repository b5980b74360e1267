"""Cut a reply to the prefix that the caller heard."""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall

from ...replies.reply import SPOKEN
from ...speech.preamble import PREAMBLE
from ...text.words import bare_words, words_of
from .hearing import hear

UNHEARD = "unheard"
"""Key in a message's `additional_kwargs`: what was generated but not heard, for the record."""
_NEAR = 10_000
"""If no word follows within this many characters, everything was heard."""


def spoken_text(message: AnyMessage) -> str:
    """Return what was sent to the caller for this message."""
    return str(message.additional_kwargs.get(SPOKEN, message.text)) if isinstance(message, AIMessage) else ""


def cut_turn(messages: Sequence[AnyMessage], heard: str) -> list[AnyMessage]:
    """Return the messages with the replies of the last turn cut to `heard`.

    Words that text-to-speech rewrote count as heard if `heard` continues with what follows them, see `hear`.
    A reply of which nothing was heard becomes empty, for the record; `audible` removes it from the window.
    """
    start = next(
        (i for i in range(len(messages) - 1, -1, -1) if isinstance(messages[i], HumanMessage)), len(messages)
    )
    return [*messages[: start + 1], *cut_replies(messages[start + 1 :], heard)]


def cut_replies(messages: Sequence[AnyMessage], heard: str) -> list[AnyMessage]:
    """Return consecutive replies, with tool results in between, cut together to `heard`."""
    left = hear(" ".join(spoken_text(m) for m in messages if isinstance(m, AIMessage)), heard).size
    kept: list[AnyMessage] = []
    for message in messages:
        if isinstance(message, AIMessage):
            text = spoken_text(message)
            size = min(max(0, left), len(text))
            left -= len(text) + 1
            message = _cut(message, size) if _has_words(text, size) else message
        kept.append(message)
    return kept


def _has_words(text: str, begin: int) -> bool:
    near = text[: begin + _NEAR]
    return any(bare_words(near[start:end]) for start, end in words_of(near, begin))


def audible(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return the messages without unheard replies that called no tool."""
    return [m for m in messages if not (UNHEARD in m.additional_kwargs and _is_empty(m))]


def _is_empty(message: AnyMessage) -> bool:
    return isinstance(message, AIMessage) and not message.tool_calls and not message.text


def _cut(message: AIMessage, size: int) -> AIMessage:
    spoken = spoken_text(message)
    rest = [spoken[size:].strip(), message.additional_kwargs.get(UNHEARD, "")]
    extra = {**message.additional_kwargs, UNHEARD: " ".join(part for part in rest if part)}
    heard = spoken[:size].strip()
    if not message.tool_calls:
        extra.pop(SPOKEN, None)
        return message.model_copy(update={"content": heard, "additional_kwargs": extra})
    text, *preambles = _heard_parts(spoken, size, [message.text, *map(_preamble, message.tool_calls)])
    calls = [
        {**call, "args": {**call["args"], PREAMBLE: preamble}} if PREAMBLE in call["args"] else call
        for call, preamble in zip(message.tool_calls, preambles, strict=True)
    ]
    return message.model_copy(
        update={"content": text, "tool_calls": calls, "additional_kwargs": {**extra, SPOKEN: heard}}
    )


def _preamble(call: ToolCall) -> str:
    text = call["args"].get(PREAMBLE)
    return text if isinstance(text, str) else ""


def _heard_parts(spoken: str, size: int, parts: Sequence[str]) -> list[str]:
    """Return the heard text of each part; the parts were spoken in this order, with fillers in between."""
    heard: list[str] = []
    begin = 0
    for part in parts:
        at = spoken.find(part.strip(), begin)
        if at < 0:  # It was not spoken, so it was not heard.
            heard.append("")
            continue
        begin = at + len(part.strip())
        heard.append(part if begin <= size else spoken[at : max(at, size)].strip())
    return heard
