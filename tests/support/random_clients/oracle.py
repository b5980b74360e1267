"""What a caller said and heard, kept by the call itself, and what of it stands in prompt and record."""

from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from .words import bare

Item = tuple[str, str]
"""Who spoke, and the bare words; replies that follow each other are one."""


class Truth:
    """All that was said and heard, in its order."""

    def __init__(self) -> None:
        self._spoken: list[Item] = []

    def said(self, words: str) -> None:
        """Add words of the caller that were final."""
        self._spoken.append(("user", words))

    def heard(self, text: str) -> None:
        """Add what the caller heard."""
        self._spoken.append(("assistant", text))

    def items(self, *more: str) -> list[Item]:
        """Return all of it, and more words of the caller."""
        return merged([*self._spoken, *(("user", words) for words in more)])


def merged(spoken: Iterable[Item]) -> list[Item]:
    """Return who spoke in turn, and the bare words."""
    items: list[Item] = []
    for role, text in spoken:
        words = bare(text)
        if not words:
            continue
        if items and items[-1][0] == role == "assistant":
            items[-1] = (role, items[-1][1] + words)
        else:
            items.append((role, words))
    return items


def holds(found: Sequence[Item], wanted: Sequence[Item], least: int, *, gaps: bool) -> bool:
    """Return whether items are the wanted ones, of which those before the last `least` may be missing.

    Without `gaps` all are there from the first one that is.
    """
    if least >= len(wanted) or not found:
        return list(found) == list(wanted)
    rest = list(wanted)
    for place, item in enumerate(reversed(found)):
        while rest and rest[-1] != item and not (place + 1 >= least and _is_end(item, rest[-1])):
            if place < least or not gaps:
                return False
            rest.pop()
        if not rest:
            return False
        rest.pop()
    return len(found) >= least


def _is_end(item: Item, whole: Item) -> bool:
    """Return whether an item is the end of a reply whose beginning is missing."""
    return item[0] == whole[0] == "assistant" and whole[1].endswith(item[1])


def in_prompt(prompt: Sequence[BaseMessage], *, through_last_words: bool) -> list[Item]:
    """Return what a prompt holds of a conversation; a reply's announcement of a tool was spoken too."""
    spoken: list[Item] = []
    last = max((at for at, message in enumerate(prompt) if isinstance(message, HumanMessage)), default=-1)
    for message in prompt[: last + 1] if through_last_words else prompt:
        if isinstance(message, HumanMessage):
            spoken.append(("user", str(message.text)))
        elif isinstance(message, AIMessage):
            calls: list[dict[str, Any]] = [dict(call) for call in message.tool_calls]
            spoken.append(("assistant", _with_announcements(str(message.text), calls)))
    return merged(spoken)


def in_record(record: Sequence[dict[str, Any]]) -> list[Item]:
    """Return what a thread's record holds as said and heard."""
    return merged(
        (message["role"], _with_announcements(message["text"], message["tool_calls"] or []))
        for message in record
        if message["role"] in ("user", "assistant") and message["status"] != "withdrawn"
    )


def _with_announcements(text: str, calls: Sequence[dict[str, Any]]) -> str:
    return " ".join([text, *(str(call["args"].get("pre_exec_msg") or "") for call in calls)])
