"""Cut a reply to what the caller heard of it: a prefix by words.

Speech-to-text drops punctuation and changes white space and case, so only letters and digits count.
"""

import re
import unicodedata
from collections.abc import Sequence

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall

from .preamble import PREAMBLE
from .reply import SPOKEN

# Scripts without blanks (Thai, Lao, Khmer, kana, Chinese characters): each letter is a word.
_UNSPACED = "\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")
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
    return [*messages[: start + 1], *cut_replies(messages[start + 1 :], heard)]


def cut_replies(messages: Sequence[AnyMessage], heard: str) -> list[AnyMessage]:
    """Return replies that follow each other, tool results in between, cut to `heard` all together."""
    left = bare_words(heard)
    kept: list[AnyMessage] = []
    for message in messages:
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

    `heard` is bare, without blanks, so that "ice cream" matches "ice-cream"; only whole words count. What
    has no letters, a dash or an emoji, makes no difference.
    """
    end = 0
    for word in _WORD.finditer(spoken):
        bare = bare_words(word.group())
        if not bare:
            continue
        if not heard.startswith(bare):
            return end, "", False
        heard = heard[len(bare) :]
        end = word.end()
    return end, heard, True


def behind(text: str, words: str) -> str:
    """Return what of `text` stands behind its beginning that says `words`, which are bare."""
    return text[_match(text, words)[0] :].strip()


def bare_words(text: str) -> str:
    """Return only the letters and digits of a text, in one case: what makes words the same."""
    return _SILENT.sub("", unicodedata.normalize("NFKC", text)).casefold()


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
    """Return what of each part was heard; the parts were spoken in this order, fillers in between."""
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
