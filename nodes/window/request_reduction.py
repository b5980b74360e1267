"""Reduce a refused request step by step, down to the last user message.

What a server refused is left out of the turn's later requests, and of the window after the turn: otherwise
every later turn would be refused too. It stays in the record.
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
"""Number of characters from which a window may be too long for a small model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReducedRequest:
    """The parts of a turn that go into a request."""

    refused: Refused
    """The parts of the window that are left out."""
    form: RequestForm | None = None
    """The request form, overriding the model's own."""
    note: str | None = None
    """What the model must know about tool results that the request omits."""
    bare: bool = False
    """True for a request without tools and settings."""


def nothing_refused() -> Refused:
    """Return the mark of a turn that was accepted completely."""
    return Refused(left=[], in_words=[], withheld=[])


def joined(first: Refused | None, second: Refused) -> Refused:
    """Return both marks combined."""
    if first is None:
        return second
    return Refused(
        left=[*first["left"], *second["left"]],
        in_words=[*first["in_words"], *second["in_words"]],
        withheld=[*first["withheld"], *second["withheld"]],
    )


def without_refused(window: Sequence[AnyMessage], refused: Refused | None) -> list[AnyMessage]:
    """Return the window without the refused parts.

    In messages reduced to text, pictures are described, and tool calls and results are left out.
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


def may_reduce(error: ModelError, window: Sequence[AnyMessage]) -> bool:
    """Return whether a reduced request may be answered.

    Some servers fail on a request that is too long; on a short one they fail for another reason.
    """
    if isinstance(error, ModelUnavailable) and error.crashed:
        return sum(len(str(message.text)) for message in window) > _LONG
    return isinstance(error, RequestRefused | ContextTooLong)


def reduced_requests(window: Sequence[AnyMessage], error: ModelError) -> Iterator[ReducedRequest]:
    """Yield requests to try after `window` was refused for this reason, each with less in it."""
    last = _last_words(window)
    steps = window[last + 1 :]
    results = [message for message in steps if isinstance(message, ToolMessage)]
    if isinstance(error, RequestRefused) and not isinstance(error, ContentFiltered):
        yield ReducedRequest(refused=nothing_refused(), form=PLAINEST)
        if steps:
            in_words = Refused(left=[], in_words=_ids(steps), withheld=[])
            yield ReducedRequest(refused=in_words, form=PLAINEST, note=_results(results))
    if results and not isinstance(error, ContextTooLong):
        yield ReducedRequest(refused=Refused(left=[], in_words=[], withheld=_ids(results)))
    if isinstance(error, RequestRefused) and not isinstance(error, ContentFiltered):
        earlier = Refused(left=[], in_words=_ids(window[: last + 1]), withheld=_ids(results))
        if without_refused(window[: last + 1], earlier) != list(window[: last + 1]):
            yield ReducedRequest(refused=earlier)
    if not isinstance(error, ContentFiltered) and (older := _older_half(window)):
        yield ReducedRequest(refused=Refused(left=older, in_words=[], withheld=[]))
        if results:
            yield ReducedRequest(refused=Refused(left=older, in_words=[], withheld=_ids(results)))
    alone = Refused(left=_ids(window[: max(last, 0)]), in_words=_ids(window[max(last, 0) :]), withheld=[])
    yield ReducedRequest(refused=alone, form=PLAINEST, note=_ran(results), bare=True)


def newest(window: Sequence[AnyMessage]) -> Refused:
    """Return the mark for a turn refused in every form: its tool steps, or the last user message."""
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
    """Return the results of this turn's tools as text."""
    told = [f"{message.name or 'A tool'} returned: {message.text}" for message in results]
    return "\n".join(["These tools have run in this turn; do not run them again.", *told])


def _ran(results: Sequence[ToolMessage]) -> str | None:
    """Return which tools have run in this turn, if their results cannot be shown."""
    told = [f"{message.name or 'A tool'} has run ({message.status}). {WITHHELD}" for message in results]
    return "\n".join(told) or None
