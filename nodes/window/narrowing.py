"""What is asked after a refusal: the same again with less in it, down to the user's last words alone.

What a server refused stays out of the turn's later requests and leaves the window at its end: each later
turn would be refused as well. The record keeps it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from ...state.errors import ContentFiltered, ContextTooLong, ModelError, ModelUnavailable, RequestRefused
from ...state.schema import Refused
from ..model.request.request_form import PLAINEST, RequestForm
from ..model.request.request_messages import words_alone
from ..tools.results.results import WITHHELD
from .barge_in.heard import spoken_text
from .trim import trim

_LONG = 2_000
"""Characters of a window that may be too long for a small model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What of a turn goes into a request."""

    refused: Refused
    """What of the window stays out of it."""
    form: RequestForm | None = None
    """How the request is written, in place of the model's own form."""
    note: str | None = None
    """What the model must know of tools that the request does not show."""
    bare: bool = False
    """True for a request without tools and settings."""


def nothing_refused() -> Refused:
    """Return the mark of a turn of which all was accepted."""
    return Refused(left=[], in_words=[], withheld=[])


def joined(first: Refused | None, second: Refused) -> Refused:
    """Return both marks as one."""
    if first is None:
        return second
    return Refused(
        left=[*first["left"], *second["left"]],
        in_words=[*first["in_words"], *second["in_words"]],
        withheld=[*first["withheld"], *second["withheld"]],
    )


def without_refused(window: Sequence[AnyMessage], refused: Refused | None) -> list[AnyMessage]:
    """Return the window without what a server refused.

    Of messages that are told in words pictures are described, tool calls are left out, and their results too.
    """
    if not refused or refused == nothing_refused():
        return list(window)
    kept: list[AnyMessage] = []
    for message in window:
        if message.id in refused["left"]:
            continue
        if message.id in refused["in_words"]:
            kept += _in_words(message)
        elif message.id in refused["withheld"]:
            kept.append(message.model_copy(update={"content": WITHHELD}))
        else:
            kept.append(message)
    return kept


def may_narrow(error: ModelError, window: Sequence[AnyMessage]) -> bool:
    """Return true when a request with less in it may be answered.

    Some servers break down over a request that is too long; over a short one they do for another reason.
    """
    if isinstance(error, ModelUnavailable) and error.crashed:
        return sum(len(str(message.text)) for message in window) > _LONG
    return isinstance(error, RequestRefused | ContextTooLong)


def narrower(window: Sequence[AnyMessage], error: ModelError) -> Iterator[Asked]:
    """Yield what to ask after `window` was refused for this reason, each time with less in it."""
    last = _last_words(window)
    steps = window[last + 1 :]
    results = [message for message in steps if isinstance(message, ToolMessage)]
    if isinstance(error, RequestRefused) and not isinstance(error, ContentFiltered):
        yield Asked(refused=nothing_refused(), form=PLAINEST)
        if steps:
            in_words = Refused(left=[], in_words=_ids(steps), withheld=[])
            yield Asked(refused=in_words, form=PLAINEST, note=_results(results))
    if results and not isinstance(error, ContextTooLong):
        yield Asked(refused=Refused(left=[], in_words=[], withheld=_ids(results)))
    if isinstance(error, RequestRefused) and not isinstance(error, ContentFiltered):
        earlier = Refused(left=[], in_words=_ids(window[: last + 1]), withheld=_ids(results))
        if without_refused(window[: last + 1], earlier) != list(window[: last + 1]):
            yield Asked(refused=earlier)
    if not isinstance(error, ContentFiltered) and (older := _older_half(window)):
        yield Asked(refused=Refused(left=older, in_words=[], withheld=[]))
        if results:
            yield Asked(refused=Refused(left=older, in_words=[], withheld=_ids(results)))
    alone = Refused(left=_ids(window[: max(last, 0)]), in_words=_ids(window[max(last, 0) :]), withheld=[])
    yield Asked(refused=alone, form=PLAINEST, note=_ran(results), bare=True)


def newest(window: Sequence[AnyMessage]) -> Refused:
    """Return the mark for a turn that was refused in any form: its tool steps, or the user's last words."""
    last = _last_words(window)
    steps = _ids(window[last + 1 :])
    return Refused(left=[] if steps else _ids(window[max(last, 0) :]), in_words=steps, withheld=[])


def _last_words(window: Sequence[AnyMessage]) -> int:
    return next((i for i in range(len(window) - 1, -1, -1) if isinstance(window[i], HumanMessage)), -1)


def _older_half(window: Sequence[AnyMessage]) -> list[str]:
    fits = max(2, len(window) // 2)
    evicted, _ = trim(window, limit=fits, minimum=max(1, fits // 2))
    return _ids(evicted)


def _ids(messages: Sequence[AnyMessage]) -> list[str]:
    return [message.id or "" for message in messages]


def _in_words(message: AnyMessage) -> list[AnyMessage]:
    if isinstance(message, ToolMessage):
        return []
    if isinstance(message, AIMessage) and message.tool_calls:
        text = spoken_text(message).strip()
        return [message.model_copy(update={"content": text, "tool_calls": []})] if text else []
    return words_alone([message])


def _results(results: Sequence[ToolMessage]) -> str:
    """Return what the tools of this turn gave, in words."""
    told = [f"{message.name or 'A tool'} returned: {message.text}" for message in results]
    return "\n".join(["These tools have run in this turn; do not run them again.", *told])


def _ran(results: Sequence[ToolMessage]) -> str | None:
    """Return which tools have run in this turn, when their results cannot be shown."""
    told = [f"{message.name or 'A tool'} has run ({message.status}). {WITHHELD}" for message in results]
    return "\n".join(told) or None
